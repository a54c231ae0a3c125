"""`streamctl invoices issue` and `overdue`: a closed month has numbers without a gap, and what is owed is due."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from author import AUTHOR
from program import Program
from shell import REFUSALS

IN_PROCESS = True

KEYS = ["month", "issued", "numbered", "voided", "kept", "first_number", "last_number", "total", "settled"]
DECEMBER = "2026-12-01T06:00:00Z"


@pytest.fixture
def month(member: Program) -> Program:
    """November is over: of bob an open invoice (1), of ann a paid (2), a void (3) and an empty one (4), of eve one of
    October (5)."""
    for email in ("ann@example.com", "eve@example.com"):
        member.ok("members", "add", email)
    member.ok("invoices", "create", 1, "--amount", "9.90")
    member.ok("invoices", "create", 2, "--amount", "5", "--status", "PAID")
    member.ok("invoices", "create", 2, "--amount", "7", "--status", "VOID", "--extra")
    member.ok("invoices", "create", 2, "--extra")
    member.ok("invoices", "create", 3, "--amount", "3", "--date", "2026-10-31")
    return member.at(DECEMBER)


def numbers(program: Program) -> dict[int, str | None]:
    return dict(program.sql("SELECT id, number FROM invoice ORDER BY id"))


def test_issuing_numbers_what_is_owed_or_paid_and_makes_what_is_owed_due(month: Program) -> None:
    summary = month.ok("invoices", "issue")
    assert list(summary) == KEYS
    assert summary == {
        "month": "2026-11",
        "issued": 2,
        "numbered": 3,
        "voided": 1,
        "kept": 0,
        "first_number": "2026-10-00001",
        "last_number": "2026-11-00003",
        "total": 12.9,
        "settled": 0,
    }
    found = {i["id"]: (i["status"], i["number"], i["issued_at"], i["due_date"]) for i in month.ok("invoices", "list")}
    assert found == {
        1: ("OUT", "2026-11-00002", DECEMBER, "2026-12-15"),
        2: ("PAID", "2026-11-00003", None, None),
        3: ("VOID", None, None, None),
        4: ("VOID", None, None, None),
        5: ("OUT", "2026-10-00001", DECEMBER, "2026-12-15"),
    }
    assert month("db", "check").status == 0


def test_issuing_again_changes_nothing(month: Program) -> None:
    month.ok("invoices", "issue")
    before = month.books()
    again = month.ok("invoices", "issue")
    assert (again["issued"], again["numbered"], again["first_number"], again["total"]) == (0, 0, None, 0)
    assert month.books() == before


def test_what_is_issued_is_frozen_and_never_deleted(month: Program) -> None:
    month.ok("invoices", "issue")
    for words in (
        ("lines", "add", 1, "--amount", "1"),
        ("lines", "update", 1, "--amount", "1"),
        ("lines", "delete", 1, "--yes"),
        ("invoices", "update", 1, "--description", "x"),
        ("invoices", "delete", 1, "--yes"),
        ("invoices", "delete", 2, "--yes"),
    ):
        assert month.refused(*words)["code"] == "invoice_closed", words
    assert month.refused("members", "delete", 2, "--force", "--yes")["code"] == "in_use"
    month.ok("invoices", "reopen", 2)
    kept = month.refused("invoices", "delete", 2, "--yes")
    assert "kept for ever" in kept["hint"], "a number that was given must not go missing"
    assert month.refused("members", "delete", 2, "--force", "--yes")["code"] == "in_use", "nor with its member"


def test_the_database_itself_keeps_what_has_a_number(month: Program) -> None:
    month.ok("invoices", "issue")
    for invoice in (1, 2):
        with pytest.raises(REFUSALS, match="issued"):
            month.sql("DELETE FROM invoice WHERE id = ?", invoice)
    month.sql("DELETE FROM invoice WHERE id = 3")


def test_what_an_older_version_left_numbered_and_outstanding_is_issued_with_the_number_it_has(month: Program) -> None:
    month.ok("invoices", "issue")
    month.sql("UPDATE invoice SET status = 'OUT', paid_on = NULL WHERE id = 2")
    summary = month.ok("invoices", "issue")
    assert (summary["issued"], summary["numbered"], summary["total"]) == (1, 0, 5)
    after = month.ok("invoices", "show", 2)
    assert (after["number"], after["issued_at"], after["due_date"]) == ("2026-11-00003", DECEMBER, "2026-12-15")


def test_an_invoice_of_zero_is_paid_without_a_number_and_never_owed(month: Program) -> None:
    """Fails when a check-out after midnight of the month's end makes an invoice of 0.00 that is due and dunned."""
    month.ok("db", "set", "checkin_amount", "0")
    month.at("2026-11-22T12:00:00Z").ok("stream", "checkin", 1, "--lease", "30d")
    month.ok("stream", "checkout", 1)  # invoice 6, of December
    month.ok("invoices", "create", 2, "--amount", "4", "--extra", "--date", "2026-12-02")
    month.ok("lines", "add", 7, "--discount", "4")
    month.ok("invoices", "create", 3, "--amount", "4", "--date", "2026-12-03")
    january = month.at("2027-01-01T06:00:00Z")
    summary = january.ok("invoices", "issue")
    assert (summary["issued"], summary["numbered"], summary["settled"], summary["total"]) == (3, 4, 2, 16.9)
    found = {i["id"]: (i["status"], i["number"], i["issued_at"], i["due_date"]) for i in month.ok("invoices", "list")}
    assert found[6] == found[7] == ("PAID", None, None, None)
    assert {i["id"]: i["paid_on"] for i in month.ok("invoices", "list")}[6] == "2027-01-01"
    assert found[8][:2] == ("OUT", "2026-12-00004"), "numbers stay gapless"
    before = month.books()
    again = january.ok("invoices", "issue")
    assert (again["numbered"], again["settled"]) == (0, 0)
    assert month.books() == before
    late = month.at("2027-06-01T06:00:00Z")
    assert [row["id"] for row in late.ok("invoices", "overdue")] == [1, 5, 8]
    assert month("db", "check").status == 0


