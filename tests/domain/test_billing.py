"""Months as periods, and the numbers of invoices."""

from __future__ import annotations

from datetime import date

import pytest

from streamctl.domain.billing import Month, is_over, number, number_parts


@pytest.mark.parametrize(
    ("name", "days"),
    [("2026-11", 30), ("2026-12", 31), ("2027-02", 28), ("2028-02", 29), ("2100-02", 28), ("2999-12", 31)],
)
def test_a_month_begins_on_its_first_day_and_ends_before_the_next(name: str, days: int) -> None:
    month = Month.of(name)
    assert (month.first.isoformat(), month.after.day, month.days) == (f"{name}-01", 1, days)


def test_the_day_nearest_to_today_is_in_the_month() -> None:
    month = Month.of("2026-11")
    assert month.nearest(date(2026, 11, 22)) == date(2026, 11, 22)
    assert month.nearest(date(2026, 12, 1)) == date(2026, 11, 30)
    assert month.nearest(date(2025, 11, 22)) == date(2026, 11, 1)


def test_a_month_is_over_on_the_first_day_after_it() -> None:
    assert not is_over("2026-11", date(2026, 11, 30))
    assert is_over("2026-11", date(2026, 12, 1))
    assert not is_over("2026-12", date(2026, 11, 30))
    assert is_over("2025-12", date(2026, 1, 1))


def test_a_number_is_made_of_text_month_and_a_padded_sequence() -> None:
    assert number("{month}-{seq:05}", "2026-11", 42) == "2026-11-00042"
    assert number("{seq:03}", "2026-11", 12345) == "12345"
    assert number("A{seq}B{month}C", "2026-11", 7) == "A7B2026-11C"
    assert number_parts("A{seq:4}{month}") == [("text", "A"), ("seq", "4"), ("month", "")]
