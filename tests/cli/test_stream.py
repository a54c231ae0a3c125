"""`streamctl stream`: credits taken and given back, each with its line on the month's invoice."""

from __future__ import annotations

import pytest
from program import Program

IN_PROCESS = "postgresql"  # the processes on a server are in tests/system

KEYS = ["invoice_id", "invoice_line_id", "stream_id", "credits", "replayed"]


def open_streams(program: Program) -> int:
    """How many streams are open, straight from the database."""
    return int(program.sql("SELECT count(*) FROM stream WHERE closed_at IS NULL")[0][0])


def test_a_check_in_takes_a_credit_and_charges_this_months_invoice(member: Program) -> None:
    receipt = member.ok("stream", "checkin", 1)
    assert list(receipt) == KEYS
    assert receipt == {"invoice_id": 1, "invoice_line_id": 1, "stream_id": 1, "credits": 2, "replayed": False}
    invoice = member.ok("invoices", "show", 1)
    assert (invoice["month"], invoice["description"], invoice["amount"]) == ("2026-11", "Invoice for 2026-11", 1)
    assert invoice["invoice_lines"] == [
        {"id": 1, "invoice": 1, "amount": 1, "description": "Check-in", "kind": "checkin"}
    ]
    assert member.ok("stream", "checkin", "BOB@Example.com")["invoice_id"] == 1
    assert member.ok("members", "show", 1)["credits"] == 1


def test_a_check_out_gives_the_credit_back_and_writes_its_line(member: Program) -> None:
    first = member.ok("stream", "checkin", 1)
    receipt = member.ok("stream", "checkout", 1)
    assert list(receipt) == KEYS
    assert (receipt["stream_id"], receipt["credits"], receipt["replayed"]) == (first["stream_id"], 3, False)
    line = member.ok("lines", "show", receipt["invoice_line_id"])
    assert (line["kind"], line["description"], line["amount"]) == ("checkout", "Check-out", 0)


def test_the_oldest_stream_is_closed_unless_one_is_named(member: Program) -> None:
    for minute in (1, 2, 3):
        member.at(f"2026-11-22T12:0{minute}:00Z").ok("stream", "checkin", 1)
    later = member.at("2026-11-22T13:00:00Z")
    assert later.ok("stream", "checkout", 1, "--stream", 2)["stream_id"] == 2
    assert later.ok("stream", "checkout", 1)["stream_id"] == 1
    assert [stream["id"] for stream in later.ok("stream", "list")] == [3]


def test_checkout_all_answers_an_array_even_when_nothing_was_open(member: Program) -> None:
    for _ in range(2):
        member.ok("stream", "checkin", 1)
    receipts = member.ok("stream", "checkout", 1, "--all")
    assert [(receipt["stream_id"], receipt["credits"]) for receipt in receipts] == [(1, 2), (2, 3)]
    assert member.ok("stream", "checkout", 1, "--all") == []


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (["members", "cancel", "1"], "membership_cancelled"),
        (["members", "update", "1", "--start", "tomorrow"], "membership_not_started"),
        (["members", "update", "1", "--end", "today"], "membership_expired"),
        (["members", "update", "1", "--credits", "0"], "no_credits"),
    ],
)
def test_a_check_in_is_refused_with_its_own_code(member: Program, before: list[str], code: str) -> None:
    assert member(*before).status == 0
    error = member.refused("stream", "checkin", 1)
    assert (error["code"], error["status"]) == (code, 4)
    assert error["hint"]


def test_a_check_in_of_nobody_or_without_a_membership_is_refused(program: Program) -> None:
    program.ok("members", "add", "eve@example.com", "--no-membership")
    assert program.refused("stream", "checkin", 1)["code"] == "no_membership"
    error = program.refused("stream", "checkin", 2)
    assert (error["code"], error["status"]) == ("not_found", 3)


def test_refusals_come_in_the_order_of_the_rules(member: Program) -> None:
    """A membership that is cancelled, over and full is first of all cancelled."""
    member("members", "update", 1, "--credits", 0, "--end", "today")
    member("members", "cancel", 1)
    assert member.refused("stream", "checkin", 1)["code"] == "membership_cancelled"
    member("members", "reactivate", 1)
    assert member.refused("stream", "checkin", 1)["code"] == "membership_expired"


