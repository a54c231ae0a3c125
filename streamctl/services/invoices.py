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
from streamctl.errors import (
    AlreadyDone,
    FuturePayment,
    InvoiceClosed,
    LineBound,
    MonthTaken,
    NotFound,
    TooMuch,
    quoted,
    shell_quoted,
)
from streamctl.services.books import (
    about_to_delete,
    add_invoice,
    add_line,
    below_zero_or,
    due_day,
    open_invoice,
)
from streamctl.services.closed import Wish, billing_anew, is_final, must_be_open, reopening, state_of
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
        add_line(invoice, terms.minor(amount), invoices.MANUAL, "")
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

    What is so already changes nothing, whatever the state; `changed` says whether anything did. Raises NotFound,
    InvoiceClosed, LineBound, MonthTaken, BadValue.
    """
    present(Invoice, [invoice])
    journal().changing(Invoice, [invoice])
    found = Invoice.get_by_id(invoice)
    given: dict[str, Any] = {"description": description, "date": day}
    given |= {"user": member and member_id(member), "month": day and month_of(day)}
    before: dict[str, Any] = {name: getattr(found, "user_id" if name == "user" else name) for name in given}
    changes = {name: value for name, value in given.items() if value is not None and before[name] != value}
    difference = 0 if amount is None else terms.minor_total(amount) - _sum_of_lines(invoice)
    if changes or difference:
        date_ = changes.get("date")
        wish = Wish(difference or None, member=changes.get("user"), day=date_ and str(date_), text=description)
        must_be_open(terms, found, at, wish)
    _must_fit(terms, invoice, difference)
    _change(terms, found, before, changes)
    if difference:
        add_line(invoice, difference, invoices.ADJUSTMENT, invoices.ADJUSTMENT_TEXT)
    mended = amount is not None and _mend_amount(invoice)
    moved = status is not None and _move([invoice], status, terms.today(at), at)
    return _shown(invoice, at).marked(bool(changes or difference or mended or moved))


@transactional
def pay(terms: Terms, ids: Iterable[int], *, at: datetime, on: date | None = None, note: str | None = None) -> Listing:
    """Mark these invoices paid, on a day (today unless said), all or none; the invoices, and which of them changed.

    One that is paid already stays as it is. Raises NotFound, FuturePayment, InvoiceClosed, and AlreadyDone where one
    was paid on another day or has another note than is given.
    """
    wanted = present(Invoice, ids)
    today = terms.today(at)
    if on is not None and on > today:
        again = f"Leave --on out for today: streamctl invoices pay {wanted[0]}" if len(wanted) == 1 else ""
        raise FuturePayment(on.isoformat(), today.isoformat(), again)
    journal().of_invoices = True
    journal().changing(Invoice, wanted)
    moved = _move(wanted, invoices.PAID, today, at, on=on, note=note)
    return fetched("invoice", wanted, at).marked(moved)


@transactional
def void(terms: Terms, ids: Iterable[int], *, at: datetime, reason: str | None = None) -> Listing:
    """Void these invoices, all or none; the invoices, when they were voided, and which of them changed.

    One that is void already stays as it is. Raises NotFound, InvoiceClosed, and AlreadyDone where one was voided for
    another reason than is given.
    """
    wanted = present(Invoice, ids)
    journal().of_invoices = True
    journal().changing(Invoice, wanted)
    moved = _move(wanted, invoices.VOID, terms.today(at), at, note=reason)
    return fetched("invoice", wanted, at, also="voided_at").marked(moved)


@transactional
def reopen(terms: Terms, ids: Iterable[int], *, at: datetime) -> Listing:
    """Make paid and void invoices outstanding again, all or none; the invoices, and which of them changed.

    One that has a number is owed from then on: an issued one stays as it was issued, and another is issued now.
    Raises NotFound, MonthTaken where one would be open beside the member's open one of that month, and BadValue where
    the due day is beyond 2999.
    """
    wanted = present(Invoice, ids)
    journal().of_invoices = True
    journal().changing(Invoice, wanted)
    closed = [invoice for invoice in _rows(wanted) if invoice.status != invoices.OUTSTANDING]
    for invoice in closed:
        owed = {"status": invoices.OUTSTANDING, "paid_on": None, "voided_at": None, **owed_again(terms, invoice, at)}
        try:
            with savepoint():
                Invoice.update(owed).where(Invoice.id == invoice.id).execute()
        except IntegrityError as error:
            raise _month_taken_or(error, invoice.user_id, invoice.month, invoice.id) from error
    return fetched("invoice", wanted, at).marked({invoice.id for invoice in closed})


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
    if is_final(invoice):
        void = f"; void it instead: streamctl invoices void {invoice.id}"
        kept = f"What has a number is kept for ever{void if invoice.status == invoices.OUTSTANDING else '.'}"
        raise InvoiceClosed(invoice.id, state_of(invoice), kept)
    if invoice.status == invoices.PAID:
        way = reopening(invoice)
        deleted = f" && streamctl invoices delete {invoice.id}" if _reopenable([invoice]) else ""
        raise InvoiceClosed(invoice.id, state_of(invoice), f"{way}{deleted}")


def _change(terms: Terms, invoice: Invoice, before: dict[str, Any], changes: dict[str, Any]) -> None:
    """Write the changed columns of an open invoice. Raises LineBound, MonthTaken."""
    if {"user", "month"} & changes.keys():
        day = changes.get("date")
        must_hold_no_system_line(terms, invoice, member=changes.get("user"), day=day and day.isoformat())
    if changes:
        try:
            with savepoint():
                Invoice.update(changes).where(Invoice.id == invoice.id).execute()
        except IntegrityError as error:
            after = {**before, **changes}
            raise _month_taken_or(error, after["user"], after["month"], invoice.id) from error


def _move(
    ids: list[int], status: str, today: date, at: datetime, *, on: date | None = None, note: str | None = None
) -> set[int]:
    """Move these invoices to the status, a payment of today or of the day `on`; the ids of those that were not there.

    Raises InvoiceClosed for the first that can't take it, and AlreadyDone where one that is there was paid on another
    day than `on`, or has another note.
    """
    moving, otherwise = [], []
    for invoice in _rows(ids):
        if invoice.status == status:
            if note not in (None, invoice.note or "") or on not in (None, invoice.paid_on):
                otherwise.append(invoice)
        elif invoice.status == invoices.OUTSTANDING:
            moving.append(invoice.id)
        else:
            raise InvoiceClosed(invoice.id, state_of(invoice), reopening(invoice))
    if otherwise:
        raise _already_done(otherwise, today, on, note)
    changes: dict[str, Any] = {"status": status}
    changes |= {"paid_on": on or today} if status == invoices.PAID else {"voided_at": at}
    if note is not None:
        changes["note"] = note
    for chunk in chunked(moving, AT_ONCE):
        Invoice.update(changes).where(Invoice.id.in_(chunk)).execute()
    return set(moving)


def _already_done(otherwise: list[Invoice], today: date, on: date | None, note: str | None) -> AlreadyDone:
    """The refusal that names the first of these."""
    first = otherwise[0]
    paid = first.status == invoices.PAID
    if on not in (None, first.paid_on):
        message = f"Invoice {first.id} was paid on {first.paid_on} already, not on {on}."
        if first.paid_on is None:
            message = f"Invoice {first.id} is paid already, on a day that is not known."
    else:
        noted = f"with the note {quoted(first.note)}" if first.note else "without a note"
        message = f"Invoice {first.id} is {'paid' if paid else 'void'} already, {noted}."
    options = []
    if paid and (day := on or first.paid_on) and day <= today:
        options.append(f"--on {day}")
    if note is not None:
        options.append(f"{'--note' if paid else '--reason'} {shell_quoted(note)}")
    ids = " ".join(str(invoice) for invoice in _reopenable(otherwise[:10]))
    move = " ".join(["streamctl invoices", "pay" if paid else "void", ids, *options])
    hint = f"Do it again with: streamctl invoices reopen {ids} && {move}" if ids else ""
    return AlreadyDone(message, hint, invoice=first.id, paid_on=first.paid_on and str(first.paid_on), note=first.note)


def _reopenable(closed: Iterable[Invoice]) -> list[int]:
    """The ids of those that can be reopened together: of a member's month one at most is open."""
    ids: dict[Any, int] = {}
    for invoice in closed:
        if is_final(invoice):
            ids[invoice.id] = invoice.id
        elif open_invoice(invoice.user_id, invoice.month) is None:
            ids.setdefault((invoice.user_id, invoice.month), invoice.id)
    return list(ids.values())


