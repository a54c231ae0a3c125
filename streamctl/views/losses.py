"""What a delete would take with it: for the question that is asked before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from peewee import chunked, fn

from streamctl.domain.records import Record
from streamctl.errors import NoDatabase
from streamctl.store.database import Place, opened, rows, snapshot
from streamctl.store.lookups import AT_ONCE, MemberRef, deleted_member, member_ids, present
from streamctl.store.models import Invoice, InvoiceLine, Stream, User
from streamctl.store.transfer import COUNTS, counts


class Loss(NamedTuple):
    """How many rows it is, and what they come to in minor units; of members also their ids, names and addresses."""

    invoices: int = 0
    lines: int = 0
    total: int = 0
    streams: int = 0
    members: tuple[tuple[int, str | None, str], ...] = ()


def of_invoices(ids: Iterable[int]) -> Loss:
    """These invoices with their lines. Raises NotFound."""
    with snapshot():
        wanted = present(Invoice, ids)
        return Loss(
            invoices=len(wanted),
            lines=_count(InvoiceLine.id, InvoiceLine.invoice, wanted),
            total=_total(Invoice, Invoice.id, wanted),
        )


def of_lines(ids: Iterable[int]) -> tuple[list[int], int]:
    """The invoices that these lines are on, and what the lines come to. Raises NotFound."""
    with snapshot():
        wanted = present(InvoiceLine, ids)
        owners = {owner for (owner,) in _rows([InvoiceLine.invoice], InvoiceLine.id, wanted)}
        return sorted(owners), _total(InvoiceLine, InvoiceLine.id, wanted)


def of_erasing(member: MemberRef) -> Loss:
    """This member with what stays of them; nobody where they were deleted, and only the log knows them.

    Raises NotFound.
    """
    return Loss() if deleted_member(member) is not None else of_members([member])


def of_database(place: Place, *, wait: float) -> Record | None:
    """How much is in the database at that place; None where there is none. Raises what opening it does."""
    try:
        with opened(place, wait=wait, any_schema=True):
            return Record(COUNTS, counts())
    except NoDatabase:
        return None


def of_members(members: Iterable[MemberRef]) -> Loss:
    """These members with their invoices and streams. Raises NotFound."""
    with snapshot():
        wanted = member_ids(members)
        people = {person[0]: person for person in _rows([User.id, User.name, User.email], User.id, wanted)}
        return Loss(
            invoices=_count(Invoice.id, Invoice.user, wanted),
            total=_total(Invoice, Invoice.user, wanted),
            streams=_count(Stream.id, Stream.user, wanted),
            members=tuple((user, *people[user][1:]) for user in wanted),
        )


def _count(counted: Any, column: Any, ids: Sequence[int]) -> int:
    return sum(number for (number,) in _rows([fn.COUNT(counted)], column, ids))


def _total(model: Any, column: Any, ids: Sequence[int]) -> int:
    return sum(int(number or 0) for (number,) in _rows([fn.SUM(model.amount)], column, ids))


def _rows(columns: Sequence[Any], column: Any, ids: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """These columns of the rows whose `column` is one of the ids, so many ids to a statement."""
    for chunk in chunked(ids, AT_ONCE):
        yield from rows(column.model.select(*columns).where(column.in_(chunk)))
