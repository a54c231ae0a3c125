"""What the streaming services promise, as a page of plain Python, for the state machine that compares the two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

START = datetime(2026, 11, 30, 14, 50, tzinfo=UTC)  # ten minutes before December in Tokyo
AHEAD_OF_UTC = timedelta(hours=9)
LEASES = {"none": None, "60s": timedelta(seconds=60), "1h": timedelta(hours=1)}
NAMES = {"1": 1, "ann@example.com": 1, "2": 2, "3": 3}  # 3 has no membership, "9" is nobody

Row = dict[str, Any]


def written(at: datetime | None) -> str | None:
    """The instant as the database holds it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


class Refusal(Exception):
    """The page says no; the argument is the error's code."""


@dataclass
class Membership:
    limit: int
    start: date = date(2026, 11, 1)
    end: date = date(2026, 12, 20)
    state: str = "ACT"


@dataclass
class Stream:
    user: int
    ref: str | None
    opened: datetime
    seen: datetime
    expires: datetime | None
    checkin: int
    closed: datetime | None = None
    reason: str | None = None
    checkout: int | None = None


class Page:
    """What the services promise. A row's id is its place in its list, from 1; nothing is deleted here."""

    def __init__(self) -> None:
        self.now = START
        self.members: dict[int, Membership | None] = {1: Membership(2), 2: Membership(1), 3: None}
        self.streams: list[Stream] = []
        self.invoices: list[list[Any]] = []  # user, month, status
        self.lines: list[tuple[int, str, int]] = []  # invoice, kind, amount in minor units
        self.requests: dict[tuple[str, bool], tuple[tuple[Any, ...], Row]] = {}
        self.grants: dict[tuple[int, datetime], int] = {}  # the limit at the last grant of that instant
        self.prices = {"checkin": 100, "checkout": 25}
        self.lease: timedelta | None = None

    @property
    def today(self) -> date:
        return (self.now + AHEAD_OF_UTC).date()

    def pass_time(self, seconds: int) -> None:
        """Time moves, and what runs out on the way is lost at once, as of then."""
        self.now += timedelta(seconds=seconds)
        for stream in self.streams:
            if stream.closed is None and stream.expires is not None and stream.expires <= self.now:
                stream.closed, stream.reason = stream.expires, "expired"

    def open_of(self, user: int) -> list[int]:
        return [number for number, s in enumerate(self.streams, 1) if s.user == user and s.closed is None]

    def credits(self, user: int) -> int:
        membership = self.members[user]
        return max(0, (membership.limit if membership else 0) - len(self.open_of(user)))

    def refusal(self, user: int, held: int) -> str | None:
        match self.members[user]:
            case None:
                return "no_membership"
            case Membership(state="CANC"):
                return "membership_cancelled"
            case Membership(start=start) if self.today < start:
                return "membership_not_started"
            case Membership(end=end) if self.today >= end:
                return "membership_expired"
            case Membership(limit=limit) if held >= limit:
                return "no_credits"
        return None

    def check_in(self, member: str, *, ref: str | None, device: str | None, lease: timedelta | None) -> list[Row]:
        request = ("checkin", NAMES.get(member), device, lease)
        if first := self._replayed(ref, request):
            return first
        user = self._user(member)
        self._must_be_granted(user, len(self.open_of(user)))
        return self._remembered(ref, request, self._opened(user, ref, lease))

    def take_over(
        self, member: str, *, stream: int | None, ref: str | None, device: str | None, lease: timedelta | None
    ) -> list[Row]:
        request = ("takeover", NAMES.get(member), stream, device, lease)
        if first := self._replayed(ref, request):
            return first
        user = self._user(member)
        if stream and self._stream(user, stream).closed:
            raise Refusal("no_open_stream")
        held = self.open_of(user)
        self._must_be_granted(user, len(held) - 1)
        if not held:
            raise Refusal("no_open_stream")
        old = stream or held[0]
        self._closed(old, "takeover")
        return self._remembered(ref, request, {**self._opened(user, ref, lease), "taken_over": old})

    def check_out(self, member: str, *, stream: int | None = None, ref: str | None = None) -> list[Row]:
        request = ("checkout", NAMES.get(member))
        if first := self._replayed(ref, request):
            return first
        user = self._user(member)
        if ref:
            stream = next((number for number, s in enumerate(self.streams, 1) if s.ref == ref), 0)
            if stream and self.streams[stream - 1].user != user:
                raise Refusal("key_conflict")
        if stream is not None:
            found = self._stream(user, stream)
            if found.closed:
                invoice = self.lines[found.checkout - 1][0] if found.checkout else None
                receipt = self._receipt(user, invoice, found.checkout, stream)
                return [{**receipt, "replayed": True, "close_reason": found.reason}]
        elif not self.open_of(user):
            raise Refusal("no_open_stream")
        return self._remembered(ref, request, self._checked_out(user, stream or self.open_of(user)[0]))

    def check_out_all(self, member: str) -> list[Row]:
        user = self._user(member)
        return [self._checked_out(user, stream) for stream in self.open_of(user)]

    def heartbeat(self, ids: list[int], *, refs: list[str]) -> list[Row]:
        refs_known = {s.ref: number for number, s in enumerate(self.streams, 1)}
        numbers = [*ids, *(refs_known.get(ref, 0) for ref in refs)]
        if 0 in numbers:
            raise Refusal("not_found")
        if any(self.streams[number - 1].closed for number in numbers):
            raise Refusal("stream_lost")
        return [self._beat(number) for number in numbers]

    def expire(self, *, idle: timedelta | None) -> None:
        for number, stream in enumerate(self.streams, 1):
            if idle and stream.closed is None and stream.seen <= self.now - idle:
                self._closed(number, "expired", seen=stream.seen)

    def cancel(self, names: list[str]) -> None:
        self._membership(names[0]).state = "CANC"

    def reactivate(self, names: list[str]) -> None:
        self._membership(names[0]).state = "ACT"

    def update(self, member: str, **given: Any) -> None:
        found = self._membership(member)
        found.limit = given.get("credits", found.limit)
        found.start, found.end = given.get("start", found.start), given.get("end", found.end)

    def pay(self, ids: list[int]) -> None:
        self._move(ids, "PAID", "VOID")

    def void(self, ids: list[int]) -> None:
        self._move(ids, "VOID", "PAID")

    def reopen(self, ids: list[int]) -> None:
        after = [[*row[:2], "OUT"] if number in ids else row for number, row in enumerate(self.invoices, 1)]
        still_open = [tuple(row) for row in after if row[2] == "OUT"]
        if len(still_open) != len(set(still_open)):
            raise Refusal("month_taken")
        self.invoices = after

    def change(self, key: str, value: str) -> None:
        if key == "lease":
            self.lease = LEASES[value]
        else:
            self.prices[key.removesuffix("_amount")] = int(float(value) * 100)

    def _user(self, member: str) -> int:
        if member not in NAMES:
            raise Refusal("not_found")
        return NAMES[member]

    def _membership(self, member: str) -> Membership:
        found = self.members[self._user(member)]
        if found is None:
            raise Refusal("no_membership")
        return found

    def _stream(self, user: int, number: int) -> Stream:
        if not 0 < number <= len(self.streams) or self.streams[number - 1].user != user:
            raise Refusal("not_found")
        return self.streams[number - 1]

    def _must_be_granted(self, user: int, held: int) -> None:
        if code := self.refusal(user, held):
            raise Refusal(code)

    def _replayed(self, key: str | None, request: tuple[Any, ...]) -> list[Row] | None:
        """A check-out may share the key that opened its stream."""
        if key is None or (key, request[0] == "checkout") not in self.requests:
            return None
        before, receipt = self.requests[key, request[0] == "checkout"]
        if before != request:
            raise Refusal("key_conflict")
        return [{**receipt, "replayed": True}]

    def _remembered(self, key: str | None, request: tuple[Any, ...], receipt: Row) -> list[Row]:
        if key is not None:
            self.requests[key, request[0] == "checkout"] = request, receipt
        return [receipt]

    def _charged(self, user: int, kind: str) -> tuple[int, int]:
        invoice = [user, self.today.isoformat()[:7], "OUT"]
        if invoice not in self.invoices:
            self.invoices.append(invoice)
        number = self.invoices.index(invoice) + 1
        self.lines.append((number, kind, self.prices[kind]))
        return number, len(self.lines)

    def _opened(self, user: int, ref: str | None, lease: timedelta | None) -> Row:
        invoice, line = self._charged(user, "checkin")
        lease = lease or self.lease
        self.streams.append(Stream(user, ref, self.now, self.now, self.now + lease if lease else None, line))
        self.grants[user, self.now] = self.members[user].limit  # type: ignore[union-attr]
        return self._receipt(user, invoice, line, len(self.streams))

    def _checked_out(self, user: int, number: int) -> Row:
        invoice, line = self._charged(user, "checkout")
        self._closed(number, "checkout", line)
        return self._receipt(user, invoice, line, number)

    def _closed(self, number: int, reason: str, line: int | None = None, *, seen: datetime | None = None) -> None:
        stream = self.streams[number - 1]
        stream.closed, stream.seen, stream.reason, stream.checkout = self.now, seen or self.now, reason, line

    def _receipt(self, user: int, invoice: int | None, line: int | None, stream: int) -> Row:
        numbers = {"invoice_id": invoice, "invoice_line_id": line, "stream_id": stream}
        return {**numbers, "credits": self.credits(user), "replayed": False}

    def _beat(self, number: int) -> Row:
        stream = self.streams[number - 1]
        replayed = stream.seen == self.now
        if stream.expires:
            stream.expires += self.now - stream.seen
        stream.seen = self.now
        until = written(stream.expires)
        return {"stream_id": number, "seen_at": written(self.now), "expires_at": until, "replayed": replayed}

    def _move(self, ids: list[int], status: str, stuck: str) -> None:
        if any(self.invoices[number - 1][2] == stuck for number in ids):
            raise Refusal("invoice_closed")
        for number in ids:
            self.invoices[number - 1][2] = status
