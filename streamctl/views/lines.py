"""Lines as they are listed and shown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from streamctl.domain.records import Listing, Record
from streamctl.store.lookups import MemberRef, member_ids, present
from streamctl.store.models import Invoice, InvoiceLine
from streamctl.store.records import fetch
from streamctl.views.listings import Window, listing


def lines(
    window: Window,
    *,
    at: datetime,
    invoices: Collection[int] = (),
    members: Collection[MemberRef] = (),
    months: Collection[str] = (),
    kinds: Collection[str] = (),
) -> Listing:
    """The lines that pass all filters; an empty collection filters nothing.

    Raises NotFound, UnknownColumn, BadValue.
    """
    filters = []
    if invoices:
        filters.append(InvoiceLine.invoice.in_(present(Invoice, invoices)))
    if members:
        filters.append(Invoice.user.in_(member_ids(members)))
    if months:
        filters.append(Invoice.month.in_(months))
    if kinds:
        filters.append(InvoiceLine.kind.in_(kinds))
    return listing("line", filters, window, at)


def line(line: int, *, at: datetime) -> Record:
    """One line. Raises NotFound."""
    return fetch("line", present(InvoiceLine, [line]), at)[0]
