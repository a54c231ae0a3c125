"""`streamctl report usage`: the streams of a month, day by day in the database's own time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from program import Program
from streams import at, enrol, process
from sweep import Held, days_of, hours, swept

IN_PROCESS = True  # a process for each of its many commands would say no more

KEYS = ["day", "streams", "hours", "peak", "at_limit"]
NOTHING = (0, 0, 0, 0)


@pytest.fixture
def berlin(program: Program) -> Program:
    """Member 1 with two credits and member 2 with one, in Berlin, in November."""
    program.sql("UPDATE setting SET value = 'Europe/Berlin' WHERE key = 'timezone'")
    enrol(program, "bob@example.com", "eve@example.com", credits=2)
    program.sql('UPDATE membership SET credit_limit = 1 WHERE "user" = 2')
    program.sql("UPDATE membership SET start_date = '2000-01-01', end_date = '2999-01-01'")
    return program


def usage(program: Program, *words: object) -> dict[str, tuple[Any, ...]]:
    """The days on which there was anything: streams, hours, peak, members at their limit."""
    rows = {row.pop("day"): tuple(row.values()) for row in program.ok("report", "usage", *words)}
    return {day: figures for day, figures in rows.items() if figures != NOTHING}


def stream(program: Program, opened: str, closed: str | None, *, member: int = 1, expires: str | None = None) -> None:
    """A stream from one instant to another."""
    program.sql(
        'INSERT INTO stream ("user", opened_at, seen_at, expires_at, closed_at, close_reason)'
        " VALUES (?, ?, ?, ?, ?, ?)",
        *(member, opened, opened, expires, closed, closed and "checkout"),
    )


def test_a_month_of_every_kind_of_stream_is_what_a_sweep_over_the_list_says(berlin: Program) -> None:
    def run(now: str, *words: object) -> None:
        berlin.at(now).ok("stream", *words)

    run("2026-10-30T20:00:00Z", "checkin", 2, "--ref", "over the month's end")
    run("2026-11-01T22:30:00Z", "checkout", 2)
    run("2026-11-02T10:00:00Z", "checkin", 1, "--lease", "45m")  # nobody ever writes its end down
    run("2026-11-03T22:50:00Z", "checkin", 2)
    run("2026-11-03T23:10:00Z", "takeover", 2)
    run("2026-11-04T01:00:00Z", "checkin", 1)
    run("2026-11-04T02:00:07Z", "checkin", 1)
    run("2026-11-04T02:00:07Z", "takeover", 1)
    run("2026-11-05T08:00:00Z", "checkout", 1, "--all")
    run("2026-11-06T08:00:00Z", "checkin", 1)
    run("2026-11-06T08:00:00Z", "checkout", 1)
    run("2026-11-20T08:00:00Z", "checkin", 1)
    run("2026-11-22T11:59:00Z", "checkin", 1, "--lease", "2h")
    zone = ZoneInfo("Europe/Berlin")
    held = [
        Held(row["user"], datetime.fromisoformat(row["opened_at"]), over and datetime.fromisoformat(over))
        for row in berlin.ok("stream", "list", "--all")
        for over in (row["closed_at"] or row["expires_at"],)
    ]
    limits = {row["id"]: row["credit_limit"] for row in berlin.ok("members", "list")}
    assert len(held) == 10
    for month, now in [
        ("2026-10", "2026-11-22T12:00:00Z"),
        *(("2026-11", f"2026-11-{day}T12:00:00Z") for day in ("03", "22")),
    ]:
        found = berlin.at(now).ok("report", "usage", "--month", month)
        expected = swept(month, zone, held, limits, datetime.fromisoformat(now))
        assert [tuple(row.values()) for row in found] == [
            (str(row.day), row.streams, hours(row.seconds), row.peak, row.at_limit) for row in expected
        ]
        assert any(row.at_limit for row in expected)


def test_a_stream_is_in_every_day_it_touches_and_opened_in_one(berlin: Program) -> None:
    stream(berlin, "2026-11-03T22:30:00Z", "2026-11-05T00:00:00Z")
    assert usage(berlin) == {"2026-11-03": (1, 0.5, 1, 0), "2026-11-04": (0, 24, 1, 0), "2026-11-05": (0, 1, 1, 0)}


def test_a_stream_is_cut_at_the_months_ends(berlin: Program) -> None:
    stream(berlin, "2026-09-15T00:00:00Z", "2026-11-15T00:00:00Z")
    october = usage(berlin, "--month", "2026-10")
    assert len(october) == 31
    assert sum(figures[1] for figures in october.values()) == 31 * 24 + 1
    assert len(usage(berlin)) == 15


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_a_day_is_as_long_as_it_is_where_the_clocks_change(berlin: Program, day: str, length: int) -> None:
    stream(berlin, "2026-03-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert usage(berlin, "--month", day[:7])[day] == (0, length, 1, 0)


def test_a_stream_closed_at_the_instant_another_opens_does_not_overlap_it(berlin: Program) -> None:
    stream(berlin, "2026-11-03T10:00:00Z", "2026-11-03T11:00:00Z", member=1)
    stream(berlin, "2026-11-03T11:00:00Z", "2026-11-03T12:00:00Z", member=1)
    assert usage(berlin) == {"2026-11-03": (2, 2, 1, 0)}
    stream(berlin, "2026-11-03T10:59:59Z", "2026-11-03T11:00:01Z", member=1)
    assert usage(berlin) == {"2026-11-03": (3, 2, 2, 1)}


def test_a_stream_of_no_length_counts_as_opened_and_nothing_else(berlin: Program) -> None:
    for instant in ("2026-10-31T23:00:00Z", "2026-11-03T23:00:00Z", "2026-11-04T12:00:00Z"):
        stream(berlin, instant, instant, member=2)
    assert usage(berlin) == {"2026-11-01": (1, 0, 0, 0), "2026-11-04": (2, 0, 0, 0)}
    assert usage(berlin, "--month", "2026-10") == {}


def test_a_lease_that_has_run_out_is_over_though_nobody_has_written_it_down(berlin: Program) -> None:
    stream(berlin, "2026-11-03T10:00:00Z", None, expires="2026-11-03T10:15:00Z")
    assert usage(berlin) == {"2026-11-03": (1, 0.25, 1, 0)}
    before = berlin("report", "usage").out
    berlin.ok("stream", "expire")
    assert berlin("report", "usage").out == before, "to write it down changes nothing"


def test_an_open_stream_counts_up_to_now(berlin: Program) -> None:
    stream(berlin, "2026-11-22T10:00:00Z", None)
    stream(berlin, "2026-11-22T11:00:00Z", None, expires="2026-11-22T18:00:00Z")
    assert usage(berlin) == {"2026-11-22": (2, 3, 2, 1)}
    assert usage(at(berlin, "10:30")) == {"2026-11-22": (1, 0.5, 1, 0)}, "what opens later is not there yet"
    opening = at(berlin, "10:00")
    assert usage(opening) == {"2026-11-22": (1, 0, 1, 0)}, "open now is open, be it for no time"
    assert usage(at(berlin, "09:59")) == {}


def test_at_limit_are_members_with_as_many_streams_as_their_limit_is_now(berlin: Program) -> None:
    for member in (1, 2):
        stream(berlin, "2026-11-03T10:00:00Z", "2026-11-03T12:00:00Z", member=member)
    assert usage(berlin)["2026-11-03"] == (2, 4, 2, 1)
    stream(berlin, "2026-11-03T11:00:00Z", "2026-11-03T11:30:00Z")
    assert usage(berlin)["2026-11-03"] == (3, 4.5, 3, 2)
    berlin.sql("UPDATE membership SET credit_limit = 3")
    assert usage(berlin)["2026-11-03"] == (3, 4.5, 3, 0)
    berlin.sql("UPDATE membership SET credit_limit = 0")
    assert usage(berlin)["2026-11-03"] == (3, 4.5, 3, 0), "a limit of 0 is nobody's to reach"
    berlin.sql("DELETE FROM membership")
    assert usage(berlin)["2026-11-03"] == (3, 4.5, 3, 0)


@pytest.mark.parametrize(("seconds", "shown"), [(17, "0.00"), (18, "0.01"), (53, "0.01"), (54, "0.02"), (3600, "1.00")])
def test_hours_have_two_decimals_half_up(berlin: Program, seconds: int, shown: str) -> None:
    stream(berlin, "2026-11-03T10:00:00Z", f"2026-11-03T{10 + seconds // 3600}:00:{seconds % 3600:02}Z")
    rows = berlin("report", "usage", "--format", "csv").out.splitlines()
    assert rows[3] == f"2026-11-03,1,{shown},1,0"
    assert f'"hours": {shown.removesuffix(".00")}, ' in berlin("report", "usage", "--format", "json").out


def test_a_month_has_a_row_for_each_of_its_days_up_to_today(berlin: Program) -> None:
    def days(program: Program, *words: object) -> list[str]:
        rows = program.ok("report", "usage", *words)
        assert all(list(row) == KEYS for row in rows)
        return [row["day"] for row in rows]

    assert days(berlin) == [f"2026-11-{day:02}" for day in range(1, 23)]
    assert days(berlin, "--month", "this") == days(berlin)
    assert days(berlin, "--month", "last") == [f"2026-10-{day:02}" for day in range(1, 32)]
    assert days(berlin, "--month", "2024-02")[-1] == "2024-02-29"
    assert days(berlin, "--month", "next") == []
    assert days(berlin.at("2026-11-22T23:00:00Z"))[-1] == "2026-11-23"
    assert days(berlin.at("2026-10-31T23:00:00Z")) == ["2026-11-01"], "the first second of a month"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Apia", "Pacific/Pago_Pago", "America/Sao_Paulo"])
def test_no_month_is_too_far_and_no_database_too_empty(program: Program, zone: str) -> None:
    program.sql("UPDATE setting SET value = ? WHERE key = 'timezone'", zone)
    for now in ("2000-01-02T12:00:00Z", "2026-11-22T12:00:00Z", "2999-12-31T09:00:00Z"):
        for month in ("2000-01", "2011-12", "2018-11", "2999-12"):
            found = program.at(now).ok("report", "usage", "--month", month)
            days = days_of(month, ZoneInfo(zone), datetime.fromisoformat(now))
            assert [(row.pop("day"), *row.values()) for row in found] == [(str(day), *NOTHING) for day in days]


def test_the_keys_and_the_numbers_are_pinned_in_every_format(berlin: Program) -> None:
    stream(berlin, "2026-11-01T10:00:00Z", "2026-11-01T11:30:00Z", member=2)
    early = process(berlin.at("2026-11-02T12:00:00Z"))
    assert early("report", "usage", "--format", "json").out == (
        '[\n{"day": "2026-11-01", "streams": 1, "hours": 1.50, "peak": 1, "at_limit": 1},\n'
        '{"day": "2026-11-02", "streams": 0, "hours": 0, "peak": 0, "at_limit": 0}\n]\n'
    )
    assert early("report", "usage").out == (
        "day\tstreams\thours\tpeak\tat_limit\n2026-11-01\t1\t1.50\t1\t1\n2026-11-02\t0\t0.00\t0\t0\n"
    )


@pytest.mark.parametrize("month", ["2026-13", "1999-12", "november"])
def test_what_is_no_month_is_wrong_usage(program: Program, month: str) -> None:
    assert program.refused("report", "usage", "--month", month)["status"] == 2
