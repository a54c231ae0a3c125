"""Numbers for invoices, and a short way to those that have none yet and to those past due."""

from peewee import BigIntegerField, Check, Model, SqliteDatabase, TextField


def up(migrator, db):
    sqlite = isinstance(db, SqliteDatabase)

    class Counter(Model):
        name = TextField(primary_key=True)
        value = BigIntegerField()

        class Meta:
            database = db
            legacy_table_names = False
            strict_tables = sqlite
            constraints = [Check("value >= 0", "value")]

    db.create_tables([Counter], safe=False)
    for statement in (
        "INSERT INTO counter (name, value) VALUES ('invoice_number', 0)",
        "CREATE INDEX invoice_unnumbered ON invoice (month) WHERE number IS NULL",
        "CREATE INDEX invoice_due ON invoice (due_date) WHERE status = 'OUT' AND issued_at IS NOT NULL",
    ):
        db.execute_sql(statement)
    # What a customer was sent is kept: a number that was given never goes missing.
    trigger = "CREATE TRIGGER invoice_kept BEFORE DELETE ON invoice"
    sent = "OLD.number IS NOT NULL OR OLD.issued_at IS NOT NULL"
    if sqlite:
        db.execute_sql(f"{trigger} WHEN {sent} BEGIN SELECT RAISE(ABORT, 'constraint failed: issued'); END")
    else:
        refuse = "RAISE EXCEPTION 'issued' USING ERRCODE = 'check_violation', CONSTRAINT = 'issued'"
        db.execute_sql(f"CREATE FUNCTION invoice_kept() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {refuse}; END$$")
        db.execute_sql(f"{trigger} FOR EACH ROW WHEN ({sent}) EXECUTE FUNCTION invoice_kept()")
