"""Leases: signs of life, and the end of streams that give none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from streamctl.domain.calendar import written
from streamctl.domain.records import HEARTBEAT, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import NotFound, StreamLost, TimeOrder, quoted
from streamctl.store import streams
from streamctl.store.database import concurrent, journal, transactional
from streamctl.store.records import fetched
from streamctl.store.streams import Lease


@concurrent
def heartbeat(
    terms: Terms, ids: Iterable[int] = (), *, at: datetime, by_clock: bool = False, refs: Iterable[str] = ()
) -> Listing:
    """Note that these streams are alive, all or none, and move their leases on; a receipt each.

    A lease runs as long from now as it ran from the last sign of life. A sign that is older than the last is a
    replay and changes nothing. `by_clock` says that nobody gave the time: it counts from each stream's last sign of
    life on. Raises NotFound, StreamLost (with the reason, and since when), TimeOrder.
    """
    ids, refs = list(ids), list(refs)
    streams.lock_owners(ids, refs)
    named = [*((str(number), streams.by_id(number)) for number in ids)]
    named += [(quoted(ref), streams.by_ref(ref)) for ref in refs]
    if missing := [name for name, found in named if found is None]:
        raise NotFound("stream", missing, "See what there is with: streamctl stream list --all")
    there = [found for _, found in named if found is not None]
    if there and not by_clock:
        # A refusal names a time that does for all of them.
        _must_be_open_by(max(there, key=lambda stream: stream.opened_at), at)
    return Listing(HEARTBEAT, [beat(stream, at, by_clock=by_clock).row for stream in there])


def beat(stream: Lease, at: datetime, *, by_clock: bool = False) -> Record:
    """One sign of life; the receipt. Raises StreamLost, TimeOrder."""
    if by_clock:
        at = max(at, stream.seen_at)
    _must_be_open_by(stream, at)
    reason, since = stream.close_reason, stream.closed_at
    if since is None and stream.expires_at is not None and stream.expires_at <= at:
        reason, since = "expired", stream.expires_at
    if at <= stream.seen_at and (since is None or (at < since and not by_clock)):
        return _receipt(stream, replayed=True)
    if since is not None:
        raise StreamLost(stream.id, stream.user, reason or "expired", written(since))
    lease = stream.expires_at and stream.expires_at - stream.seen_at
    alive = stream._replace(seen_at=at, expires_at=at + lease if lease else None)
    streams.see(stream.id, at, alive.expires_at)
    return _receipt(alive)


def _must_be_open_by(stream: Lease, at: datetime) -> None:
    """Raises TimeOrder when the stream was opened after that instant."""
    if at < stream.opened_at:
        raise TimeOrder(stream.id, written(stream.opened_at), written(stream.seen_at), written(at))


@transactional
def expire(terms: Terms, *, at: datetime, idle: timedelta | None = None) -> Listing:
    """Close every stream whose lease has run out, and with `idle` those not seen for so long; what they are now.

    One statement; it only writes down what a run-out lease is for everybody already.
    """
    journal().coarse = True
    ended = streams.write_down_all_run_out(at, at - idle if idle else None)
    seconds = None if idle is None else int(idle.total_seconds())
    journal().told(count=len(ended), selection={"at": written(at), "idle": seconds})
    return fetched("stream", ended, at)


def _receipt(stream: Lease, *, replayed: bool = False) -> Record:
    until = written(stream.expires_at) if stream.expires_at else None
    return Record(HEARTBEAT, (stream.id, written(stream.seen_at), until, replayed))
