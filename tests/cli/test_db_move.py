"""`streamctl db move`: all of a database at another place, on either engine, or nothing of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from books import everything, random_books, timeless
from places import ENGINES, nowhere
from program import Program
from streams import process

from streamctl.store import bulk, transfer

IN_PROCESS = True  # a process for each of its many commands would say no more

MOVED = "from to members memberships invoices lines streams requests entries".split()


@pytest.fixture
def full(member: Program) -> Program:
    return everything(member)


@pytest.fixture
def other(engine: str) -> str:
    """The engine that the database is not on."""
    return ENGINES[1 - ENGINES.index(engine)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[str], Path | str]]:
    """Another place on that engine where there is nothing yet, a new one at every call."""
    numbers = count(1)
    with ExitStack() as places:

        def another(engine: str) -> Path | str:
            folder = tmp_path / f"place{next(numbers)}"
            folder.mkdir()
            return places.enter_context(nowhere(engine, folder))

        yield another


Places = Callable[[str], Path | str]


def dumped(program: Program) -> str:
    answer = program("db", "dump")
    assert answer.status == 0, answer.err
    return answer.out


def refused_move(program: Program, to: Path | str, code: str, status: int) -> dict[str, Any]:
    """The error of a move that changes neither side."""
    target = replace(program, db=to)
    before = target.books()
    error = program.refused("db", "move", "--to", to)
    assert (error["code"], error["status"]) == (code, status), error
    assert target.books() == before, "nothing comes of a move that fails"
    if isinstance(to, Path):
        left = [path.name for path in to.parent.iterdir() if not before or path.name.startswith(".")]
        assert not left, "and no file is left over"
    return error


def test_all_of_it_is_there_as_it_was_and_comes_back_the_same(full: Program, place: Places, other: str) -> None:
    text, before = dumped(full), full.books()
    there = replace(full, db=place(other))
    moved = full.ok("db", "move", "--to", there.db)
    tables = json.loads(text)["tables"]
    counts = [len(tables[name]["rows"]) for name in ("user", "membership", "invoice", "invoice_line", "stream")]
    assert list(moved) == MOVED
    counts += [len(tables[name]["rows"]) for name in ("request", "journal")]
    assert [*moved.values()] == [str(full.db), str(there.db), *counts]
    assert all(counts)
    assert dumped(there) == text
    assert there.ok("db", "check") == []
    assert full.books() == before, "the old database stays as it is"
    back = replace(full, db=place(full.engine))
    there.ok("db", "move", "--to", back.db)
    assert dumped(back) == text


def test_work_goes_on_there_where_it_stopped(full: Program, place: Places, other: str) -> None:
    there = replace(full, db=place(other))
    full.ok("db", "move", "--to", there.db)
    again = ("stream", "checkin", 1, "--ref", "k1", "--device", "tv", "--lease", "2h")
    assert there.ok(*again) == full.ok(*again), "keys hold on"
    for words in (
        ("members", "add", "new@example.com"),
        ("invoices", "create", 2, "--date", "2026-07-01", "--amount", "3"),
        ("lines", "add", 6, "--amount", "1.50"),
        ("stream", "checkin", 4, "--ref", "k9"),
        ("stream", "checkout", 4, "--ref", "k9"),
        ("invoices", "issue", "--month", "2026-07"),
    ):
        assert there.ok(*words) == full.ok(*words), "ids and numbers go on after the last that were ever given"
    assert timeless(there) == timeless(full)
    assert there.ok("invoices", "show", 6)["amount"] == 4.50


def test_an_empty_database_of_ours_takes_the_settings_of_the_one_that_moves_in(
    full: Program, place: Places, other: str
) -> None:
    there = replace(full, db=place(other))
    there.ok("db", "init", "--currency", "JPY", "--timezone", "Asia/Tokyo")
    full.ok("db", "move", "--to", there.db)
    assert dumped(there) == dumped(full)
    assert there.ok("lines", "add", 1, "--amount", "1")["amount"] == 1
    assert there.ok("db", "check") == []


def test_books_of_every_kind_move_within_an_engine_too(program: Program, place: Places, engine: str) -> None:
    random_books(program, seed=5)
    there = replace(program, db=place(engine))
    program.ok("db", "move", "--to", there.db)
    assert dumped(there) == dumped(program)


def test_a_place_that_holds_rows_is_refused(full: Program, place: Places, other: str) -> None:
    there = replace(full, db=place(other))
    there.ok("db", "init", "--timezone", "UTC")
    there.ok("members", "add", "first@example.com")
    error = refused_move(full, there.db, "not_empty", 4)
    assert "1 member, 1 membership, 1 log entry already" in error["message"]
    assert "--to" in error["hint"]
    there.ok("members", "delete", 1, "--yes")
    assert "2 log entries already" in refused_move(full, there.db, "not_empty", 4)["message"], "its log is kept"


def test_a_place_that_is_not_ours_or_is_the_same_is_refused(full: Program, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    assert full("db", "move", "--to", foreign / "notes.txt").status == 6
    assert (foreign / "notes.txt").read_text() == "mine"
    with nowhere("postgresql", foreign) as there:
        other = replace(full, db=there)
        other.sql("CREATE TABLE user (x int)")
        refused_move(full, there, "not_ours", 6)
    assert full("db", "move", "--to", "").status == 2
    assert full("db", "move").status == 2
    same = [full.db]
    if isinstance(full.db, Path):
        link = tmp_path / "link.db"
        link.hardlink_to(full.db)
        same += [full.db.with_name(f"{full.db.name}-wal"), Path("streamctl.db"), link]
    else:
        same += [f"{full.db}&application_name=other"]
    for to in same:
        assert full.refused("db", "move", "--to", to)["code"] == "usage", to
    absent = replace(full, db=tmp_path / "no.db")
    assert absent.refused("db", "move", "--to", tmp_path / "new.db")["code"] == "no_database"
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(("table", "column"), [("user", "email"), ("invoice_line", "description"), ("counter", None)])
def test_a_copy_that_is_not_the_same_does_not_count(
    full: Program, place: Places, other: str, table: str, column: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = bulk.insert

    def spoilt(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The last row with another value, or not at all."""
        *most, last = rows
        yield from most
        if column is not None:
            yield [f"{value}!" if name == column else value for name, value in zip(columns, last, strict=True)]

    def faulty(model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]], name: str) -> int:
        return insert(model, columns, spoilt(columns, rows) if name == table else rows, name)

    monkeypatch.setattr(transfer.bulk, "insert", faulty)
    error = refused_move(full, place(other), "copy_differs", 6)
    assert f"The table {table} has {'another content' if column else '0 rows and not 1'} in" in error["message"]