def test_the_last_day_counts_and_the_end_date_does_not(member: Program) -> None:
    assert member.at("2026-11-30T23:59:59Z").ok("stream", "checkin", 1)["credits"] == 2
    assert member.at("2026-12-01T00:00:00Z").refused("stream", "checkin", 1)["code"] == "membership_expired"


def test_a_check_out_with_nothing_open_is_refused_and_mints_nothing(member: Program) -> None:
    assert member.refused("stream", "checkout", 1)["code"] == "no_open_stream"
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkout", 1)
    assert member.refused("stream", "checkout", 1)["code"] == "no_open_stream"
    assert member.ok("members", "show", 1)["credits"] == 3


def test_a_named_stream_that_is_closed_answers_as_a_replay_and_writes_nothing(member: Program) -> None:
    member.ok("stream", "checkin", 1, "--ref", "r")
    first = member.ok("stream", "checkout", 1, "--stream", 1)
    books = member.books()
    for how in (("--stream", 1), ("--ref", "r")):
        again = member.ok("stream", "checkout", 1, *how)
        assert again == {**first, "replayed": True, "close_reason": "checkout"}
    assert member.books() == books


def test_a_stream_can_be_closed_whatever_became_of_the_membership(member: Program) -> None:
    for _ in range(3):
        member.ok("stream", "checkin", 1)
    member("members", "update", 1, "--credits", 1)
    assert member.ok("members", "show", 1)["credits"] == 0
    assert member.ok("stream", "checkout", 1)["credits"] == 0
    member("members", "cancel", 1)
    assert member.ok("stream", "checkout", 1)["credits"] == 0
    assert member.at("2027-05-01").ok("stream", "checkout", 1)["credits"] == 1


def test_a_repeated_ref_answers_with_the_first_receipt_before_any_other_check(member: Program) -> None:
    first = member.ok("stream", "checkin", 1, "--ref", "play-1", "--device", "tv")
    member.ok("stream", "checkin", 1)
    member("members", "cancel", 1)
    books = member.books()
    again = member.at("2030-01-01").ok("stream", "checkin", "bob@example.com", "--ref", "play-1", "--device", "tv")
    assert again == {**first, "replayed": True}
    assert member.books() == books
    out = member.ok("stream", "checkout", 1, "--ref", "play-1")
    assert (out["stream_id"], out["replayed"]) == (first["stream_id"], False)
    assert member.ok("stream", "checkout", 1, "--ref", "play-1") == {**out, "replayed": True}
    assert open_streams(member) == 1


