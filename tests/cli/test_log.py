"""`log list`, `log show`, and what `invoices show --history` tells."""

from __future__ import annotations

import json
import os
import pwd
from datetime import UTC, datetime, timedelta

import pytest
from program import Program

IN_PROCESS = True  # where the environment of a process matters, the test starts one

KEYS = ["id", "at", "as_of", "actor", "command", "member", "invoice", "count", "sum", "undoes", "undone_by"]
CHANGE = ["table", "id", "last", "change", "before", "after"]


@pytest.fixture
def worked(member: Program) -> Program:
    """Nine entries: members 1 and 2, invoices 1 (November, paid) and 2 (December's fee), by two people."""
    member.ok("members", "add", "ann@example.com")
    member.ok("stream", "checkin", 1)
    member.ok("--actor", "alice", "invoices", "update", 1, "--amount", 5)
    member.ok("--actor", "alice", "invoices", "pay", 1, "--note", "cash")
    member.ok("members", "renew", 1)
    member.ok("invoices", "generate", "--month", "2026-12")
    member.ok("db", "set", "payment_days", 30)
    member.ok("stream", "checkin", 2)
    return member


def test_the_newest_come_first_with_the_documented_keys(worked: Program) -> None:
    found = worked.ok("log", "list")
    assert [entry["id"] for entry in found] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert all(list(entry) == KEYS for entry in found)
    assert [entry["command"] for entry in found] == [
        *("stream checkin", "db set", "invoices generate", "members renew", "invoices pay"),
        *("invoices update", "stream checkin", "members add", "members add"),
    ]
    pay = found[4]
    assert (pay["actor"], pay["member"], pay["invoice"], pay["count"], pay["sum"]) == ("alice", 1, 1, 1, 5)
    assert (found[2]["member"], found[2]["count"], str(found[2]["sum"])) == (None, 1, "9.9")
    (whole,) = worked.ok("log", "list", "--command", "invoices generate", "--columns", "+selection")
    assert whole["selection"] == {"month": "2026-12", "prorate": False, "reissue": False}


def test_what_was_so_already_is_neither_counted_nor_summed(member: Program) -> None:
    """Fails when an entry counts what was named, and not what was changed."""
    for number in (1, 2, 3):
        member.ok("invoices", "create", 1, "--date", f"2026-0{number}-01", "--amount", number)
    member.ok("invoices", "pay", 2)
    member.ok("invoices", "pay", 1, 2, 3)
    member.ok("invoices", "reopen", 1, 2)
    member.ok("invoices", "delete", 1, 2, "--yes")
    found = [(e["command"], e["count"], e["sum"]) for e in member.ok("log", "list", "--limit", 4)]
    wanted = [("delete", 2, 3), ("reopen", 2, 3), ("pay", 2, 4), ("pay", 1, 2)]
    assert found == [(f"invoices {verb}", count, total) for verb, count, total in wanted]


def test_filters_by_member_invoice_actor_command_and_time(worked: Program) -> None:
    def ids(*words: object) -> list[int]:
        return [entry["id"] for entry in worked.ok("log", "list", *words, "--sort", "id")]

    assert ids("--member", 1) == [1, 3, 4, 5, 6, 7], "a fee that was billed with all others is found too"
    assert ids("--member", "bob@example.com") == [1, 3, 4, 5, 6, 7]
    assert ids("--member", "ann@example.com") == [2, 9]
    assert ids("--invoice", 1) == [3, 4, 5]
    assert ids("--invoice", 2) == [7]
    assert ids("--invoice", 3) == [9]
    assert ids("--invoice", 99) == []
    assert ids("--actor", "alice") == [4, 5]
    assert ids("--actor", "alic") == []
    assert ids("--command", "invoices") == [4, 5, 7]
    assert ids("--command", "invoices pay") == [5]
    assert ids("--command", "invoices p") == []
    today = datetime.now(UTC).date()
    assert ids("--from", str(today + timedelta(days=2))) == []
    assert ids("--to", str(today - timedelta(days=2))) == []
    assert len(ids("--from", str(today - timedelta(days=1)), "--to", str(today + timedelta(days=1)))) == 9
    assert worked.refused("log", "list", "--member", "nobody@example.com")["status"] == 3


