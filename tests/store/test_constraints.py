"""The database holds the rules by itself: rows that break one are refused, whoever writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from program import Program

from streamctl.store import header, models
from streamctl.store.database import SCHEMA, Store

NOW = "2026-11-22T12:00:00Z"
DAY = "2026-11-22"
GOOD: dict[str, dict[str, Any]] = {
    "user": {"id": 1, "email": "a@b", "email_key": "a@b", "created_at": NOW},
    "membership": {"id": 1, "user": 1, "state": "ACT", "credit_limit": 3, "fee": 990}
    | {"start_date": "2026-11-01", "end_date": "2026-12-01"},
    "invoice": {"id": 1, "user": 1, "date": DAY, "month": "2026-11", "description": "x", "status": "OUT", "amount": 0},
    "invoice_line": {"id": 1, "invoice": 1, "amount": 100, "description": "x", "kind": "manual", "key": "k"},
    "stream": {"id": 1, "user": 1, "ref": "r", "opened_at": NOW, "seen_at": NOW, "checkin_line": 1},
    "request": {"id": 1, "key": "k", "action": "line", "member": 1, "parameters": "{}", "receipt": "{}", "at": NOW},
    "counter": {"name": "n", "value": 0},
}
CLOSED = {"closed_at": NOW, "close_reason": "checkout"}
BAD: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("user", {"email": value}) for value in (None, "", "@", "a@", "@b", "ab", "a@" + "b" * 253, b"a@b")),
    *(("user", {"email_key": value}) for value in (None, "first@x")),
    *(("user", {"name": value}) for value in ("n" * 256, b"n")),
    *(("membership", {"user": value}) for value in (99, None, "x", 1)),
    *(("membership", {"state": value}) for value in ("act", "", None, "GONE")),
    *(("membership", {"credit_limit": value}) for value in (-1, 1001, None, 1.5, "many")),
    *(("membership", {"fee": value}) for value in (-1, 10**13, None, 9.9, "free")),
    *(("membership", {"end_date": value}) for value in ("2026-11-01", "2026-10-31", "3000-01-01", None)),
    ("membership", {"start_date": "1999-12-31"}),
    ("membership", {"cancelled_on": DAY}),
    *(("invoice", {"user": value}) for value in (99, None)),
    *(("invoice", {"status": value}) for value in ("out", "PAYED", "", None)),
    *(("invoice", {"amount": value}) for value in (-1, None, 1.5, "x")),
    *(("invoice", {"month": value}) for value in ("2026-12", "2026", "", None)),
    *(("invoice", {"date": value, "month": value[:7]}) for value in ("1999-12-31", "3000-01-01")),
    ("invoice", {"paid_on": DAY}),
    ("invoice", {"voided_at": NOW}),
    ("invoice", {"due_date": DAY}),
    *(("invoice", {name: "t" * 256}) for name in ("description", "note", "number")),
    ("invoice", {"description": None}),
    *(("invoice_line", {"invoice": value}) for value in (99, None)),
    *(("invoice_line", {"kind": value}) for value in ("charge", "", None)),
    *(("invoice_line", {"kind": kind, "amount": -1}) for kind in ("manual", "checkin", "checkout", "fee")),
    ("invoice_line", {"kind": "discount", "amount": 1}),
    *(("invoice_line", {"amount": value}) for value in (10**13, None, 1.5, "x")),
    *(("invoice_line", {"kind": kind, "amount": -1}) for kind in ("discount", "adjustment")),
    ("invoice_line", {"description": "t" * 256}),
    ("invoice_line", {"key": "t" * 256}),
    *(("stream", {"user": value}) for value in (99, None)),
    ("stream", {"closed_at": NOW}),
    ("stream", {"close_reason": "checkout"}),
    ("stream", CLOSED | {"close_reason": "bored"}),
    ("stream", CLOSED | {"closed_at": "2026-11-22T11:59:59Z"}),
    ("stream", {"seen_at": "2026-11-22T11:59:59Z"}),
    ("stream", {"expires_at": NOW}),
    *(("stream", {"checkin_line": value}) for value in (99, "x")),
    ("stream", {"checkout_line": 1, "checkin_line": 1}),
    *(("stream", {name: "t" * 256}) for name in ("ref", "device")),
    *(("stream", {name: None}) for name in ("opened_at", "seen_at")),
    *(("request", {name: None}) for name in ("key", "action", "member", "parameters", "receipt", "at")),
    ("request", {"key": "t" * 256}),
    *(("counter", {"value": value}) for value in (-1, None, 1.5, "x")),
    ("counter", {"name": "invoice_number"}),
)
DAYS = {"membership": ("start_date", "end_date"), "invoice": ("date",)}
INSTANTS = {"user": ("created_at",), "stream": ("opened_at", "seen_at", "expires_at"), "request": ("at",)}


@pytest.fixture
def shell(program: Program) -> Iterator[sqlite3.Connection]:
    """The database in another hand, with foreign keys on and nothing else of ours."""
    connection = sqlite3.connect(program.db, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = 1")
    yield connection
    connection.close()


def insert(shell: sqlite3.Connection, table: str, **changes: Any) -> int:
    """Insert the good row of the table with these changes; its id."""
    row = GOOD[table] | changes
    names = ", ".join(f'"{name}"' for name in row)
    made = shell.execute(f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(row))})', list(row.values()))
    return int(made.lastrowid or 0)


def fill(shell: sqlite3.Connection, *tables: str) -> None:
    for table in tables:
        insert(shell, table)


def parents(table: str) -> list[str]:
    """The tables whose good row the table's good row stands on."""
    wanted = {"membership": 1, "invoice": 1, "invoice_line": 2, "stream": 3}.get(table, 0)
    return ["user", "invoice", "invoice_line"][:wanted]


