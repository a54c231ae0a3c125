"""Streams and who may start one: the statements that run thousands of times a second in a batch."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Case, fn

from streamctl.domain.calendar import as_day, as_instant, written
from streamctl.domain.membership import Holder, Standing
from streamctl.store.database import ID_MOST
from streamctl.store.models import Invoice, Membership, Request, Stream, User
from streamctl.store.prepared import Prepared, slot
from streamctl.store.records import IS_OPEN

_COLUMNS = ("id", "user", "opened_at", "seen_at", "expires_at", "closed_at", "close_reason", "checkout_line")


def request_key(key: str, closes: str) -> Any:
    """The condition that finds a request by its key, through its index: check-outs have keys of their own."""
    return (Request.key == slot(key)) & ((Request.action == "checkout") == slot(closes))


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


def _fields() -> list[Any]:
    return [getattr(Stream, name) for name in _COLUMNS]


def _unexpired() -> Any:
    return Stream.closed_at.is_null() & (Stream.expires_at.is_null() | (Stream.expires_at > slot("at")))


def _situation(*more: Any) -> Any:
    return (
        User.select(
            Membership.state,
            Membership.start_date,
            Membership.end_date,
            Membership.cancelled_on,
            Membership.credit_limit,
            Stream.select(fn.COUNT(Stream.id)).where((Stream.user == User.id) & _unexpired()),
            *more,
        )
        .join(Membership, JOIN.LEFT_OUTER, on=(Membership.user == User.id))
        .where(User.id == slot("user"))
    )


_standing = Prepared(_situation)
# What a check-in or a check-out needs to know, in one look.
_looked_up = Prepared(
    lambda: _situation(
        Stream.select(fn.COUNT(Stream.id)).where((Stream.user == User.id) & Stream.closed_at.is_null()),
        Invoice.select(Invoice.id).where((Invoice.user == User.id) & (Invoice.month == slot("month")) & IS_OPEN),
        fn.EXISTS(Request.select(SQL("1")).where(request_key("key", "closes"))),
    )
)
_open = Prepared(
    lambda: (
        Stream.select(*_fields())
        .where((Stream.user == slot("user")) & _unexpired())
        .order_by(Stream.opened_at, Stream.id)
    )
)
_holders = Prepared(
    lambda: (
        Stream.select(Stream.id, Stream.device, Stream.opened_at, Stream.seen_at, Stream.expires_at)
        .where((Stream.user == slot("user")) & _unexpired())
        .order_by(Stream.opened_at, Stream.id)
    )
)
_by_id = Prepared(lambda: Stream.select(*_fields()).where(Stream.id == slot("id")))
_by_ref = Prepared(lambda: Stream.select(*_fields()).where(Stream.ref == slot("ref")))
_run_out = Prepared(
    lambda: Stream.update({Stream.closed_at: Stream.expires_at, Stream.close_reason: "expired"}).where(
        (Stream.user == slot("user")) & Stream.closed_at.is_null() & (Stream.expires_at <= slot("at"))
    )
)
_all_run_out = Prepared(
    lambda: (
        Stream.update(
            {
                Stream.closed_at: Case(None, [(Stream.expires_at <= slot("at"), Stream.expires_at)], slot("at")),
                Stream.close_reason: "expired",
            }
        )
        .where(
            Stream.closed_at.is_null()
            & ((Stream.expires_at <= slot("at")) | (Stream.seen_at <= slot("idle")))
            & (Stream.seen_at <= slot("at"))
        )
        .returning(Stream.id)
    )
)
_insert = Prepared(
    lambda: Stream.insert(
        {
            Stream.user: slot("user"),
            Stream.ref: slot("ref"),
            Stream.device: slot("device"),
            Stream.opened_at: slot("at"),
            Stream.seen_at: slot("at"),
            Stream.expires_at: slot("expires_at"),
            Stream.checkin_line: slot("line"),
        }
    ).returning(Stream.id)
)
_close = Prepared(
    lambda: Stream.update(
        {
            Stream.closed_at: slot("at"),
            Stream.seen_at: slot("at"),
            Stream.close_reason: slot("reason"),
            Stream.checkout_line: slot("line"),
        }
    ).where(Stream.id == slot("id"))
)
_see = Prepared(
    lambda: Stream.update({Stream.seen_at: slot("at"), Stream.expires_at: slot("expires_at")}).where(
        Stream.id == slot("id")
    )
)


class Situation(NamedTuple):
    """What one look tells: the standing, the month's open invoice, and whether the key was used before."""

    standing: Standing
    invoice: int | None
    key_used: bool


