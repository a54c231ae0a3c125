"""How much was streamed on each day of a month, by one look at the streams that touch it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from peewee import CTE, JOIN, Case, Select, Value, ValuesList, fn

from streamctl.domain.billing import Month
from streamctl.domain.calendar import start_of, written
from streamctl.domain.records import USAGE, Listing
from streamctl.domain.terms import Terms
from streamctl.store.database import rows
from streamctl.store.expressions import earlier, later, seconds
from streamctl.store.models import Membership, Stream

NOTHING = (0, 0, 0, 0)


class Day(NamedTuple):
    """A day of the month in seconds since 1970, half-open. Its hours are counted up to `until`: now, if it is today."""

    number: int
    begins: int
    ends: int
    until: int


def usage(month: str, terms: Terms, *, at: datetime) -> Listing:
    """The days of the month, up to today: streams opened, hours streamed, most at a time, members at their limit.

    A stream is in every day it touches, and is over when it was closed or its lease has run out. One that is closed at
    the instant it was opened counts as opened and nothing else. Limits are as they are now; of 0, nobody is at it.
    """
    found = Month.of(month)
    days = list(_days(found, terms, at))
    figures = {number: counted for number, *counted in rows(_figures(days, at))} if days else {}
    each = [(found.first.replace(day=day.number), *figures.get(day.number, NOTHING)) for day in days]
    return Listing(USAGE, each, bar="hours").totalled("streams", "hours")


def _days(month: Month, terms: Terms, at: datetime) -> Iterator[Day]:
    today, now = terms.today(at), int(at.timestamp())
    for number in range(1, month.days + 1):
        day = month.first.replace(day=number)
        if day <= today:
            begins, ends = (int(start_of(d, terms.zone).timestamp()) for d in (day, day + timedelta(days=1)))
            yield Day(number, begins, ends, min(ends, now))


def _figures(days: Sequence[Day], at: datetime) -> Any:
    """The query: the number of each day on which there was a stream, and its figures."""
    day = CTE("day", ValuesList(days), columns=Day._fields)
    held = _held(days, at)
    part = _part(held, day)
    change = _change(part)
    level = _level(change)
    limit = Membership.credit_limit
    at_limit = Case(None, [((limit > 0) & (level.c.own >= limit), level.c.member)])
    return (
        Select((level,))
        .columns(
            level.c.number,
            fn.SUM(level.c.opened).cast("BIGINT"),
            fn.SUM(level.c.seconds).cast("BIGINT"),
            fn.MAX(level.c.all),
            fn.COUNT(at_limit.distinct()),
        )
        .join(Membership, JOIN.LEFT_OUTER, on=(Membership.user == level.c.member))
        .where(level.c.by > 0)  # there are never more than where one begins
        .group_by(level.c.number)
        .with_cte(day, held, part, change, level)
    )


def _held(days: Sequence[Day], at: datetime) -> CTE:
    """Whose streams touch these days, and from when to when in seconds. The table is read here, once."""
    first, last = (datetime.fromtimestamp(second, UTC) for second in (days[0].begins, days[-1].ends))
    over = fn.COALESCE(Stream.closed_at, Stream.expires_at)
    return (
        Stream.select(
            Stream.user.alias("member"),
            seconds(Stream.opened_at).alias("opened"),
            fn.COALESCE(seconds(over), days[-1].ends).alias("ended"),
        )
        .where(Stream.opened_at <= at, Stream.opened_at < last, over.is_null() | (over >= written(first)))
        .cte("held", materialized=True)  # or the seconds would be reckoned again for every day
    )


def _part(held: CTE, day: CTE) -> CTE:
    """The part of a stream that lies in a day, for every day it touches."""
    opened_then = held.c.opened >= day.c.begins
    begins, ends = later(held.c.opened, day.c.begins), earlier(held.c.ended, day.c.ends)
    return (
        Select((held, day))
        .columns(
            day.c.number,
            held.c.member,
            begins.alias("begins"),
            ends.alias("ends"),
            Case(None, [(opened_then, 1)], 0).alias("opened"),
            (earlier(held.c.ended, day.c.until) - begins).alias("seconds"),
        )
        .where(held.c.opened < day.c.ends, opened_then | (held.c.ended > day.c.begins))
        .cte("part")
    )


def _change(part: CTE) -> CTE:
    """One more where a part begins, and one less where it ends."""
    more = Select((part,)).columns(
        part.c.number,
        part.c.member,
        part.c.begins.alias("instant"),
        Value(1).alias("by"),
        part.c.opened,
        part.c.seconds,
    )
    less = Select((part,)).columns(part.c.number, part.c.member, part.c.ends, Value(-1), Value(0), Value(0))
    return (more + less).cte("change")


def _level(change: CTE) -> CTE:
    """How many are open at each change, of all and of the member's own. What happens at one instant happens at once."""

    def running(*parts: Any) -> Any:
        return fn.SUM(change.c.by).over(partition_by=parts, order_by=[change.c.instant])

    return (
        Select((change,))
        .columns(
            change.c.number,
            change.c.member,
            change.c.by,
            change.c.opened,
            change.c.seconds,
            running(change.c.number).alias("all"),
            running(change.c.number, change.c.member).alias("own"),
        )
        .cte("level")
    )
