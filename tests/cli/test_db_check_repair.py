"""`streamctl db check --repair`: what can be mended without losing a fact is, and everything else is explained."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flaws import FAULTS, ORPHANS, found, plant
from program import Program
from shell import Shell

IN_PROCESS = True  # a process for each of its many commands would say no more

LOG = ("journal", "journal_row", "sqlite_sequence")
UNMENDED = (
    "lines below zero",
    "a second check-in line",
    "a check-out line of no stream",
    "a stream's line of another kind",
)
# A part of the schema that somebody took away or made another, by its name.
PARTS = {
    "invoice_open": ("index", "DROP INDEX invoice_open"),
    "user_email_key": ("index", "DROP INDEX user_email_key"),
    "stream_open": ("index", "DROP INDEX stream_open", 'CREATE INDEX stream_open ON stream ("user")'),
    "invoice_line_added": ("trigger", "DROP TRIGGER invoice_line_added{on}"),
    "invoice_kept": ("trigger", "DROP TRIGGER invoice_kept{of}"),
    "journal_row_{kept}": ("trigger", "DROP TRIGGER journal_row_{kept}{row}"),
}
PLACES = {
    "sqlite": {"on": "", "of": "", "row": "", "kept": "undeleted"},
    "postgresql": {"on": " ON invoice_line", "of": " ON invoice", "row": " ON journal_row", "kept": "kept"},
}


@pytest.fixture
def books(member: Program) -> Program:
    """Member 1 with one stream closed and one open: invoice 1 has lines 1 (check-in), 2 (check-out), 3 (check-in)."""
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkout", 1)
    member.ok("stream", "checkin", 1)
    return member


def repaired(program: Program, status: int) -> tuple[list[dict[str, Any]], list[Path]]:
    """What a repair answers, and the backups it leaves."""
    before = set(backups(program))
    answer = program("db", "check", "--repair", "--format", "json")
    assert answer.status == status, answer.err
    rows: list[dict[str, Any]] = answer.json
    assert all(list(row) == ["check", "row", "finding", "mend", "mended"] for row in rows)
    new = [path for path in backups(program) if path not in before]
    assert all(str(path) in answer.err for path in new), "it says where the backup is"
    return rows, new


def backups(program: Program) -> list[Path]:
    return sorted(program.home.rglob("*.before-repair-*"))


def facts(program: Program) -> dict[str, Any]:
    """Every row but the log's, and without the amounts that lines make."""
    kept = {name: rows for name, rows in program.books().items() if name not in LOG}
    kept["invoice"] = [(*row[:6], *row[7:]) for row in kept["invoice"]]
    return kept


