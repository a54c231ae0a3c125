"""What was earned and what is owed, summed by the database."""

from __future__ import annotations

from datetime import date, timedelta

from peewee import SQL, Case, fn

from streamctl.domain.calendar import month_of, start_of
from streamctl.domain.invoices import OUTSTANDING, PAID, VOID
from streamctl.domain.records import AGEING, REVENUE, Column, Listing
from streamctl.domain.terms import Terms
from streamctl.store.database import rows
from streamctl.store.models import Invoice, InvoiceLine

KEYS = {"month": Invoice.month, "kind": InvoiceLine.kind, "status": Invoice.status}
NOT_DUE = "not due"
BUCKETS = {"0-30": 30, "31-60": 60, "61-90": 90}  # the last day past due that is in each
OLDEST = "90+"


def revenue(by: str = "month", *, first: date | None = None, last: date | None = None) -> Listing:
    """The sums of the lines by `month`, `kind` or `status`, of the invoices dated from `first` to `last` inclusive.

    Those of void invoices are no revenue and nowhere in it, so that each way makes the same total.
    """
    filters = [Invoice.status != VOID]
    # The month is compared too, because the index is by it.
    if first is not None:
        filters += [Invoice.date >= first, Invoice.month >= month_of(first)]
    if last is not None:
        filters += [Invoice.date <= last, Invoice.month <= month_of(last)]
    query = (
        InvoiceLine.select(
            KEYS[by],
            fn.COUNT(InvoiceLine.invoice.distinct()),
            fn.COUNT(InvoiceLine.id),
            fn.SUM(InvoiceLine.amount).cast("BIGINT"),
        )
        .join(Invoice)
        .where(*filters)
        .group_by(KEYS[by])
        .order_by(KEYS[by])
    )
    # An invoice has lines of many kinds: their numbers of invoices don't add up.
    sums = ("lines", "amount") if by == "kind" else ("invoices", "lines", "amount")
    return Listing((Column(by), *REVENUE), rows(query), bar="amount").totalled(*sums)


def ageing(terms: Terms, *, on: date) -> Listing:
    """What was issued and neither paid nor void at the end of that day, by the days past due: five rows, always.

    A day long past is answered as on that day, though what was owed then may be paid by now.
    """
    end = start_of(on + timedelta(days=1), terms.zone)
    still_open = (
        (Invoice.status == OUTSTANDING)
        | ((Invoice.status == PAID) & (Invoice.paid_on > on))
        | ((Invoice.status == VOID) & (Invoice.voided_at >= end))
    )
    until = [(Invoice.due_date >= on - timedelta(days=days), name) for name, days in BUCKETS.items()]
    not_due = Invoice.due_date.is_null() | (Invoice.due_date > on)
    bucket = Case(None, [(not_due, NOT_DUE), *until], OLDEST)
    query = (
        Invoice.select(bucket, fn.COUNT(Invoice.id), fn.SUM(Invoice.amount).cast("BIGINT"))
        .where(Invoice.issued_at < end, Invoice.amount > 0, still_open)
        .group_by(SQL("1"))
    )
    found = {name: (name, *sums) for name, *sums in rows(query)}
    buckets = [found.get(name, (name, 0, 0)) for name in (NOT_DUE, *BUCKETS, OLDEST)]
    return Listing(AGEING, buckets, bar="amount").totalled("invoices", "amount")
