"""How the rows of an entry are reversed one by one: what it made is taken away, what it deleted brought back, and what
it changed turned back, each under the rules of its table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from peewee import IntegrityError

from streamctl.domain import invoices
from streamctl.domain.terms import Terms
from streamctl.errors import CannotUndo, FuturePayment, InUse, counted
from streamctl.services import settings
from streamctl.services.books import below_zero_or
from streamctl.services.closed import Wish, is_final, must_be_open
from streamctl.services.invoices import must_be_deletable, must_hold_no_system_line, owed_again
from streamctl.services.members import must_be_free, must_be_unused
from streamctl.services.streaming import end_of
from streamctl.store import streams
from streamctl.store.database import journal
from streamctl.store.models import Invoice, InvoiceLine, Membership, Setting, Stream, User

MODELS: dict[str, Any] = {
    model._meta.table_name: model for model in (User, Membership, Invoice, InvoiceLine, Stream, Setting)
}
WORDS = {"user": "member", "invoice_line": "line"}
MOVED = {"status", "paid_on", "voided_at", "note"}
FINAL = {"number", "issued_at", "due_date"}  # what is given once is never taken back
KEPT_BY_OTHERS = {"invoice": {"amount"}, "stream": {"seen_at", "expires_at"}}  # lines, and signs of life


class Change(NamedTuple):
    """A row that the entry changed, as `JournalRow` tells of it, with what a member was called put back in."""

    table: str
    key: Any
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def made(self) -> bool:
        """Whether the entry made the row."""
        return self.before is None

    @property
    def deleted(self) -> bool:
        """Whether the entry deleted the row."""
        return self.after is None

    @property
    def closed(self) -> bool:
        """Whether the entry paid or voided an invoice, so that taking it back opens it."""
        changed = self.table == "invoice" and not self.made and not self.deleted
        return changed and (self.before or {}).get("status") == invoices.OUTSTANDING

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{WORDS.get(self.table, self.table)} {self.key}"


def take_away(terms: Terms, entry: int, change: Change, changes: list[Change], at: datetime, *, by_clock: bool) -> None:
    """Delete a row that the entry made. A check-in's stream is closed instead, and its line charges nothing."""
    model, key = MODELS[change.table], change.key
    match change.table:
        case "stream":
            return _end(entry, key, at, by_clock=by_clock)
        case "invoice_line":
            return _take_line_away(terms, key, changes, at)
        case "invoice":
            must_be_deletable(Invoice.get_by_id(key))
            if InvoiceLine.select().where(InvoiceLine.invoice == key).exists():
                if any(other.table == "stream" for other in changes):
                    return None  # a check-in's line stays, and so does its invoice
                raise CannotUndo(entry, f"{change.name} has lines that came later", _see(key))
        case "membership":
            _must_hold_no_stream(Membership.get_by_id(key).user_id, at)
        case "user":
            must_be_unused(key, terms.today(at), force=False)
    journal().changing(model, [key])
    model.delete().where(model._meta.primary_key == key).execute()
    return None


def _take_line_away(terms: Terms, key: int, changes: list[Change], at: datetime) -> None:
    line = InvoiceLine.get_by_id(key)
    if not any(other.made and (other.table, other.key) == ("invoice", line.invoice_id) for other in changes):
        must_be_open(terms, line.invoice, at, Wish(-line.amount or None))
    journal().changing(Invoice, [line.invoice_id])
    journal().changing(InvoiceLine, [key])
    try:
        if line.kind in invoices.SYSTEMS:
            InvoiceLine.update(amount=0).where(InvoiceLine.id == key).execute()
        else:
            InvoiceLine.delete().where(InvoiceLine.id == key).execute()
    except IntegrityError as error:
        raise below_zero_or(error, line.invoice_id) from error