def test_sets_are_found_by_whom_they_touched(member: Program) -> None:
    """Fails when a batch, a month's issue or a sweep can't be found by the member or the invoice."""
    member.ok("members", "add", "ann@example.com", "--credits", 2)
    member.ok("members", "add", "zed@example.com")
    events = [{"action": "checkin", "member": number, "ref": f"k{number}", "lease": "1m"} for number in (1, 2)]
    (member.home / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    assert member("stream", "batch", "events.jsonl").status == 0
    member.ok("--as-of", "2026-11-22T13:00:00Z", "stream", "expire")
    member.ok("--as-of", "2026-12-02", "invoices", "issue")
    for number, invoice in ((1, 1), (2, 2)):
        entries = member.ok("log", "list", "--member", number, "--sort", "id")
        assert [entry["command"] for entry in entries][-3:] == ["stream batch", "stream expire", "invoices issue"]
        about = member.ok("log", "list", "--invoice", invoice, "--sort", "id")
        assert [entry["command"] for entry in about] == ["stream batch", "invoices issue"]
    assert [entry["command"] for entry in member.ok("log", "list", "--member", 3)] == ["members add"]
    (batch,) = member.ok("log", "list", "--command", "stream batch", "--columns", "count,sum,selection")
    assert batch == {"count": 2, "sum": 2, "selection": {"from_line": 1, "to_line": 2}}


def test_one_entry_shows_every_row_before_and_after(worked: Program) -> None:
    entry = worked.ok("log", "show", 4)
    assert list(entry) == [*KEYS, "selection", "changes"]
    assert all(list(change) == CHANGE for change in entry["changes"])
    assert [[*change.values()] for change in entry["changes"]] == [
        ["invoice", 1, None, "changed", {"amount": 1}, {"amount": 5}],
        [
            *("invoice_line", 2, None, "added", None),
            {"invoice": 1, "amount": 4, "description": "Adjustment", "kind": "adjustment"},
        ],
    ]
    (renewed,) = worked.ok("log", "show", 6)["changes"]
    ends = [{"end_date": "2026-12-01"}, {"end_date": "2027-01-01"}]
    assert [*renewed.values()] == ["membership", 1, None, "changed", *ends]
    (setting,) = worked.ok("log", "show", 8)["changes"]
    assert [*setting.values()] == ["setting", "payment_days", None, "changed", {"value": "14"}, {"value": "30"}]
    of_set = [[*change.values()] for change in worked.ok("log", "show", 7)["changes"]]
    assert of_set == [["invoice", 2, 2, None, None, None], ["invoice_line", 3, 3, None, None, None]]
    assert worked.refused("log", "show", 99)["hint"].endswith("streamctl log list")


def test_money_is_shown_as_everywhere(worked: Program) -> None:
    shown = worked("log", "show", 1, "--format", "table").out
    assert "9.90 USD" in shown
    assert '"fee": 9.90' in worked("log", "show", 1, "--format", "json").out
    rows = worked("log", "list", "--columns", "id,sum", "--format", "csv").out.splitlines()
    assert "7,9.90" in rows


def test_an_invoice_shows_its_history(worked: Program) -> None:
    history = worked.ok("invoices", "show", 1, "--history")["history"]
    assert [(entry["id"], entry["actor"], entry["command"]) for entry in history][1:] == [
        (4, "alice", "invoices update"),
        (5, "alice", "invoices pay"),
    ]
    assert "history" not in worked.ok("invoices", "show", 1)
    table = worked("invoices", "show", 1, "--history", "--format", "table").out
    assert table.index("Check-in") < table.index("invoices pay")


def test_the_time_is_the_real_one_and_the_business_clock_stands_beside_it(program: Program) -> None:
    """Fails when an entry is dated by `--as-of`: a change would hide in the past."""
    start = datetime.now(UTC).replace(microsecond=0)
    program.at(None).ok("members", "add", "a@example.com")
    program.at("2031-05-06T07:08:09Z").ok("members", "add", "b@example.com")
    program.at(None).ok("--as-of", "2001-02-03", "members", "add", "c@example.com")
    end = datetime.now(UTC)
    entries = program.ok("log", "list", "--sort", "id")
    assert all(start <= datetime.fromisoformat(entry["at"]) <= end for entry in entries)
    assert [entry["as_of"] for entry in entries] == [None, "2031-05-06T07:08:09Z", "2001-02-03T00:00:00Z"]


def test_who_it_was_is_the_login_name_unless_another_is_given(program: Program) -> None:
    outside = Program(program.db, program.home)
    login = pwd.getpwuid(os.getuid()).pw_name
    assert outside("members", "add", "a@example.com").status == 0
    assert outside("members", "add", "b@example.com", STREAMCTL_ACTOR="cron job").status == 0
    assert outside("--actor", "ada", "members", "add", "c@example.com", STREAMCTL_ACTOR="cron job").status == 0
    assert outside("members", "add", "d@example.com", LOGNAME="somebody", USER="somebody").status == 0
    assert outside("members", "add", "e@example.com", STREAMCTL_ACTOR="").status == 0
    if os.getuid() == 0:
        assert outside("members", "add", "f@example.com", SUDO_USER="grace").status == 0
    actors = [entry["actor"] for entry in program.ok("log", "list", "--sort", "id")]
    assert actors[:5] == [login, "cron job", "ada", login, login]
    assert actors[5:] in ([], ["grace"])
    assert program.refused("--actor", "x" * 256, "members", "add", "g@example.com")["status"] == 2


def test_what_a_member_was_called_leaves_the_log_with_the_erasure_and_nothing_else_does(member: Program) -> None:
    """Fails when an erased e-mail or name is still anywhere in the database's rows."""
    member.ok("members", "update", 1, "--email", "robert@example.com", "--name", "Robert")
    assert "Robert" in str(member.books())
    member.ok("members", "cancel", 1)
    entries = member.ok("log", "list")
    member.ok("members", "erase", 1, "--yes")
    left = str(member.books())
    assert not any(word in left for word in ("bob@", "robert@", "Bob", "Robert"))
    assert member.ok("log", "list")[1:] == entries
    (change,) = member.ok("log", "show", 2)["changes"]
    assert change["before"] == change["after"] == {"email": "(erased)", "name": "(erased)"}
    erasure = member.ok("log", "show", 4)
    assert (erasure["command"], erasure["member"]) == ("members erase", 1)


def test_a_deleted_member_can_be_erased_from_the_log(member: Program) -> None:
    """A delete can be undone, so the log knows the name still; the erasure takes it out for good."""
    member.ok("members", "delete", 1, "--yes")
    assert "bob@example.com" in str(member.books())
    member.ok("members", "erase", 1, "--yes")
    assert "bob@example.com" not in str(member.books())
    assert member.refused("log", "undo", 2)["code"] == "cannot_undo"
    assert member.refused("members", "erase", 1, "--yes")["status"] == 3
    assert member.refused("members", "erase", 77, "--yes")["status"] == 3


def test_the_log_moves_with_a_dump_behind_what_is_there(member: Program, elsewhere: object) -> None:
    """Fails when entries are lost on the way, or land upon those of the database that takes them."""
    assert callable(elsewhere)
    member.ok("members", "update", 1, "--name", "Robert")
    member.ok("log", "undo", 2)
    text = member("db", "dump").out
    copy = elsewhere()
    copy.ok("db", "init", "--timezone", "UTC")
    copy.ok("db", "set", "payment_days", 9)
    copy.ok("db", "load", "-", stdin=text)
    entries = copy.ok("log", "list", "--sort", "id")
    commands = ["db set", "members add", "members update", "log undo", "db load"]
    assert [entry["command"] for entry in entries] == commands
    assert [entry["undoes"] for entry in entries] == [None, None, None, 3, None]
    assert copy.ok("log", "show", 3)["changes"] == member.ok("log", "show", 2)["changes"]
    assert copy.ok("log", "list", "--member", 1, "--sort", "id")[0]["id"] == 2
