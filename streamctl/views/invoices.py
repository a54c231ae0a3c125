"""Invoices as they are listed and shown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal

from peewee import SQL

from streamctl.domain.invoices import OUTSTANDING
from streamctl.domain.records import OVERDUE, Column, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import NotFound
from streamctl.store.expressions import days_between
from streamctl.store.lookups import MemberRef, member_ids
from streamctl.store.models import Invoice
from streamctl.store.records import invoice_with_lines
from streamctl.views import log
from streamctl.views.listings import Window, listing


def invoices(
    window: Window,
    terms: Terms,
    *,
    at: datetime,
    members: Collection[MemberRef] = (),
    statuses: Collection[str] = (),
    months: Collection[str] = (),
    first: date | None = None,
    last: date | None = None,
    least: Decimal | None = None,
    most: Decimal | None = None,
) -> Listing:
    """The invoices that pass all filters; days and amounts are inclusive, and an empty collection filters nothing.

    Raises NotFound, UnknownColumn, BadValue.
    """
    filters = []
    if members:
        filters.append(Invoice.user.in_(member_ids(members)))
    if statuses:
        filters.append(Invoice.status.in_(statuses))
    if months:
        filters.append(Invoice.month.in_(months))
    if first is not None:
        filters.append(Invoice.date >= first)
    if last is not None:
        filters.append(Invoice.date <= last)
    if least is not None:
        filters.append(Invoice.amount >= terms.minor_total(least))
    if most is not None:
        filters.append(Invoice.amount <= terms.minor_total(most))
    return listing("invoice", filters, window, at)


def overdue(window: Window, terms: Terms, *, at: datetime, days: int = 1) -> Listing:
    """The issued invoices that are unpaid `days` days or more after the day they were due, the oldest first.

    Raises UnknownColumn, BadValue.
    """
    today = terms.today(at).isoformat()
    late = days_between(Invoice.due_date, today)
    # One of 0 that an older version issued is owed by nobody.
    filters = [Invoice.status == SQL(f"'{OUTSTANDING}'"), Invoice.issued_at.is_null(is_null=False), Invoice.amount > 0]
    # The day itself is compared too, because the index is by it.
    filters += [Invoice.due_date < today, late >= days]
    oldest_first = window if window.sort is not None else window._replace(sort="due_date")
    return listing("invoice", filters, oldest_first, at, columns=OVERDUE, more={"days_overdue": late})


def invoice(invoice: int, *, at: datetime, history: bool = False) -> Record:
    """One invoice with its lines, and with the log's entries about it where that is asked. Raises NotFound."""
    record = invoice_with_lines(invoice, at)
    if record is None:
        raise NotFound("invoice", [invoice], "See what there is with: streamctl invoices list")
    if history:
        record = record._replace(
            columns=(*record.columns, Column("history", "rows")), row=(*record.row, log.history(invoice, at=at))
        )
    return record