def refuses(shell: sqlite3.Connection, table: str, changes: dict[str, Any]) -> bool:
    try:
        insert(shell, table, **changes)
    except sqlite3.IntegrityError:
        return True
    return False


def test_every_rule_refuses_the_rows_that_break_it(shell: sqlite3.Connection) -> None:
    slipped = []
    for table, changes in BAD:
        shell.execute("BEGIN")
        fill(shell, *parents(table))
        if table == "user":
            insert(shell, "user", id=2, email="first@x", email_key="first@x")
        if changes == {"user": 1}:
            insert(shell, "membership", id=2)
        if not refuses(shell, table, changes):
            slipped.append((table, changes))
        shell.execute("ROLLBACK")
    assert slipped == []


def test_every_table_takes_its_good_row(shell: sqlite3.Connection) -> None:
    for table in GOOD:
        fill(shell, table)
    assert shell.execute("SELECT amount FROM invoice").fetchall() == [(100,)]
    insert(shell, "stream", id=2, ref=None, checkin_line=None, expires_at="2026-11-22T12:00:01Z", **CLOSED)
    insert(shell, "invoice", id=2, status="PAID", paid_on=None)
    insert(shell, "invoice", id=3, status="PAID", paid_on="2026-12-01", issued_at=NOW, due_date="2026-12-06")
    assert shell.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_day_and_an_instant_are_real_ones(shell: sqlite3.Connection) -> None:
    slipped = []
    for tables, values in (
        (
            DAYS,
            ("2026-02-30", "2026-13-01", "2026-11-31", "2026-99-99", "2026-1-1", "2026-11-22T00:00:00Z", "2026", "2q"),
        ),
        (
            INSTANTS,
            ("2026-11-22", "2026-11-22T12:00:00", "2026-11-22 12:00:00Z", "2026-11-22T12:00:60Z", "yesterday", ""),
        ),
    ):
        for table, columns in tables.items():
            for column in columns:
                for value in values:
                    shell.execute("BEGIN")
                    fill(shell, *parents(table))
                    if not refuses(shell, table, {column: value} | ({"month": value[:7]} if column == "date" else {})):
                        slipped.append((table, column, value))
                    shell.execute("ROLLBACK")
    assert slipped == []


