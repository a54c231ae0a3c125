"""How much was streamed, by a sweep in plain Python: what the tests of `report usage` compare it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

QUARTER = timedelta(minutes=15)  # no zone begins a day at any other minute


class Held(NamedTuple):
    """A stream: whose, and from when to when; `over` is None while it is open."""

    member: int
    opened: datetime
    over: datetime | None


class Figures(NamedTuple):
    """One day's row; seconds are exact."""

    day: date
    streams: int
    seconds: int
    peak: int
    at_limit: int


def begins(day: date, zone: ZoneInfo) -> datetime:
    """The first quarter of an hour that is that day, or a later one, in the zone."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=20)
    while moment.astimezone(zone).date() < day:
        moment += QUARTER
    return moment


def days_of(month: str, zone: ZoneInfo, at: datetime) -> list[date]:
    """The days of the month that have begun."""
    first = date.fromisoformat(f"{month}-01")
    days = (first + timedelta(days=number) for number in range(31))
    return [day for day in days if day.month == first.month and day <= at.astimezone(zone).date()]


def swept(
    month: str, zone: ZoneInfo, streams: Iterable[Held], limits: Mapping[int, int], at: datetime
) -> list[Figures]:
    """Each day's figures, found by looking at every moment of it at which something happens."""
    known = [stream for stream in streams if stream.opened <= at]
    rows = []
    for day in days_of(month, zone, at):
        start, end = begins(day, zone), begins(day + timedelta(days=1), zone)
        moments = {start, *(s.opened for s in known), *(s.over for s in known if s.over)}
        crowds = [
            [s.member for s in known if s.opened <= moment and (s.over is None or moment < s.over)]
            for moment in moments
            if start <= moment < end and moment <= at
        ]
        full = {m for crowd in crowds for m in crowd if 0 < limits.get(m, 0) <= crowd.count(m)}
        spans = [min(s.over or at, end, at) - max(s.opened, start) for s in known]
        rows.append(
            Figures(
                day,
                sum(start <= s.opened < end for s in known),
                sum(int(span.total_seconds()) for span in spans if span > timedelta(0)),
                max(map(len, crowds), default=0),
                len(full),
            )
        )
    return rows


def hours(seconds: int) -> float:
    """Hours with two decimals, half up."""
    return int(Fraction(seconds, 36) + Fraction(1, 2)) / 100