def _end(entry: int, stream: int, at: datetime, *, by_clock: bool) -> None:
    found = streams.by_id(stream)
    if found is None or (found.expires_at is not None and found.expires_at <= at):
        raise CannotUndo(entry, f"stream {stream} has run out, and a stream that ended stays ended")
    streams.close(stream, end_of(found, at, by_clock=by_clock), "checkout", None)


def _must_hold_no_stream(user: int, at: datetime) -> None:
    if held := streams.open_of(user, at):
        raise InUse(
            f"Member {user} has {counted(len(held), 'stream')} open.",
            f"End them first with: streamctl stream checkout {user} --all",
            member=user,
            streams=len(held),
        )


def bring_back(terms: Terms, change: Change, changes: list[Change], at: datetime) -> None:
    """Make a row again that the entry deleted, with the id it had."""
    model = MODELS[change.table]
    row = dict(change.before or {})
    match change.table:
        case "user":
            must_be_free(row["email"])
        case "invoice":
            row["amount"] = 0  # its lines come after it
        case "invoice_line":
            if not any(other.deleted and (other.table, other.key) == ("invoice", row["invoice"]) for other in changes):
                must_be_open(terms, Invoice.get_by_id(row["invoice"]), at, Wish(row["amount"] or None))
            journal().changing(Invoice, [row["invoice"]])
    model.insert({model._meta.columns[column]: value for column, value in row.items()}).execute()
    journal().added(model, change.key)


def turn_back(terms: Terms, entry: int, change: Change, at: datetime) -> None:
    """Put the columns that the entry changed back to what they were.

    An invoice that would be outstanding again and has a number by now is issued, as `invoices reopen` does it.
    """
    model, key = MODELS[change.table], change.key
    back = {c: value for c, value in (change.before or {}).items() if c not in KEPT_BY_OTHERS.get(change.table, ())}
    match change.table:
        case "setting":
            settings.change.body(terms, key, back["value"])
            return
        case "user" if "email" in back:
            must_be_free(back["email"], key)
        case "invoice":
            back = _of_invoice(terms, Invoice.get_by_id(key), back, at)
        case "invoice_line":
            line = InvoiceLine.get_by_id(key)
            more = back.get("amount", line.amount) - line.amount
            for invoice in {line.invoice_id, back.get("invoice")} - {None}:
                must_be_open(terms, Invoice.get_by_id(invoice), at, Wish(more or None))
                journal().changing(Invoice, [invoice])
        case "stream" if (change.after or {}).get("close_reason") == "expired":
            return  # its lease had run out before
        case "stream" if "closed_at" in back:
            raise CannotUndo(
                entry, f"it ended {change.name}, and a stream that ended stays ended", "The member may check in again."
            )
    if back:
        journal().changing(model, [key])
        changed = {model._meta.columns[column]: value for column, value in back.items()}
        model.update(changed).where(model._meta.primary_key == key).execute()


def _of_invoice(terms: Terms, invoice: Invoice, before: dict[str, Any], at: datetime) -> dict[str, Any]:
    """The columns of an invoice to put back.

    Raises LineBound, FuturePayment, and InvoiceClosed unless the invoice is only moved, or is opened again by it.
    """
    back = {column: value for column, value in before.items() if column not in FINAL}
    if {"user", "month"} & back.keys():
        must_hold_no_system_line(terms, invoice, member=back.get("user"), day=back.get("date"))
    reopened = back.get("status") == invoices.OUTSTANDING
    if not back.keys() <= MOVED and (is_final(invoice) or not reopened):
        wish = Wish(member=back.get("user"), day=back.get("date"), text=back.get("description"))
        must_be_open(terms, invoice, at, wish)
    if (back.get("paid_on") or "") > (today := terms.today(at).isoformat()):
        raise FuturePayment(back["paid_on"], today)
    return {**back, **owed_again(terms, invoice, at)} if reopened else back


def _see(invoice: int) -> str:
    return f"See who added them with: streamctl invoices show {invoice} --history"