def test_there_is_one_open_invoice_a_user_and_month(shell: sqlite3.Connection) -> None:
    fill(shell, "user", "invoice")
    assert refuses(shell, "invoice", {"id": 2})
    insert(shell, "invoice", id=2, status="PAID")
    insert(shell, "invoice", id=3, status="VOID")
    insert(shell, "invoice", id=4, issued_at=NOW)
    insert(shell, "invoice", id=5, date="2026-12-01", month="2026-12")
    for statement in (
        "UPDATE invoice SET status = 'OUT' WHERE id = 2",
        "UPDATE invoice SET issued_at = NULL WHERE id = 4",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            shell.execute(statement)


def test_what_is_a_name_of_one_thing_is_unique(shell: sqlite3.Connection) -> None:
    fill(shell, "user", "invoice", "invoice_line", "stream", "request")
    assert refuses(shell, "user", {"id": 2, "email": "A@B"})
    assert refuses(shell, "invoice_line", {"id": 2})
    assert refuses(shell, "stream", {"id": 2, "checkin_line": None})
    assert refuses(shell, "stream", {"id": 2, "ref": None}), "a line is one stream's"
    assert refuses(shell, "request", {"id": 2, "action": "checkin"})
    insert(shell, "request", id=2, action="checkout")
    assert refuses(shell, "request", {"id": 3, "action": "checkout"})
    shell.execute("UPDATE invoice SET number = 'N1'")
    assert refuses(shell, "invoice", {"id": 2, "status": "PAID", "number": "N1"})
    for number in (2, 3):
        insert(shell, "invoice_line", id=number, key=None)
        insert(shell, "stream", id=number, ref=None, checkin_line=None)


def test_triggers_keep_an_invoices_amount_the_sum_of_its_lines(shell: sqlite3.Connection) -> None:
    fill(shell, "user", "invoice")
    insert(shell, "invoice", id=2, date="2026-12-01", month="2026-12")

    def amounts(*wanted: int) -> None:
        assert shell.execute("SELECT amount FROM invoice ORDER BY id").fetchall() == [(one,) for one in wanted]

    insert(shell, "invoice_line")
    insert(shell, "invoice_line", id=2, key=None, amount=-30, kind="discount")
    amounts(70, 0)
    shell.execute("UPDATE invoice_line SET amount = 500 WHERE id = 1")
    amounts(470, 0)
    with pytest.raises(sqlite3.IntegrityError, match="below_zero"):
        shell.execute("UPDATE invoice_line SET invoice = 2 WHERE id = 1")
    amounts(470, 0)
    shell.execute("DELETE FROM invoice_line WHERE id = 2")
    shell.execute("UPDATE invoice_line SET invoice = 2, amount = 40 WHERE id = 1")
    amounts(0, 40)
    with pytest.raises(sqlite3.IntegrityError, match="below_zero"):
        insert(shell, "invoice_line", id=3, key=None, invoice=2, amount=-41, kind="adjustment")
    shell.execute("DELETE FROM invoice_line")
    amounts(0, 0)


def test_a_parent_takes_its_own_along_and_nothing_else(shell: sqlite3.Connection) -> None:
    fill(shell, "user", "membership", "invoice", "invoice_line", "stream")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        shell.execute("DELETE FROM user")
    shell.execute("DELETE FROM invoice")
    assert shell.execute("SELECT id FROM invoice_line").fetchall() == []
    assert shell.execute("SELECT checkin_line FROM stream").fetchall() == [(None,)], "the stream stays"
    shell.execute("DELETE FROM stream")
    shell.execute("DELETE FROM user")
    assert shell.execute("SELECT id FROM membership").fetchall() == []


def test_an_id_is_never_given_twice(shell: sqlite3.Connection) -> None:
    fill(shell, "user", "invoice", "invoice_line", "stream", "request")
    for table in ("request", "stream", "invoice_line", "invoice", "user"):
        shell.execute(f'DELETE FROM "{table}"')
    for table in ("user", "membership", "invoice", "invoice_line", "stream", "request"):
        sql = shell.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        assert "AUTOINCREMENT" in sql
    row = {name: value for name, value in GOOD["user"].items() if name != "id"}
    shell.execute(f"INSERT INTO user ({', '.join(row)}) VALUES (?, ?, ?)", list(row.values()))
    assert shell.execute("SELECT id FROM user").fetchall() == [(2,)]


def test_every_table_is_strict_and_the_models_have_its_columns(shell: sqlite3.Connection) -> None:
    strict = {row[1]: bool(row[5]) for row in shell.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")}
    names = {model._meta.table_name for model in models.ENTITIES}
    assert strict == dict.fromkeys((*names, "schema_migration"), True)
    for model in models.ENTITIES:
        meta = model._meta
        columns = shell.execute(f'PRAGMA table_info("{meta.table_name}")').fetchall()
        assert [row[1] for row in columns] == [field.column_name for field in meta.sorted_fields]
        for _, name, _, not_null, _, key in columns:
            field = meta.columns[name]
            assert field.null == (not not_null and not key), (meta.table_name, name)
            assert field.primary_key == bool(key)


def test_the_header_says_whose_it_is(program: Program) -> None:
    head = program.db.read_bytes()[:100]
    assert head[68:72] == b"STCL" == header.APPLICATION_ID.to_bytes(4, "big")
    assert int.from_bytes(head[60:64], "big") == SCHEMA
    assert program.sql("PRAGMA journal_mode") == [("wal",)]
    assert head[18:20] == b"\x02\x02", "WAL is in the file itself"


def test_the_pragmas_that_money_depends_on_are_on(store: Store) -> None:
    wanted = {"foreign_keys": 1, "synchronous": 2, "recursive_triggers": 1, "trusted_schema": 0, "journal_mode": "wal"}
    assert {name: store.pragma(name) for name in wanted} == wanted
    assert store.pragma("busy_timeout") == 30_000
    assert store.run("PRAGMA integrity_check") == [("ok",)]
