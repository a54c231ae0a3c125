"""The streams as they come and go: what is open, and what has changed since the last look."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from streamctl.domain.calendar import as_instant
from streamctl.domain.records import STREAM, Column, Listing
from streamctl.store.database import current, rows, snapshot
from streamctl.store.lookups import MemberRef, member_ids
from streamctl.store.models import Stream
from streamctl.store.records import expressions, fetch, is_open, key_of, select

EVENTS = 50  # kept for a screen, which shows as many as it has room for
LOOKED_BACK_AT = 200  # streams, for the events before the first look


class Row(NamedTuple):
    """A stream as it is stored; instants as the driver gives them."""

    id: int
    user: int
    email: str
    ref: str | None
    device: str | None
    opened_at: Any
    seen_at: Any
    expires_at: Any
    closed_at: Any
    close_reason: str | None

    def signs(self) -> tuple[Any, Any]:
        """What a sign of life changes."""
        return self.seen_at, self.expires_at


class Change(NamedTuple):
    """What became of a stream: `open` (it was when the watch began, or is once more), `opened`, `seen`, `closed` or
    `deleted`, when that was (UTC), and the stream as it is now.
    """

    change: str
    at: datetime
    stream: Row


COLUMNS = tuple(next(column for column in STREAM if column.name == name) for name in Row._fields)
CHANGE = (Column("change"), Column("at", "instant"), *COLUMNS)


class Watch:
    """The open streams, of some members or of all, kept up to date by looking. The connection can't write any more."""

    def __init__(self, members: Collection[MemberRef] = ()) -> None:
        """Raises NotFound."""
        current().only_read()
        self._of_members = [Stream.user.in_(member_ids(members))] if members else []
        self._open: dict[int, Row] | None = None
        self._newest = 0
        self._version: object = None
        self._next_end: datetime | None = None
        self._events: list[Change] = []

    def look(self, at: datetime) -> Listing:
        """What has changed since the last look, in order of time; at the first, what is open. Raises SchemaNew."""
        changes = self._changes(at) if self._stale(at) else []
        happened = [change for change in changes if change.change in ("opened", "closed", "deleted")]
        self._events = [*reversed(happened), *self._events][:EVENTS]
        return _listing(changes)

    def open(self) -> Listing:
        """What was open at the last look, the newest first."""
        found = sorted((self._open or {}).values(), key=lambda row: (row.opened_at, row.id), reverse=True)
        return Listing(COLUMNS, found)

    def events(self) -> Listing:
        """The last openings and closings at the last look, the newest first."""
        return _listing(self._events)

    def look_back(self, at: datetime) -> None:
        """Find the events before the first look: among the newest streams and the newest check-outs."""
        found = [self._select(at).order_by(key_of("stream").desc()).limit(LOOKED_BACK_AT)]
        if not self._of_members:  # theirs are few, and found above; there is no index by member and check-out
            checked_out = self._select(at).where(Stream.checkout_line.is_null(is_null=False))
            found.append(checked_out.order_by(Stream.checkout_line.desc()).limit(EVENTS))
        with snapshot():
            streams = {row.id: row for query in found for row in _rows(query)}
        events = [Change("opened", _at(row.opened_at), row) for row in streams.values()]
        events += [_closed(row) for row in streams.values() if row.closed_at or (row.expires_at and _run_out(row, at))]
        self._events = _in_order(events)[::-1][:EVENTS]

    def _stale(self, at: datetime) -> bool:
        """Whether anybody has written since the last look, or a lease has run out."""
        version = current().version()
        fresh = version == self._version and (self._next_end is None or at < self._next_end)
        self._version = version
        return not fresh

    def _changes(self, at: datetime) -> list[Change]:
        with snapshot():
            current().check_schema()  # a newer program may have migrated it meanwhile
            before, self._open = self._open, {row.id: row for row in _rows(self._select(at).where(is_open(at)))}
            self._next_end = min((_at(row.expires_at) for row in self._open.values() if row.expires_at), default=None)
            if before is None:
                self._newest = Stream.select(Stream.id).order_by(Stream.id.desc()).limit(1).scalar() or 0
                return [Change("open", at, row) for row in self._open.values()]
            return _in_order(self._since(before, self._open, at))

    def _since(self, before: dict[int, Row], after: dict[int, Row], at: datetime) -> Iterator[Change]:
        new = {row.id: row for row in _rows(self._select(at).where(Stream.id > self._newest))}
        for number, row in new.items():
            yield Change("opened", _at(row.opened_at), row)
            if number not in after:  # it has come and gone between two looks
                yield _closed(row)
        for number, row in after.items():
            if number not in before and number not in new:
                yield Change("open", at, row)
            elif number in before and row.signs() != before[number].signs():
                yield Change("seen", _at(row.seen_at), row)
        gone = before.keys() - after.keys()
        stored = {record.value("id"): record for record in fetch("stream", gone, at)}
        for number in gone:
            if number in stored:
                yield _closed(Row(*(stored[number].value(name) for name in Row._fields)))
            else:
                yield Change("deleted", at, before[number])
        self._newest = max(new, default=self._newest)

    def _select(self, at: datetime) -> Any:
        query = select("stream", COLUMNS, expressions("stream", at))
        return query.where(*self._of_members) if self._of_members else query


def _rows(query: Any) -> Iterator[Row]:
    return map(Row._make, rows(query))


def _listing(changes: Iterable[Change]) -> Listing:
    return Listing(CHANGE, [(change, at, *row) for change, at, row in changes])


def _at(stored: Any) -> datetime:
    found = as_instant(stored)
    assert found is not None  # noqa: S101 (callers ask first)
    return found


def _run_out(row: Row, at: datetime) -> bool:
    return _at(row.expires_at) <= at


def _closed(row: Row) -> Change:
    """The end of a stream. A lease that has run out has ended then, though nobody has written it down yet."""
    if row.closed_at is None:
        row = row._replace(closed_at=row.expires_at, close_reason="expired")
    return Change("closed", _at(row.closed_at), row)


def _in_order(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: (change.at, change.stream.id))
