"""`streamctl stream heartbeat`, `expire` and the `lease` setting: credits come back from streams that died."""

from __future__ import annotations

import pytest
from program import Program
from streams import at, codes, day, ends, enrol, event, inside, limit, play, process

KEYS = ["stream_id", "seen_at", "expires_at", "replayed"]


@pytest.fixture
def bob(program: Program) -> Program:
    """The program with bob, member 1, and eve, member 2, of three credits each."""
    return enrol(inside(program), "bob@example.com", "eve@example.com")


def test_a_heartbeat_moves_the_last_sign_of_life_and_the_lease_on(bob: Program) -> None:
    bob = process(bob)
    bob.ok("stream", "checkin", 1, "--lease", "5m")
    (receipt,) = at(bob, "12:03").ok("stream", "heartbeat", 1)
    assert list(receipt) == KEYS
    assert receipt == {"stream_id": 1, "seen_at": day("12:03"), "expires_at": day("12:08"), "replayed": False}
    (stream,) = at(bob, "12:07:59").ok("stream", "list")
    assert (stream["seen_at"], stream["expires_at"]) == (day("12:03"), day("12:08"))
    assert at(bob, "12:08").ok("stream", "list") == []


def test_many_streams_are_seen_at_once_by_id_by_ref_and_from_a_pipe(bob: Program) -> None:
    play(
        bob,
        event("checkin", "12:00", member=1, ref="tv", lease="1h"),
        event("checkin", "12:00", member=1),
        event("checkin", "12:00", member=1, ref="phone", lease="90s"),
    )
    receipts = at(bob, "12:01").ok("stream", "heartbeat", "-", "--ref", "tv", "--ref", "phone", stdin="2\n")
    assert [(receipt["stream_id"], receipt["expires_at"]) for receipt in receipts] == [
        (2, None),
        (1, day("13:01")),
        (3, day("12:02:30")),
    ]
    assert set(bob.sql("SELECT seen_at FROM stream")) == {(day("12:01"),)}


def test_heartbeats_never_grow_a_lease(bob: Program) -> None:
    """A lease that grew with every heartbeat would hold a dead stream's credit for hours."""
    beats = [event("heartbeat", f"12:{minute:02}", ref="r") for minute in range(1, 60)]
    play(bob, event("checkin", "12:00", member=1, ref="r", lease="5m"), *beats)
    assert bob.sql("SELECT seen_at, expires_at FROM stream") == [(day("12:59"), day("13:04"))]


def test_a_heartbeat_of_a_lost_stream_says_so_and_why_and_since_when(bob: Program) -> None:
    play(
        bob,
        event("checkin", "12:00", member=1, ref="out", lease="5m"),
        event("checkin", "12:00", member=1, ref="over"),
        event("checkin", "12:00", member=2, ref="ran"),
        event("checkin", "12:00", member=2, ref="unwritten", lease="5m"),
        event("checkout", "12:02", member=1, ref="out"),
        event("takeover", "12:03", member=1, stream=2),
    )
    bob.sql("UPDATE stream SET closed_at = ?, close_reason = 'expired' WHERE ref = 'ran'", day("12:04"))
    later = at(bob, "12:06")
    for number, (ref, reason, words, since) in enumerate(
        [
            ("out", "checkout", "was checked out", "12:02"),
            ("over", "takeover", "was taken over", "12:03"),
            ("ran", "expired", "lost its lease", "12:04"),
            ("unwritten", "expired", "lost its lease", "12:05"),
        ],
        1,
    ):
        error = later.refused("stream", "heartbeat", "--ref", ref)
        member = 1 + (number > 2)
        assert (error["code"], error["status"]) == ("stream_lost", 4)
        assert error["details"] == {"stream": number, "member": member, "close_reason": reason, "since": day(since)}
        assert f"Stream {number} of member {member} {words} at {day(since)}" in error["message"]
    told = process(later)("stream", "heartbeat", 4)
    assert (told.status, told.out) == (4, "")
    assert f"lost its lease at {day('12:05')}: it holds no credit any more" in told.err


