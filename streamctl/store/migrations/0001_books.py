"""Members, their invoices and lines, their streams, and the requests that must not happen twice."""

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    Check,
    ForeignKeyField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)

from streamctl.store.fields import DayField, InstantField

MOST_MINOR_UNITS = 10**13  # below it fits 999,999,999.99 of a currency with four decimals


def up(migrator, db):
    sqlite = isinstance(db, SqliteDatabase)

    def id_():
        return BigAutoField(constraints=[SQL("AUTOINCREMENT")] if sqlite else None)

    def reference(model, column, on_delete="NO ACTION", **options):
        return ForeignKeyField(
            model, column_name=column, object_id_name=f"{column}_id", on_delete=on_delete, backref="+", **options
        )

    def days(*columns):
        """Real days of the years 2000 to 2999; PostgreSQL's own type knows which are real."""
        # Reckoned on by nothing, for SQLite hands 2026-02-30 back as it came where it has nothing to reckon.
        real = "{c} IS date({c}, '+0 days') AND " if sqlite else ""
        return [
            Check(f"{c} IS NULL OR ({real.format(c=c)}{c} >= '2000-01-01' AND {c} < '3000-01-01')", c) for c in columns
        ]

    def instants(*columns):
        return [
            Check(f"{c} IS NULL OR {c} IS strftime('%Y-%m-%dT%H:%M:%SZ', {c}, '+0 days')", c) for c in columns if sqlite
        ]

    def short(*columns):
        return [Check(f"length({c}) <= 255", f"{c}_length") for c in columns]

    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False
            strict_tables = sqlite

    class User(Table):
        id = id_()
        email = TextField()
        email_key = TextField(unique=True)
        name = TextField(null=True)
        created_at = InstantField()

        class Meta:
            constraints = [
                Check("length(email) BETWEEN 3 AND 254 AND email LIKE '%_@_%'", "email"),
                *short("name"),
                *instants("created_at"),
            ]

    class Membership(Table):
        id = id_()
        user = reference(User, "user", "CASCADE", unique=True)
        state = TextField()
        credit_limit = IntegerField()
        fee = BigIntegerField()
        start_date = DayField()
        end_date = DayField()
        cancelled_on = DayField(null=True)

        class Meta:
            constraints = [
                Check("state IN ('ACT', 'CANC')", "state"),
                Check("credit_limit BETWEEN 0 AND 1000", "credit_limit"),
                Check(f"fee >= 0 AND fee < {MOST_MINOR_UNITS}", "fee"),
                Check("end_date > start_date", "period"),
                Check("state = 'CANC' OR cancelled_on IS NULL", "cancelled"),
                *days("start_date", "end_date", "cancelled_on"),
            ]

    class Invoice(Table):
        id = id_()
        user = reference(User, "user", index=False)
        date = DayField()
        month = TextField()
        description = TextField()
        status = TextField()
        amount = BigIntegerField()
        number = TextField(null=True, unique=True)
        issued_at = InstantField(null=True)
        due_date = DayField(null=True)
        paid_on = DayField(null=True)
        voided_at = InstantField(null=True)
        note = TextField(null=True)

        class Meta:
            constraints = [
                Check("status IN ('OUT', 'PAID', 'VOID')", "status"),
                Check("amount >= 0", "below_zero"),
                Check("month = substr(date, 1, 7)" if sqlite else "month = to_char(date, 'YYYY-MM')", "month"),
                # Not the other way round: of invoices taken over from elsewhere the day may be unknown.
                Check("status = 'PAID' OR paid_on IS NULL", "paid"),
                Check("status = 'VOID' OR voided_at IS NULL", "voided"),
                Check("due_date IS NULL OR issued_at IS NOT NULL", "due"),
                *short("description", "note", "number"),
                *days("date", "due_date", "paid_on"),
                *instants("issued_at", "voided_at"),
            ]

    class InvoiceLine(Table):
        id = id_()
        invoice = reference(Invoice, "invoice", "CASCADE", index=True)
        amount = BigIntegerField()
        description = TextField()
        kind = TextField()
        key = TextField(null=True, unique=True)

        class Meta:
            constraints = [
                Check("kind IN ('manual', 'discount', 'adjustment', 'checkin', 'checkout', 'fee')", "kind"),
                Check(
                    "CASE kind WHEN 'adjustment' THEN true WHEN 'discount' THEN amount <= 0 ELSE amount >= 0 END",
                    "sign",
                ),
                Check(f"abs(amount) < {MOST_MINOR_UNITS}", "size"),
                *short("description", "key"),
            ]

    class Stream(Table):
        id = id_()
        user = reference(User, "user", index=True)
        ref = TextField(null=True, unique=True)
        device = TextField(null=True)
        opened_at = InstantField()
        seen_at = InstantField()
        expires_at = InstantField(null=True)
        closed_at = InstantField(null=True)
        close_reason = TextField(null=True)
        checkin_line = reference(InvoiceLine, "checkin_line", "SET NULL", null=True, unique=True)
        checkout_line = reference(InvoiceLine, "checkout_line", "SET NULL", null=True, unique=True)

        class Meta:
            constraints = [
                Check("(closed_at IS NULL) = (close_reason IS NULL)", "closed"),
                Check("close_reason IN ('checkout', 'expired', 'takeover')", "close_reason"),
                Check("seen_at >= opened_at AND closed_at >= opened_at AND expires_at > opened_at", "time_order"),
                Check("checkin_line <> checkout_line", "lines"),
                *short("ref", "device"),
                *instants("opened_at", "seen_at", "expires_at", "closed_at"),
            ]

    class Request(Table):
        id = id_()
        key = TextField()
        action = TextField()
        member = BigIntegerField()
        parameters = TextField()
        receipt = TextField()
        at = InstantField()

        class Meta:
            constraints = [*short("key"), *instants("at")]

    class Setting(Table):
        key = TextField(primary_key=True)
        value = TextField()

    db.create_tables([User, Membership, Invoice, InvoiceLine, Stream, Request, Setting], safe=False)

    for statement in (
        "CREATE UNIQUE INDEX invoice_open ON invoice (\"user\", month) WHERE status = 'OUT' AND issued_at IS NULL",
        'CREATE INDEX invoice_user_month ON invoice ("user", month)',
        "CREATE INDEX invoice_month ON invoice (month)",
        'CREATE INDEX stream_open ON stream ("user", opened_at, id) WHERE closed_at IS NULL',
        "CREATE INDEX stream_lease ON stream (expires_at) WHERE closed_at IS NULL AND expires_at IS NOT NULL",
        # One key opens once and closes once: a check-in and its check-out share it.
        "CREATE UNIQUE INDEX request_key ON request (key, (action = 'checkout'))",
    ):
        db.execute_sql(statement)

    # An invoice's amount is the sum of its lines, whoever writes them. A change is one step a row, so that
    # a line that grows never takes its invoice below 0 on the way.
    add = "UPDATE invoice SET amount = amount + NEW.amount WHERE id = NEW.invoice;"
    take = "UPDATE invoice SET amount = amount - OLD.amount WHERE id = OLD.invoice;"
    change = (
        "UPDATE invoice SET amount = amount + NEW.amount - OLD.amount WHERE id = NEW.invoice AND id = OLD.invoice;"
        "UPDATE invoice SET amount = amount + NEW.amount WHERE id = NEW.invoice AND id <> OLD.invoice;"
        "UPDATE invoice SET amount = amount - OLD.amount WHERE id = OLD.invoice AND id <> NEW.invoice;"
    )
    for name, event, effect in (
        ("added", "INSERT", add),
        ("changed", "UPDATE OF amount, invoice", change),
        ("removed", "DELETE", take),
    ):
        db.execute_sql(f"CREATE TRIGGER invoice_line_{name} AFTER {event} ON invoice_line BEGIN {effect} END")
