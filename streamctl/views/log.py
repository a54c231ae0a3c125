"""The log: what was done, when and by whom, and what it changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from peewee import SQL, fn

from streamctl.domain.calendar import start_of
from streamctl.domain.records import ENTRY, HISTORY, Column, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.store.database import ID_MOST, rows
from streamctl.store.journal import NOT_SAID
from streamctl.store.logbook import Journal, JournalPerson, JournalRow
from streamctl.store.lookups import MemberRef, id_in, member_id, present
from streamctl.store.models import Invoice, InvoiceLine, Membership, Stream, User
from streamctl.store.records import expressions, select, stored_columns
from streamctl.views.listings import Window, listing

ERASED = "(erased)"
_COLUMNS = {model._meta.table_name: stored_columns(model) for model in (User, Membership, Invoice, InvoiceLine, Stream)}
_UNSAID = {
    "user": ("id", "email_key"),
    **dict.fromkeys(("setting", "index", "trigger", "function"), ("key",)),
}


def entries(
    window: Window,
    terms: Terms,
    *,
    at: datetime,
    members: Collection[MemberRef] = (),
    invoices: Collection[int] = (),
    actors: Collection[str] = (),
    commands: Collection[str] = (),
    first: date | None = None,
    last: date | None = None,
) -> Listing:
    """The entries that pass all filters, the newest first; days are inclusive, and an empty collection filters nothing.

    A member or an invoice may be one that was deleted. Raises NotFound, UnknownColumn, BadValue.
    """
    filters = []
    if members:
        filters.append(_any(_about_member(_in_log(member)) for member in members))
    if invoices:
        filters.append(_any(_about_invoice(min(invoice, ID_MOST)) for invoice in invoices))
    if actors:
        filters.append(Journal.actor.in_(actors))
    if commands:
        named = ((Journal.command == command) | Journal.command.startswith(f"{command} ") for command in commands)
        filters.append(_any(named))
    if first is not None:
        filters.append(Journal.at >= start_of(first, terms.zone))
    if last is not None:
        filters.append(Journal.at < start_of(last + timedelta(days=1), terms.zone))
    newest_first = window if window.sort is not None else window._replace(sort="-id")
    return listing("entry", filters, newest_first, at)


def _any(conditions: Iterable[Any]) -> Any:
    return reduce(or_, conditions)


def _in_log(member: MemberRef) -> int:
    """The member's id. An e-mail is looked up among those who are there, an id is not: the log outlives them."""
    number = id_in(member)
    return member_id(member) if number is None else min(number, ID_MOST)


def entry(entry: int, *, at: datetime) -> Record:
    """One entry with its changes, a column of a row each. Raises NotFound."""
    present(Journal, [entry])
    ((*row,),) = rows(select("entry", ENTRY, expressions("entry", at)).where(Journal.id == entry))
    return Record((*ENTRY, Column("changes", "rows")), (*row, list(_changes(entry))))


def history(invoice: int, *, at: datetime) -> list[tuple[Any, ...]]:
    """The entries about an invoice and its lines as rows of `HISTORY`, the oldest first."""
    query = select("entry", HISTORY, expressions("entry", at))
    return list(rows(query.where(_about_invoice(invoice)).order_by(Journal.id)))


def _changes(entry: int) -> Iterator[tuple[Any, ...]]:
    """Rows of `records.CHANGE`."""
    persons = {
        member: [json.loads(image) if image else {} for image in images]
        for member, *images in rows(
            JournalPerson.select(JournalPerson.member, JournalPerson.before, JournalPerson.after).where(
                JournalPerson.entry == entry
            )
        )
    }
    columns = [getattr(JournalRow, name) for name in ("entity", "first", "last", "before", "after")]
    for table, first, last, *texts in rows(
        JournalRow.select(*columns).where(JournalRow.entry == entry).order_by(JournalRow.id)
    ):
        before, after = (json.loads(text) if text else None for text in texts)
        if before is None and after is None:
            yield table, first, last, None, None, None
            continue
        key = first if first is not None else (before or after or {})["key"]
        called = persons.get(first, [{}, {}]) if table == "user" else [{}, {}]
        change = "added" if before is None else "removed" if after is None else "changed"
        yield table, key, None, change, _fields(table, before, called[0]), _fields(table, after, called[1])


def _fields(table: str, image: dict[str, Any] | None, called: dict[str, Any]) -> list[tuple[Column, Any]] | None:
    """The columns with their values, and with what the member was called, unless that was erased since."""
    if image is None:
        return None
    names = image.pop(NOT_SAID, "").split()
    named = {**{name: called.get(name) if called else ERASED for name in names}, **image}
    known = {column.name: column for column in _COLUMNS.get(table, ())}
    unsaid = _UNSAID.get(table, ("id",))
    return [(known.get(name, Column(name)), value) for name, value in named.items() if name not in unsaid]


def _about_invoice(invoice: int) -> Any:
    lines = InvoiceLine.select(SQL("1")).where(
        (InvoiceLine.invoice == invoice) & InvoiceLine.id.between(JournalRow.first, JournalRow.last)
    )
    of_set = _is_set() & (
        ((JournalRow.entity == "invoice") & (JournalRow.first <= invoice) & (JournalRow.last >= invoice))
        | ((JournalRow.entity == "invoice_line") & fn.EXISTS(lines))
    )
    return _has_rows((JournalRow.invoice == invoice), of_set)


def _about_member(member: int) -> Any:
    def owned(model: Any) -> Any:
        ids = model.id.between(JournalRow.first, JournalRow.last)
        return fn.EXISTS(model.select(SQL("1")).where((model.user == member) & ids))

    lines = (
        Invoice.select(SQL("1"))
        .join(InvoiceLine, on=(InvoiceLine.invoice == Invoice.id))
        .where((Invoice.user == member) & InvoiceLine.id.between(JournalRow.first, JournalRow.last))
    )
    of_set = _is_set() & (
        ((JournalRow.entity == "user") & (JournalRow.first <= member) & (JournalRow.last >= member))
        | ((JournalRow.entity == "invoice") & owned(Invoice))
        | ((JournalRow.entity == "invoice_line") & fn.EXISTS(lines))
        | ((JournalRow.entity == "stream") & owned(Stream))
    )
    return _has_rows((JournalRow.member == member), of_set)


def _is_set() -> Any:
    return JournalRow.before.is_null() & JournalRow.after.is_null()


def _has_rows(alone: Any, of_set: Any) -> Any:
    """The entries that have a row for which one of these holds, each found through an index of its own."""
    entries = JournalRow.select(JournalRow.entry)
    return Journal.id.in_(entries.where(alone) | entries.where(of_set))