def test_a_move_that_fails_half_way_leaves_nothing(
    full: Program, place: Places, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = bulk.insert

    def broken(model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]], name: str) -> int:
        done = insert(model, columns, rows, name)
        if name == "stream":
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(transfer.bulk, "insert", broken)
    nothing, made = replace(full, db=place(other)), replace(full, db=place(other))
    made.ok("db", "init", "--timezone", "UTC")
    before = made.books()
    for there in (nothing, made):
        assert full("db", "move", "--to", there.db).status == 130
    assert nothing.books() == {}
    assert made.books() == before
    if isinstance(nothing.db, Path):
        assert list(nothing.db.parent.iterdir()) == []
    monkeypatch.undo()
    for there in (nothing, made):
        full.ok("db", "move", "--to", there.db)
        assert dumped(there) == dumped(full)


def test_a_row_that_the_place_does_not_take_is_named(full: Program, place: Places, other: str) -> None:
    there = replace(full, db=place(other))
    there.ok("db", "init", "--timezone", "UTC")
    there.sql("CREATE UNIQUE INDEX planted ON stream (device) WHERE device IS NOT NULL")
    full.sql("UPDATE stream SET device = 'tv' WHERE id = 2")
    error = refused_move(full, there.db, "bad_data", 4)
    assert "stream 2 breaks the rule stream.device" in error["message"]


@pytest.mark.sqlite("a server has no such text")
def test_a_row_that_a_server_does_not_take_is_named_among_many(program: Program, place: Places) -> None:
    program.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO user "
        "(id, email, email_key, created_at) SELECT i, 'u@' || i, 'u@' || i, '2026-11-01T00:00:00Z' FROM n"
    )
    program.sql("UPDATE user SET name = 'a' || char(0) || 'b' WHERE id = 4321")
    there = place("postgresql")
    error = refused_move(program, there, "bad_data", 4)
    assert "user 4321 " in error["message"]


def test_what_is_written_meanwhile_is_not_left_behind_unseen(
    full: Program, place: Places, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = bulk.insert
    for statement in (
        "UPDATE stream SET device = 'radio' WHERE id = 2",
        "UPDATE setting SET value = '7' WHERE key = 'payment_days'",
        "INSERT INTO user (email, email_key, created_at) SELECT 'new@x', 'new@x', created_at FROM user WHERE id = 1",
        "DELETE FROM user WHERE email = 'new@x'",
    ):

        def meanwhile(
            model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]], name: str, then: str = statement
        ) -> int:
            if name == "membership":
                full.sql(then)
            return insert(model, columns, rows, name)

        monkeypatch.setattr(transfer.bulk, "insert", meanwhile)
        there = replace(full, db=place(other))
        answer = full("db", "move", "--to", there.db, "--format", "json")
        assert (answer.status, answer.error["code"]) == (5, "changed_meanwhile"), statement
        assert there.books() == {}


def test_an_invoice_that_is_not_the_sum_of_its_lines_is_not_moved(full: Program, place: Places, other: str) -> None:
    full.sql("UPDATE invoice SET amount = amount + 1 WHERE id = 2")
    error = refused_move(full, place(other), "bad_data", 4)
    assert "Invoice 2 in" in error["message"]
    assert "db check" in error["hint"]


def test_the_rules_hold_after_a_move_as_before(full: Program, place: Places, other: str) -> None:
    def rules(program: Program) -> list[tuple[Any, ...]]:
        if program.engine == "sqlite":
            return program.sql("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")
        return program.sql(
            "SELECT tgname, tgenabled FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal ORDER BY 1"
        )

    there, new = replace(full, db=place(other)), replace(full, db=place(other))
    new.ok("db", "init", "--timezone", "UTC")
    full.ok("db", "move", "--to", there.db)
    assert rules(there) == rules(new)


def test_a_process_moves_to_either_engine_and_says_where_to_go_on(full: Program, place: Places) -> None:
    """In a process of its own Peewee has the driver that the target needs, whatever the source is."""
    for engine in ENGINES:
        there = replace(full, db=place(engine))
        secret = there.db
        if isinstance(there.db, str) and "@" in there.db:
            who = urlsplit(there.db).username
            secret = there.db.replace(f"{who}@", f"{who}:hush@", 1)
        answer = process(full)("db", "move", "--to", secret)
        assert (answer.status, answer.err) == (0, ""), answer.err
        assert "hush" not in answer.out
        assert str(there.db) in answer.out
        assert dumped(there) == dumped(full)


def test_the_answer_is_not_written_over_the_new_database(full: Program, tmp_path: Path) -> None:
    to = tmp_path / "new.db"
    assert full("db", "move", "--to", to, "--output", to).status == 2
    assert not to.exists()
