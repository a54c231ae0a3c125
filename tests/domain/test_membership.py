"""Who may start a stream, and until when a membership runs."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamctl.domain.calendar import months_on
from streamctl.domain.membership import Standing, period, refusal, renewed
from streamctl.errors import BadValue

unhurried = settings(deadline=None)
days = st.dates(date(2000, 1, 1), date(2400, 12, 31))
months = st.integers(1, 1200)
START, END = date(2026, 11, 1), date(2026, 12, 1)
GOOD = Standing(1, "ACT", START, END, None, 3, 0)


def why(standing: Standing, today: date = START) -> str | None:
    """The code of the refusal."""
    found = refusal(standing, today)
    return found.code if found else None


def test_the_period_includes_its_first_day_and_not_its_end() -> None:
    assert why(GOOD, START - timedelta(days=1)) == "membership_not_started"
    assert why(GOOD, START) is None
    assert why(GOOD, END - timedelta(days=1)) is None
    assert why(GOOD, END) == "membership_expired"


def test_the_reasons_are_asked_in_the_promised_order() -> None:
    everything = GOOD._replace(state="CANC", cancelled_on=START, credit_limit=0)
    assert why(everything._replace(state=None, start_date=None, end_date=None)) == "no_membership"
    assert why(everything, START - timedelta(days=1)) == "membership_cancelled"
    assert why(everything, END) == "membership_cancelled"
    assert why(GOOD._replace(credit_limit=0), START - timedelta(days=1)) == "membership_not_started"
    assert why(GOOD._replace(credit_limit=0), END) == "membership_expired"
    assert why(GOOD._replace(credit_limit=0)) == "no_credits"
    assert why(GOOD._replace(open_streams=3)) == "no_credits"
    assert why(GOOD._replace(open_streams=2)) is None


@given(st.integers(0, 1000), st.integers(0, 5000))
def test_free_credits_are_the_limit_less_open_streams_and_never_below_zero(limit: int, held: int) -> None:
    free = GOOD._replace(credit_limit=limit, open_streams=held).credits
    assert 0 <= free <= limit
    assert free == 0 if held >= limit else free + held == limit


@unhurried
@given(days, months)
def test_a_new_period_of_months_ends_on_its_day_or_the_last_day_there_is(start: date, count: int) -> None:
    first, end = period(start, None, count)
    assert first == start < end
    assert end == months_on(start, count, start.day)
    assert end.day == start.day or (end + timedelta(days=1)).day == 1


@unhurried
@given(days, days)
def test_a_period_never_ends_before_its_second_day(start: date, end: date) -> None:
    if end > start:
        assert period(start, end, None) == (start, end)
    else:
        with pytest.raises(BadValue, match="is not after the start"):
            period(start, end, None)


def test_a_period_is_one_month_unless_said() -> None:
    assert period(date(2026, 1, 31), None, None) == (date(2026, 1, 31), date(2026, 2, 28))


@unhurried
@given(days, months, st.integers(1, 60), st.integers(1, 60))
def test_renewing_month_by_month_is_renewing_all_months_at_once(start: date, first: int, once: int, more: int) -> None:
    today, end = start, period(start, None, first)[1]
    for _ in range(more):
        assert renewed(start, end, today, months=once, until=None)[0] == start
        end = renewed(start, end, today, months=once, until=None)[1]
    assert end == months_on(start, first + once * more, start.day)


def test_a_membership_of_the_31st_comes_back_to_the_31st() -> None:
    start, end = period(date(2027, 10, 31), None, 1)
    ends = [end]
    for _ in range(5):
        start, end = renewed(start, end, date(2027, 10, 31), months=1, until=None)
        ends.append(end)
    assert [f"{day:%m-%d}" for day in ends] == ["11-30", "12-31", "01-31", "02-29", "03-31", "04-30"]


def test_a_membership_of_the_28th_stays_on_the_28th() -> None:
    start, end = period(date(2027, 1, 28), None, 1)
    assert renewed(start, end, start, months=1, until=None) == (start, date(2027, 3, 28))


@unhurried
@given(days, days, days, months)
def test_a_renewal_always_gives_time_and_a_lapsed_one_begins_today(
    start: date, end: date, today: date, count: int
) -> None:
    assume(start < end)
    first, last = renewed(start, end, today, months=count, until=None)
    assert last > max(end, today)
    assert first == (today if end <= today else start)
    if end <= today:
        assert last == months_on(today, count, today.day)


@unhurried
@given(days, days, days, days)
def test_a_renewal_until_a_day_ends_on_that_day_or_is_refused(start: date, end: date, today: date, until: date) -> None:
    assume(start < end)
    if until > max(end, today):
        assert renewed(start, end, today, months=1, until=until)[1] == until
    else:
        with pytest.raises(BadValue, match="not after"):
            renewed(start, end, today, months=1, until=until)


def test_a_renewal_past_the_year_2999_is_refused() -> None:
    with pytest.raises(BadValue, match="2999"):
        renewed(date(2999, 1, 1), date(2999, 12, 1), date(2999, 1, 1), months=1, until=None)
    with pytest.raises(BadValue, match="2999"):
        period(date(2999, 12, 31), None, 1)
