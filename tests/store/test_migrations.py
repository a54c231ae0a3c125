"""Migrations: what has landed stays as it is, and a database of every shape that ever landed becomes one of today's."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from inside import Inside
from places import ENGINES, nowhere
from program import ROOT, Program
from shell import Shell
from versions import SHAPES, build, landed

from streamctl.store.database import SCHEMA

IN_PROCESS = True  # a process for each of its many commands would say no more
# Of each migration's text, without the lines that say where it imports from: those are no part of what it makes.
LANDED = {
    "0001_books": "ff44520442e36cd9970b2d24323eef95bef7142764180b279fa4016be40866b8",
    "0002_month_end": "8a48343b3c1300d01f89c9948bc9a3bc3c00dda1d94e479ed169f001f89cbc8a",
    "0003_journal": "e7be4775a864f6c72eb5d626883b9c21c452056b49d74a236bf50000762f090b",
    "0004_one_shape": "47de82b824e81614d6b498e03b088c08b0c99715e4e119ef92ab4b11fda3160c",
}
ALL = [(engine, shape) for engine in ENGINES for shape in landed(engine)]
YOUNGER = ("counter", "journal", "journal_row", "journal_person")


def test_a_migration_that_has_landed_is_never_edited() -> None:
    """Fails when databases made before an edit would differ from those made after it: write a new migration."""
    folder = ROOT / "streamctl" / "store" / "migrations"
    found = {
        path.stem: sha256(
            re.sub(r"^from streamctl\..*\n", "", path.read_text(), flags=re.MULTILINE).encode()
        ).hexdigest()
        for path in folder.glob("[0-9]*.py")
    }
    assert found == LANDED


def test_a_sample_of_every_schema_is_kept() -> None:
    """Fails when a schema lands without a database of it to migrate from by the next."""
    assert {int(found[1]) for shape in SHAPES.glob("*.sql") if (found := re.search(r"-(\d)", shape.stem))} >= {
        *range(1, SCHEMA)
    }


@pytest.fixture(params=ALL, ids=lambda one: one[1])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The program on a database of a shape that landed."""
    engine, shape = request.param
    with nowhere(engine, tmp_path) as place:
        build(shape, place)
        yield Inside(place, tmp_path)


def shape_of(program: Program) -> list[tuple[Any, ...]]:
    """Every part of the schema, by its statement where the engine keeps one."""
    if program.engine == "sqlite":
        return program.sql("SELECT type, tbl_name, name, sql FROM sqlite_master ORDER BY type, name")
    schema = program.sql("SELECT current_schema()")[0][0]
    rows = program.sql(
        """
        WITH ours AS (SELECT oid, relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
        SELECT relname, conname, pg_get_constraintdef(c.oid) FROM ours JOIN pg_constraint c ON c.conrelid = ours.oid
        UNION ALL SELECT relname, tgname, pg_get_triggerdef(t.oid) FROM ours JOIN pg_trigger t ON tgrelid = ours.oid
        WHERE NOT tgisinternal
        UNION ALL SELECT '', proname, pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
        UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
        UNION ALL SELECT table_name, column_name, data_type || is_nullable || is_identity
        FROM information_schema.columns WHERE table_schema = current_schema()
        ORDER BY 1, 2, 3
        """
    )
    # pg_dump writes some constraints with fewer parentheses.
    return [tuple(re.sub(rf"[() ]|{schema}\.", "", value) for value in row) for row in rows]


def rows(program: Program) -> dict[str, list[tuple[Any, ...]]]:
    books = program.books()
    del books["schema_migration"]
    return {name: sorted(found) if name == "sqlite_sequence" else found for name, found in books.items()}


def test_every_shape_that_landed_becomes_todays_with_its_rows(old: Program, tmp_path: Path) -> None:
    """Fails when a rule, an index or a trigger stays behind, or a row, an id or a sequence is lost on the way."""
    before = rows(old)
    assert any("k1" in row for row in before["request"]), "there is something to lose"
    old.ok("db", "migrate")
    after = rows(old)
    assert {name: after[name] for name in before if name != "sqlite_sequence"} == {
        name: found for name, found in before.items() if name != "sqlite_sequence"
    }
    assert set(before.get("sqlite_sequence", ())) - set(after.get("sqlite_sequence", ())) <= {
        row for row in before.get("sqlite_sequence", ()) if row[0] == "schema_migration"
    }
    (tmp_path / "fresh").mkdir()
    with nowhere(old.engine, tmp_path / "fresh") as place:
        fresh = Inside(place, tmp_path)
        fresh.ok("db", "init", "--timezone", "UTC")
        assert shape_of(old) == shape_of(fresh)
    assert old.ok("db", "check") == []
    assert old.ok("members", "add", "next@example.com")["id"] == 4, "3 was given once"
    assert old.ok("stream", "checkin", 1, "--ref", "k1", "--device", "tv")["replayed"] is True
    last = max(4, before["invoice"][-1][0])  # 4 was deleted
    assert old.ok("invoices", "create", 2, "--date", "2026-05-01", "--amount", 3)["id"] == last + 1


