"""Streams and who may start one: the statements that run thousands of times a second in a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Case, fn

from streamctl.domain.calendar import as_day, as_instant, written
from streamctl.domain.membership import Holder, Standing
from streamctl.store.database import ID_MOST, current
from streamctl.store.models import Invoice, Membership, Request, Stream, User
from streamctl.store.prepared import Prepared
from streamctl.store.records import IS_OPEN, is_open

_COLUMNS = ("id", "user", "opened_at", "seen_at", "expires_at", "closed_at", "close_reason", "checkout_line")


def request_key(key: Any, closes: Any) -> Any:
    """The condition that finds a request by its key, through its index: check-outs have keys of their own."""
    # A literal, so that it is the very expression of the index.
    return (Request.key == key) & ((Request.action == SQL("'checkout'")) == closes)


class Lease(NamedTuple):
    """A stream as the rules see it: open until it is closed, or until `expires_at`."""

    id: int
    user: int
    opened_at: datetime
    seen_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None
    checkout_line: int | None


def _fields(of: Any = Stream) -> list[Any]:
    return [getattr(of, name) for name in _COLUMNS]


def _situation(user: Any, at: Any, *more: Any) -> Any:
    return (
        User.select(
            Membership.state,
            Membership.start_date,
            Membership.end_date,
            Membership.cancelled_on,
            Membership.credit_limit,
            Stream.select(fn.COUNT(Stream.id)).where((Stream.user == User.id) & is_open(at)),
            *more,
        )
        .join(Membership, JOIN.LEFT_OUTER, on=(Membership.user == User.id))
        .where(User.id == user)
    )


def _everything(user: Any, at: Any, month: Any, key: Any, closes: Any, *more: Any) -> Any:
    return _situation(
        user,
        at,
        Stream.select(fn.COUNT(Stream.id)).where((Stream.user == User.id) & Stream.closed_at.is_null()),
        Invoice.select(Invoice.id).where((Invoice.user == User.id) & (Invoice.month == month) & IS_OPEN),
        fn.EXISTS(Request.select(SQL("1")).where(request_key(key, closes))),
        *more,
    )


def _everything_and_stream(user: Any, at: Any, month: Any, key: Any, closes: Any) -> Any:
    keyed = Stream.alias()
    joined = _everything(user, at, month, key, closes, *_fields(keyed))
    return joined.join_from(User, keyed, JOIN.LEFT_OUTER, on=(keyed.ref == key))


_standing = Prepared(_situation)
# What a check-in or a check-out needs to know, in one look.
_looked_up = Prepared(_everything)
_looked_up_with_stream = Prepared(_everything_and_stream)
_open = Prepared(
    lambda user, at: (
        Stream.select(*_fields()).where((Stream.user == user) & is_open(at)).order_by(Stream.opened_at, Stream.id)
    )
)
_holders = Prepared(
    lambda user, at: (
        Stream.select(Stream.id, Stream.device, Stream.opened_at, Stream.seen_at, Stream.expires_at)
        .where((Stream.user == user) & is_open(at))
        .order_by(Stream.opened_at, Stream.id)
    )
)
_by_id = Prepared(lambda stream: Stream.select(*_fields()).where(Stream.id == stream))
_by_ref = Prepared(lambda ref: Stream.select(*_fields()).where(Stream.ref == ref))
_run_out_ids = Prepared(
    lambda user, at: Stream.select(Stream.id).where(
        (Stream.user == user) & Stream.closed_at.is_null() & (Stream.expires_at <= at)
    )
)
_run_out = Prepared(
    lambda user, at: Stream.update({Stream.closed_at: Stream.expires_at, Stream.close_reason: "expired"}).where(
        (Stream.user == user) & Stream.closed_at.is_null() & (Stream.expires_at <= at)
    )
)
_all_run_out = Prepared(
    lambda at, idle: (
        Stream.update(
            {
                Stream.closed_at: Case(None, [(Stream.expires_at <= at, Stream.expires_at)], at),
                Stream.close_reason: "expired",
            }
        )
        .where(
            Stream.closed_at.is_null() & ((Stream.expires_at <= at) | (Stream.seen_at <= idle)) & (Stream.seen_at <= at)
        )
        .returning(Stream.id)
    )
)
_insert = Prepared(
    lambda user, ref, device, at, expires_at, line: Stream.insert(
        {
            Stream.user: user,
            Stream.ref: ref,
            Stream.device: device,
            Stream.opened_at: at,
            Stream.seen_at: at,
            Stream.expires_at: expires_at,
            Stream.checkin_line: line,
        }
    )
)
_close = Prepared(
    lambda stream, at, reason, line: Stream.update(
        {
            Stream.closed_at: at,
            Stream.seen_at: at,
            Stream.close_reason: reason,
            Stream.checkout_line: line,
        }
    ).where(Stream.id == stream)
)
_see = Prepared(
    lambda stream, at, expires_at: Stream.update({Stream.seen_at: at, Stream.expires_at: expires_at}).where(
        Stream.id == stream
    )
)


class Situation(NamedTuple):
    """What one look tells: the standing, the month's open invoice, whether the key was used before, and when it is
    about to close, the stream that the key opened, anybody's.
    """

    standing: Standing
    invoice: int | None
    key_used: bool
    stream: Lease | None


def look_up(user: int, at: datetime, month: str, key: str | None, *, closes: bool) -> Situation | None:
    """The situation of the user at that instant; None when there is no such user.

    Unless the key is used, the user's run-out leases are written down in passing, as of then and without a line.
    """
    if not 0 < user <= ID_MOST:
        return None
    current().lock_member(user)
    now = written(at)
    statement = _looked_up_with_stream if closes and key is not None else _looked_up
    for row in statement(user, now, month, key, closes):
        state, start, end, cancelled_on, limit, held, unclosed, invoice, used, *stream = row
        named = _lease(stream) if stream and stream[0] is not None else None
        if unclosed > held and not used:  # a repeated key changes nothing
            current().journal.changing(Stream, [stream for (stream,) in _run_out_ids(user, now)])
            _run_out(user, now)
            named = named and by_id(named.id)  # it may be one of those
        standing = Standing(user, state, as_day(start), as_day(end), as_day(cancelled_on), limit or 0, held)
        return Situation(standing, invoice, bool(used), named)
    return None


def standing_of(user: int, at: datetime) -> Standing | None:
    """What decides whether the user may stream at that instant; None when there is no such user."""
    if not 0 < user <= ID_MOST:
        return None
    for state, start, end, cancelled_on, limit, held in _standing(user, written(at)):
        return Standing(user, state, as_day(start), as_day(end), as_day(cancelled_on), limit or 0, held)
    return None


def holders_of(user: int, at: datetime) -> list[Holder]:
    """The streams that hold the user's credits at that instant, the oldest first."""
    return [
        Holder(stream, device, *map(as_instant, instants))  # type: ignore[arg-type]
        for stream, device, *instants in _holders(user, written(at))
    ]