def test_a_lease_is_alive_to_the_second_before_its_end_and_lost_at_its_end(bob: Program) -> None:
    receipts = play(
        bob,
        event("checkin", "12:00", member=1, ref="a", lease="5m"),
        event("checkin", "12:00", member=1, ref="b", lease="5m"),
        event("heartbeat", "12:04:59", ref="a"),
        event("heartbeat", "12:05", ref="b"),
        event("heartbeat", "12:09:58", ref="a"),
    )
    assert codes(receipts) == ["ok", "ok", "ok", "stream_lost", "ok"]


def test_heartbeats_are_all_or_none(bob: Program) -> None:
    play(bob, event("checkin", "12:00", member=1), event("checkin", "12:00", member=1, lease="1m"))
    later = at(bob, "12:02")
    error = later.refused("stream", "heartbeat", 1, 2)
    assert (error["code"], error["details"]["stream"]) == ("stream_lost", 2)
    missing = later.refused("stream", "heartbeat", 1, 98, 10**30, "--ref", "never")
    assert (missing["code"], missing["status"]) == ("not_found", 3)
    assert all(name in missing["message"] for name in ("98", str(10**30), "never"))


@pytest.mark.parametrize("words", [[], ["x"], ["-"]])
def test_a_heartbeat_names_a_stream(bob: Program, words: list[str]) -> None:
    assert bob.refused("stream", "heartbeat", *words)["status"] == 2


def test_a_heartbeat_that_comes_late_changes_nothing_and_one_before_the_start_is_refused(bob: Program) -> None:
    play(bob, event("checkin", "12:00", member=1, ref="r", lease="5m"), event("heartbeat", "12:03", ref="r"))
    books = bob.books()
    (late,) = at(bob, "12:02").ok("stream", "heartbeat", 1)
    assert late == {"stream_id": 1, "seen_at": day("12:03"), "expires_at": day("12:08"), "replayed": True}
    assert bob.books() == books
    assert at(bob, "11:59").refused("stream", "heartbeat", 1)["code"] == "time_order"


def test_a_run_out_lease_holds_no_credit_for_any_command_before_anything_is_written(bob: Program) -> None:
    limit(bob, 1)
    bob.ok("stream", "checkin", 1, "--lease", "5m")
    books, later = bob.books(), at(bob, "12:05")
    shown = later.ok("members", "show", 1)
    assert (shown["credits"], shown["open_streams"]) == (1, 0)
    assert [(row["credits"], row["open_streams"]) for row in later.ok("members", "list")] == [(1, 0), (3, 0)]
    assert later.ok("stream", "list", "--member", 1) == []
    why = later.ok("stream", "why", 1)
    assert (why["allowed"], why["credits"], why["open_streams"], why["holders"]) == (True, 1, 0, [])
    assert later.refused("stream", "checkout", 1)["code"] == "no_open_stream"
    assert later.refused("stream", "takeover", 1)["code"] == "no_open_stream"
    assert bob.books() == books
    assert later.ok("stream", "checkin", 1)["credits"] == 0


def test_the_next_write_of_a_member_writes_their_run_out_leases_down_and_nobody_elses(bob: Program) -> None:
    play(
        bob,
        event("checkin", "12:00", member=1, lease="5m"),
        event("checkin", "12:00", member=2, lease="6m"),
        event("checkin", "12:00", member=1),
        event("checkout", "12:30", member=1),
    )
    assert ends(bob) == {
        1: (day("12:05"), "expired", None),
        2: (None, None, None),
        3: (day("12:30"), "checkout", 4),
    }
    play(bob, event("checkin", "12:40", member=2))
    assert ends(bob)[2] == (day("12:06"), "expired", None)


