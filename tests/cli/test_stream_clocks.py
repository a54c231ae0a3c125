"""Clocks that differ: where nobody gave the time, a stream ends at its last sign of life at the earliest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from program import Program
from streams import codes, enrol, event, follow, lines

IN_PROCESS = True
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=40)  # by the clock of a machine far ahead of ours
SEEN = f"{SOON:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def ahead(program: Program) -> Program:
    """The program by its own clock, where streams 1 and 2 of bob, member 1, were opened and seen ahead of it."""
    enrol(program, "bob@example.com", "eve@example.com")
    program.sql("UPDATE membership SET start_date = '2020-01-01', end_date = '2990-01-01'")
    there = program.at(SEEN)
    there.ok("stream", "checkin", 1, "--ref", "a", "--lease", "1h")
    there.ok("stream", "checkin", 1, "--ref", "b")
    return program.at(None)


def stream(program: Program, number: int) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in program.ok("stream", "list", "--all") if row["id"] == number)
    return found


def played(program: Program, *events: dict[str, object], columns: bool = False) -> list[dict[str, Any]]:
    answer = program("stream", "batch", "-", stdin=lines(*events))
    return [json.loads(line) for line in answer.out.splitlines()]


@pytest.mark.parametrize("words", [[], ["--stream", "1"], ["--ref", "a"]])
def test_a_check_out_by_a_clock_that_is_behind_counts_at_the_last_sign_of_life(
    ahead: Program, words: list[str]
) -> None:
    receipt = ahead.ok("stream", "checkout", 1, *words)
    assert (receipt["stream_id"], receipt["credits"], receipt["replayed"]) == (1, 2, False)
    found = stream(ahead, 1)
    assert (found["closed_at"], found["seen_at"], found["close_reason"]) == (SEEN, SEEN, "checkout")
    assert ahead.ok("db", "check") == []


def test_the_months_line_follows_the_instant_that_counts(program: Program) -> None:
    """The other machine is in December already."""
    enrol(program, "bob@example.com")
    program.sql("UPDATE membership SET start_date = '2020-01-01', end_date = '2990-01-01'")
    later = (datetime.now(UTC) + timedelta(days=40)).replace(day=1, hour=0, minute=0, second=1)
    month = f"{later:%Y-%m}"
    for _ in range(2):
        program.at(f"{later:%Y-%m-%dT%H:%M:%SZ}").ok("stream", "checkin", 1)
    here = program.at(None)
    here.ok("invoices", "create", 1)  # this month's
    receipts = [here.ok("stream", "checkout", 1), *here.ok("stream", "checkout", 1, "--all")]
    months = {invoice["id"]: invoice["month"] for invoice in here.ok("invoices", "list")}
    assert {months[receipt["invoice_id"]] for receipt in receipts} == {month}
    assert here.ok("db", "check") == []


def test_all_are_checked_out_each_at_its_own_last_sign_of_life(ahead: Program) -> None:
    ahead.at(f"{SOON + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}").ok("stream", "heartbeat", 2)
    receipts = ahead.ok("stream", "checkout", 1, "--all")
    assert [(receipt["stream_id"], receipt["credits"]) for receipt in receipts] == [(1, 2), (2, 3)]
    assert stream(ahead, 1)["closed_at"] == SEEN
    assert stream(ahead, 2)["closed_at"] == f"{SOON + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("words", [["--stream", "1"], ["--oldest"], ["--oldest", "--dry-run"]])
def test_a_takeover_by_a_clock_that_is_behind_opens_its_stream_at_the_last_sign_of_life(
    ahead: Program, words: list[str]
) -> None:
    receipt = ahead.ok("stream", "takeover", 1, *words, "--ref", "c", "--lease", "1h")
    assert receipt["taken_over"] == 1
    if "--dry-run" not in words:
        old, new = stream(ahead, 1), stream(ahead, receipt["stream_id"])
        assert (old["closed_at"], old["close_reason"]) == (SEEN, "takeover")
        assert (new["opened_at"], new["expires_at"]) == (SEEN, f"{SOON + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
        assert ahead.ok("stream", "takeover", 1, *words, "--ref", "c", "--lease", "1h") == {**receipt, "replayed": True}


def test_a_heartbeat_by_a_clock_that_is_behind_is_answered_as_alive_and_changes_nothing(ahead: Program) -> None:
    books = ahead.books()
    receipts = ahead.ok("stream", "heartbeat", 2, "--ref", "a")
    assert [(receipt["seen_at"], receipt["replayed"]) for receipt in receipts] == [(SEEN, True)] * 2
    assert codes(played(ahead, event("heartbeat", ref="a"), event("heartbeat", stream=2))) == ["again", "again"]
    assert ahead.books() == books


@pytest.mark.parametrize("end", ["checkout", "takeover", "expired"])
def test_a_heartbeat_by_a_clock_that_is_behind_does_not_call_a_closed_stream_alive(ahead: Program, end: str) -> None:
    later = f"{SOON + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    match end:
        case "expired":
            ahead.at(later).ok("stream", "expire")
        case _:
            ahead.at(SEEN).ok("stream", end, 1, "--stream", 1)
    error = ahead.refused("stream", "heartbeat", 1)
    assert (error["code"], error["details"]["close_reason"]) == ("stream_lost", end)


def test_events_without_a_time_of_their_own_go_by_the_later_too(ahead: Program) -> None:
    receipts = played(
        ahead,
        event("heartbeat", ref="a"),
        event("checkout", member=1, ref="a"),
        event("takeover", member=1, ref="c"),
        event("checkout", member=1, stream=3),
        event("checkin", member=2),
    )
    assert codes(receipts) == ["again", "ok", "ok", "ok", "ok"]
    ends = ahead.sql('SELECT DISTINCT opened_at, closed_at FROM stream WHERE "user" = 1')
    assert ends == [(SEEN, SEEN)]


def test_an_undone_check_in_ends_its_stream_at_the_last_sign_of_life(ahead: Program) -> None:
    entry = ahead.ok("log", "list", "--command", "stream checkin", "--limit", 1)[0]["id"]
    ahead.ok("log", "undo", entry)
    assert stream(ahead, 2)["closed_at"] == SEEN


def test_an_idle_stream_that_was_seen_ahead_of_the_clock_is_not_expired(ahead: Program) -> None:
    assert ahead.ok("stream", "expire", "--idle", "1s") == []


@pytest.mark.parametrize(
    "words",
    [
        ["stream", "checkout", "1"],
        ["stream", "checkout", "1", "--all"],
        ["stream", "takeover", "1", "--stream", "1", "--device", 'it\'s a "tv"', "--ref", "c"],
        ["stream", "heartbeat", "1", "2", "--ref", "a"],
        ["log", "undo", "2"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("how", ["option", "word", "environment"])
def test_a_time_that_somebody_gave_is_refused_and_the_hint_is_the_same_command_at_one_that_does(
    ahead: Program, words: list[str], how: str
) -> None:
    early = "2026-11-22T20:15:03.5Z"
    ahead.at(f"{SOON + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}").ok("stream", "heartbeat", 2)
    given = {"option": ["--as-of", early], "word": [f"--as-of={early}"], "environment": []}[how]
    place = ahead.at(early) if how == "environment" else ahead
    error = place.refused(*given, *words)
    assert error["code"] == "time_order"
    command = error["hint"].rpartition(": ")[2].removesuffix(" --format json")
    assert command.startswith("streamctl --as-of 20")
    follow(place, command)


def test_an_event_with_a_time_of_its_own_is_refused_and_the_hint_is_the_time_that_does(ahead: Program) -> None:
    early = {**event("checkout", member=1, ref="a"), "at": "2026-11-22T20:15:03Z"}
    for place, one in ((ahead, early), (ahead.at("2026-11-22T20:15:03Z"), event("checkout", member=1, ref="a"))):
        (refused,) = played(place, one)
        assert refused["error"]["code"] == "time_order"
    assert refused["error"]["hint"].endswith(f'"at": "{SEEN}"')
    assert codes(played(ahead, {**early, **json.loads("{" + refused["error"]["hint"].partition(": ")[2] + "}")})) == [
        "ok"
    ]
