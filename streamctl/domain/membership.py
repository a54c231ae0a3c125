"""Memberships: who may start a stream, and until when a membership runs."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from typing import Any, NamedTuple

from streamctl.domain.calendar import months_on, written
from streamctl.errors import (
    BadValue,
    MembershipCancelled,
    MembershipExpired,
    MembershipNotStarted,
    NoCredits,
    NoMembership,
    Refused,
)

ACTIVE = "ACT"
CANCELLED = "CANC"
STATES = (ACTIVE, CANCELLED)
MOST_CREDITS = 1000
ERASED = "@erased.invalid"  # how the address of an erased member ends; they are not billed


class Standing(NamedTuple):
    """What decides whether a member may stream. The period is half-open: `end_date` is not included."""

    member: int
    state: str | None  # none without a membership
    start_date: date | None
    end_date: date | None
    cancelled_on: date | None
    credit_limit: int
    open_streams: int

    @property
    def credits(self) -> int:
        """Free credits now."""
        return credits(self.credit_limit, self.open_streams)

    def less_one(self) -> Standing:
        """The standing with one stream fewer open."""
        return self._replace(open_streams=self.open_streams - 1)


class Holder(NamedTuple):
    """An open stream, which holds one credit. Instants are UTC; `expires_at` is None without a lease."""

    stream: int
    device: str | None
    opened_at: datetime
    seen_at: datetime
    expires_at: datetime | None

    def told(self) -> dict[str, Any]:
        """The holder as JSON values."""
        return {
            name: written(value) if isinstance(value, datetime) else value for name, value in self._asdict().items()
        }


def credits(limit: int, open_streams: int) -> int:
    """Free credits: the limit less the open streams, never below 0 (a lowered limit mints no debt)."""
    return max(0, limit - open_streams)


def refusal(standing: Standing, today: date) -> Refused | None:
    """Why the member may not start a stream today, or None. The first of the rules in DESIGN's order decides."""
    if standing.state is None or standing.start_date is None or standing.end_date is None:
        return NoMembership(standing.member)
    if standing.state == CANCELLED:
        return MembershipCancelled(standing.member, str(standing.cancelled_on) if standing.cancelled_on else None)
    if today < standing.start_date:
        return MembershipNotStarted(standing.member, str(standing.start_date))
    if today >= standing.end_date:
        return MembershipExpired(standing.member, str(standing.end_date))
    if not standing.credits:
        return NoCredits(standing.member, standing.credit_limit, standing.open_streams)
    return None


def period(start: date, end: date | None, months: int | None) -> tuple[date, date]:
    """The half-open period of a new membership: up to `end`, or for `months` (one, unless said). Raises BadValue."""
    end = end or months_on(start, months or 1, start.day)
    if end <= start:
        raise BadValue(f"The end {end} is not after the start {start}.")
    return start, end


def renewed(start: date, end: date, today: date, *, months: int, until: date | None) -> tuple[date, date]:
    """The period after a renewal. One that has lapsed begins again today. Raises BadValue.

    A membership of the 31st that ends on a shorter month's last day comes back to the 31st with the next.
    """
    if end <= today:
        return period(today, until, months)
    if until is None:
        clipped = end.day == min(start.day, monthrange(end.year, end.month)[1])
        until = months_on(end, months, start.day if clipped else end.day)
    elif until <= end:
        raise BadValue(f"The membership runs until {end} already; --until {until} is not after that.")
    return start, until