def test_expire_writes_down_every_run_out_lease_at_its_own_end_without_a_line(bob: Program) -> None:
    play(
        bob,
        event("checkin", "12:00", member=1, lease="5m"),
        event("checkin", "12:00", member=2, lease="90s"),
        event("checkin", "12:00", member=1, lease="1h"),
        event("checkin", "12:00", member=1),
    )
    lines, later = bob.sql("SELECT * FROM invoice_line"), process(at(bob, "12:10"))
    ended = later.ok("stream", "expire")
    assert [(row["id"], row["closed_at"], row["close_reason"]) for row in ended] == [
        (1, day("12:05"), "expired"),
        (2, day("12:01:30"), "expired"),
    ]
    assert ends(bob)[3] == ends(bob)[4] == (None, None, None)
    assert bob.sql("SELECT * FROM invoice_line") == lines
    books = bob.books()
    assert later.ok("stream", "expire") == []
    assert bob.books() == books


def test_expire_idle_closes_what_was_not_seen_for_so_long_with_or_without_a_lease(bob: Program) -> None:
    limit(bob, 9)
    play(
        bob,
        event("checkin", "00:00", member=1, ref="forgotten"),
        event("checkin", "00:00", member=1, ref="alive"),
        event("checkin", "00:00", member=1, ref="long", lease="30d"),
        event("checkin", "00:00", member=2, ref="out", lease="1h"),
        event("checkin", "00:02", member=1, ref="young"),
        event("heartbeat", "06:00", ref="alive"),
    )
    ended = at(bob, "12:01").ok("stream", "expire", "--idle", "12h")
    assert {row["ref"]: (row["closed_at"], row["close_reason"]) for row in ended} == {
        "forgotten": (day("12:01"), "expired"),
        "long": (day("12:01"), "expired"),
        "out": (day("01:00"), "expired"),
    }
    assert bob.sql("SELECT ref FROM stream WHERE closed_at IS NULL ORDER BY ref") == [("alive",), ("young",)]
    assert bob.sql("SELECT count(*) FROM invoice_line WHERE kind = 'checkout'") == [(0,)]


@pytest.mark.parametrize("idle", ["0s", "12", "-1h"])
def test_expire_takes_only_durations(bob: Program, idle: str) -> None:
    play(bob, event("checkin", "12:00", member=1, lease="1s"))
    assert bob.refused("stream", "expire", f"--idle={idle}")["status"] == 2


def test_the_lease_setting_holds_for_check_ins_and_takeovers_that_name_none(bob: Program) -> None:
    bob.ok("stream", "checkin", 1)
    assert bob("db", "set", "lease", "10m").status == 0
    bob.ok("stream", "checkin", 1)
    play(bob, event("checkin", member=1, lease="1m"), event("takeover", member=1))
    assert bob("db", "set", "lease", "none").status == 0
    bob.ok("stream", "takeover", 1, "--stream", 2)
    leases = bob.sql("SELECT id, expires_at FROM stream ORDER BY id")
    assert leases == [(1, None), (2, day("12:10")), (3, day("12:01")), (4, day("12:10")), (5, None)]


@pytest.mark.parametrize("value", ["0s", "5", "soon"])
def test_the_lease_setting_is_a_duration_or_none(bob: Program, value: str) -> None:
    assert bob.refused("db", "set", "lease", value)["status"] == 2


def test_a_dry_run_of_a_heartbeat_or_an_expiry_shows_it_and_does_nothing(bob: Program) -> None:
    play(bob, event("checkin", "12:00", member=1, lease="5m"))
    books = bob.books()
    assert at(bob, "12:01").ok("stream", "heartbeat", 1, "--dry-run") == [
        {"stream_id": 1, "seen_at": day("12:01"), "expires_at": day("12:06"), "replayed": False, "dry_run": True}
    ]
    (ended,) = at(bob, "12:09").ok("stream", "expire", "--dry-run")
    assert (ended["closed_at"], ended["close_reason"], ended["dry_run"]) == (day("12:05"), "expired", True)
    assert bob.books() == books