def test_a_paid_invoice_of_zero_gets_no_number(month: Program) -> None:
    month.ok("invoices", "create", 3, "--status", "PAID", "--date", "2026-11-05")
    month.ok("invoices", "issue")
    assert numbers(month)[6] is None


def test_a_zero_that_an_older_version_issued_is_in_no_list_of_what_is_owed(month: Program) -> None:
    month.ok("invoices", "issue")
    month.ok("invoices", "create", 3, "--date", "2026-09-01")
    month.sql(f"UPDATE invoice SET number = 'old', issued_at = '{DECEMBER}', due_date = '2026-12-15' WHERE id = 6")
    late = month.at("2026-12-20T12:00:00Z")
    assert overdue(late) == [(1, 5), (5, 5)]
    assert [row["invoices"] for row in late.ok("report", "ageing")] == [0, 2, 0, 0, 0]
    assert late("invoices", "render", 6, "--to", "text").out.count("nothing is owed") == 1
    numbered = "UPDATE invoice SET issued_at = NULL, due_date = NULL WHERE id = 6"
    month.sql(numbered)
    assert late.ok("invoices", "issue")["settled"] == 1
    assert late.ok("invoices", "show", 6)["number"] == "old"


def test_empty_invoices_can_be_kept_open(month: Program) -> None:
    summary = month.ok("invoices", "issue", "--empty", "keep")
    assert (summary["voided"], summary["kept"], summary["numbered"]) == (0, 1, 3)
    kept = month.ok("invoices", "show", 4)
    assert (kept["status"], kept["number"], kept["issued_at"]) == ("OUT", None, None)
    assert month.ok("invoices", "issue", "--empty", "keep")["kept"] == 1
    assert month.ok("invoices", "issue")["voided"] == 1


def test_a_month_that_is_not_over_needs_force(month: Program) -> None:
    for clock, name in ((DECEMBER, "this"), ("2026-11-30T23:59:59Z", "2026-11"), (DECEMBER, "2027-01")):
        refused = month.at(clock).refused("invoices", "issue", "--month", name)
        assert (refused["status"], refused["code"]) == (4, "month_not_over")
    assert month.at("2026-11-30T12:00:00Z").ok("invoices", "issue", "--month", "this", "--force")["issued"] == 2


def test_a_month_is_over_when_it_is_in_the_databases_own_zone(month: Program) -> None:
    month.ok("db", "set", "timezone", "America/New_York")
    early = month.at("2026-12-01T04:59:59Z")
    assert early.refused("invoices", "issue", "--month", "2026-11")["code"] == "month_not_over"
    assert month.at("2026-12-01T05:00:00Z").ok("invoices", "issue", "--month", "2026-11")["issued"] == 2


def test_numbers_go_on_without_a_gap_across_months_and_dry_runs(month: Program) -> None:
    month.ok("invoices", "issue", "--dry-run")
    month.ok("invoices", "issue")
    for number in range(3):
        month.ok("invoices", "create", number % 3 + 1, "--amount", "1", "--date", f"2026-12-0{3 - number}")
    later = month.at("2027-01-01T06:00:00Z")
    assert later.ok("invoices", "issue", "--dry-run")["first_number"] == "2026-12-00004"
    assert later.ok("invoices", "issue")["last_number"] == "2026-12-00006"
    assert [numbers(month)[id] for id in (6, 7, 8)] == ["2026-12-00006", "2026-12-00005", "2026-12-00004"]


@pytest.mark.parametrize(
    ("format", "first", "second"),
    [
        ("{seq}", "1", "2"),
        ("{seq:3}", "001", "002"),
        ("{seq:09}", "000000001", "000000002"),
        ("INV-{month}/{seq:02} '\"%s?", "INV-2026-10/01 '\"%s?", "INV-2026-11/02 '\"%s?"),
        ("{month}{month}é{seq}{seq:02}", "2026-102026-10é101", "2026-112026-11é202"),
    ],
)
def test_numbers_take_the_form_that_is_set(month: Program, format: str, first: str, second: str) -> None:
    month.ok("db", "set", "number_format", format)
    summary = month.ok("invoices", "issue")
    given = numbers(month)
    assert (given[5], given[1]) == (first, second)
    assert (summary["first_number"], summary["last_number"]) == (given[5], given[2])


