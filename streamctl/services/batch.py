"""`stream batch`: events in, receipts out, many in one transaction; a receipt leaves when its event is durable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from peewee import fn

from streamctl.domain.events import Event, Group
from streamctl.domain.records import Record
from streamctl.domain.terms import Terms
from streamctl.errors import KeyConflict, NotFound, StreamctlError, quoted
from streamctl.interruption import stoppable
from streamctl.services import leases, streaming
from streamctl.services.requests import any_refused, refused_before, remember_refusal
from streamctl.store import streams
from streamctl.store.database import changes, journal, savepoint, use_large_cache, write
from streamctl.store.models import InvoiceLine
from streamctl.store.streams import Lease

REMEMBERED = ("checkin", "checkout", "takeover")
AT_ONCE = 100  # lines: read and played one by one, each would drive the other out of the processor's caches
UNREADABLE, NOT_FOUND, REFUSED = 2, 3, 4  # the exit statuses that are an answer to one event


class Line(NamedTuple):
    """A line of input: its number, and the event on it or why it can't be read."""

    number: int
    event: Event | StreamctlError


class Feed(Protocol):
    """Where events come from."""

    def take(self, most: int, *, wait: bool) -> list[Line]:
        """At most so many of the lines that are there; with `wait` at least one, except at the end."""


class Receipt(NamedTuple):
    """What became of one line."""

    number: int
    action: str | None
    outcome: Record | StreamctlError

    @property
    def refused(self) -> bool:
        """Whether nothing came of it."""
        return isinstance(self.outcome, StreamctlError)

    def told(self) -> dict[str, Any]:
        """The receipt as JSON values; that of an event which was done has neither lists nor objects in it."""
        if isinstance(self.outcome, StreamctlError):
            return {"ok": False, "line": self.number, "error": self.outcome.told()}
        told = {"ok": True, "line": self.number, "action": self.action}
        told.update(zip([column.name for column in self.outcome.columns], self.outcome.row, strict=True))
        return told


def play(
    feed: Feed, group: Group, *, clock: Callable[[], datetime], by_clock: bool = False, stop: bool = False
) -> Iterator[list[Receipt]]:
    """Play the events in their order; after each commit the receipts of what it made durable.

    A transaction takes what is there and ends before it would wait for more, so that the write lock is never held
    while waiting. `clock` is asked for events that have no time of their own; `by_clock` says that it is the
    machine's own, and no time that somebody gave. With `stop` the first refusal ends it.
    Raises Busy; what was answered before stays.
    """
    use_large_cache()
    while first := _first(feed, group):
        playing = _Playing(feed, group, clock, by_clock, stop, first)
        alone = group.most > 1  # one event is about one member
        try:
            receipts = write(playing.all, alone=alone)
        except _HalfDoneError:
            playing.guarded = True
            receipts = write(playing.all, alone=alone)
        yield receipts
        if stop and receipts[-1].refused:
            return


def _first(feed: Feed, group: Group) -> list[Line]:
    """What the next transaction begins with; while there is nothing, it may be stopped."""
    with stoppable():
        return feed.take(min(group.most, AT_ONCE), wait=True)


class _HalfDoneError(Exception):
    """An event was refused after it had written something: its transaction must be played again, guarded."""


class _Playing:
    """One transaction's worth of events. Played again it plays the lines it has taken, and no other outcome is kept."""

    def __init__(
        self, feed: Feed, group: Group, clock: Callable[[], datetime], by_clock: bool, stop: bool, first: list[Line]
    ) -> None:
        self._feed, self._group, self._clock, self._by_clock, self._stop = feed, group, clock, by_clock, stop
        self._taken = first
        self._until = time.monotonic() + group.longest.total_seconds()
        # A savepoint for each event costs a copy of each page it changes. Rules refuse before they write, so
        # one is only needed when the database itself refuses half-way.
        self.guarded = False
        self._refused_before = True

    def all(self, terms: Terms) -> list[Receipt]:
        """Play what has been taken, then take and play what is there, up to the group's size."""
        journal().coarse = self._group.most > 1
        receipts = self._played(terms)
        if journal().coarse:
            _tell_journal(receipts)
        return receipts

    def _played(self, terms: Terms) -> list[Receipt]:
        receipts: list[Receipt] = []
        self._changes = changes()
        self._refused_before = any_refused()
        while len(receipts) < len(self._taken) or self._take_more():
            for line in self._taken[len(receipts) :]:
                receipts.append(self._one(terms, line))
                if self._stop and receipts[-1].refused:
                    return receipts
        return receipts

    def _take_more(self) -> bool:
        if time.monotonic() >= self._until:
            return False
        more = self._feed.take(min(self._group.most - len(self._taken), AT_ONCE), wait=False)
        self._taken += more
        return bool(more)

    def _one(self, terms: Terms, line: Line) -> Receipt:
        event = line.event
        if isinstance(event, StreamctlError):
            return Receipt(line.number, None, event)
        # A dated event with a key is answered the same for ever, refusals too. One of now may be tried again.
        named = event.at is not None and (event.ref is not None or event.stream is not None)
        lasts = named and event.action in REMEMBERED
        at, by_clock = event.at or self._clock(), self._by_clock and event.at is None
        if lasts and self._refused_before and (before := refused_before(event, at)):
            return Receipt(line.number, event.action, before)
        written = self._changes()
        try:
            if not self.guarded:
                return Receipt(line.number, event.action, _do(terms, event, at, by_clock))
            with savepoint():
                return Receipt(line.number, event.action, _do(terms, event, at, by_clock))
        except StreamctlError as refused:
            if refused.status not in (REFUSED, NOT_FOUND, UNREADABLE):
                raise
            if not self.guarded and self._changes() != written:
                raise _HalfDoneError from None
            if lasts and not isinstance(refused, KeyConflict):  # which is the same again by itself
                remember_refusal(event, at, refused)
                self._refused_before = True
            return Receipt(line.number, event.action, refused)


def _tell_journal(receipts: list[Receipt]) -> None:
    """Which lines of the input it was, how many of them came to something, and what that charged."""
    charged = journal().noted(InvoiceLine)  # one each
    if not charged:
        return
    total = InvoiceLine.select(fn.SUM(InvoiceLine.amount)).where(InvoiceLine.id.between(charged[0], charged[-1]))
    lines = {"from_line": receipts[0].number, "to_line": receipts[-1].number}
    journal().told(count=len(charged), sum=int(total.scalar()), selection=lines)


def _do(terms: Terms, event: Event, at: datetime, by_clock: bool) -> Record:
    member = event.member or ""
    match event.action:
        case "checkin":
            return streaming.check_in.body(terms, member, at=at, ref=event.ref, device=event.device, lease=event.lease)
        case "checkout":
            return streaming.check_out.body(terms, member, at=at, by_clock=by_clock, stream=event.stream, ref=event.ref)
        case "takeover":
            return streaming.take_over.body(
                terms,
                member,
                at=at,
                by_clock=by_clock,
                stream=event.stream,
                ref=event.ref,
                device=event.device,
                lease=event.lease,
            )
        case _:
            return leases.beat(_stream_of(event), at, by_clock=by_clock)


def _stream_of(event: Event) -> Lease:
    """The stream that a heartbeat names, and its member's where it names one. Raises NotFound, KeyConflict."""
    if event.member is not None:
        return streaming.stream_of(event.member, stream=event.stream, ref=event.ref)
    found = streams.by_ref(event.ref) if event.ref is not None else streams.by_id(event.stream or 0)
    if found is None:
        raise NotFound("stream", [quoted(event.ref) if event.ref is not None else event.stream])
    return found
