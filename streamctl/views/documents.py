"""Invoices as documents: few statements for many of them, none for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from peewee import JOIN, Case, chunked, fn

from streamctl.domain.calendar import as_day, as_instant, local_day
from streamctl.domain.documents import KINDS, Bill, LineGroup, Paper, Papers, Recipient, Seller
from streamctl.domain.invoices import VOID
from streamctl.domain.terms import Terms
from streamctl.store.database import rows, settings
from streamctl.store.lookups import present
from streamctl.store.models import Invoice, InvoiceLine, User
from streamctl.store.records import AT_ONCE


def named(ids: Iterable[int], terms: Terms, *, single: bool = False) -> Papers:
    """The documents of these invoices, each once, in their order. Raises NotFound before there is any."""
    return _papers(present(Invoice, ids), terms)._replace(single=single)


def of_month(month: str, terms: Terms) -> Papers:
    """The documents of all invoices of the month that are not void, by number and id; those without a number last."""
    standing = (Invoice.month == month) & (Invoice.status != VOID)
    ordered = Invoice.select(Invoice.id).where(standing).order_by(Invoice.number.asc(nulls="LAST"), Invoice.id)
    return _papers([number for (number,) in rows(ordered)], terms)._replace(month=month)


def _papers(ids: Sequence[int], terms: Terms) -> Papers:
    seller = Seller.of(settings())
    return Papers(seller, len(ids), _each(ids, seller, terms))


def _each(ids: Sequence[int], seller: Seller, terms: Terms) -> Iterator[Paper]:
    """Read the documents, so many at once that the statements don't count, so few that memory doesn't."""
    for chunk in chunked(ids, AT_ONCE):
        groups = _groups(chunk)
        found = {row[0]: row for row in rows(_invoices(chunk))}
        for number in chunk:
            yield _paper(found[number], tuple(groups.get(number, ())), seller, terms)


def _invoices(ids: Sequence[int]) -> Any:
    about = (Invoice.id, Invoice.number, Invoice.month, Invoice.status, Invoice.date, Invoice.issued_at)
    more = (Invoice.due_date, Invoice.paid_on, Invoice.description, Invoice.amount, Invoice.user, User.name, User.email)
    return Invoice.select(*about, *more).join(User, JOIN.LEFT_OUTER).where(Invoice.id.in_(ids))


def _groups(ids: Sequence[int]) -> dict[int, list[LineGroup]]:
    """The lines of these invoices in groups of one kind, text and amount, in the order they stand on a document."""
    line = InvoiceLine
    same = (line.invoice, line.kind, line.description, line.amount)
    place = Case(line.kind, [(kind, number) for number, kind in enumerate(KINDS)])
    count, amount, first = fn.COUNT(line.id), fn.SUM(line.amount), fn.MIN(line.id)
    query = line.select(line.invoice, line.kind, line.description, count, amount)
    grouped = query.where(line.invoice.in_(ids)).group_by(*same).order_by(line.invoice, place, first)
    found: dict[int, list[LineGroup]] = {}
    for invoice, *group in rows(grouped):
        found.setdefault(invoice, []).append(LineGroup(*group))
    return found


def _paper(row: tuple[Any, ...], groups: tuple[LineGroup, ...], seller: Seller, terms: Terms) -> Paper:
    number, given, month, status, day, issued, due, paid, description, amount, user, name, email = row
    dated, issued_at = as_day(day), as_instant(issued)
    assert dated is not None  # noqa: S101 (the column is NOT NULL)
    bill = Bill(number, given, month, status, dated, issued_at, as_day(due), as_day(paid), description)
    issued_on = issued_at and local_day(issued_at, terms.zone)
    return Paper(seller, Recipient(user, name, email), bill, issued_on, terms.currency, groups, amount)
