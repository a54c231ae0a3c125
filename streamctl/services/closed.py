"""Closed invoices: the refusal to change one, with the command by which what was wanted is got all the same."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

from streamctl.domain import invoices, money
from streamctl.domain.calendar import month_of
from streamctl.domain.terms import Terms
from streamctl.errors import InvoiceClosed, shell_quoted
from streamctl.services.books import open_invoice
from streamctl.store.models import Invoice
from streamctl.store.records import IS_OPEN


class Wish(NamedTuple):
    """What a command would have changed: the amount by so many minor units, or the member, the day or the text.

    `options` are those of the line that would have been added, but for its amount.
    """

    difference: int | None = None
    options: str = ""
    member: int | None = None
    day: str | None = None
    text: str | None = None


NOTHING_ELSE = Wish()


def must_be_open(terms: Terms, invoice: Invoice, at: datetime, wish: Wish = NOTHING_ELSE) -> None:
    """Raises InvoiceClosed unless the invoice may change; its hint gets what was wished."""
    if not invoices.is_open(invoice.status, invoice.number, invoice.issued_at):
        raise InvoiceClosed(invoice.id, state_of(invoice), _other_way(terms, invoice, at, wish))


def state_of(invoice: Invoice) -> str:
    """The invoice's state in words."""
    return invoices.state(invoice.status, invoice.number, invoice.issued_at)


def is_final(invoice: Invoice) -> bool:
    """Whether the invoice keeps its lines, member, date and text for ever."""
    return invoices.is_final(invoice.number, invoice.issued_at)


def reopening(invoice: Invoice) -> str:
    """The hint that opens the invoice, or names the open one of its member and month that stands against that."""
    other = None if is_final(invoice) else open_invoice(invoice.user_id, invoice.month)
    if other is None:
        return f"Open it again with: streamctl invoices reopen {invoice.id}"
    return f"Member {invoice.user_id} has an open one for {invoice.month}: streamctl invoices show {other}"


def billing_anew(
    terms: Terms, invoice: Invoice, total: int, *, member: int | None = None, day: str | None = None, text: str = ""
) -> str:
    """The commands that void the invoice, and bill that total (minor units) instead, to another member or on another
    day where they are given. Empty where that is more than a line can be.
    """
    if not 0 <= total <= money.most(terms.currency):
        return ""
    user, date_ = member or invoice.user_id, day or invoice.date.isoformat()
    void = f"streamctl invoices void {invoice.id}"
    amount = _amount(terms, "--amount", total) if total else ""
    if not amount and not (member or day or text):
        return void
    described = f" --description {shell_quoted(text)}" if text else ""
    other = open_invoice(user, month_of(date.fromisoformat(date_)))
    if other is None:
        return f"{void} && streamctl invoices create {user} --date {date_} --extra{amount}{described}"
    return f"{void} && streamctl lines add {other}{amount}{described}"


def _other_way(terms: Terms, invoice: Invoice, at: datetime, wish: Wish) -> str:
    if not is_final(invoice) and open_invoice(invoice.user_id, invoice.month) is None:
        return reopening(invoice)
    difference = wish.difference or 0
    if invoice.status == invoices.OUTSTANDING and (difference < 0 or wish.member or wish.day or wish.text):
        total = invoice.amount + difference
        text = wish.text or (f"Instead of {invoice.number}" if invoice.number and total else "")
        if anew := billing_anew(terms, invoice, total, member=wish.member, day=wish.day, text=text):
            return f"Void it, and bill what it should be, with: {anew}"
    if difference < 0:
        return _discount(terms, invoice, wish)
    return "" if wish.difference is None else _charge(terms, invoice, terms.month(at), wish)


def _charge(terms: Terms, invoice: Invoice, month: str, wish: Wish) -> str:
    """The hint that charges the member elsewhere."""
    user, options = invoice.user_id, f"{_amount(terms, '--amount', wish.difference or 0)}{wish.options}"
    if (other := open_invoice(user, month)) is not None:
        return f"Charge it on the open invoice: streamctl lines add {other}{options}"
    create = f"streamctl invoices create {user} --extra"
    if wish.options or not wish.difference:
        return f'Charge it on a new invoice: streamctl lines add "$({create} --format ids)"{options}'
    return f"Charge it on a new invoice: {create}{options}"


def _discount(terms: Terms, invoice: Invoice, wish: Wish) -> str:
    """The hint that takes it off an open invoice of the member that has as much."""
    user, less = invoice.user_id, -(wish.difference or 0)
    enough = (Invoice.user == user) & IS_OPEN & (Invoice.amount >= less)
    found: Any = Invoice.select(Invoice.id).where(enough).order_by(Invoice.month.desc()).first()
    if found is not None:
        options = f"{_amount(terms, '--discount', less)}{wish.options}"
        return f"Take it off the open invoice: streamctl lines add {found.id}{options}"
    return (
        f"Take it off an open invoice of the member, when one comes to {money.spoken(less, terms.currency)}: "
        f"streamctl invoices list --member {user} --status OUT"
    )


def _amount(terms: Terms, option: str, minor: int) -> str:
    return f" {option} {money.plain(minor, terms.currency)}"