def _rows(ids: list[int]) -> Iterable[Invoice]:
    for chunk in chunked(ids, AT_ONCE):
        yield from Invoice.select().where(Invoice.id.in_(chunk)).order_by(Invoice.id)


def _sum_of_lines(invoice: int) -> int:
    total = InvoiceLine.select(fn.COALESCE(fn.SUM(InvoiceLine.amount), 0)).where(InvoiceLine.invoice == invoice)
    return int(total.scalar())


def _must_fit(terms: Terms, invoice: int, difference: int) -> None:
    """Raises TooMuch when the difference (minor units) is more than one line can be."""
    most = money.most(terms.currency)
    if abs(difference) > most:
        step = _sum_of_lines(invoice) + (most if difference > 0 else -most)
        raise TooMuch(
            f"The adjustment would be {money.spoken(difference, terms.currency)}, more than a line can be.",
            f"Begin with: streamctl invoices update {invoice} --amount {money.plain(step, terms.currency)}",
            invoice=invoice,
        )


def _mend_amount(invoice: int) -> bool:
    """Make the amount the sum of the lines, if somebody changed it behind our back; whether it was another."""
    total = _sum_of_lines(invoice)
    try:
        mend = Invoice.update(amount=total).where((Invoice.id == invoice) & (Invoice.amount != total))
        return bool(mend.execute())
    except IntegrityError as error:
        raise below_zero_or(error, invoice) from error


def must_hold_no_system_line(
    terms: Terms, invoice: Invoice, *, member: int | None = None, day: str | None = None
) -> None:
    """Raises LineBound when a line of the system's keeps the invoice on its member and month."""
    bound = InvoiceLine.select().where((InvoiceLine.invoice == invoice.id) & InvoiceLine.kind.in_(invoices.SYSTEMS))
    if line := bound.first():
        anew = billing_anew(terms, invoice, invoice.amount, member=member, day=day)
        held = f"the system's line {line.id} ({line.kind})"
        raise LineBound(
            f"Invoice {invoice.id} holds {held}: it stays with its member and month.",
            anew and f"Void it, and bill as much anew, with: {anew}",
            invoice=invoice.id,
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
