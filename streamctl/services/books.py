"""What several verbs write: a month's open invoice, and a line on it."""

from __future__ import annotations

from datetime import date

from peewee import IntegrityError

from streamctl.domain import invoices
from streamctl.domain.calendar import month_of
from streamctl.domain.terms import Terms
from streamctl.errors import BelowZero, InvoiceClosed
from streamctl.store.database import violated
from streamctl.store.models import Invoice, InvoiceLine

IS_OPEN = (Invoice.status == invoices.OUTSTANDING) & Invoice.issued_at.is_null()


def open_invoice(user: int, month: str) -> int | None:
    """The id of the user's open invoice of that month; there is one at most."""
    found = Invoice.select(Invoice.id).where((Invoice.user == user) & (Invoice.month == month) & IS_OPEN)
    return found.scalar()  # type: ignore[no-any-return]


def add_invoice(user: int, day: date, description: str | None = None) -> int:
    """A new open invoice of the user for that day's month; its id. Raises IntegrityError where one is open."""
    month = month_of(day)
    text = invoices.description(month) if description is None else description
    return int(
        Invoice.insert(
            user=user, date=day, month=month, description=text, status=invoices.OUTSTANDING, amount=0
        ).execute()
    )


def this_months_invoice(user: int, today: date) -> int:
    """The user's open invoice of the month it is, made if it is missing; its id."""
    return open_invoice(user, month_of(today)) or add_invoice(user, today)


def add_line(invoice: int, amount: int, kind: str, description: str, key: str | None = None) -> int:
    """A new line (minor units, signed); its id. The invoice's amount follows by itself. Raises BelowZero."""
    try:
        return int(
            InvoiceLine.insert(invoice=invoice, amount=amount, kind=kind, description=description, key=key).execute()
        )
    except IntegrityError as error:
        raise below_zero_or(error, invoice) from error


def below_zero_or(error: IntegrityError, invoice: int) -> Exception:
    """BelowZero when that is what the database refused; the error itself otherwise."""
    return BelowZero(invoice) if violated(error) == "below_zero" else error


def charge(terms: Terms, user: int, today: date, kind: str) -> tuple[int, int]:
    """Put the system's check-in or check-out line on this month's open invoice; the ids of invoice and line."""
    invoice = this_months_invoice(user, today)
    price, text = {
        invoices.CHECKIN: (terms.checkin_amount, invoices.CHECKIN_TEXT),
        invoices.CHECKOUT: (terms.checkout_amount, invoices.CHECKOUT_TEXT),
    }[kind]
    return invoice, add_line(invoice, terms.minor(price), kind, text)


def must_be_open(invoice: Invoice) -> None:
    """Raises InvoiceClosed unless the invoice may change."""
    if not invoices.is_open(invoice.status, invoice.issued_at):
        hint = None if invoice.status != invoices.OUTSTANDING else "An issued invoice is corrected by voiding it."
        raise InvoiceClosed(invoice.id, invoices.state(invoice.status, invoice.issued_at), hint)
