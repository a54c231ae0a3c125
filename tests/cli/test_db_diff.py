"""`streamctl db diff`: every row that is not the same in the database and in a file, and no other."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from books import AWKWARD, LOGS, everything, exact, random_books
from program import Program
from shell import Shell
from versions import to_a_later, to_the_first

from streamctl.domain import money

IN_PROCESS = True  # a process for each of its many commands would say no more
MONEY = ("amount", "fee")


@pytest.fixture
def sandbox(tmp_path: Path) -> Callable[[Program], Program]:
    """The same program on a sandbox of its database."""

    def made(program: Program) -> Program:
        program.ok("db", "sandbox", tmp_path / "s.db")
        return replace(program, db=tmp_path / "s.db")

    return made


def tables(program: Program) -> dict[str, dict[Any, dict[str, Any]]]:
    """Every table of the dump: rows by key, each by column, nothing for null."""
    found = json.loads(program("db", "dump").out)["tables"]
    return {
        name: {
            row[0]: {column: value for column, value in zip(table["columns"], row, strict=True) if value is not None}
            for row in table["rows"]
        }
        for name, table in found.items()
    }


def shown(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """These columns of the row as JSON shows them."""
    values = {column: row.get(column) for column in columns}
    return {
        column: json.loads(money.exact(value, "USD")) if column in MONEY and value is not None else value
        for column, value in values.items()
    }


def expected(before: Program, after: Program) -> list[dict[str, Any]]:
    """What differs, found by looking at everything."""
    rows = []
    old, new = tables(before), tables(after)
    for name in [name for name in old if name not in LOGS]:
        for key in sorted(old[name].keys() | new[name].keys()):
            was, is_ = old[name].get(key), new[name].get(key)
            if was == is_:
                continue
            if was and is_:
                columns = [c for c in _columns(before, name) if was.get(c) != is_.get(c)]
                found = "changed", shown(was, columns), shown(is_, columns)
            elif was:
                found = "removed", shown(was, [*was][1:]), None
            else:
                assert is_
                found = "added", None, shown(is_, [*is_][1:])
            rows.append(dict(zip(("table", "id", "change", "before", "after"), (name, key, *found), strict=True)))
    return rows


def _columns(program: Program, table: str) -> list[str]:
    columns: list[str] = json.loads(program("db", "dump").out)["tables"][table]["columns"]
    return columns


def test_a_rehearsal_shows_what_it_would_do(member: Program, sandbox: Callable[[Program], Program]) -> None:
    """Fails when the two sides are mixed up: what the sandbox has more is added."""
    there = sandbox(member)
    there.ok("invoices", "generate")
    answer = member("db", "diff", there.db, "--format", "json")
    assert answer.status == 0
    assert answer.out == (
        '[\n{"table": "invoice", "id": 1, "change": "added", "before": null, "after": {"user": 1, "date": '
        '"2026-11-22", "month": "2026-11", "description": "Invoice for 2026-11", "status": "OUT", "amount": 9.90}},\n'
        '{"table": "invoice_line", "id": 1, "change": "added", "before": null, "after": {"invoice": 1, "amount": 9.90, '
        '"description": "Membership 2026-11", "kind": "fee", "key": "fee:1:2026-11"}}\n]\n'
    )
    there.ok("members", "update", 1, "--fee", "10", "--name", "Bobby")
    there.ok("members", "cancel", 1)
    found = exact(member, "db", "diff", there.db)
    assert [row["change"] for row in found] == ["changed", "changed", "added", "added"]
    assert found[0]["before"] == {"name": "Bob"}
    assert found[1]["after"] == {"state": "CANC", "fee": 10, "cancelled_on": "2026-11-22"}
    assert found[1]["before"]["cancelled_on"] is None


@pytest.mark.parametrize("seed", range(2))
def test_every_difference_is_found_and_nothing_else(
    program: Program, sandbox: Callable[[Program], Program], seed: int
) -> None:
    """Fails when a row is passed over as the two streams are joined, at their ends or between them."""
    dice = Random(seed)
    random_books(program, seed)
    there = sandbox(program)
    for side in (program, there):
        with Shell(side.db) as shell:
            for (line,) in shell.execute("SELECT id FROM invoice_line ORDER BY id"):
                match dice.randrange(8):
                    case 0:
                        shell.execute("DELETE FROM invoice_line WHERE id = ?", (line,))
                    case 1:
                        shell.execute("UPDATE invoice_line SET description = 'other' WHERE id = ?", (line,))
            shell.execute("UPDATE setting SET value = ? WHERE key = 'payment_days'", (str(dice.randrange(99)),))
            shell.execute("INSERT INTO counter (name, value) VALUES (?, 1)", (f"é{dice.randrange(9)}",))
        side.ok("invoices", "create", 1, "--date", f"2026-1{dice.randrange(2)}-01", "--amount", "3", "--extra")
        for _ in range(dice.randrange(3)):
            side.ok("lines", "add", max(row["id"] for row in side.ok("invoices", "list")), "--amount", "1")
    found = program.ok("db", "diff", there.db)
    assert found == expected(program, there)
    assert {row["change"] for row in found} == {"added", "removed", "changed"}
    back = replace(there, db=there.db).ok("db", "diff", there.db)
    assert back == []


def test_nothing_differs_is_an_empty_listing_and_a_sentence(
    member: Program, sandbox: Callable[[Program], Program]
) -> None:
    there = sandbox(everything(member))
    for format, empty in (("json", "[]\n"), ("jsonl", ""), ("csv", "table,id,change,before,after\n"), ("ids", "")):
        answer = member("db", "diff", there.db, "--format", format)
        assert (answer.status, answer.out) == (0, empty)
    assert member("db", "diff", there.db).out == "table\tid\tchange\tbefore\tafter\n"
    assert member("--quiet", "db", "diff", there.db).out == ""


def test_a_backup_shows_what_a_restore_would_do(member: Program, tmp_path: Path) -> None:
    """Before is what is here now: what came after the backup would be removed."""
    member.ok("db", "backup", tmp_path / "x.db")
    member.ok("members", "add", "ann@example.com", "--no-membership")
    (row,) = member.ok("db", "diff", tmp_path / "x.db")
    assert (row["table"], row["id"], row["change"], row["after"]) == ("user", 2, "removed", None)
    assert row["before"]["email"] == "ann@example.com"


def test_any_text_goes_through_every_format(member: Program, sandbox: Callable[[Program], Program]) -> None:
    """Fails when a name closes a quote or reaches a terminal as it is."""
    there = sandbox(member)
    there.sql("UPDATE user SET name = ?", AWKWARD)
    (row,) = member.ok("db", "diff", there.db)
    assert row["after"] == {"name": AWKWARD}
    text = member("db", "diff", there.db, "--format", "csv").out
    _, (*_, after) = csv.reader(io.StringIO(text, newline=""))
    assert json.loads(after) == {"name": AWKWARD}
    table = member("db", "diff", there.db, "--format", "table").out
    assert "name Zoë \\u202e\\x1b[31m" in table
    assert "\x1b" not in text + table


def test_the_file_must_be_a_database_of_this_schema(
    member: Program, sandbox: Callable[[Program], Program], tmp_path: Path
) -> None:
    for name in ("no.db", "text"):
        (tmp_path / "text").write_text("mine")
        assert member("db", "diff", tmp_path / name).status == 6
    assert "db sandbox" in member.refused("db", "diff", tmp_path / "no.db")["hint"]
    there = sandbox(member)
    before = there.db.read_bytes() if isinstance(there.db, Path) else b""
    answer = member("db", "diff", there.db, "--output", there.db)
    assert answer.status == 2
    assert isinstance(there.db, Path)
    assert there.db.read_bytes() == before
    to_the_first(there)
    old = member.refused("db", "diff", there.db)
    assert (old["code"], old["status"]) == ("schema_old", 6)
    assert f"--db {there.db} db migrate" in old["hint"]
    there.ok("db", "migrate")
    assert member.ok("db", "diff", there.db) == []
    to_a_later(there)
    assert member.refused("db", "diff", there.db)["code"] == "schema_new"
