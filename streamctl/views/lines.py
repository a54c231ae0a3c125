"""Lines as they are listed and shown."""

from __future__ import annotations

from datetime import datetime

from streamctl.domain.records import Listing, Record
from streamctl.store.lookups import MemberRef, member_id, present
from streamctl.store.models import Invoice, InvoiceLine
from streamctl.store.records import fetch
from streamctl.views.listings import Window, listing


def lines(
    window: Window,
    *,
    at: datetime,
    invoice: int | None = None,
    member: MemberRef | None = None,
    month: str | None = None,
    kind: str | None = None,
) -> Listing:
    """The lines that pass all filters. Raises NotFound, UnknownColumn, BadValue."""
    filters = []
    if invoice is not None:
        filters.append(InvoiceLine.invoice == present(Invoice, [invoice])[0])
    if member is not None:
        filters.append(Invoice.user == member_id(member))
    if month is not None:
        filters.append(Invoice.month == month)
    if kind is not None:
        filters.append(InvoiceLine.kind == kind)
    return listing("line", filters, window, at)


def line(line: int, *, at: datetime) -> Record:
    """One line. Raises NotFound."""
    return fetch("line", present(InvoiceLine, [line]), at)[0]