@pytest.mark.parametrize(
    "fault", ["a changed amount", "a changed amount of a paid invoice", "a changed line", "a lost line"]
)
def test_totals_are_mended_from_the_lines_with_a_backup_before_it(books: Program, fault: str) -> None:
    """Fails when a line is changed to fit, the backup is of afterwards, or the log does not tell."""
    statements, *_ = FAULTS[fault]
    plant(books, *statements)
    before = facts(books)
    ((wrong,),) = books.sql("SELECT amount FROM invoice")
    ((right,),) = books.sql("SELECT sum(amount) FROM invoice_line")
    ((row,), (backup,)) = repaired(books, 0)
    assert (row["check"], row["row"], row["mended"]) == ("amount", "invoice 1", True)
    assert found(books) == []
    assert facts(books) == before
    assert books.sql("SELECT amount FROM invoice") == [(right,)]
    with closing(Shell(backup)) as kept:
        assert kept.execute("SELECT amount FROM invoice") == [(wrong,)]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    entry = books.ok("log", "show", books.ok("log", "list")[0]["id"])
    (change,) = entry["changes"]
    assert entry["command"] == "db check"
    assert (change["table"], change["id"]) == ("invoice", 1)
    assert [round(change[end]["amount"] * 100) for end in ("before", "after")] == [wrong, right]
    assert "repair" in books.refused("log", "undo", entry["id"])["hint"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_schema_that_is_missing_or_another_is_found_and_made_again(books: Program, part: str) -> None:
    """Fails when db check looks at rows alone: without the index two open invoices of a month get in."""
    words = PLACES[books.engine]
    kind, *statements = PARTS[part]
    name = part.format(**words)
    before = facts(books)
    for statement in statements:
        books.sql(statement.format(**words))
    (row,) = found(books)
    assert (row["check"], row["row"], row["mend"]) == (kind, name, "streamctl db check --repair")
    ((row,), _) = repaired(books, 0)
    assert row["mended"] is True
    assert found(books) == []
    assert facts(books) == before
    (change,) = books.ok("log", "show", books.ok("log", "list")[0]["id"])["changes"]
    assert (change["table"], change["id"], change["after"]) == (kind, name, {"made": "again"})


def test_a_trigger_that_does_nothing_any_more_is_found(books: Program) -> None:
    """Fails when a trigger is known by its name alone."""
    if books.engine == "sqlite":
        books.sql("DROP TRIGGER invoice_line_added")
        books.sql("CREATE TRIGGER invoice_line_added AFTER INSERT ON invoice_line BEGIN SELECT 1; END")
    else:
        books.sql("ALTER TABLE invoice_line DISABLE TRIGGER invoice_line_added")
    ((row,), _) = repaired(books, 0)
    assert (row["check"], row["row"], row["mended"]) == ("trigger", "invoice_line_added", True)
    books.ok("lines", "add", 1, "--amount", 5)
    assert found(books) == []


@pytest.mark.postgresql("a function does what a trigger says")
def test_a_function_that_is_another_is_made_again(books: Program) -> None:
    books.sql(
        "CREATE OR REPLACE FUNCTION journal_kept() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$"
    )
    ((row,), _) = repaired(books, 0)
    assert (row["check"], row["row"], row["mended"]) == ("function", "journal_kept", True)
    books.sql("ALTER FUNCTION invoice_line_added() RESET ALL")
    ((row,), _) = repaired(books, 0)
    assert (row["check"], row["row"], row["mended"]) == ("function", "invoice_line_added", True)
    books.ok("lines", "add", 1, "--amount", 5)
    assert found(books) == []


def test_a_trigger_that_is_none_of_ours_is_explained_and_left(books: Program) -> None:
    if books.engine == "sqlite":
        books.sql("CREATE TRIGGER mine AFTER INSERT ON user BEGIN SELECT 1; END")
    else:
        books.sql("CREATE TRIGGER mine AFTER INSERT ON user FOR EACH ROW EXECUTE FUNCTION journal_kept()")
    before = books.content()
    ((row,), left) = repaired(books, 4)
    assert (row["check"], row["row"], row["mended"], left) == ("trigger", "mine", False, [])
    assert books.content() == before


@pytest.mark.parametrize("fault", UNMENDED)
def test_what_only_a_person_can_decide_is_explained_and_nothing_is_touched(books: Program, fault: str) -> None:
    """Fails when a repair deletes a line, or leaves a backup of nothing that it changed."""
    statements, check, row = FAULTS[fault]
    plant(books, *statements)
    before = books.books()
    ((told,), left) = repaired(books, 4)
    assert (told["check"], told["row"], told["mended"], left) == (check, row, False, [])
    assert told["mend"]
    assert books.books() == before


@pytest.mark.sqlite("foreign keys are off there for whoever does not ask for them")
@pytest.mark.parametrize("fault", ORPHANS)
def test_an_orphan_is_a_fact_too(books: Program, fault: str) -> None:
    plant(books, *ORPHANS[fault][0])
    before = books.books()
    assert repaired(books, 4)[0][0]["mended"] is False
    assert books.books() == before


def test_of_several_faults_those_that_can_be_are_mended(books: Program) -> None:
    """Fails when one that can't be mended keeps the others from it, or counts as mended."""
    books.sql("DROP INDEX user_email_key")
    books.sql("DROP INDEX invoice_month")
    books.ok("members", "add", "ann@example.com")
    books.sql("UPDATE user SET email_key = 'bob@example.com', email = 'bob@example.com'")
    plant(books, "UPDATE invoice SET amount = 12345 WHERE id = 1")
    if books.engine == "postgresql":  # whose backup is a file with every rule in it
        refused = books.refused("db", "check", "--repair")
        assert refused["message"].startswith("No backup can be made, so nothing is mended: user 2 breaks the rule")
        return
    rows, (_,) = repaired(books, 4)
    assert {row["row"]: row["mended"] for row in rows} == {
        "user_email_key": False,  # two members have one address
        "invoice_month": True,
        "invoice 1": True,
    }
    assert [row["row"] for row in found(books)] == ["user_email_key"]


def test_where_all_is_well_a_repair_does_nothing(books: Program) -> None:
    before = books.content()
    answer = books("db", "check", "--repair")
    assert (answer.status, "well" in answer.out) == (0, True)
    assert books.content() == before
    assert backups(books) == []


@pytest.mark.sqlite("SQLite's own checks")
def test_an_index_that_has_come_apart_is_rebuilt(books: Program) -> None:
    with Shell(books.db) as shell:
        ((sql,),) = shell.execute("SELECT sql FROM sqlite_master WHERE name = 'invoice_line_invoice'")
        shell.execute("PRAGMA writable_schema = 1")
        shell.execute("UPDATE sqlite_master SET type = 'table', sql = 'CREATE TABLE x(a)' WHERE 0")
        shell.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'invoice_line_invoice'", [f"{sql} WHERE 0"])
    with Shell(books.db) as shell:
        shell.execute("INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (1, 0, 'x', 'manual')")
    with Shell(books.db) as shell:
        shell.execute("PRAGMA writable_schema = 1")
        shell.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'invoice_line_invoice'", [sql])
    rows = found(books)
    assert {row["check"] for row in rows} == {"integrity"}
    assert {row["mend"] for row in rows} == {"streamctl db check --repair"}
    before = facts(books)
    rows, (_,) = repaired(books, 0)
    assert all(row["mended"] for row in rows)
    assert found(books) == []
    assert facts(books) == before


@pytest.mark.postgresql("rights")
def test_without_the_right_to_make_a_schema_the_rest_is_still_checked(books: Program) -> None:
    """Its sentence says what was not looked at."""
    ((schema,),) = books.sql("SELECT current_schema()")
    books.sql(f"CREATE ROLE {schema}_reader LOGIN")
    try:
        books.sql(f"GRANT USAGE ON SCHEMA {schema} TO {schema}_reader")
        books.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader")
        other = Program(str(books.db).replace("postgres@", f"{schema}_reader@"), books.home)
        plant(books, "UPDATE invoice SET amount = 12345 WHERE id = 1")
        answer = other("db", "check", "--format", "json")
        assert answer.status == 4
        assert [row["check"] for row in json.loads(answer.out)] == ["amount"]
        assert "The indexes and triggers were not compared" in answer.err
    finally:
        books.sql(f"DROP OWNED BY {schema}_reader")
        books.sql(f"DROP ROLE {schema}_reader")
