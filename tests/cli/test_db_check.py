"""`streamctl db check`: silent faults found with their row, and the command that is named really mends them."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
from typing import Any

import pytest
from program import Program
from server import programs
from shell import Shell
from versions import to_a_later, to_the_first

IN_PROCESS = True  # a process for each of its many commands would say no more


@pytest.fixture
def books(member: Program) -> Program:
    """Member 1 with one stream closed and one open: invoice 1 has lines 1 (check-in), 2 (check-out), 3 (check-in)."""
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkout", 1)
    member.ok("stream", "checkin", 1)
    return member


def plant(program: Program, *statements: str) -> None:
    """Change the database as somebody would who knows no rules: no triggers, and in a file no keys and CHECKs."""
    with Shell(program.db) as shell:
        if shell.server:
            shell.execute("SET session_replication_role = replica")
            triggers = []
        else:
            triggers = shell.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            shell.execute("PRAGMA ignore_check_constraints = 1")
        for name, _ in triggers:
            shell.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            shell.execute(statement)
        for _, sql in triggers:
            shell.execute(sql)


def found(program: Program) -> list[dict[str, Any]]:
    answer = program("db", "check", "--format", "json")
    rows: list[dict[str, Any]] = answer.json
    assert answer.status == (4 if rows else 0)
    assert all(list(row) == ["check", "row", "finding", "mend"] for row in rows)
    return rows


def mend(program: Program, command: str) -> None:
    """Run the command that a finding names; what it calls sqlite3 with is run by the library of that name."""
    words = shlex.split(command)
    if words[0] == "streamctl":
        answer = program(*words[1:])
        assert answer.status == 0, (command, answer.err)
    elif program.engine == "postgresql":
        assert words[0] == "psql"
        subprocess.run([programs() / "psql", *words[1:]], env={}, capture_output=True, check=True)
    else:
        assert words[:2] == ["sqlite3", str(program.db)]
        program.sql(words[2])


def test_a_well_database_is_one_sentence_and_0(books: Program) -> None:
    answer = books("db", "check")
    assert (answer.status, answer.out.count("\n")) == (0, 1)
    assert "well" in answer.out
    assert all(line.startswith("Note: ") for line in answer.err.splitlines())
    quiet = books("--quiet", "db", "check")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    assert found(books) == []


AMOUNT = "UPDATE invoice SET amount = 12345 WHERE id = 1"
FAULTS = {
    "a changed amount": ((AMOUNT,), "amount", "invoice 1"),
    "a changed amount of a paid invoice": (
        (AMOUNT, "UPDATE invoice SET status = 'PAID', paid_on = '2026-11-22'"),
        "amount",
        "invoice 1",
    ),
    "a changed line": (("UPDATE invoice_line SET amount = 7 WHERE id = 2",), "amount", "invoice 1"),
    "a lost line": (
        (
            "INSERT INTO invoice_line (id, invoice, amount, description, kind) VALUES (9, 1, 50, 'x', 'manual')",
            "UPDATE invoice SET amount = 250",
            "DELETE FROM invoice_line WHERE id = 9",
        ),
        "amount",
        "invoice 1",
    ),
    "lines below zero": (
        (
            "INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (1, -5000, 'x', 'discount')",
            "UPDATE invoice SET amount = 0",
        ),
        "amount",
        "invoice 1",
    ),
    "a second check-in line": (
        (
            "INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (1, 0, 'x', 'checkin')",
            "UPDATE invoice SET amount = (SELECT SUM(amount) FROM invoice_line)",
        ),
        "stream_line",
        "line 4",
    ),
    "a check-out line of no stream": (("UPDATE stream SET checkout_line = NULL",), "stream_line", "line 2"),
    "a stream's line of another kind": (
        (
            "INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (1, 0, 'x', 'manual')",
            "UPDATE stream SET checkout_line = 4 WHERE id = 2",
        ),
        "stream_line",
        "stream 2",
    ),
}
ORPHANS = {
    "a membership of nobody": (
        ("INSERT INTO membership VALUES (5, 99, 'ACT', 1, 0, '2026-11-01', '2026-12-01', NULL)",),
        "foreign_key",
        "membership 5",
    ),
    "a line of no invoice": (
        ("INSERT INTO invoice_line (id, invoice, amount, description, kind) VALUES (8, 99, 1, 'x', 'manual')",),
        "foreign_key",
        "invoice_line 8",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_with_its_row_and_the_named_command_mends_it(books: Program, fault: str) -> None:
    statements, check, row = FAULTS[fault]
    found_and_mended(books, statements, check, row)


@pytest.mark.sqlite("foreign keys are off there for whoever does not ask for them")
@pytest.mark.parametrize("fault", ORPHANS)
def test_a_row_without_its_parent_is_found_and_the_named_command_mends_it(books: Program, fault: str) -> None:
    statements, check, row = ORPHANS[fault]
    found_and_mended(books, statements, check, row)


def found_and_mended(books: Program, statements: tuple[str, ...], check: str, row: str) -> None:
    plant(books, *statements)
    rows = found(books)
    assert [(one["check"], one["row"]) for one in rows] == [(check, row)]
    mend(books, rows[0]["mend"])
    assert found(books) == []


def test_several_faults_are_told_together_and_for_people(books: Program) -> None:
    plant(books, AMOUNT, "UPDATE stream SET checkin_line = NULL WHERE id = 2")
    answer = books("db", "check")
    assert answer.status == 4
    header, *rows = answer.out.splitlines()
    assert header.split("\t") == ["check", "row", "finding", "mend"]
    assert len(rows) == 2
    assert re.search("^Error: 2 ", answer.err, re.MULTILINE)
    for one in found(books):
        mend(books, one["mend"])
    assert found(books) == []


def test_a_check_writes_nothing(books: Program) -> None:
    plant(books, AMOUNT)
    before = books.content()
    found(books)
    assert books.content() == before


@pytest.mark.sqlite("CHECKs can be ignored there")
def test_rows_that_break_a_rule_of_the_table_are_found(books: Program) -> None:
    plant(books, "UPDATE membership SET credit_limit = -1")
    (row,) = found(books)
    assert row["check"] == "integrity"
    assert "membership" in row["finding"]


def test_an_old_schema_is_a_finding_that_migrate_mends(books: Program) -> None:
    to_the_first(books)
    (row,) = found(books)
    assert row["check"] == "schema"
    mend(books, row["mend"])
    assert found(books) == []


def test_a_newer_schema_is_not_sent_to_a_command_that_refuses_it(books: Program) -> None:
    to_a_later(books)
    answer = books("db", "check", "--format", "json")
    assert answer.status in (4, 6)
    assert "db migrate" not in answer.out + answer.err


@pytest.mark.sqlite("a file's header says its schema besides the history")
def test_a_lost_history_is_found_and_its_command_does_not_fail(books: Program) -> None:
    books.sql("DELETE FROM schema_migration")
    (row,) = found(books)
    assert row["check"] == "schema"
    assert row["mend"]
    if row["mend"].startswith("streamctl"):
        mend(books, row["mend"])
        assert found(books) == []


def test_members_over_a_lowered_limit_are_a_note_and_no_fault(books: Program) -> None:
    books.ok("stream", "checkin", 1)
    assert "Member 1" not in books("db", "check").err
    books.ok("members", "update", 1, "--credits", 1)
    answer = books("db", "check")
    assert answer.status == 0
    (note,) = [line for line in answer.err.splitlines() if "Member 1" in line]
    assert note.startswith("Note: Member 1 has 2 streams open and a limit of 1")
    assert found(books) == []


@pytest.mark.sqlite("the path of a file")
def test_a_mending_command_holds_for_any_path(books: Program) -> None:
    import shutil

    odd = dataclasses.replace(books, db=books.home / 'it\'s a "file".db')
    shutil.copyfile(books.db, odd.db)
    plant(odd, "INSERT INTO membership VALUES (5, 99, 'ACT', 1, 0, '2026-11-01', '2026-12-01', NULL)")
    (row,) = found(odd)
    mend(odd, row["mend"])
    assert found(odd) == []
