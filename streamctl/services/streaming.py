"""Check-in, check-out and takeover: a credit taken, given back, or passed on, each with its line on the invoice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from streamctl.domain import invoices, membership
from streamctl.domain.calendar import month_of, written
from streamctl.domain.records import RECEIPT, REPLAYED_CLOSE, TAKEOVER, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import KeyConflict, NoOpenStream, NotFound, Refused, TimeOrder, quoted
from streamctl.services.books import charge, open_invoice
from streamctl.services.requests import remember, replay
from streamctl.store import streams
from streamctl.store.database import concurrent
from streamctl.store.lookups import MemberRef, find_member, id_in, member_id
from streamctl.store.models import InvoiceLine
from streamctl.store.streams import Lease, Situation


@concurrent
def check_in(
    terms: Terms,
    member: MemberRef,
    *,
    at: datetime,
    ref: str | None = None,
    device: str | None = None,
    lease: timedelta | None = None,
) -> Record:
    """Open a stream of the member and charge it; the receipt.

    Without `lease` the database's own holds. A repeated `ref` answers with the first receipt. Raises KeyConflict,
    NotFound, NoMembership, MembershipCancelled, MembershipNotStarted, MembershipExpired, NoCredits; nothing has
    changed then.
    """
    today, asked = terms.today(at), _asked(member)
    parameters = {"member": asked, "device": device, "lease": _seconds(lease)}
    found = _look_up(asked, at, today, ref)
    if _may_be_known(asked, found) and (first := replay(ref, "checkin", parameters)):
        return _receipt(first, replayed=True)
    user, (standing, invoice, *_) = _must_be_there(member, asked, found)
    if refused := membership.refusal(standing, today):
        raise _explained(refused, user, at)
    receipt = _open(terms, standing, invoice, at, today, ref=ref, device=device, lease=lease)
    remember(ref, "checkin", user, parameters, receipt, at)
    return _receipt(receipt)


@concurrent
def check_out(
    terms: Terms,
    member: MemberRef,
    *,
    at: datetime,
    by_clock: bool = False,
    stream: int | None = None,
    ref: str | None = None,
) -> Record:
    """Close a stream of the member: the named one, or the oldest open one; the receipt.

    `by_clock` says that nobody gave the time: it counts from the stream's last sign of life on. A stream that is
    closed already answers as a replay with its `close_reason`. Raises KeyConflict, NotFound, NoOpenStream, TimeOrder.
    """
    today, asked = terms.today(at), _asked(member)
    parameters = {"member": asked}
    found = _look_up(asked, at, today, ref, closes=True)
    if _may_be_known(asked, found) and (first := replay(ref, "checkout", parameters)):
        return _receipt(first, replayed=True)
    user, (standing, invoice, _, keyed) = _must_be_there(member, asked, found)
    if ref is not None:
        closing = _keyed(user, ref, keyed)
    else:
        closing = _oldest(user, at) if stream is None else _named(user, stream)
    if closing.closed_at is not None:
        return _closed_before(closing, standing.credits)
    if (later := end_of(closing, at, by_clock=by_clock)) != at:  # all the rest is as it is then
        return check_out.body(terms, member, at=later, by_clock=by_clock, stream=stream, ref=ref)
    receipt = _close(terms, closing, standing, invoice, at, today)
    remember(ref, "checkout", user, parameters, receipt, at)
    return _receipt(receipt)


@concurrent
def check_out_all(terms: Terms, member: MemberRef, *, at: datetime, by_clock: bool = False) -> Listing:
    """Close every open stream of the member, the oldest first; a receipt each. Raises NotFound, TimeOrder.

    `by_clock` says that nobody gave the time: it counts from each stream's last sign of life on.
    """
    asked = _asked(member)
    user, (standing, *_) = _must_be_there(member, asked, _look_up(asked, at, terms.today(at), None))
    closing = streams.open_of(user, at)
    if closing:  # a refusal names a time that does for all of them
        end_of(max(closing, key=lambda stream: stream.seen_at), at, by_clock=by_clock)
    receipts = []
    for stream in closing:
        closed_at = end_of(stream, at, by_clock=by_clock)
        today = terms.today(closed_at)
        invoice = open_invoice(user, month_of(today))
        receipts.append(_receipt(_close(terms, stream, standing, invoice, closed_at, today)))
        standing = standing.less_one()
    return Listing(RECEIPT, [receipt.row for receipt in receipts])


@concurrent
def take_over(
    terms: Terms,
    member: MemberRef,
    *,
    at: datetime,
    by_clock: bool = False,
    stream: int | None = None,
    ref: str | None = None,
    device: str | None = None,
    lease: timedelta | None = None,
) -> Record:
    """Close one open stream of the member, the named or the oldest, and open another with its credit; the receipt.

    `by_clock` says that nobody gave the time: it counts from the old stream's last sign of life on. The stream that
    is taken over bears no check-out line. A repeated `ref` answers with the first receipt. Raises what `check_in`
    raises, and NoOpenStream, TimeOrder.
    """
    today, asked = terms.today(at), _asked(member)
    parameters = {"member": asked, "stream": stream, "device": device, "lease": _seconds(lease)}
    found = _look_up(asked, at, today, ref)
    if _may_be_known(asked, found) and (first := replay(ref, "takeover", parameters)):
        return _receipt(first, replayed=True)
    user, (standing, invoice, *_) = _must_be_there(member, asked, found)
    closing = _named(user, stream) if stream is not None else next(iter(streams.open_of(user, at)), None)
    if closing is not None:
        if closing.closed_at is not None:
            raise NoOpenStream(user)
        if (later := end_of(closing, at, by_clock=by_clock)) != at:  # all the rest is as it is then
            return take_over.body(
                terms, member, at=later, by_clock=by_clock, stream=stream, ref=ref, device=device, lease=lease
            )
    after = standing.less_one()
    if membership.refusal(after, today) and (refused := membership.refusal(standing, today)):
        raise _explained(refused, user, at)
    if closing is None:
        raise NoOpenStream(user)
    streams.close(closing.id, at, "takeover", None)
    receipt = _open(terms, after, invoice, at, today, ref=ref, device=device, lease=lease)
    receipt["taken_over"] = closing.id
    remember(ref, "takeover", user, parameters, receipt, at)
    return _receipt(receipt)


def _asked(member: MemberRef) -> int | None:
    """The member a request names; an e-mail that is nobody's (any more) names none."""
    return id_in(member) or find_member(member)