def test_a_key_used_for_another_request_is_a_conflict(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    member.ok("stream", "checkin", 1, "--ref", "k", "--device", "tv", "--lease", "5m")
    for other in (
        ("stream", "checkin", 2, "--ref", "k", "--device", "tv", "--lease", "5m"),
        ("stream", "checkin", 99, "--ref", "k", "--device", "tv", "--lease", "5m"),
        ("stream", "checkin", 1, "--ref", "k", "--device", "phone", "--lease", "5m"),
        ("stream", "checkin", 1, "--ref", "k", "--device", "tv"),
        ("stream", "checkout", 2, "--ref", "k"),
        ("lines", "add", 1, "--amount", 1, "--key", "k"),
    ):
        assert member.refused(*other)["code"] == "key_conflict", other
    member.ok("lines", "add", 1, "--amount", 1, "--key", "line")
    assert member.refused("stream", "checkin", 1, "--ref", "line")["code"] == "key_conflict"


def test_an_unknown_stream_or_somebody_elses_is_not_found(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    member.ok("stream", "checkin", 2)
    for how in (("--stream", 1), ("--stream", 10**30), ("--ref", "never")):
        error = member.refused("stream", "checkout", 1, *how)
        assert (error["code"], error["status"]) == ("not_found", 3), how


def test_a_lease_that_has_run_out_holds_no_credit_and_bears_no_line(member: Program) -> None:
    member("members", "update", 1, "--credits", 1)
    member.ok("stream", "checkin", 1, "--lease", "5m", "--ref", "gone")
    assert member.at("2026-11-22T12:04:59Z").refused("stream", "checkin", 1)["code"] == "no_credits"
    later = member.at("2026-11-22T12:05:00Z")
    assert later.ok("stream", "list") == []
    assert later.ok("members", "show", 1)["credits"] == 1
    assert later.ok("stream", "checkin", 1)["credits"] == 0
    (run_out, _) = later.ok("stream", "list", "--all")
    assert (run_out["close_reason"], run_out["closed_at"]) == ("expired", "2026-11-22T12:05:00Z")
    lost = later.ok("stream", "checkout", 1, "--ref", "gone")
    assert (lost["close_reason"], lost["invoice_line_id"], lost["replayed"]) == ("expired", None, True)
    assert len(later.ok("lines", "list")) == 2


def test_a_line_goes_on_a_new_invoice_where_the_months_is_closed(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    member("invoices", "pay", 1)
    receipt = member.ok("stream", "checkout", 1)
    assert receipt["invoice_id"] == 2
    assert member.ok("invoices", "show", 1)["amount"] == 1
    assert member.ok("invoices", "show", 2)["month"] == "2026-11"


def test_an_invoice_of_the_same_month_of_another_year_is_never_used(member: Program) -> None:
    member.ok("invoices", "create", 1, "--date", "2025-11-22")
    assert member.ok("stream", "checkin", 1)["invoice_id"] == 2
    assert member.ok("invoices", "show", 1)["amount"] == 0


def test_the_month_turns_at_midnight_in_the_databases_zone(member: Program) -> None:
    member("db", "set", "timezone", "Europe/Berlin")
    member("members", "update", 1, "--start", "2026-01-01", "--end", "2027-01-01")
    before = member.at("2026-10-31T22:59:59Z").ok("stream", "checkin", 1)
    after = member.at("2026-10-31T23:00:00Z").ok("stream", "checkin", 1)
    months = [member.ok("invoices", "show", receipt["invoice_id"])["month"] for receipt in (before, after)]
    assert months == ["2026-10", "2026-11"]


def test_a_check_out_before_its_check_in_is_refused(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    error = member.at("2026-11-22T11:59:59Z").refused("stream", "checkout", 1)
    assert error["code"] == "time_order"
    assert error["details"]["opened_at"] == "2026-11-22T12:00:00Z"


def test_a_dry_run_shows_what_it_would_do_and_does_nothing(member: Program) -> None:
    books = member.books()
    assert member.ok("stream", "checkin", 1, "--ref", "k", "--dry-run") == {
        "invoice_id": 1,
        "invoice_line_id": 1,
        "stream_id": 1,
        "credits": 2,
        "replayed": False,
        "dry_run": True,
    }
    assert member.books() == books
    real = member.ok("stream", "checkin", 1, "--ref", "k")
    number = {"sqlite": 1, "postgresql": 2}[member.engine]  # what a server has counted it does not count again
    assert (real["stream_id"], real["replayed"]) == (number, False)


def test_the_listing_has_its_keys(member: Program) -> None:
    member.ok("stream", "checkin", 1, "--ref", "r", "--device", "tv", "--lease", "1h")
    assert member.ok("stream", "list", "--member", 1) == [
        {
            "id": 1,
            "user": 1,
            "email": "bob@example.com",
            "ref": "r",
            "device": "tv",
            "opened_at": "2026-11-22T12:00:00Z",
            "seen_at": "2026-11-22T12:00:00Z",
            "expires_at": "2026-11-22T13:00:00Z",
            "closed_at": None,
            "close_reason": None,
        }
    ]


def test_prices_are_the_settings(member: Program) -> None:
    member("db", "set", "checkin_amount", "0.25")
    member("db", "set", "checkout_amount", "0.10")
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkout", 1)
    answer = member("invoices", "show", 1, "--format", "json")
    assert '"amount": 0.35' in answer.out
