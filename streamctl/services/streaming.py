"""Check-in and check-out: a credit taken and given back, each with its line on the month's invoice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from peewee import JOIN

from streamctl.domain import invoices, membership
from streamctl.domain.calendar import written
from streamctl.domain.records import RECEIPT, REPLAYED_CLOSE, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import KeyConflict, NoOpenStream, NotFound, TimeOrder, quoted
from streamctl.services.books import charge
from streamctl.services.requests import remember, replay
from streamctl.store.database import ID_MOST, transactional, tuples
from streamctl.store.lookups import MemberRef, find_member, id_in, member_id
from streamctl.store.models import InvoiceLine, Membership, Stream, User
from streamctl.store.records import is_open, open_streams


@transactional
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

    A repeated `ref` answers with the first receipt. Raises KeyConflict, NotFound, NoMembership, MembershipCancelled,
    MembershipNotStarted, MembershipExpired, NoCredits; nothing has changed then.
    """
    parameters = {
        "member": _asked(member),
        "device": device,
        "lease": int(lease.total_seconds()) if lease else None,
    }
    if first := replay(ref, "checkin", parameters):
        return _receipt(first, replayed=True)
    user = member_id(member)
    _write_down_run_out(user, at)
    standing = standing_of(user, at)
    if refused := membership.refusal(standing, terms.today(at)):
        raise refused
    invoice, line = charge(terms, user, terms.today(at), invoices.CHECKIN)
    stream = Stream.insert(
        user=user,
        ref=ref,
        device=device,
        opened_at=at,
        seen_at=at,
        expires_at=at + lease if lease else None,
        checkin_line=line,
    ).execute()
    receipt = _numbers(invoice, line, stream, standing.credits - 1)
    remember(ref, "checkin", user, parameters, receipt, at)
    return _receipt(receipt)


@transactional
def check_out(
    terms: Terms, member: MemberRef, *, at: datetime, stream: int | None = None, ref: str | None = None
) -> Record:
    """Close a stream of the member: the named one, or the oldest open one; the receipt.

    A stream that is closed already answers as a replay with its `close_reason`. Raises KeyConflict, NotFound,
    NoOpenStream, TimeOrder.
    """
    parameters = {"member": _asked(member)}
    if first := replay(ref, "checkout", parameters):
        return _receipt(first, replayed=True)
    user = member_id(member)
    _write_down_run_out(user, at)
    found = _named(user, stream, ref) if stream is not None or ref is not None else _oldest(user, at)
    if found.closed_at is not None:
        return _closed_before(found, at)
    receipt = _close(terms, found, at)
    remember(ref, "checkout", user, parameters, receipt, at)
    return _receipt(receipt)


@transactional
def check_out_all(terms: Terms, member: MemberRef, *, at: datetime) -> Listing:
    """Close every open stream of the member, the oldest first; a receipt each. Raises NotFound, TimeOrder."""
    user = member_id(member)
    _write_down_run_out(user, at)
    receipts = [_receipt(_close(terms, stream, at)) for stream in list(_open(user, at))]
    return Listing(RECEIPT, [receipt.row for receipt in receipts])


def standing_of(user: int, at: datetime) -> membership.Standing:
    """What decides whether the user may stream at that instant."""
    found = (
        User.select(
            Membership.state,
            Membership.start_date,
            Membership.end_date,
            Membership.cancelled_on,
            Membership.credit_limit,
            open_streams(User.id, at),
        )
        .join(Membership, JOIN.LEFT_OUTER, on=(Membership.user == User.id))
        .where(User.id == user)
    )
    state, start, end, cancelled_on, limit, held = next(tuples(found))
    return membership.Standing(user, state, start, end, cancelled_on, limit or 0, held)


def _asked(member: MemberRef) -> int | None:
    """The member a request names; an e-mail that is nobody's (any more) names none."""
    return id_in(member) or find_member(member)


def _write_down_run_out(user: int, at: datetime) -> None:
    """Close the user's streams whose lease has run out, as of the moment it did. They bear no line."""
    Stream.update(closed_at=Stream.expires_at, close_reason="expired").where(
        (Stream.user == user) & Stream.closed_at.is_null() & (Stream.expires_at <= at)
    ).execute()


def _open(user: int, at: datetime) -> Any:
    return Stream.select().where((Stream.user == user) & is_open(at)).order_by(Stream.opened_at, Stream.id)


def _oldest(user: int, at: datetime) -> Stream:
    found = _open(user, at).first()
    if found is None:
        raise NoOpenStream(user)
    return found  # type: ignore[no-any-return]


def _named(user: int, stream: int | None, ref: str | None) -> Stream:
    """The stream with that id or ref, when it is the user's. Raises NotFound, KeyConflict."""
    hint = f"See the member's streams with: streamctl stream list --all --member {user}"
    found: Stream | None = None
    if ref is not None:
        found = Stream.get_or_none(Stream.ref == ref)
        if found is not None and found.user_id != user:
            raise KeyConflict(ref, f"checkin of member {found.user_id} at {written(found.opened_at)}")
    elif stream is not None and stream <= ID_MOST:
        found = Stream.get_or_none((Stream.id == stream) & (Stream.user == user))
    if found is None:
        name = quoted(ref) if ref is not None else stream
        raise NotFound("stream", [f"{name} of member {user}"], hint)
    return found


def _close(terms: Terms, stream: Stream, at: datetime) -> dict[str, Any]:
    """Close the open stream at that instant, with its line. Raises TimeOrder."""
    if at < stream.opened_at:
        raise TimeOrder(
            f"Stream {stream.id} was opened at {written(stream.opened_at)}, after {written(at)}.",
            "Give a later --as-of.",
            stream=stream.id,
            opened_at=written(stream.opened_at),
        )
    invoice, line = charge(terms, stream.user_id, terms.today(at), invoices.CHECKOUT)
    Stream.update(closed_at=at, close_reason="checkout", checkout_line=line, seen_at=max(at, stream.seen_at)).where(
        Stream.id == stream.id
    ).execute()
    return _numbers(invoice, line, stream.id, standing_of(stream.user_id, at).credits)


def _closed_before(stream: Stream, at: datetime) -> Record:
    """The answer for a stream that was closed before, whatever closed it."""
    line = stream.checkout_line_id
    invoice = InvoiceLine.select(InvoiceLine.invoice).where(InvoiceLine.id == line).scalar() if line else None
    free = standing_of(stream.user_id, at).credits
    return Record(REPLAYED_CLOSE, (invoice, line, stream.id, free, True, stream.close_reason))


def _numbers(invoice: int, line: int, stream: int, credits: int) -> dict[str, Any]:
    return {"invoice_id": invoice, "invoice_line_id": line, "stream_id": stream, "credits": credits}


def _receipt(numbers: dict[str, Any], *, replayed: bool = False) -> Record:
    return Record(RECEIPT, (*(numbers[c.name] for c in RECEIPT[:-1]), replayed))
