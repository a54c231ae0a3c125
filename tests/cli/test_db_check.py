"""`streamctl db check`: silent faults found with their row, and the command that is named really mends them."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess

import pytest
from flaws import AMOUNT, FAULTS, ORPHANS, found, plant
from program import Program
from server import programs
from versions import to_a_later, to_the_first

IN_PROCESS = True  # a process for each of its many commands would say no more


@pytest.fixture
def books(member: Program) -> Program:
    """Member 1 with one stream closed and one open: invoice 1 has lines 1 (check-in), 2 (check-out), 3 (check-in)."""
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkout", 1)
    member.ok("stream", "checkin", 1)
    return member


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


@pytest.mark.parametrize("there", [True, False])
def test_ids_that_are_used_up_are_named_and_are_no_full_disk(books: Program, there: bool) -> None:
    """Fails when SQLite's word for it is taken as it is, or nobody finds the row that has the last id."""
    last = 2**63 - 1
    books.sql("INSERT INTO invoice_line (id, invoice, amount, description, kind) VALUES (?, 1, 0, 'x', 'manual')", last)
    if books.engine == "postgresql":
        books.sql("SELECT setval(pg_get_serial_sequence('invoice_line', 'id'), ?)", last)
    if not there:
        books.sql("DELETE FROM invoice_line WHERE id = ?", last)
    refused = books.refused("lines", "add", 1, "--amount", "1")
    assert (refused["status"], refused["code"], refused["details"]["table"]) == (6, "ids_used_up", "invoice_line")
    assert "nothing was changed" in refused["message"]
    (row,) = found(books)
    assert (row["check"], row["row"]) == ("id", f"invoice_line {last}" if there else "invoice_line")
    if not there:
        mend(books, row["mend"])
        assert found(books) == []
        assert books.ok("lines", "add", 1, "--amount", "1")["id"] == 4


@pytest.mark.sqlite("a server's triggers let a row with an id of its own in")
def test_a_log_that_takes_no_entry_is_damage_with_the_row_that_check_finds(books: Program) -> None:
    """Fails when a row of the log that is none of ours ends every change as something unexpected."""
    books.sql("INSERT INTO journal_row (id, entry, entity) VALUES (-1, 1, 'user')")
    refused = books.refused("lines", "add", 1, "--amount", "1")
    assert (refused["status"], refused["code"]) == (6, "damaged")
    assert "db check" in refused["hint"]
    assert [(one["check"], one["row"]) for one in found(books)] == [("id", "journal_row -1")]