def look_up(user: int, at: datetime, month: str, key: str | None, *, closes: bool) -> Situation | None:
    """The situation of the user at that instant; None when there is no such user.

    Unless the key is used, the user's run-out leases are written down in passing, as of then and without a line.
    """
    if not 0 < user <= ID_MOST:
        return None
    now = written(at)
    for *facts, held, unclosed, invoice, used in _looked_up(user=user, at=now, month=month, key=key, closes=closes):
        if unclosed > held and not used:  # a repeated key changes nothing
            _run_out(user=user, at=now)
        return Situation(_standing_from(user, facts, held), invoice, bool(used))
    return None


def standing_of(user: int, at: datetime) -> Standing | None:
    """What decides whether the user may stream at that instant; None when there is no such user."""
    if not 0 < user <= ID_MOST:
        return None
    for *facts, held in _standing(user=user, at=written(at)):
        return _standing_from(user, facts, held)
    return None


def _standing_from(user: int, facts: list[Any], held: int) -> Standing:
    state, start, end, cancelled_on, limit = facts
    return Standing(user, state, as_day(start), as_day(end), as_day(cancelled_on), limit or 0, held)


def holders_of(user: int, at: datetime) -> list[Holder]:
    """The streams that hold the user's credits at that instant, the oldest first."""
    return [
        Holder(stream, device, *map(as_instant, instants))  # type: ignore[arg-type]
        for stream, device, *instants in _holders(user=user, at=written(at))
    ]


def open_of(user: int, at: datetime) -> list[Lease]:
    """The user's open streams at that instant, the oldest first."""
    return [_lease(row) for row in _open(user=user, at=written(at))]


def by_id(stream: int) -> Lease | None:
    """The stream with that id."""
    return next((_lease(row) for row in _by_id(id=stream)), None) if stream <= ID_MOST else None


def by_ref(ref: str) -> Lease | None:
    """The stream that was opened with that key."""
    return next((_lease(row) for row in _by_ref(ref=ref)), None)


def write_down_all_run_out(at: datetime, idle_since: datetime | None) -> list[int]:
    """Close every run-out lease as of then, and now what was not seen since `idle_since`; the ids. One statement."""
    idle = written(idle_since) if idle_since else ""
    return sorted(stream for (stream,) in _all_run_out(at=written(at), idle=idle))


def insert(
    user: int, at: datetime, line: int, *, ref: str | None, device: str | None, expires_at: datetime | None
) -> int:
    """Open a stream; its id."""
    until = written(expires_at) if expires_at else None
    ((stream,),) = _insert(user=user, ref=ref, device=device, at=written(at), expires_at=until, line=line)
    return int(stream)


def close(stream: int, at: datetime, reason: str, line: int | None) -> None:
    """Close the stream at that instant, for that reason, with its check-out line if it bears one."""
    _close(id=stream, at=written(at), reason=reason, line=line)


def see(stream: int, at: datetime, expires_at: datetime | None) -> None:
    """Note that the stream was alive at that instant, and until when its lease runs now."""
    _see(id=stream, at=written(at), expires_at=written(expires_at) if expires_at else None)


def _lease(row: tuple[Any, ...]) -> Lease:
    number, user, *instants, reason, line = row
    return Lease(number, user, *map(as_instant, instants), reason, line)  # type: ignore[arg-type, call-arg]
