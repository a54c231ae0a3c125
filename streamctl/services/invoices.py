"""Invoices: made, changed while open, paid, voided, opened again, deleted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from peewee import IntegrityError, chunked, fn

from streamctl.domain import invoices, money
from streamctl.domain.calendar import month_of
from streamctl.domain.records import Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import InvoiceClosed, LineBound, MonthTaken, NotFound, TooMuch
from streamctl.services.books import (
    about_to_delete,
    add_invoice,
    add_line,
    below_zero_or,
    due_day,
    must_be_open,
    open_invoice,
)
from streamctl.store.database import journal, savepoint, transactional, violated
from streamctl.store.lookups import AT_ONCE, MemberRef, member_id, present
from streamctl.store.models import Invoice, InvoiceLine
from streamctl.store.records import IS_OPEN, fetched, invoice_with_lines


@transactional
def create(
    terms: Terms,
    member: MemberRef,
    *,
    at: datetime,
    day: date | None = None,
    status: str = invoices.OUTSTANDING,
    description: str | None = None,
    amount: Decimal | None = None,
    extra: bool = False,
) -> Record:
    """A new invoice of the member, its amount a first line; the invoice with its lines.

    Raises NotFound, BadValue, and MonthTaken where the member has a non-void invoice in that month (a closed one
    may stand beside it with `extra`).
    """
    user = member_id(member)
    today = terms.today(at)
    day = day or today
    month = month_of(day)
    of_month = (Invoice.user == user) & (Invoice.month == month)
    standing = Invoice.select().where(of_month & (Invoice.status != invoices.VOID)).order_by(~IS_OPEN, Invoice.id)
    if other := standing.first():
        closed = not invoices.is_open(other.status, other.number, other.issued_at)
        if not (closed and extra):
            raise MonthTaken(user, month, other.id, extra=closed)
    invoice = add_invoice(user, day, description)
    if amount:
        add_line(invoice, terms.minor(amount), invoices.MANUAL, "Charge")
    _move([invoice], status, today, at)
    return _shown(invoice, at)


@transactional
def update(
    terms: Terms,
    invoice: int,
    *,
    at: datetime,
    member: MemberRef | None = None,
    day: date | None = None,
    status: str | None = None,
    description: str | None = None,
    amount: Decimal | None = None,
) -> Record:
    """Change what is given of an open invoice; a new status comes last. The invoice with its lines.

    What is so already changes nothing, whatever the state. Raises NotFound, InvoiceClosed, LineBound, MonthTaken,
    BadValue.
    """
    present(Invoice, [invoice])
    journal().changing(Invoice, [invoice])
    found = Invoice.get_by_id(invoice)
    given: dict[str, Any] = {"description": description, "date": day}
    given |= {"user": member and member_id(member), "month": day and month_of(day)}
    before: dict[str, Any] = {name: getattr(found, "user_id" if name == "user" else name) for name in given}
    changes = {name: value for name, value in given.items() if value is not None and before[name] != value}
    difference = 0 if amount is None else terms.minor(amount) - _sum_of_lines(invoice)
    if changes or difference:
        must_be_open(found)
    if abs(difference) > terms.minor(money.MOST):
        raise TooMuch(
            f"The adjustment would be {money.spoken(difference, terms.currency)}, more than a line can be.",
            "Take it in steps.",
            invoice=invoice,
        )
    _change(invoice, before, changes)
    if difference:
        add_line(invoice, difference, invoices.ADJUSTMENT, invoices.ADJUSTMENT_TEXT)
    if amount is not None:
        _mend_amount(invoice)
    if status is not None:
        _move([invoice], status, terms.today(at), at)
    return _shown(invoice, at)


@transactional
def pay(terms: Terms, ids: Iterable[int], *, at: datetime, on: date | None = None, note: str | None = None) -> Listing:
    """Mark these invoices paid, on a day (today unless said), all or none; the invoices.

    One that is paid already stays as it is. Raises NotFound, InvoiceClosed.
    """
    wanted = present(Invoice, ids)
    journal().of_invoices = True
    journal().changing(Invoice, wanted)
    _move(wanted, invoices.PAID, on or terms.today(at), at, note)
    return fetched("invoice", wanted, at)


@transactional
def void(terms: Terms, ids: Iterable[int], *, at: datetime, reason: str | None = None) -> Listing:
    """Void these invoices, all or none; the invoices. One that is void already stays as it is.

    Raises NotFound, InvoiceClosed.
    """
    wanted = present(Invoice, ids)
    journal().of_invoices = True
    journal().changing(Invoice, wanted)
    _move(wanted, invoices.VOID, terms.today(at), at, reason)
    return fetched("invoice", wanted, at)


@transactional
def reopen(terms: Terms, ids: Iterable[int], *, at: datetime) -> Listing:
    """Make paid and void invoices outstanding again, all or none; the invoices.

    One that has a number is owed from then on: an issued one stays as it was issued, and another is issued now.
    Raises NotFound, MonthTaken where one would be open beside the member's open one of that month, and BadValue where
    the due day is beyond 2999.
    """
    wanted = present(Invoice, ids)
    journal().of_invoices = True
    journal().changing(Invoice, wanted)
    for invoice in _rows(wanted):
        owed = {"status": invoices.OUTSTANDING, "paid_on": None, "voided_at": None, **owed_again(terms, invoice, at)}
        try:
            with savepoint():
                Invoice.update(owed).where(Invoice.id == invoice.id).execute()
        except IntegrityError as error:
            raise _month_taken_or(error, invoice.user_id, invoice.month, invoice.id) from error
    return fetched("invoice", wanted, at)


@transactional
def delete(terms: Terms, ids: Iterable[int], *, at: datetime) -> Listing:
    """Delete these open or void, never issued invoices with their lines, all or none; what they were.

    Raises NotFound, InvoiceClosed.
    """
    wanted = present(Invoice, ids)
    gone = fetched("invoice", wanted, at)
    journal().of_invoices = True
    about_to_delete(wanted)
    for invoice in _rows(wanted):
        must_be_deletable(invoice)
    for chunk in chunked(wanted, AT_ONCE):
        Invoice.delete().where(Invoice.id.in_(chunk)).execute()
    return gone


def owed_again(terms: Terms, invoice: Invoice, at: datetime) -> dict[str, Any]:
    """What becomes of an invoice, besides its status, that is made outstanding: with a number it is never open again.

    Raises BadValue where the due day is beyond 2999.
    """
    if invoice.number is None or invoice.issued_at is not None:
        return {}
    return {"issued_at": at, "due_date": due_day(terms, at)}


def must_be_deletable(invoice: Invoice) -> None:
    """Raises InvoiceClosed for an invoice that is paid, or was ever issued or numbered."""
    sent = invoices.is_final(invoice.number, invoice.issued_at)
    if sent or invoice.status == invoices.PAID:
        state = invoices.state(invoice.status, invoice.number, invoice.issued_at)
        hint = "An invoice that has been issued or numbered is kept for ever; void it instead." if sent else None
        raise InvoiceClosed(invoice.id, f"issued and {state}" if sent and state != "issued" else state, hint)


def _change(invoice: int, before: dict[str, Any], changes: dict[str, Any]) -> None:
    """Write the changed columns of an open invoice. Raises LineBound, MonthTaken."""
    if {"user", "month"} & changes.keys():
        must_hold_no_system_line(invoice)
    if changes:
        try:
            with savepoint():
                Invoice.update(changes).where(Invoice.id == invoice).execute()
        except IntegrityError as error:
            after = {**before, **changes}
            raise _month_taken_or(error, after["user"], after["month"], invoice) from error


def _move(ids: list[int], status: str, today: date, at: datetime, note: str | None = None) -> None:
    """Move these invoices to the status. Raises InvoiceClosed for the first that can't take it."""
    if status == invoices.OUTSTANDING:
        stuck = _first(ids, Invoice.status != invoices.OUTSTANDING)
        changes: dict[str, Any] = {}
    elif status == invoices.PAID:
        stuck = _first(ids, Invoice.status == invoices.VOID)
        changes = {"status": status, "paid_on": today}
    else:
        stuck = _first(ids, Invoice.status == invoices.PAID)
        changes = {"status": status, "voided_at": at}
    if stuck:
        raise InvoiceClosed(stuck.id, invoices.state(stuck.status, stuck.number, stuck.issued_at))
    if note is not None:
        changes["note"] = note
    for chunk in chunked(ids, AT_ONCE) if changes else ():
        movable = Invoice.id.in_(chunk) & (Invoice.status == invoices.OUTSTANDING)
        Invoice.update(changes).where(movable).execute()


