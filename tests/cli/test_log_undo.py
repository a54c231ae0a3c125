"""`log undo`: an operation is reversed by a new one, or a sentence says why not and nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more

APART = ("journal", "journal_row", "journal_person", "request", "sqlite_sequence", "schema_migration")


def state(program: Program) -> dict[str, Any]:
    """Every row but the logs'."""
    return {table: sorted(rows, key=repr) for table, rows in program.books().items() if table not in APART}


def newest(program: Program) -> int:
    return int(program.sql("SELECT max(id) FROM journal")[0][0])


@pytest.fixture
def shop(member: Program) -> Program:
    """Members 1 and 2; invoices 1 (open, two lines, discount), 2 (paid), 3 (void); a setting."""
    member.ok("members", "add", "ann@example.com", "--name", "Ann")
    member.ok("invoices", "create", 1, "--amount", 20)
    member.ok("lines", "add", 1, "--discount", 15, "--key", "d1")
    member.ok("invoices", "create", 1, "--date", "2026-10-01", "--amount", 7)
    member.ok("invoices", "pay", 2, "--on", "2026-10-05", "--note", "cash")
    member.ok("invoices", "create", 1, "--date", "2026-09-01", "--amount", 3)
    member.ok("invoices", "void", 3, "--reason", "mistake")
    member.ok("invoices", "create", 2, "--date", "2026-08-01")
    return member


@pytest.mark.parametrize(
    "words",
    [
        "members add new@example.com --name New",
        "members add new@example.com --no-membership",
        "members update 2 --email other@example.com --name Other --credits 9 --fee 3 --end 2030-01-01",
        "members cancel 1 2",
        "members renew 1 2 --months 3",
        "members delete 2 --force --yes",
        "members delete 1 --force --yes",
        "invoices create 2 --date 2026-07-01 --amount 5",
        "invoices create 2 --date 2026-07-01 --status VOID --amount 5",
        "invoices update 1 --amount 30 --description changed --date 2026-11-05",
        "invoices update 4 --member 1",
        "invoices update 1 --status PAID --description late",
        "invoices pay 1 --note cheque",
        "invoices void 1 4 --reason wrong",
        "invoices reopen 2 3",
        "invoices delete 1 3 --yes",
        "lines add 1 --amount 2.50",
        "lines update 1 --amount 16 --description less",
        "lines update 2 --invoice 4 --amount 0",
        "lines delete 1 2 --yes",
        "lines delete 2 --yes",
        "db set payment_days 60",
        "db set seller_name 'A Shop'",
    ],
)
def test_undo_puts_every_row_back_and_undoing_that_does_it_again(shop: Program, words: str) -> None:
    """Fails when a column, a line, an id or an amount is not put back."""
    import shlex

    if words.startswith("members delete 1"):  # what was paid keeps its member
        shop.ok("log", "undo", 6)
        shop.ok("invoices", "delete", 2, "--yes")
    before = state(shop)
    shop.ok(*shlex.split(words))
    done, after = newest(shop), state(shop)
    assert after != before
    answer = shop.ok("log", "undo", done)
    assert state(shop) == before
    assert (answer["entry"], answer["command"]) == (done, " ".join(words.split()[:2]))
    undoing = shop.ok("log", "show", newest(shop))
    assert (undoing["command"], undoing["undoes"]) == ("log undo", done)
    assert shop.ok("log", "show", done)["undone_by"] == undoing["id"]
    shop.ok("log", "undo", undoing["id"])
    assert state(shop) == after
    assert shop.ok("db", "check") == []


def test_an_entry_is_undone_once(shop: Program) -> None:
    """Fails when a second undo takes a charge off twice. The database's own constraint holds it too."""
    shop.ok("lines", "add", 1, "--amount", 2)
    done = newest(shop)
    shop.ok("log", "undo", done)
    again = shop.refused("log", "undo", done)
    assert (again["status"], again["code"]) == (4, "cannot_undo")
    assert f"log undo {done + 1}" in again["hint"]


def test_a_rehearsal_of_an_undo_changes_nothing(shop: Program) -> None:
    before = shop.books()
    assert shop.ok("log", "undo", 6, "--dry-run")["dry_run"] is True
    assert {table: rows for table, rows in shop.books().items() if table != "sqlite_sequence"} == {
        table: rows for table, rows in before.items() if table != "sqlite_sequence"
    }