def _may_be_known(asked: int | None, found: Situation | None) -> bool:
    """Whether the request's key may have been used: by the member who was found, or by one who was deleted since."""
    return asked is not None and (found is None or found.key_used)


def _seconds(lease: timedelta | None) -> int | None:
    return int(lease.total_seconds()) if lease else None


def _look_up(
    asked: int | None, at: datetime, today: date, key: str | None, *, closes: bool = False
) -> Situation | None:
    return None if asked is None else streams.look_up(asked, at, month_of(today), key, closes=closes)


def _must_be_there(member: MemberRef, asked: int | None, found: Situation | None) -> tuple[int, Situation]:
    """The member's id and situation. Raises NotFound, with what looks alike."""
    if asked is None or found is None:
        member_id(member)
        raise NotFound("member", [member])
    return asked, found


def _explained(refused: Refused, user: int, at: datetime) -> Refused:
    """The refusal with what `stream why` would say in its details."""
    holders = [holder.told() for holder in streams.holders_of(user, at)]
    refused.details |= {"allowed": False, "code": refused.code, "holders": holders}
    return refused


def _open(
    terms: Terms,
    standing: membership.Standing,
    invoice: int | None,
    at: datetime,
    today: date,
    *,
    ref: str | None,
    device: str | None,
    lease: timedelta | None,
) -> dict[str, Any]:
    """Open a stream with its line; the numbers of its receipt."""
    user = standing.member
    invoice, line = charge(terms, user, today, invoices.CHECKIN, invoice)
    lease = lease or terms.lease
    stream = streams.insert(user, at, line, ref=ref, device=device, expires_at=at + lease if lease else None)
    return _numbers(invoice, line, stream, standing.credits - 1)


def _oldest(user: int, at: datetime) -> Lease:
    found = streams.open_of(user, at)
    if not found:
        raise NoOpenStream(user)
    return found[0]


def _named(user: int, stream: int) -> Lease:
    """The stream with that id, when it is the user's. Raises NotFound."""
    found = streams.by_id(stream)
    if found is None or found.user != user:
        raise _no_stream(user, str(stream))
    return found


def _keyed(user: int, ref: str, found: Lease | None) -> Lease:
    """The stream that was opened with that key, when it is the user's. Raises NotFound, KeyConflict."""
    if found is None:
        raise _no_stream(user, quoted(ref))
    if found.user != user:
        raise KeyConflict(ref, f"checkin with member {found.user} at {written(found.opened_at)}")
    return found


def stream_of(member: MemberRef, *, stream: int | None, ref: str | None) -> Lease:
    """The stream with that id or key, when it is the member's. Raises NotFound, KeyConflict."""
    found = streams.by_ref(ref) if ref is not None else streams.by_id(stream or 0)
    if found is not None and found.user == _asked(member):
        return found
    user = member_id(member)
    return _keyed(user, ref, found) if ref is not None else _named(user, stream or 0)


def _no_stream(user: int, name: str) -> NotFound:
    hint = f"See the member's streams with: streamctl stream list --all --member {user}"
    return NotFound("stream", [f"{name} of member {user}"], hint)


def end_of(stream: Lease, at: datetime, *, by_clock: bool) -> datetime:
    """When the stream ends that is ended at that instant: never before its last sign of life.

    Clocks of machines differ by seconds, so the later of the two counts where nobody gave the time (`by_clock`).
    Raises TimeOrder where somebody did.
    """
    if at < stream.seen_at and not by_clock:
        raise TimeOrder(stream.id, written(stream.opened_at), written(stream.seen_at), written(at))
    return max(at, stream.seen_at)


def _close(
    terms: Terms, stream: Lease, standing: membership.Standing, invoice: int | None, at: datetime, today: date
) -> dict[str, Any]:
    """Check the open stream out at that instant, with its line; the numbers of its receipt."""
    invoice, line = charge(terms, stream.user, today, invoices.CHECKOUT, invoice)
    streams.close(stream.id, at, "checkout", line)
    free = membership.credits(standing.credit_limit, standing.open_streams - 1)
    return _numbers(invoice, line, stream.id, free)


def _closed_before(stream: Lease, free: int) -> Record:
    """The answer for a stream that was closed before, whatever closed it."""
    line = stream.checkout_line
    invoice = InvoiceLine.select(InvoiceLine.invoice).where(InvoiceLine.id == line).scalar() if line else None
    return Record(REPLAYED_CLOSE, (invoice, line, stream.id, free, True, stream.close_reason))


def _numbers(invoice: int, line: int, stream: int, free: int) -> dict[str, Any]:
    return {"invoice_id": invoice, "invoice_line_id": line, "stream_id": stream, "credits": free}


def _receipt(numbers: Mapping[str, Any], *, replayed: bool = False) -> Record:
    row = (*(numbers["invoice_id"], numbers["invoice_line_id"], numbers["stream_id"], numbers["credits"]), replayed)
    taken_over = numbers.get("taken_over")
    return Record(RECEIPT, row) if taken_over is None else Record(TAKEOVER, (*row, taken_over))