def test_a_sequence_that_outgrows_its_width_goes_on(month: Program) -> None:
    month.sql("UPDATE counter SET value = 99998")
    month.ok("invoices", "issue")
    assert [numbers(month)[id] for id in (5, 1, 2)] == ["2026-10-99999", "2026-11-100000", "2026-11-100001"]


def test_a_form_that_makes_a_number_twice_is_refused_with_nothing_done(month: Program) -> None:
    month.sql("UPDATE invoice SET number = '2026-11-00002' WHERE id = 3")
    refused = month.refused("invoices", "issue")
    assert (refused["status"], refused["code"]) == (4, "number_taken")
    assert "db set number_format" in refused["hint"]


def test_payment_days_make_the_due_day_and_2999_is_the_end(month: Program) -> None:
    month.ok("db", "set", "payment_days", "0")
    month.ok("invoices", "issue", "--dry-run")
    month.ok("db", "set", "payment_days", "30")
    month.ok("invoices", "issue")
    assert month.ok("invoices", "show", 1)["due_date"] == "2026-12-31"
    month.ok("invoices", "create", 1, "--amount", "1", "--date", "2999-11-01")
    late = month.at("2999-12-15T00:00:00Z").refused("invoices", "issue")
    assert (late["status"], late["code"]) == (2, "bad_value")


def test_processes_that_issue_at_once_give_each_number_once(month: Program) -> None:
    for day in range(1, 13):
        month.ok("invoices", "create", 3, "--amount", "1", "--date", f"2025-{day:02}-01")
    command = [sys.executable, "-m", "streamctl", "invoices", "issue", "--format", "jsonl"]
    running = [subprocess.Popen(command, env=month.environment, stdout=subprocess.PIPE) for _ in range(4)]
    outs = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 4
    assert sum(b'"numbered": 15' in out for out in outs) == 1
    assert sorted(n[-5:] for n in numbers(month).values() if n) == [f"{n:05}" for n in range(1, 16)]


def test_the_sentence_says_how_much_and_which_numbers(month: Program) -> None:
    from streamctl.cli import invoices
    from streamctl.cli.desk import Desk
    from streamctl.settings import Settings
    from streamctl.store.database import opened, terms

    with opened(month.db) as store:
        store.author = AUTHOR
        at = Settings(as_of=None).now(terms().zone).replace(year=2026, month=12, day=1)
        answer = invoices.issue(Desk(Settings(), terms(), at))
    assert answer.sentence == (
        "Issued 2 invoices of 2026-11 and before: 12.90 USD, numbers 2026-10-00001 to 2026-11-00003, "
        "1 empty one voided."
    )


def overdue(program: Program, *words: object) -> list[tuple[Any, ...]]:
    return [(row["id"], row["days_overdue"]) for row in program.ok("invoices", "overdue", *words)]


def test_overdue_is_what_was_issued_and_is_not_paid_after_its_day(month: Program) -> None:
    month.ok("invoices", "issue")
    assert overdue(month.at("2026-12-15T23:59:59Z")) == []
    assert overdue(month.at("2026-12-16T00:00:00Z")) == [(1, 1), (5, 1)]
    late = month.at("2027-01-14T12:00:00Z")
    assert overdue(late, "--days", 30) == [(1, 30), (5, 30)]
    assert overdue(late, "--days", 31) == []
    month.ok("invoices", "pay", 1)
    assert overdue(late) == [(5, 30)]
    month.ok("invoices", "void", 5)
    assert overdue(late) == []


def test_overdue_lists_like_every_list(month: Program) -> None:
    month.ok("invoices", "issue")
    month.sql("UPDATE invoice SET due_date = '2026-12-10' WHERE id = 5")
    late = month.at("2026-12-20T12:00:00Z")
    assert [row["id"] for row in late.ok("invoices", "overdue")] == [5, 1], "the oldest first"
    assert [row["id"] for row in late.ok("invoices", "overdue", "--sort", "days_overdue")] == [1, 5]
    assert list(late.ok("invoices", "overdue")[0]) == [
        *"id user date status description amount invoice_lines month number issued_at due_date paid_on".split(),
        *("email", "days_overdue"),
    ]
    assert late("invoices", "overdue", "--format", "table").out == (
        "id  user    amount  number         due_date    email            days_overdue\n"
        "────────────────────────────────────────────────────────────────────────────\n"
        " 5     3  3.00 USD  2026-10-00001  2026-12-10  eve@example.com            10\n"
        " 1     1  9.90 USD  2026-11-00002  2026-12-15  bob@example.com             5\n"
    )
    assert late("invoices", "overdue", "--columns", "id", "--format", "csv", "--limit", "1").out == "id\n5\n"


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "10000000"])
def test_overdue_takes_whole_days(month: Program, days: str) -> None:
    assert month.refused("invoices", "overdue", "--days", days)["status"] == 2