def _first(ids: list[int], condition: Any) -> Invoice | None:
    for chunk in chunked(ids, AT_ONCE):
        found = Invoice.select().where(Invoice.id.in_(chunk) & condition).order_by(Invoice.id).first()
        if found is not None:
            return found  # type: ignore[no-any-return]
    return None


def _rows(ids: list[int]) -> Iterable[Invoice]:
    for chunk in chunked(ids, AT_ONCE):
        yield from Invoice.select().where(Invoice.id.in_(chunk)).order_by(Invoice.id)


def _sum_of_lines(invoice: int) -> int:
    total = InvoiceLine.select(fn.COALESCE(fn.SUM(InvoiceLine.amount), 0)).where(InvoiceLine.invoice == invoice)
    return int(total.scalar())


def _mend_amount(invoice: int) -> None:
    """Make the amount the sum of the lines, even if somebody changed it behind our back."""
    try:
        Invoice.update(amount=_sum_of_lines(invoice)).where(Invoice.id == invoice).execute()
    except IntegrityError as error:
        raise below_zero_or(error, invoice) from error


def must_hold_no_system_line(invoice: int) -> None:
    """Raises LineBound when a line of the system's keeps the invoice on its member and month."""
    bound = InvoiceLine.select().where((InvoiceLine.invoice == invoice) & InvoiceLine.kind.in_(invoices.SYSTEMS))
    if line := bound.first():
        raise LineBound(
            f"Invoice {invoice} holds the system's line {line.id} ({line.kind}): it stays with its member and month.",
            f"Void it and make another, or change its amount: streamctl invoices update {invoice} --amount AMOUNT",
            invoice=invoice,
            line=line.id,
        )


def _month_taken_or(error: IntegrityError, user: int, month: str, invoice: int) -> Exception:
    if "invoice.month" in violated(error) and (other := open_invoice(user, month)) and other != invoice:
        return MonthTaken(user, month, other)
    return error


def _shown(invoice: int, at: datetime) -> Record:
    record = invoice_with_lines(invoice, at)
    if record is None:
        raise NotFound("invoice", [invoice])
    return record
