"""What was so already is named, not counted and not summed, and is refused where the request says otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from pasting import paste, sentence
from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more

YESTERDAY = "2026-11-21T12:00:00Z"


def newest(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.ok("log", "list", "--limit", 1)[0]
    return found


@pytest.fixture
def bills(member: Program) -> Program:
    """Invoices 1 to 5, 5.00 each: 1 paid yesterday, 2 today with a note, 3 void since yesterday, 4 and 5 open."""
    for month in range(1, 6):
        member.ok("invoices", "create", 1, "--amount", 5, "--date", f"2026-0{month}-01")
    member.ok("invoices", "pay", 1, "--on", "yesterday")
    member.ok("invoices", "pay", 2, "--note", "cash")
    member.at(YESTERDAY).ok("invoices", "void", 3, "--reason", "mistake")
    return member


def test_what_was_so_already_is_named_and_not_summed(bills: Program) -> None:
    for words, told in (
        ("pay 1", "Already paid on 2026-11-21: 1."),
        ("pay 1 2 4", "Paid invoice 4: 5.00 USD. Already paid on 2026-11-21: 1. Already paid on 2026-11-22: 2."),
        ("void 3 5", "Voided invoice 5: 5.00 USD. Already void since 2026-11-21: 3."),
        ("reopen 4 5", "Reopened invoices 4, 5: 10.00 USD."),
        ("reopen 4 5 1", "Reopened invoice 1: 5.00 USD. Already outstanding: 4, 5."),
        ("update 4 --amount 5 --description 'Invoice for 2026-04'", "Nothing to change: invoice 4 is so already."),
        ("update 2 --status paid --member 1", "Nothing to change: invoice 2 is so already."),
    ):
        assert sentence(bills, f"invoices {words}") == told
    bills.sql("UPDATE invoice SET paid_on = NULL, status = 'PAID' WHERE id < 3")
    assert sentence(bills, "invoices pay 1 2") == "Already paid: 1, 2."
    bills.sql("UPDATE invoice SET voided_at = NULL WHERE id = 3")
    assert sentence(bills, "invoices void 3") == "Already void: 3."


def test_every_row_says_whether_it_changed_in_every_format(bills: Program) -> None:
    rows = bills.ok("invoices", "pay", 1, 4)
    assert [(row["id"], row["changed"], row["paid_on"]) for row in rows] == [
        (1, False, "2026-11-21"),
        (4, True, "2026-11-22"),
    ]
    lines = bills("invoices", "pay", 4, "--format", "csv").out.splitlines()
    assert [line.split(",")[-1] for line in lines] == ["changed", "false"]
    for words, changed in (
        (("invoices", "void", 3, 5), [False, True]),
        (("invoices", "reopen", 3, 5), [True, True]),
        (("invoices", "reopen", 3, 5), [False, False]),
        (("members", "cancel", 1), [True]),
        (("members", "cancel", 1), [False]),
        (("members", "reactivate", 1), [True]),
        (("members", "reactivate", 1), [False]),
    ):
        assert [row["changed"] for row in bills.ok(*words)] == changed, words
    for words, change in (
        (("invoices", "update", 3, "--amount", 6), True),
        (("invoices", "update", 3, "--amount", 6), False),
        (("invoices", "update", 3, "--status", "PAID"), True),
        (("invoices", "update", 3, "--status", "PAID"), False),
        (("lines", "update", 5, "--amount", 6), True),
        (("lines", "update", 5, "--amount", 6, "--invoice", 5), False),
        (("members", "update", 1, "--name", "B", "--fee", "9.90"), True),
        (("members", "update", 1, "--name", "B", "--fee", "9.90", "--email", "bob@example.com"), False),
        (("db", "set", "payment_days", 30), True),
        (("db", "set", "payment_days", "030"), False),
    ):
        assert bills.ok(*words)["changed"] is change, words


def test_an_update_that_changes_nothing_says_so_and_is_no_entry_of_the_log(bills: Program) -> None:
    bills.ok("members", "cancel", 1)
    bills.ok("members", "erase", 1, "--yes")
    before = bills.books()
    for words, told in (
        ("lines update 4 --amount 5", "Nothing to change: line 4 is so already."),
        ("members update 1 --credits 3", "Nothing to change: member 1 is so already."),
        ("members cancel 1", "Already cancelled on 2026-11-22: 1 (erased-1@erased.invalid)."),
        ("members erase 1 --yes", "Nothing to change: name and e-mail of member 1 are erased already."),
        ("db set payment_days 14", "Nothing to change: payment_days is 14 already."),
        ("db set seller_name ''", "Nothing to change: seller_name is empty already."),
        ("invoices pay 1 2", "Already paid on 2026-11-21: 1. Already paid on 2026-11-22: 2."),
    ):
        assert sentence(bills, words) == told
    assert bills.books() == before
    bills.ok("members", "reactivate", 1)
    assert sentence(bills, "members reactivate 1") == "Already active: 1 (erased-1@erased.invalid)."


def test_members_that_were_so_already_are_named_beside_those_that_changed(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    member.at(YESTERDAY).ok("members", "cancel", 1)
    told = "Cancelled member 2 (eve@example.com). Already cancelled on 2026-11-21: 1 (bob@example.com)."
    assert sentence(member, "members cancel 1 2") == told
    member.sql("UPDATE membership SET cancelled_on = NULL")
    assert sentence(member, "members cancel 2") == "Already cancelled: 2 (eve@example.com)."


def test_the_log_counts_and_sums_what_changed(bills: Program) -> None:
    bills.ok("invoices", "pay", 1, 4)
    before = newest(bills)
    assert (before["count"], before["sum"]) == (1, 5)
    bills.ok("invoices", "pay", 1, 4)
    assert newest(bills) == before


def test_a_request_that_says_otherwise_than_what_stands_is_refused_whole(bills: Program) -> None:
    for words, message in (
        (["pay", 4, 1, "--on", "today"], "Invoice 1 was paid on 2026-11-21 already, not on 2026-11-22."),
        (["pay", 2, "--note", "card"], "Invoice 2 is paid already, with the note 'cash'."),
        (["pay", 1, "--note", "card"], "Invoice 1 is paid already, without a note."),
        (["void", 4, 3, "--reason", "other"], "Invoice 3 is void already, with the note 'mistake'."),
    ):
        refused = bills.refused("invoices", *words)
        assert (refused["status"], refused["code"], refused["message"]) == (4, "already_done", message)
    assert bills.ok("invoices", "pay", 2, "--on", "today", "--note", "cash")[0]["changed"] is False
    assert bills.ok("invoices", "void", 3, "--reason", "mistake")[0]["changed"] is False
    bills.sql("UPDATE invoice SET paid_on = NULL WHERE id = 1")
    unknown = bills.refused("invoices", "pay", 1, "--on", "2026-11-21")
    assert unknown["message"] == "Invoice 1 is paid already, on a day that is not known."


def test_the_hint_of_such_a_refusal_gets_what_was_wanted(bills: Program) -> None:
    later = bills.at("2026-12-01T06:00:00Z")
    later.ok("invoices", "issue")  # 1 and 2 have a number now, and 3 has none
    later.ok("invoices", "reopen", 2)
    later.ok("invoices", "pay", 2)
    for words in (
        ("pay", 1, "--on", "2026-11-20"),
        ("pay", 1, "--note", "it's here"),
        ("pay", 2, 1, "--on", "2026-11-25", "--note", "card"),
        ("void", 3, "--reason", "a reason"),
    ):
        refused = later.refused("invoices", *words)
        assert refused["code"] == "already_done"
        paste(later, refused["hint"])
        assert not any(row["changed"] for row in later.ok("invoices", *words)), words
    assert later.ok("invoices", "list", "--columns", "paid_on,note")[0] == {"paid_on": "2026-11-25", "note": "card"}


def test_there_is_no_hint_where_reopening_is_not_allowed(bills: Program) -> None:
    bills.ok("invoices", "create", 1, "--date", "2026-01-05", "--extra")
    assert bills.refused("invoices", "pay", 1, "--on", "today")["hint"] is None


def test_a_payment_is_never_dated_after_today(bills: Program) -> None:
    for day in ("tomorrow", "2999-01-01"):
        refused = bills.refused("invoices", "pay", 4, "--on", day)
        assert (refused["status"], refused["code"]) == (4, "time_order")
    assert refused["message"] == "No payment is dated after today, 2026-11-22: 2999-01-01."
    paste(bills, refused["hint"])
    assert bills.ok("invoices", "show", 4)["paid_on"] == "2026-11-22"
    bills.ok("invoices", "reopen", 2)
    entry = newest(bills)["id"]
    assert bills.at(YESTERDAY).refused("log", "undo", entry)["code"] == "time_order"
    bills.ok("log", "undo", entry)
    bills.sql("UPDATE setting SET value = 'Pacific/Auckland' WHERE key = 'timezone'")
    assert bills.ok("invoices", "pay", 5, "--on", "2026-11-23")[0]["paid_on"] == "2026-11-23"