def test_a_check_in_is_undone_by_ending_its_stream_and_charging_nothing(member: Program) -> None:
    """Fails when a credit is minted, or the line of a check-in goes missing."""
    member.ok("stream", "checkin", 1, "--ref", "k")
    done = newest(member)
    member.ok("stream", "checkin", 1)
    member.ok("log", "undo", done)
    assert [stream["id"] for stream in member.ok("stream", "list")] == [2]
    (invoice,) = member.ok("invoices", "list")
    assert (invoice["amount"], invoice["invoice_lines"]) == (1, [1, 2])
    (found,) = member.ok("members", "list")
    assert (found["credits"], found["open_streams"]) == (2, 1)
    assert member.ok("stream", "checkin", 1, "--ref", "k")["replayed"] is True, "the same request is one request"
    member.ok("stream", "checkout", 1)
    ended = member.refused("log", "undo", done + 1)
    assert "stream 2 has ended" in ended["message"]
    assert member.ok("db", "check") == []


@pytest.mark.parametrize(
    ("prepare", "entry", "why"),
    [
        (["stream checkin 1", "stream checkout 1"], 0, "a stream that ended stays ended"),
        (["stream checkin 1", "stream takeover 1"], 0, "a stream that ended stays ended"),
        (["stream checkin 1 --lease 1m", "--as-of 2026-11-22T14:00:00Z stream expire"], 0, "works on a set"),
        (["invoices generate"], 0, "works on a set"),
        (["invoices create 1 --amount 5", "--as-of 2026-12-01 invoices issue"], 0, "works on a set"),
        (["members cancel 1", "members erase 1 --yes"], 0, "an erased member stays erased"),
        (["members update 1 --name X", "members cancel 1", "members erase 1 --yes"], 2, "was erased since"),
        (["invoices create 1 --amount 5 --status PAID"], 0, "Invoice 1 is paid"),
        (["invoices create 1 --amount 5", "lines add 1 --amount 1"], 1, "has lines that came later"),
        (["invoices create 1 --amount 5", "invoices update 1 --amount 6", "invoices pay 1"], 1, "Invoice 1 is paid"),
        (["members update 1 --name X", "members update 1 --name Y"], 1, "the name of member 1 has changed since"),
        (["members add x@example.com", "invoices create 2"], 1, "Member 2 has 1 invoice"),
        (["members update 1 --email y@example.com", "members add bob@example.com"], 1, "bob@example.com"),
        (["invoices create 1 --amount 5", "invoices void 1", "invoices create 1"], 1, "another open invoice"),
        (["invoices create 1 --amount 5", "lines add 1 --amount 3", "lines add 1 --discount 7"], 1, "below 0"),
        (["invoices create 1", "lines add 1 --amount 3", "lines delete 1 --yes", "invoices pay 1"], 1, "is paid"),
        (["invoices create 1", "invoices delete 1 --yes", "members delete 1 --yes"], 1, "rule"),
        (["members add z@example.com --no-membership", "members enroll 2", "stream checkin 2"], 1, "1 stream open"),
    ],
)
def test_where_the_rules_stand_against_it_a_sentence_says_why(
    member: Program, prepare: list[str], entry: int, why: str
) -> None:
    """Fails when an undo goes through all the same, or half of it."""
    for command in prepare:
        member.ok(*command.split())
    refused = member.refused("log", "undo", newest(member) - entry)
    assert refused["status"] == 4
    assert why in refused["message"], refused


def test_a_batch_and_a_load_are_not_undone(member: Program, elsewhere: Any) -> None:
    (member.home / "events.jsonl").write_text('{"action": "checkin", "member": 1}\n')
    assert member("stream", "batch", "events.jsonl").status == 0
    assert "works on a set" in member.refused("log", "undo", newest(member))["message"]
    copy = elsewhere()
    copy.ok("db", "init")
    copy.ok("db", "load", "-", stdin=member("db", "dump").out)
    assert "db init" in copy.refused("log", "undo", newest(copy))["hint"]


def test_time_does_not_run_backwards_in_an_undo(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    early = member.refused("--as-of", "2026-11-22T11:00:00Z", "log", "undo", newest(member))
    assert early["code"] == "time_order"


def test_undo_of_a_single_event_of_a_stream_of_events(member: Program) -> None:
    """A batch that commits each event has an entry for each, as a check-in has."""
    (member.home / "events.jsonl").write_text(
        '{"action": "checkin", "member": 1}\n{"action": "checkin", "member": 1}\n'
    )
    assert member("stream", "batch", "events.jsonl", "--commit-every", 1).status == 0
    assert member.ok("log", "list", "--columns", "command,member,invoice,count", "--sort", "-id")[0] == {
        "command": "stream batch",
        "member": 1,
        "invoice": 1,
        "count": 3,
    }
