"""What has a number is final: its lines, member, date and text stay, whatever is reopened or undone."""

from __future__ import annotations

from typing import Any

import pytest
from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more

ISSUED_ON = "2026-12-01T06:00:00Z"
LATER = "2026-12-05T06:00:00Z"
DUE = "2026-12-19"  # 14 days after LATER


@pytest.fixture
def numbered(member: Program) -> Program:
    """In December: invoice 1 of November, 9.90 (line 1) less 2.00 (line 2), was paid before it got its number."""
    member.ok("members", "add", "eve@example.com")
    member.ok("invoices", "create", 1, "--amount", "9.90")
    member.ok("lines", "add", 1, "--discount", 2)
    member.ok("invoices", "pay", 1)
    member.at(ISSUED_ON).ok("invoices", "issue")
    return member.at(LATER)


def newest(program: Program) -> int:
    return int(program.sql("SELECT max(id) FROM journal")[0][0])


def shown(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.ok("invoices", "show", 1)
    return found


WISHES = (
    ("lines", "add", 1, "--amount", 1),
    ("lines", "add", 1, "--discount", 1),
    ("lines", "update", 1, "--amount", 20),
    ("lines", "update", 1, "--description", "x"),
    ("lines", "update", 1, "--invoice", 2),
    ("lines", "update", 3, "--invoice", 1),
    ("lines", "delete", 2, "--yes"),
    ("invoices", "update", 1, "--amount", 20),
    ("invoices", "update", 1, "--description", "x"),
    ("invoices", "update", 1, "--date", "2026-11-23"),
    ("invoices", "update", 1, "--member", 2),
    ("invoices", "delete", 1, "--yes"),
)


def test_a_numbered_invoice_never_changes_whatever_is_reopened(numbered: Program) -> None:
    numbered.ok("invoices", "create", 1, "--amount", 5)  # invoice 2, of December, with line 3

    def left_by_an_older_version() -> None:
        numbered.sql("UPDATE invoice SET status = 'OUT', paid_on = NULL, issued_at = NULL, due_date = NULL")

    for move in (
        lambda: None,  # it is paid
        left_by_an_older_version,
        lambda: numbered.ok("invoices", "void", 1),
        lambda: numbered.ok("invoices", "reopen", 1),
        lambda: numbered.ok("invoices", "void", 1),
        lambda: numbered.ok("invoices", "reopen", 1),
    ):
        move()
        for words in WISHES:
            assert numbered.refused(*words)["code"] == "invoice_closed", (shown(numbered), words)
    assert numbered.refused("invoices", "create", 1, "--date", "2026-11-05")["code"] == "month_taken"


def test_what_is_reopened_is_owed_again_and_is_in_ageing_and_overdue(numbered: Program) -> None:
    (reopened,) = numbered.ok("invoices", "reopen", 1)
    found = {name: reopened[name] for name in ("status", "number", "issued_at", "due_date", "paid_on")}
    assert found == {"status": "OUT", "number": "2026-11-00001", "issued_at": LATER, "due_date": DUE, "paid_on": None}
    late = numbered.at("2027-01-05T06:00:00Z")
    assert [row["id"] for row in late.ok("invoices", "overdue")] == [1]
    assert [row["amount"] for row in late.ok("report", "ageing")] == [0, 7.9, 0, 0, 0]
    assert late.ok("invoices", "issue")["issued"] == 0


def test_an_issued_invoice_that_is_reopened_keeps_its_issue_and_its_due_day(numbered: Program) -> None:
    numbered.ok("invoices", "reopen", 1)
    for move in ("pay", "void"):
        numbered.ok("invoices", move, 1)
        (reopened,) = numbered.at("2027-02-02T00:00:00Z").ok("invoices", "reopen", 1)
        assert (reopened["status"], reopened["issued_at"], reopened["due_date"]) == ("OUT", LATER, DUE)


def test_reopening_what_is_numbered_is_no_second_open_invoice_of_the_month(numbered: Program) -> None:
    numbered.at("2026-11-22T12:00:00Z").ok("invoices", "create", 1, "--extra")
    assert numbered.ok("invoices", "reopen", 1)[0]["status"] == "OUT"
    assert numbered.at("2026-11-23T12:00:00Z").ok("stream", "checkin", 1)["invoice_id"] == 2


def test_what_an_older_version_left_numbered_and_outstanding_takes_no_charges(numbered: Program) -> None:
    numbered.sql("UPDATE invoice SET status = 'OUT', paid_on = NULL")
    november = numbered.at("2026-11-23T12:00:00Z")
    assert november.ok("stream", "checkin", 1)["invoice_id"] == 2
    assert november.ok("invoices", "generate")["created"] == 1
    assert november.ok("lines", "list", "--kind", "fee")[0]["invoice"] == 2
    assert numbered.ok("invoices", "issue")["issued"] == 2


def test_a_reopened_invoice_is_due_by_the_years_we_know(numbered: Program) -> None:
    assert numbered.at("2999-12-25T00:00:00Z").refused("invoices", "reopen", 1)["code"] == "bad_value"


def test_undoing_a_payment_after_the_number_was_given_issues_it(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    member.ok("invoices", "pay", 1)
    paying = newest(member)
    member.at(ISSUED_ON).ok("invoices", "issue")
    later = member.at(LATER)
    later.ok("log", "undo", paying)
    undone = shown(later)
    assert (undone["status"], undone["paid_on"]) == ("OUT", None)
    assert (undone["issued_at"], undone["due_date"]) == (LATER, DUE)
    assert later.refused("lines", "add", 1, "--amount", 1)["code"] == "invoice_closed"
    later.ok("log", "undo", newest(later))
    again = shown(later)
    assert (again["status"], again["paid_on"]) == ("PAID", "2026-11-22")
    assert (again["number"], again["issued_at"], again["due_date"]) == ("2026-11-00001", LATER, DUE)


def test_undoing_a_reopening_pays_it_again_and_takes_no_issue_back(numbered: Program) -> None:
    numbered.ok("invoices", "reopen", 1)
    numbered.ok("log", "undo", newest(numbered))
    found = shown(numbered)
    assert (found["status"], found["paid_on"], found["issued_at"]) == ("PAID", "2026-11-22", LATER)
    numbered.ok("log", "undo", newest(numbered))
    found = shown(numbered)
    assert (found["status"], found["paid_on"], found["issued_at"]) == ("OUT", None, LATER)


def test_no_undo_changes_what_has_a_number(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    entries = []
    for number, change in enumerate(
        (
            "invoices update {invoice} --status PAID --description other",
            "invoices update {invoice} --description other",
            "invoices update {invoice} --date 2026-{month}-05",
            "invoices update {invoice} --member 2",
            "invoices update {invoice} --amount 4",
            "lines add {invoice} --amount 1",
            "lines update {line} --amount 1",
            "lines delete {line} --yes",
        ),
        1,
    ):
        month = f"{number:02}"
        made = member.ok("invoices", "create", 1, "--amount", 5, "--date", f"2026-{month}-01")
        line = member.ok("lines", "add", made["id"], "--amount", 2)["id"]
        member.ok(*change.format(invoice=made["id"], line=line, month=month).split())
        entries.append(newest(member))
    ids = [invoice["id"] for invoice in member.ok("invoices", "list")]
    member.ok("invoices", "pay", *ids)
    member.at(ISSUED_ON).ok("invoices", "issue")
    later = member.at(LATER)
    for entry in entries:
        assert later.refused("log", "undo", entry)["code"] == "invoice_closed"
    later.ok("invoices", "reopen", *ids)
    for entry in entries:
        assert later.refused("log", "undo", entry)["code"] in ("invoice_closed", "cannot_undo")