def test_a_backup_of_every_shape_that_landed_is_restored(tmp_path: Path) -> None:
    for shape in landed("sqlite"):
        build(shape, file := tmp_path / f"{shape}.db")
        before, content = rows(kept := Inside(file, tmp_path)), file.read_bytes()
        there = Inside(tmp_path / "restored.db", tmp_path)
        there.ok("db", "restore", file, "--yes")
        after = rows(there)
        assert {name: after[name] for name in before if name not in ("sqlite_sequence", *YOUNGER)} == {
            name: found for name, found in before.items() if name not in ("sqlite_sequence", *YOUNGER)
        }
        assert there.ok("db", "check") == []
        assert kept.content() == content
        there.db.unlink()


@pytest.mark.parametrize("shape", ["sqlite-1b", "sqlite-2", "sqlite-3b"])
def test_a_dump_of_every_schema_that_landed_is_loaded(program: Program, shape: str, tmp_path: Path) -> None:
    """The dump as the program of that time wrote it: every table that there was, a row a list."""
    build(shape, file := tmp_path / "old.db")
    with Shell(file) as shell:
        books = {
            name: found for name, found in shell.books().items() if name not in ("schema_migration", "sqlite_sequence")
        }
        columns = {name: [row[1] for row in shell.execute(f'PRAGMA table_info("{name}")')] for name in books}
        sequences = dict(shell.execute("SELECT name, seq FROM sqlite_sequence WHERE name <> 'schema_migration'"))
    tables = {name: {"columns": columns[name], "rows": found} for name, found in books.items()}
    dump = {"streamctl": "1.0.0", "schema": int(shape[7]), "sequences": sequences, "tables": tables}
    assert program.ok("db", "load", "-", stdin=json.dumps(dump))["members"] == 2
    after = program.books()
    aside = ("setting", *YOUNGER)
    assert {name: after[name] for name in books if name not in aside} == {
        name: found for name, found in books.items() if name not in aside
    }
    assert program.ok("db", "check") == []


@pytest.mark.sqlite("its first schema took days that there are not")
def test_a_row_that_todays_rules_refuse_is_named_and_nothing_is_migrated(nothing: Program) -> None:
    """Fails when a migration ends as something unexpected, or leaves a half of itself."""
    build("sqlite-1a", nothing.db)
    nothing.sql("UPDATE invoice SET paid_on = '2026-02-30' WHERE id = 2")
    before = nothing.books()
    refused = nothing.refused("db", "migrate")
    assert (refused["status"], refused["code"]) == (4, "bad_data")
    assert "invoice 2" in refused["message"]
    assert nothing.books() == before
    nothing.sql("UPDATE invoice SET paid_on = '2026-02-28' WHERE id = 2")
    nothing.ok("db", "migrate")
    assert nothing.ok("db", "check") == []


@pytest.mark.sqlite("its tables are made again")
def test_what_somebody_has_beside_ours_is_there_after_a_migration(nothing: Program) -> None:
    """Fails when a table that is made again takes a trigger, an index or a view of somebody else's with it."""
    build("sqlite-1a", nothing.db)
    theirs = (
        "CREATE TABLE audit (invoice INTEGER REFERENCES invoice (id))",
        "CREATE VIEW owed AS SELECT * FROM invoice WHERE status = 'OUT'",
        "CREATE INDEX invoice_date ON invoice (date)",
        'CREATE TRIGGER "their own" AFTER UPDATE ON invoice BEGIN INSERT INTO audit VALUES (NEW.id); END',
    )
    for statement in theirs:
        nothing.sql(statement)
    nothing.ok("db", "migrate")
    assert {sql for (sql,) in nothing.sql("SELECT sql FROM sqlite_master")} >= set(theirs)
    assert [row["check"] for row in nothing("db", "check", "--format", "json").json] == ["trigger"]


@pytest.mark.sqlite("its tables are made again")
def test_a_column_that_somebody_has_added_is_kept(nothing: Program) -> None:
    build("sqlite-1a", nothing.db)
    nothing.sql("ALTER TABLE invoice ADD COLUMN theirs TEXT")
    nothing.sql("UPDATE invoice SET theirs = 'mine'")
    nothing.ok("db", "migrate")
    assert nothing.sql("SELECT DISTINCT theirs FROM invoice") == [("mine",)]


def test_two_numbered_invoices_of_a_month_that_were_never_issued_are_migrated(old: Program) -> None:
    """Fails when the rule of one open invoice a month is put on rows that were there before it knew of numbers."""
    names = "user, date, month, description, status, amount, number"
    for number in ("A-1", "A-2"):
        old.sql(f"INSERT INTO invoice ({names}) VALUES (1, '2026-03-01', '2026-03', 'x', 'PAID', 0, ?)", number)
    old.ok("db", "migrate")
    old.sql("UPDATE invoice SET status = 'OUT' WHERE month = '2026-03'")
    assert old.ok("db", "check") == []
