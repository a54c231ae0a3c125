"""`streamctl stream why` and `takeover`: why a credit is not to be had, and how to have one all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from program import Program
from streams import at, codes, day, ends, enrol, event, follow, inside, limit, play, process

KEYS = ["invoice_id", "invoice_line_id", "stream_id", "credits", "replayed", "taken_over"]
EXPLAINED = ("allowed", "code", "holders", "suggestion")


@pytest.fixture
def bob(program: Program) -> Program:
    """The program with bob, member 1, and eve, member 2, of three credits each."""
    return enrol(inside(program), "bob@example.com", "eve@example.com")


@pytest.fixture
def full(bob: Program) -> Program:
    """The same with all of bob's credits taken, by the refs s1, s2 and s3."""
    play(bob, *(event("checkin", f"11:0{number}", member=1, ref=f"s{number}") for number in (1, 2, 3)))
    return bob


def test_why_of_a_member_who_may_says_so_and_how(bob: Program) -> None:
    play(bob, event("checkin", "11:01", member=1, device="tv", lease="2h"))
    why = bob.ok("stream", "why", "BOB@example.com")
    holder = {"stream": 1, "device": "tv", "opened_at": day("11:01"), "seen_at": day("11:01")}
    assert why == {
        "member": 1,
        "email": "bob@example.com",
        "allowed": True,
        "code": None,
        "state": "ACT",
        "start_date": "2026-11-01",
        "end_date": "2026-12-01",
        "credit_limit": 3,
        "open_streams": 1,
        "credits": 2,
        "holders": [{**holder, "expires_at": day("13:01")}],
        "suggestion": "streamctl stream checkin 1",
    }
    assert follow(bob, why["suggestion"])["credits"] == 1
    error = bob.refused("stream", "why", 99)
    assert (error["code"], error["status"]) == ("not_found", 3)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("DELETE FROM membership", "no_membership"),
        ("UPDATE membership SET state = 'CANC', cancelled_on = '2026-11-20'", "membership_cancelled"),
        ("UPDATE membership SET start_date = '2026-11-23'", "membership_not_started"),
        ("UPDATE membership SET end_date = '2026-11-22'", "membership_expired"),
        ("UPDATE membership SET credit_limit = 0", "no_credits"),
    ],
)
def test_what_why_suggests_lets_the_member_in_and_a_refused_check_in_says_the_same(
    bob: Program, before: str, code: str
) -> None:
    bob.sql(before)
    books = bob.books()
    why = bob.ok("stream", "why", 1)
    assert bob.books() == books
    assert (why["allowed"], why["code"], why["holders"]) == (False, code, [])
    error = bob.refused("stream", "checkin", 1)
    assert {key: error["details"][key] for key in EXPLAINED} == {key: why[key] for key in EXPLAINED}
    follow(bob, why["suggestion"])
    assert codes(play(bob, event("checkin", member=1))) == ["ok"]


def test_where_streams_hold_every_credit_why_names_them_and_suggests_a_takeover(full: Program) -> None:
    full = process(full)
    why = full.ok("stream", "why", 1)
    assert (why["code"], why["credits"]) == ("no_credits", 0)
    assert [holder["stream"] for holder in why["holders"]] == [1, 2, 3]
    error = full.refused("stream", "checkin", 1)
    assert {key: error["details"][key] for key in EXPLAINED} == {key: why[key] for key in EXPLAINED}
    assert follow(full, why["suggestion"])["taken_over"] == 1


def test_where_the_limit_was_lowered_under_the_open_streams_the_suggestion_is_enough(full: Program) -> None:
    limit(full, 1)
    why = full.ok("stream", "why", 1)
    assert (why["code"], why["credit_limit"], why["open_streams"]) == ("no_credits", 1, 3)
    follow(full, why["suggestion"])
    assert codes(play(full, event("checkin", member=1))) == ["ok"]


def test_suggestions_followed_one_after_the_other_end_with_a_stream(bob: Program) -> None:
    limit(bob, 0)
    bob.sql("UPDATE membership SET state = 'CANC', end_date = '2026-11-22'")
    found: list[str] = []
    while not (why := bob.ok("stream", "why", 1))["allowed"] and len(found) < 5:
        found.append(why["code"])
        follow(bob, why["suggestion"])
    assert found == ["membership_cancelled", "membership_expired", "no_credits"]
    assert follow(bob, why["suggestion"])["stream_id"] == 1


@pytest.mark.parametrize(("how", "taken"), [([], 1), (["--oldest"], 1), (["--stream", "2"], 2)])
def test_a_takeover_passes_a_credit_on_with_a_check_in_line_and_no_check_out_line(
    full: Program, how: list[str], taken: int
) -> None:
    receipt = process(full).ok("stream", "takeover", 1, *how, "--ref", "new", "--device", "tv", "--lease", "5m")
    assert list(receipt) == KEYS
    numbers = {"invoice_id": 1, "invoice_line_id": 4, "stream_id": 4, "credits": 0}
    assert receipt == {**numbers, "replayed": False, "taken_over": taken}
    assert ends(full) == dict.fromkeys((1, 2, 3, 4), (None, None, None)) | {taken: (day("12:00"), "takeover", None)}
    assert full.sql("SELECT ref, device, opened_at, expires_at FROM stream WHERE id = 4") == [
        ("new", "tv", day("12:00"), day("12:05"))
    ]
    assert full.sql("SELECT kind, count(*) FROM invoice_line GROUP BY kind") == [("checkin", 4)]
    assert full.sql("SELECT amount FROM invoice") == [(400,)]


