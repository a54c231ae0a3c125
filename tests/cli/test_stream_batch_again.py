"""`streamctl stream batch` on a file it has seen before: the same state, nothing charged twice, the same answers."""

from __future__ import annotations

import pytest
from program import Program
from streams import codes, ends, enrol, event, inside, play


@pytest.fixture
def bob(program: Program) -> Program:
    """The program with bob, member 1, and eve, member 2, of one credit each."""
    return enrol(inside(program), "bob@example.com", "eve@example.com", credits=1)


def test_a_file_played_again_changes_nothing_and_answers_as_it_did(bob: Program) -> None:
    events = [
        event("checkin", "12:00", member=1, ref="a", lease="5m"),
        event("checkin", "12:01", member=1, ref="b"),
        event("heartbeat", "12:02", ref="a"),
        event("takeover", "12:03", member="bob@example.com", ref="c"),
        event("takeover", "12:03", member=2, ref="d"),
        event("checkout", "12:04", member=1, ref="c"),
        event("checkin", "12:05", member=1, ref="e"),
    ]
    first = play(bob, *events)
    assert codes(first) == ["ok", "no_credits", "ok", "ok", "no_open_stream", "ok", "ok"]
    books = bob.books()
    again = play(bob, *events)
    assert bob.books() == books
    for before, after in zip(first, again, strict=True):
        if not before["ok"]:
            assert after == {**before, "error": {**before["error"], "replayed": True}}
        elif before["action"] != "heartbeat":
            assert after == {**before, "replayed": True}


def test_an_event_that_was_refused_is_refused_again_though_a_credit_is_free_by_now(bob: Program) -> None:
    late = event("checkin", "12:01", member=1, ref="late")
    events = [event("checkin", "12:00", member=1, ref="a"), late, event("checkout", "12:02", member=1, ref="a")]
    assert codes(play(bob, *events)) == ["ok", "no_credits", "ok"]
    assert codes(play(bob, *events)) == ["again", "no_credits", "again"]
    assert len(ends(bob)) == 1
    assert codes(play(bob, {**late, "at": "2026-11-22T12:03:00Z"})) == ["ok"], "a later request is another one"


def test_an_event_that_was_refused_leaves_the_answer_of_the_one_that_holds_its_key(bob: Program) -> None:
    """Two members with one key at one second: the first holds it, and hears its receipt for ever."""
    events = [event("checkin", "12:00", member=number, ref="k") for number in (1, 2)]
    first = play(bob, *events)
    assert codes(first) == ["ok", "key_conflict"]
    again = play(bob, *events)
    assert again[0] == {**first[0], "replayed": True}
    assert codes(again) == ["again", "key_conflict"]


def test_a_refusal_is_the_answer_for_its_own_member_only(bob: Program) -> None:
    """A key that nobody holds yet is free for another member, at whatever second it was refused to the first."""
    events = [
        event("checkin", "12:00", member=1),
        event("checkin", "12:01", member=1, ref="k"),
        event("checkin", "12:01", member=2, ref="k"),
    ]
    assert codes(play(bob, *events)) == ["ok", "no_credits", "ok"]


def test_a_check_out_that_came_before_its_check_in_does_not_close_it_in_a_second_run(bob: Program) -> None:
    events = [event(action, "12:00", member=1, ref="k") for action in ("checkout", "checkin")]
    assert codes(play(bob, *events)) == ["not_found", "ok"]
    books = bob.books()
    play(bob, *events)
    assert bob.books() == books


def test_the_times_of_one_stream_never_run_backwards_and_another_streams_may(bob: Program) -> None:
    receipts = play(
        bob,
        event("checkin", "12:00", member=1, ref="a"),
        event("heartbeat", "12:10", ref="a"),
        event("checkout", "12:09", member=1, ref="a"),
        event("takeover", "12:09", member=1, ref="b"),
        event("heartbeat", "11:59", ref="a"),
        event("checkout", "11:59", member=1, ref="a"),
        event("checkin", "11:00", member=2, ref="c"),
        event("checkout", "12:10", member=1, ref="a"),
    )
    assert codes(receipts) == ["ok", "ok", *["time_order"] * 4, "ok", "ok"]


def test_a_refused_event_leaves_nothing_but_its_refusal(bob: Program) -> None:
    """What it did before it was refused, such as an invoice or an expiry written down, is taken back."""
    play(bob, event("checkin", "12:00", member=1, lease="5m"))
    bob.sql("UPDATE membership SET state = 'CANC'")
    books = bob.books()
    receipts = play(bob, event("checkin", "12:30", member=1), event("takeover", "12:30", member=1, ref="x"))
    assert codes(receipts) == ["membership_cancelled", "membership_cancelled"]
    after = bob.books()
    ((_, key, action, *_),) = after.pop("request")
    assert (key.partition(":")[0], action) == ("refused", "refused")
    assert {name: rows for name, rows in after.items() if name != "sqlite_sequence"} == {
        name: rows for name, rows in books.items() if name not in {"request", "sqlite_sequence"}
    }
