"""All entities of the business on one page; the log's are in `logbook`.

What the database itself enforces of them stands in `migrations/`.
"""

from __future__ import annotations

from peewee import (
    BigAutoField,
    BigIntegerField,
    DatabaseProxy,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

from streamctl.store.fields import DayField, InstantField

database = DatabaseProxy()


class Entity(Model):
    """Base: the database that `store.database.opened` has open."""

    class Meta:
        database = database
        legacy_table_names = False


class User(Entity):
    id = BigAutoField()
    email = TextField()
    email_key = TextField()
    name = TextField(null=True)
    created_at = InstantField()


class Membership(Entity):
    """Half-open: valid from `start_date` up to but not including `end_date`. The fee is a month's, in minor units."""

    id = BigAutoField()
    user_id: int
    user = ForeignKeyField(User, column_name="user", object_id_name="user_id")
    state = TextField()
    credit_limit = IntegerField()
    fee = BigIntegerField()
    start_date = DayField()
    end_date = DayField()
    cancelled_on = DayField(null=True)


class Invoice(Entity):
    """One month of one user. Triggers keep `amount` (minor units) the sum of the lines."""

    id = BigAutoField()
    user_id: int
    user = ForeignKeyField(User, column_name="user", object_id_name="user_id")
    date = DayField()
    month = TextField()
    description = TextField()
    status = TextField()
    amount = BigIntegerField(default=0)
    number = TextField(null=True)
    issued_at = InstantField(null=True)
    due_date = DayField(null=True)
    paid_on = DayField(null=True)
    voided_at = InstantField(null=True)
    note = TextField(null=True)


class InvoiceLine(Entity):
    id = BigAutoField()
    invoice_id: int
    invoice = ForeignKeyField(Invoice, column_name="invoice", object_id_name="invoice_id")
    amount = BigIntegerField()
    description = TextField()
    kind = TextField()
    key = TextField(null=True)


class Stream(Entity):
    id = BigAutoField()
    user_id: int
    user = ForeignKeyField(User, column_name="user", object_id_name="user_id")
    ref = TextField(null=True)
    device = TextField(null=True)
    opened_at = InstantField()
    seen_at = InstantField()
    expires_at = InstantField(null=True)
    closed_at = InstantField(null=True)
    close_reason = TextField(null=True)
    checkin_line_id: int | None
    checkin_line = ForeignKeyField(
        InvoiceLine, null=True, column_name="checkin_line", object_id_name="checkin_line_id", backref="opened"
    )
    checkout_line_id: int | None
    checkout_line = ForeignKeyField(
        InvoiceLine, null=True, column_name="checkout_line", object_id_name="checkout_line_id", backref="closed"
    )


class Request(Entity):
    """What a key was used for, and what was answered. `member` is kept when the user is deleted; rows never are."""

    id = BigAutoField()
    key = TextField()
    action = TextField()
    member = BigIntegerField()
    parameters = TextField()
    receipt = TextField()
    at = InstantField()


class Setting(Entity):
    key = TextField(primary_key=True)
    value = TextField()


class Counter(Entity):
    """The last number given of a kind, such as `invoice_number`."""

    name = TextField(primary_key=True)
    value = BigIntegerField()


BOOKS = (User, Membership, Invoice, InvoiceLine, Stream, Request, Setting, Counter)
