"""Days, months, durations and instants: as typed, and as counted."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamctl.domain import calendar
from streamctl.errors import BadValue

unhurried = settings(deadline=None)
days = st.dates(date(2000, 1, 1), date(2999, 12, 31))
instants = st.datetimes(datetime(2000, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
almost_days = st.text("0123456789-WT:Z+ .smhd٣", max_size=26)
ZONES = "UTC Europe/Berlin America/Sao_Paulo America/Havana Asia/Kathmandu Asia/Tehran Africa/Cairo Pacific/Auckland"


@unhurried
@given(
    st.sampled_from([calendar.typed_day, calendar.typed_month, calendar.typed_duration, calendar.typed_moment]),
    st.text() | almost_days,
)
@example(calendar.typed_moment, "9999-12-31T23:59:59-23:59")
@example(calendar.typed_moment, "0001-01-01T00:00:00+23:59")
@example(calendar.typed_moment, "2026-11-22T20:15:03+99:99")
@example(calendar.typed_duration, "999999999d")
def test_any_text_is_read_or_a_bad_value(read: Callable[[str], Any], text: str) -> None:
    try:
        found = read(text)
    except BadValue:
        found = BadValue
    assert found is not None


@unhurried
@given(days)
def test_a_day_as_shown_is_the_day_as_typed(day: date) -> None:
    assert calendar.typed_day(day.isoformat()).on(date(2026, 11, 22)) == day
    assert calendar.typed_moment(day.isoformat()) == day
    assert calendar.typed_month(calendar.month_of(day)).on(date(2026, 11, 22)) == day.isoformat()[:7]


@unhurried
@given(instants)
def test_an_instant_as_shown_is_the_instant_as_typed_to_the_second(at: datetime) -> None:
    shown = calendar.written(at)
    assert len(shown) == 20
    assert shown.endswith("Z")
    assert calendar.typed_moment(shown) == at.replace(microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2026-11-31",
            "2026-02-29",
            "1999-12-31",
            "3000-01-01",
            "2026-W01-1",
            "20261122",
            "2026-1-2",
            "22.11.2026",
        ),
        *("2026-11-22 ", "2026-11-22\n", "٢٠٢٦-11-22", "Today", "now", "2026-11", "2026-11-22T00:00:00Z"),
    ],
)
def test_only_iso_days_of_our_years_and_three_words_are_days(text: str) -> None:
    with pytest.raises(BadValue, match="no date"):
        calendar.typed_day(text)


def test_the_words_for_days_and_months_count_from_today() -> None:
    today = date(2027, 1, 1)
    assert [calendar.typed_day(word).on(today).isoformat() for word in ("yesterday", "today", "tomorrow")] == [
        *("2026-12-31", "2027-01-01", "2027-01-02")
    ]
    months = [calendar.typed_month(word).on(today) for word in ("last", "this", "next")]
    assert months == ["2026-12", "2027-01", "2027-02"]


@pytest.mark.parametrize(
    "text", ["2026-00", "2026-13", "1999-12", "3000-01", "2026-1", "2026", "2026-11-01", "November", ""]
)
def test_only_iso_months_of_our_years_and_three_words_are_months(text: str) -> None:
    with pytest.raises(BadValue, match="no month"):
        calendar.typed_month(text)


@pytest.mark.parametrize(("word", "today"), [("next", date(2999, 12, 1)), ("last", date(2000, 1, 31))])
def test_a_month_beyond_our_years_is_refused(word: str, today: date) -> None:
    with pytest.raises(BadValue):
        calendar.typed_month(word).on(today)


def test_durations_are_seconds_minutes_hours_or_days_up_to_ten_years() -> None:
    read = [calendar.typed_duration(text).total_seconds() for text in ("90s", "30m", "12h", "7d", "3650d")]
    assert read == [90, 1800, 43200, 604800, 3650 * 86400]
    for text in ("", "0s", "0d", "3651d", "1w", "1", "s", "-1s", "+1s", "1.5h", "1h30m", "1 h", "1S", "٣s", "1s\n"):
        with pytest.raises(BadValue, match="no duration"):
            calendar.typed_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-22T20:15:03Z", "2026-11-22 20:15:03Z", "2026-11-22t20:15:03z", "2026-11-22T21:15:03+01:00"),
        *("2026-11-22T21:15:03+0100", "2026-11-22T21:15:03+01", "2026-11-22T20:15:03-00:00", "2026-11-22T20:15:03+00"),
        *("2026-11-22T20:15:03.9Z", "2026-11-22T20:15:03,999999999z", "2026-11-23T01:00:03.5+0445"),
    ],
)
def test_an_instant_is_cut_to_the_second_and_kept_in_utc(text: str) -> None:
    at = datetime(2026, 11, 22, 20, 15, 3, tzinfo=UTC)
    assert calendar.typed_instant(text) == at
    assert calendar.typed_moment(text) == at


def test_an_instant_may_leave_its_seconds_out_and_a_moment_may_be_a_day() -> None:
    assert calendar.written(calendar.typed_instant("2026-11-22T20:15+01:00")) == "2026-11-22T19:15:00Z"
    assert calendar.typed_moment("2026-11-22") == date(2026, 11, 22)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-11-22T20:15:03", "2026-11-22T20:15:03.5", "2026-11-22T24:00:00Z", "2026-11-22T25:00:00Z"),
        *("2026-11-22T20:15.5Z", "2026-11-22T20:15:03.Z", "2026-11-22T20:15:03Zulu", "2026-11-22T20:15:03+1"),
        *("2026-11-22T20:15:03+01:0", "2026-11-22T20:15:03+24:00", "2026-02-30T20:15:03Z", "20261122T201503Z"),
        *("2026-W01-1T20:15:03Z", "2026-11-22T20:15:03Z\n", "2026-11-22T20:15:\u06603Z", "2026-11-22T20:15:61Z"),
        *("1999-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "2000-01-01T00:30:00+01:00", "2999-12-31T23:30:00-0100"),
    ],
)
def test_an_instant_needs_its_offset_and_one_of_our_years_and_its_refusal_shows_how(text: str) -> None:
    forms = "write it like 2026-11-22T20:15:03Z or 2026-11-22T21:15:03.250\\+01:00, with its offset, in the years 2000"
    with pytest.raises(BadValue, match=f"no instant; {forms}"):
        calendar.typed_instant(text)
    with pytest.raises(BadValue, match=f"no moment; {forms} to 2999, or as a day: 2026-11-22"):
        calendar.typed_moment(text)


def test_a_leap_second_is_refused_by_its_name() -> None:
    for text in ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5+00:00"):
        for read in (calendar.typed_instant, calendar.typed_moment):
            with pytest.raises(BadValue, match=r"in a leap second.*:59"):
                read(text)


@unhurried
@given(days, st.integers(0, 1200), st.integers(1, 31))
def test_months_on_lands_on_the_anchor_or_the_last_day_there_is(day: date, months: int, anchor: int) -> None:
    try:
        found = calendar.months_on(day, months, anchor)
    except BadValue:
        assert day.year + (months + day.month - 1) // 12 > 2999
        return
    assert (found.year - day.year) * 12 + found.month - day.month == months
    assert found.day == min(anchor, monthrange(found.year, found.month)[1])


def test_months_of_the_31st_pass_short_months_and_come_back() -> None:
    day = date(2027, 10, 31)
    assert [calendar.months_on(day, n, 31).isoformat() for n in range(1, 6)] == [
        *("2027-11-30", "2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31")
    ]


@unhurried
@given(days, st.integers(-1200, 1200))
def test_counting_months_there_and_back_is_where_it_began(day: date, months: int) -> None:
    month = calendar.month_of(day)
    try:
        other = calendar.month_on(month, months)
    except BadValue:
        return
    assert calendar.month_on(other, -months) == month
    assert (other > month) == (months > 0)


@unhurried
@given(days, st.sampled_from(ZONES.split()))
def test_a_day_begins_at_its_first_second_in_every_zone(day: date, name: str) -> None:
    zone = ZoneInfo(name)
    start = calendar.start_of(day, zone)
    assert calendar.local_day(start, zone) == day
    assert calendar.local_day(start - timedelta(seconds=1), zone) < day


def test_the_billing_month_follows_the_zone_not_utc() -> None:
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    days = {name: calendar.local_day(at, ZoneInfo(name)) for name in ("Pacific/Auckland", "America/Los_Angeles")}
    assert [calendar.month_of(day) for day in days.values()] == ["2026-12", "2026-11"]
