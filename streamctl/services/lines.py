"""Lines: people's own amounts on an open invoice. The system's lines stay where they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from peewee import IntegrityError, chunked

from streamctl.domain import invoices, money
from streamctl.domain.records import Column, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import LineBound, shell_quoted
from streamctl.services.books import add_line, below_zero_or
from streamctl.services.closed import Wish, must_be_open
from streamctl.services.requests import remember, replay
from streamctl.store.database import journal, savepoint, transactional
from streamctl.store.lookups import AT_ONCE, present
from streamctl.store.models import Invoice, InvoiceLine, Stream
from streamctl.store.records import fetch, fetched, shown

REPLAYED = Column("replayed", "bool", brief=False)


@transactional
def add(
    terms: Terms,
    invoice: int,
    *,
    at: datetime,
    amount: Decimal = Decimal(0),
    kind: str = invoices.MANUAL,
    description: str = "",
    key: str | None = None,
) -> Record:
    """Put a line of this magnitude on an open invoice; the line.

    A repeated `key` answers with the first line. Raises KeyConflict, NotFound, InvoiceClosed, BelowZero, BadValue.
    """
    signed = invoices.signed(terms.minor(amount), kind)
    parameters = {"invoice": invoice, "amount": signed, "kind": kind}
    if first := replay(key, "line", parameters):
        return _line(first, replayed=True)
    present(Invoice, [invoice])
    owner = Invoice.get_by_id(invoice)
    options = f" --description {shell_quoted(description)}" if description else ""
    options += f" --key {shell_quoted(key)}" if key else ""
    must_be_open(terms, owner, at, Wish(signed, options))
    line = add_line(invoice, signed, kind, description, key)
    record = fetch("line", [line], at)[0]
    receipt = {column.name: record.value(column.name) for column in record.columns}
    remember(key, "line", owner.user_id, parameters, receipt, at)
    return _line(receipt)


@transactional
def update(
    terms: Terms,
    line: int,
    *,
    at: datetime,
    invoice: int | None = None,
    amount: Decimal | None = None,
    description: str | None = None,
) -> Record:
    """Change what is given of a line on an open invoice, or move it to another; the line, and whether it changed.

    Raises NotFound, InvoiceClosed, LineBound, BelowZero, BadValue.
    """
    present(InvoiceLine, [line])
    found = InvoiceLine.get_by_id(line)
    changes: dict[str, Any] = {}
    if invoice is not None and invoice != found.invoice_id:
        present(Invoice, [invoice])
        changes["invoice"] = invoice
    if amount is not None:
        changes["amount"] = invoices.signed(terms.minor(amount), found.kind, found.amount)
    if description is not None:
        changes["description"] = description
    changed = any(getattr(found, name) != value for name, value in changes.items())
    if changed:
        journal().changing(Invoice, [found.invoice_id, changes.get("invoice", found.invoice_id)])
        journal().changing(InvoiceLine, [line])
        more = None if amount is None else changes["amount"] - found.amount
        must_be_open(terms, found.invoice, at, Wish(more or None))
        if "invoice" in changes:
            must_be_open(terms, Invoice.get_by_id(invoice), at)
            must_not_be_bound(terms, [found], moved_to=invoice)
        try:
            with savepoint():
                InvoiceLine.update(changes).where(InvoiceLine.id == line).execute()
        except IntegrityError as error:
            # The trigger gives to the new invoice before it takes from the old one.
            target = changes.get("invoice", found.invoice_id)
            falls = Invoice.get_by_id(target).amount + changes.get("amount", found.amount) < 0
            raise below_zero_or(error, target if falls else found.invoice_id) from error
    return fetch("line", [line], at)[0].marked(changed)


@transactional
def delete(terms: Terms, lines: Iterable[int], *, at: datetime) -> Listing:
    """Delete these lines of open invoices, all or none; what they were.

    Raises NotFound, InvoiceClosed, LineBound, BelowZero.
    """
    ids = present(InvoiceLine, lines)
    gone = fetched("line", ids, at)
    found = [line for chunk in chunked(ids, AT_ONCE) for line in InvoiceLine.select().where(InvoiceLine.id.in_(chunk))]
    journal().changing(Invoice, {line.invoice_id for line in found})
    journal().changing(InvoiceLine, ids)
    for chunk in chunked({line.invoice_id for line in found}, AT_ONCE):
        for owner in Invoice.select().where(Invoice.id.in_(chunk)):
            must_be_open(
                terms, owner, at, Wish(-sum(line.amount for line in found if line.invoice_id == owner.id) or None)
            )
    must_not_be_bound(terms, found)
    # One by one: the invoice is checked against 0 after each, and the positive ones must not go first.
    for line in sorted(found, key=lambda line: line.amount):
        try:
            InvoiceLine.delete().where(InvoiceLine.id == line.id).execute()
        except IntegrityError as error:
            raise below_zero_or(error, line.invoice_id) from error
    return gone


def must_not_be_bound(terms: Terms, lines: Iterable[InvoiceLine], *, moved_to: int | None = None) -> None:
    """Raises LineBound for a fee, and for a check-in or check-out line that belongs to a stream."""
    for line in lines:
        held = Stream.select().where((Stream.checkin_line == line.id) | (Stream.checkout_line == line.id)).exists()
        if line.kind == invoices.FEE or (line.kind in invoices.SYSTEMS and held):
            free = f"streamctl lines update {line.id} --amount 0"
            charge = f" && streamctl lines add {moved_to} --amount {money.plain(line.amount, terms.currency)}"
            raise LineBound(
                f"Line {line.id} is a {line.kind} of the system's: it can't be {'moved' if moved_to else 'deleted'}.",
                f"It can charge nothing, though: {free}{charge if moved_to else ''}",
                line=line.id,
                kind=line.kind,
            )


def _line(values: Mapping[str, Any], *, replayed: bool = False) -> Record:
    columns = (*shown("line"), REPLAYED)
    return Record(columns, (*(values[column.name] for column in columns[:-1]), replayed))