def open_of(user: int, at: datetime) -> list[Lease]:
    """The user's open streams at that instant, the oldest first."""
    return [_lease(row) for row in _open(user, written(at))]


def by_id(stream: int) -> Lease | None:
    """The stream with that id."""
    return next((_lease(row) for row in _by_id(stream)), None) if stream <= ID_MOST else None


def by_ref(ref: str) -> Lease | None:
    """The stream that was opened with that key."""
    return next((_lease(row) for row in _by_ref(ref)), None)


def lock_owners(ids: Iterable[int], refs: Iterable[str]) -> None:
    """Keep other writers off the members whose streams these are, until the transaction ends."""
    owners = {found.user for found in (*map(by_id, ids), *map(by_ref, refs)) if found is not None}
    for user in sorted(owners):  # in one order, so that no two wait for each other
        current().lock_member(user)


def write_down_all_run_out(at: datetime, idle_since: datetime | None) -> list[int]:
    """Close every run-out lease as of then, and now what was not seen since `idle_since`; the ids. One statement."""
    idle = written(idle_since) if idle_since else None
    ended = sorted(stream for (stream,) in _all_run_out(written(at), idle))
    current().journal.changing(Stream, ended)
    return ended


def insert(
    user: int, at: datetime, line: int, *, ref: str | None, device: str | None, expires_at: datetime | None
) -> int:
    """Open a stream; its id."""
    until = written(expires_at) if expires_at else None
    stream = _insert.id(user, ref, device, written(at), until, line)
    current().journal.added(Stream, stream)
    return stream


def close(stream: int, at: datetime, reason: str, line: int | None) -> None:
    """Close the stream at that instant, for that reason, with its check-out line if it bears one."""
    current().journal.changing(Stream, [stream], implied=line is not None)
    _close(stream, written(at), reason, line)


def see(stream: int, at: datetime, expires_at: datetime | None) -> None:
    """Note that the stream was alive at that instant, and until when its lease runs now."""
    _see(stream, written(at), written(expires_at) if expires_at else None)


def _lease(row: Sequence[Any]) -> Lease:
    number, user, *instants, reason, line = row
    return Lease(number, user, *map(as_instant, instants), reason, line)  # type: ignore[arg-type, call-arg]
