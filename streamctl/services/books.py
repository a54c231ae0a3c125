"""What several verbs write: a month's open invoice, and a line on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from peewee import IntegrityError, chunked

from streamctl.domain import invoices
from streamctl.domain.calendar import in_range, month_of
from streamctl.domain.terms import Terms
from streamctl.errors import BadValue, BelowZero
from streamctl.store.database import journal, tuples, violated
from streamctl.store.lookups import AT_ONCE
from streamctl.store.models import Invoice, InvoiceLine, Stream
from streamctl.store.prepared import Prepared
from streamctl.store.records import IS_OPEN

_open_invoice = Prepared(
    lambda user, month: Invoice.select(Invoice.id).where((Invoice.user == user) & (Invoice.month == month) & IS_OPEN)
)
_add_invoice = Prepared(
    lambda user, day, month, description: Invoice.insert(
        {
            Invoice.user: user,
            Invoice.date: day,
            Invoice.month: month,
            Invoice.description: description,
            Invoice.status: invoices.OUTSTANDING,
            Invoice.amount: 0,
        }
    )
)
_add_line = Prepared(
    lambda invoice, amount, description, kind, key: InvoiceLine.insert(
        {
            InvoiceLine.invoice: invoice,
            InvoiceLine.amount: amount,
            InvoiceLine.description: description,
            InvoiceLine.kind: kind,
            InvoiceLine.key: key,
        }
    )
)


def open_invoice(user: int, month: str) -> int | None:
    """The id of the user's open invoice of that month; there is one at most."""
    return next((int(invoice) for (invoice,) in _open_invoice(user, month)), None)


def add_invoice(user: int, day: date, description: str | None = None) -> int:
    """A new open invoice of the user for that day's month; its id. Raises IntegrityError where one is open."""
    month = month_of(day)
    text = invoices.description(month) if description is None else description
    invoice = _add_invoice.id(user, day.isoformat(), month, text)
    journal().added(Invoice, invoice)
    return invoice


def add_line(invoice: int, amount: int, kind: str, description: str, key: str | None = None) -> int:
    """A new line (minor units, signed); its id. The invoice's amount follows by itself. Raises BelowZero."""
    journal().changing(Invoice, [invoice], implied=True)
    try:
        line = _add_line.id(invoice, amount, description, kind, key)
    except IntegrityError as error:
        raise below_zero_or(error, invoice) from error
    journal().added(InvoiceLine, line)
    return line


def below_zero_or(error: IntegrityError, invoice: int) -> Exception:
    """BelowZero when that is what the database refused; the error itself otherwise."""
    return BelowZero(invoice) if violated(error) == "below_zero" else error


def charge(terms: Terms, user: int, today: date, kind: str, invoice: int | None) -> tuple[int, int]:
    """Put the system's check-in or check-out line on the month's open invoice, made if it is none; both ids."""
    if invoice is None:
        invoice = add_invoice(user, today)
    price = terms.checkin_amount if kind == invoices.CHECKIN else terms.checkout_amount
    return invoice, add_line(invoice, terms.minor(price), kind, invoices.TEXTS[kind])


def about_to_delete(invoices: Iterable[int]) -> None:
    """Tell the journal that these invoices go, their lines with them, and that streams lose those."""
    for chunk in chunked(invoices, AT_ONCE):
        journal().changing(Invoice, chunk)
        lines = [line for (line,) in tuples(InvoiceLine.select(InvoiceLine.id).where(InvoiceLine.invoice.in_(chunk)))]
        journal().changing(InvoiceLine, lines)
        for some in chunked(lines, AT_ONCE):
            held = Stream.checkin_line.in_(some) | Stream.checkout_line.in_(some)
            journal().changing(Stream, [stream for (stream,) in tuples(Stream.select(Stream.id).where(held))])


def due_day(terms: Terms, at: datetime) -> date:
    """The day on which what is issued at that instant is due. Raises BadValue beyond 2999."""
    try:
        return in_range(terms.today(at) + timedelta(days=terms.payment_days))
    except (ValueError, OverflowError):
        raise BadValue(
            "The due day is beyond the year 2999.", "Lower it with: streamctl db set payment_days 0"
        ) from None
