"""The log's entities. A page of their own, because every command writes the log and hardly any reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from peewee import BigAutoField, BigIntegerField, Case, ForeignKeyField, TextField, fn

from streamctl.domain.records import ENTRY
from streamctl.store.fields import InstantField
from streamctl.store.models import BOOKS, Counter, Entity


class Journal(Entity):
    """What one write transaction did: when (real time), by whom, with which command. Rows never change, nor go.

    Of a set `selection` says which, as JSON; `sum` is minor units.
    """

    id = BigAutoField()
    at = InstantField()
    as_of = InstantField(null=True)
    actor = TextField()
    command = TextField()
    count = BigIntegerField()
    sum = BigIntegerField(null=True)
    selection = TextField(null=True)
    undoes_id: int | None
    undoes = ForeignKeyField("self", null=True, column_name="undoes", object_id_name="undoes_id", backref="undone_by")


class JournalRow(Entity):
    """A row that an entry changed, `first` to `last` being the same: its columns before and after, as JSON.

    Of a row that was made there is no before, of one that was deleted no after, and of a set neither.
    """

    id = BigAutoField()
    entry_id: int
    entry = ForeignKeyField(Journal, column_name="entry", object_id_name="entry_id", backref="rows")
    entity = TextField()
    first = BigIntegerField(null=True)
    last = BigIntegerField(null=True)
    member = BigIntegerField(null=True)
    invoice = BigIntegerField(null=True)
    before = TextField(null=True)
    after = TextField(null=True)


class JournalPerson(Entity):
    """What a member was called before and after an entry; `members erase` takes it out."""

    id = BigAutoField()
    entry_id: int
    entry = ForeignKeyField(Journal, column_name="entry", object_id_name="entry_id", backref="persons")
    member = BigIntegerField()
    before = TextField(null=True)
    after = TextField(null=True)


# All there is, and the schema that a younger table came with.
ENTITIES = (*BOOKS, Journal, JournalRow, JournalPerson)
SINCE: dict[Any, int] = {Counter: 2, Journal: 3, JournalRow: 3, JournalPerson: 3}


def expressions() -> Mapping[str, Any]:
    """Every column of an entry as an expression."""
    own = {column.name: getattr(Journal, column.name, None) for column in ENTRY}
    undoing = Journal.alias()
    undone = undoing.select(undoing.id).where(undoing.undoes == Journal.id)
    return {**own, "undone_by": undone, **{name: _only(name) for name in ("member", "invoice")}}


def _only(name: str) -> Any:
    """The member or the invoice that all rows of an entry are about; null where it is not one."""
    column = getattr(JournalRow, name)
    same = Case(None, [(fn.MIN(column) == fn.MAX(column), fn.MIN(column))])
    return JournalRow.select(same).where(JournalRow.entry == Journal.id)
