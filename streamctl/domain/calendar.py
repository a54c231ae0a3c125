"""Days, months, durations and instants: how they are typed, and how they are counted.

Days and months belong to the database's time zone; instants are UTC, to the second. Years 2000 to 2999.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple, TypeVar

from streamctl.errors import BadValue, quoted

YEARS = range(2000, 3000)
RELATIVE_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
RELATIVE_MONTHS = {"last": -1, "this": 0, "next": 1}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=3650)
AN_INSTANT = "2026-11-22T20:15:03Z or 2026-11-22T21:15:03.250+01:00, with its offset, in the years 2000 to 2999"

# Patterns stay text until one is used: compiling them all would be felt at every start.
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MONTH = r"[0-9]{4}-(0[1-9]|1[0-2])"
_DURATION = r"([0-9]{1,9})([smhd])"
_INSTANT = r"[0-9-]{10}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)"
_LEAP_SECOND = r"[0-9-]{10}[Tt ][0-9:]{5}:60.*"

_pattern = lru_cache(re.compile)
D = TypeVar("D", bound=date)


class TypedDay(NamedTuple):
    """A day as typed: a date, or so many days from today."""

    day: date | None
    offset: int = 0

    def on(self, today: date) -> date:
        """The day that is meant, when today is this. Raises BadValue past 2999."""
        day = self.day or today + timedelta(days=self.offset)
        if day.year not in YEARS:
            raise BadValue(f"{day} is beyond the years {YEARS[0]} to {YEARS[-1]}.")
        return day


class TypedMonth(NamedTuple):
    """A month as typed: `2026-11`, or so many months from this one."""

    month: str | None
    offset: int = 0

    def on(self, today: date) -> str:
        """The month that is meant, when today is this. Raises BadValue."""
        return self.month or month_on(month_of(today), self.offset)


THIS, LAST = TypedMonth(None, 0), TypedMonth(None, -1)


def typed_day(text: str) -> TypedDay:
    """`2026-11-22`, `today`, `yesterday` or `tomorrow`. Raises BadValue."""
    if text in RELATIVE_DAYS:
        return TypedDay(None, RELATIVE_DAYS[text])
    if re.fullmatch(_DAY, text):
        try:
            return TypedDay(in_range(date.fromisoformat(text)))
        except ValueError:
            pass
    raise BadValue(f"{quoted(text)} is no date; write it like 2026-11-22, or today, yesterday, tomorrow.")


def typed_month(text: str) -> TypedMonth:
    """`2026-11`, `this`, `last` or `next`. Raises BadValue."""
    if text in RELATIVE_MONTHS:
        return TypedMonth(None, RELATIVE_MONTHS[text])
    if re.fullmatch(_MONTH, text) and int(text[:4]) in YEARS:
        return TypedMonth(text)
    raise BadValue(f"{quoted(text)} is no month; write it like 2026-11, or this, last, next.")


def typed_duration(text: str) -> timedelta:
    """`90s`, `30m`, `12h`, `7d`: longer than nothing, at most ten years. Raises BadValue."""
    if found := re.fullmatch(_DURATION, text):
        duration = timedelta(seconds=int(found[1]) * SECONDS[found[2]])
        if timedelta(0) < duration <= LONGEST:
            return duration
    raise BadValue(f"{quoted(text)} is no duration; write it like 90s, 30m, 12h or 7d (at most 3650d).")


def typed_moment(text: str) -> datetime | date:
    """An instant as `typed_instant` reads it, or a date (the start of that day). Raises BadValue."""
    try:
        if re.fullmatch(_DAY, text):
            return in_range(date.fromisoformat(text))
    except ValueError:
        pass
    return typed_instant(text, f"no moment; write it like {AN_INSTANT}, or as a day: 2026-11-22")


def typed_instant(text: str, otherwise: str = f"no instant; write it like {AN_INSTANT}") -> datetime:
    """An instant with `Z` or an offset in UTC; fractions of a second are cut off. Raises BadValue."""
    try:
        if _pattern(_INSTANT).fullmatch(text):
            moment = datetime.fromisoformat(text.upper()).replace(microsecond=0)
            return in_range(moment if moment.tzinfo is UTC else moment.astimezone(UTC))
    except (ValueError, OverflowError):
        pass
    if re.fullmatch(_LEAP_SECOND, text):
        otherwise = "in a leap second, which is not counted here; write the second before it, :59"
    raise BadValue(f"{quoted(text)} is {otherwise}.")


def in_range(day: D) -> D:
    """The day itself, when its year is one of ours. Raises ValueError."""
    if day.year not in YEARS:
        raise ValueError(day)
    return day


# A batch asks the same of one event's moment, and of one member's days, many times over.
@lru_cache(128)
def written(at: datetime) -> str:
    """An instant as it is stored and shown: `2026-11-22T20:15:03Z`."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat()[:19] + "Z"


@lru_cache(128)
def as_day(stored: date | str | None) -> date | None:
    """A stored day as a date, whichever way the driver gives it."""
    return date.fromisoformat(stored) if isinstance(stored, str) else stored


def as_instant(stored: datetime | str | None) -> datetime | None:
    """A stored instant as an aware datetime in UTC, whichever way the driver gives it."""
    return datetime.fromisoformat(stored) if isinstance(stored, str) else stored and stored.astimezone(UTC)


def local_day(at: datetime, zone: tzinfo) -> date:
    """The day it is in the zone at that instant."""
    return at.astimezone(zone).date()


def start_of(day: date, zone: tzinfo) -> datetime:
    """The instant at which the day begins in the zone, UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


@lru_cache(128)
def month_of(day: date) -> str:
    """The billing month of a day, `2026-11`."""
    return f"{day.year:04}-{day.month:02}"


def months_on(day: date, months: int, anchor: int) -> date:
    """The day `months` later, on the `anchor`th of its month or the last day there is. Raises BadValue past 2999."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year not in YEARS:
        raise BadValue(f"{months} months from {day} is beyond the years {YEARS[0]} to {YEARS[-1]}.")
    return date(year, month + 1, min(anchor, monthrange(year, month + 1)[1]))


def month_on(month: str, months: int) -> str:
    """The month `months` later. Raises BadValue past 2999."""
    return month_of(months_on(date.fromisoformat(f"{month}-01"), months, 1))