def test_a_takeover_repeated_by_its_key_answers_with_the_first_receipt_and_takes_nothing(full: Program) -> None:
    first = full.ok("stream", "takeover", 1, "--ref", "k", "--device", "tv")
    full.sql("UPDATE membership SET state = 'CANC'")
    books = full.books()
    again = replace(full, now="2027-01-01").ok("stream", "takeover", 1, "--oldest", "--ref", "k", "--device", "tv")
    assert again == {**first, "replayed": True}
    assert full.books() == books


def test_a_takeovers_key_on_another_request_is_a_conflict(full: Program) -> None:
    full.ok("stream", "takeover", 1, "--stream", 2, "--ref", "k", "--device", "tv", "--lease", "5m")
    same: dict[str, Any] = {"member": 1, "stream": 2, "ref": "k", "device": "tv", "lease": "5m"}
    books = full.books()
    receipts = play(
        full,
        event("takeover", **same),
        event("takeover", **{**same, "member": 2}),
        event("takeover", **{**same, "stream": None}),
        event("takeover", **{**same, "stream": 1}),
        event("takeover", **{**same, "device": "phone"}),
        event("takeover", **{**same, "lease": "6m"}),
        event("takeover", **{**same, "lease": None}),
        event("takeover", member=1, ref="s3"),
        event("checkin", member=1, ref="k", device="tv", lease="5m"),
        event("checkout", member=2, ref="k"),
    )
    assert codes(receipts) == ["again", *["key_conflict"] * 9]
    assert full.books() == books
    assert full.refused("stream", "takeover", 1, "--stream", 1, "--ref", "k")["status"] == 4
    out = full.ok("stream", "checkout", 1, "--ref", "k")
    assert (out["stream_id"], out["replayed"]) == (4, False)


@pytest.mark.parametrize("lowered", [0, 1, 2])
def test_a_takeover_under_a_lowered_limit_is_refused_and_its_suggestion_helps(full: Program, lowered: int) -> None:
    """Where more are open than the limit grants, one less frees no credit: a takeover may not keep it so."""
    limit(full, lowered)
    error = full.refused("stream", "takeover", 1)
    assert (error["code"], error["status"]) == ("no_credits", 4)
    assert [holder["stream"] for holder in error["details"]["holders"]] == [1, 2, 3]
    follow(full, error["details"]["suggestion"])
    if len(ends(full)) == 3:
        assert codes(play(full, event("takeover", member=1))) == ["ok"]
    assert len(ends(full)) == 4


def test_a_refused_takeover_counts_the_streams_that_hold_credits(full: Program) -> None:
    limit(full, 2)
    details = full.refused("stream", "takeover", 1)["details"]
    assert (details["credit_limit"], details["open_streams"]) == (2, 3)


def test_a_takeover_names_an_open_stream_of_the_member(full: Program) -> None:
    refused = [event("takeover", member=1, stream=number) for number in (4, 99, 10**30, 1)]
    receipts = play(
        full,
        event("takeover", member=2),
        event("checkin", "11:30", member=2),
        event("checkout", "11:30", member=1, stream=1),
        *refused,
        event("takeover", member=99),
    )
    lost = ["not_found", "not_found", "not_found", "no_open_stream", "not_found"]
    assert codes(receipts) == ["no_open_stream", "ok", "ok", *lost]
    assert full.refused("stream", "takeover", 1, "--stream", 4)["status"] == 3
    assert full.refused("stream", "takeover", 1, "--stream", 2, "--oldest")["status"] == 2
    assert {number for number, end in ends(full).items() if end[0]} == {1}


def test_a_takeover_that_is_refused_leaves_the_old_stream_running(bob: Program) -> None:
    play(bob, event("checkin", "11:01", member=1))
    early = at(bob, "11:00").refused("stream", "takeover", 1)
    assert (early["code"], early["details"]["stream"]) == ("time_order", 1)
    bob.sql("UPDATE membership SET state = 'CANC'")
    error = bob.refused("stream", "takeover", 1, "--ref", "k")
    assert (error["code"], error["details"]["holders"][0]["stream"]) == ("membership_cancelled", 1)
    assert ends(bob) == {1: (None, None, None)}
    follow(bob, error["details"]["suggestion"])
    assert bob.ok("stream", "takeover", 1, "--ref", "k")["replayed"] is False


def test_a_dry_run_of_a_takeover_shows_it_and_does_nothing(full: Program) -> None:
    books = full.books()
    receipt = full.ok("stream", "takeover", 1, "--ref", "k", "--dry-run")
    assert (receipt["taken_over"], receipt["replayed"], receipt["dry_run"]) == (1, False, True)
    assert full.books() == books
    assert full.ok("stream", "takeover", 1, "--ref", "k")["replayed"] is False
