"""The database holds the rules by itself: rows that break one are refused, whoever writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from program import Program
from shell import REFUSALS, Shell

from streamctl.store import header, logbook
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
    *(("user", {"email": value}) for value in (None, "", "@", "a@", "@b", "ab", "a@" + "b" * 253)),
    *(("user", {"email_key": value}) for value in (None, "first@x")),
    ("user", {"name": "n" * 256}),
    *(("membership", {"user": value}) for value in (99, None, "x", 1)),
    *(("membership", {"state": value}) for value in ("act", "", None, "GONE")),
    *(("membership", {"credit_limit": value}) for value in (-1, 1001, None, "many")),
    *(("membership", {"fee": value}) for value in (-1, 10**13, None, "free")),
    *(("membership", {"end_date": value}) for value in ("2026-11-01", "2026-10-31", "3000-01-01", None)),
    ("membership", {"start_date": "1999-12-31"}),
    ("membership", {"cancelled_on": DAY}),
    *(("invoice", {"user": value}) for value in (99, None)),
    *(("invoice", {"status": value}) for value in ("out", "PAYED", "", None)),
    *(("invoice", {"amount": value}) for value in (-1, None, "x")),
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
    *(("invoice_line", {"amount": value}) for value in (10**13, None, "x")),
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
    *(("counter", {"value": value}) for value in (-1, None, "x")),
    ("counter", {"name": "invoice_number"}),
)
OF_ANOTHER_TYPE = (
    ("user", {"email": b"a@b"}),
    ("user", {"name": b"n"}),
    ("membership", {"credit_limit": 1.5}),
    ("membership", {"fee": 9.9}),
    ("invoice", {"amount": 1.5}),
    ("invoice_line", {"amount": 1.5}),
    ("counter", {"value": 1.5}),
)
DAYS = {"membership": ("start_date", "end_date"), "invoice": ("date",)}
INSTANTS = {"user": ("created_at",), "stream": ("opened_at", "seen_at", "expires_at"), "request": ("at",)}


@pytest.fixture
def shell(program: Program) -> Iterator[Shell]:
    """The database in another hand, with foreign keys on and nothing else of ours."""
    with Shell(program.db) as shell:
        if not shell.server:
            shell.execute("PRAGMA foreign_keys = 1")
        yield shell


def insert(shell: Shell, table: str, **changes: Any) -> dict[str, Any]:
    """Insert the good row of the table with these changes; as it is stored."""
    row = GOOD[table] | changes
    names, places = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
    statement = f'INSERT INTO "{table}" ({names}) VALUES ({places}) RETURNING {names}'
    (stored,) = shell.execute(statement, list(row.values()))
    return dict(zip(row, stored, strict=True))


def fill(shell: Shell, *tables: str) -> None:
    for table in tables:
        insert(shell, table)


def parents(table: str) -> list[str]:
    """The tables whose good row the table's good row stands on."""
    wanted = {"membership": 1, "invoice": 1, "invoice_line": 2, "stream": 3}.get(table, 0)
    return ["user", "invoice", "invoice_line"][:wanted]


def refuses(shell: Shell, table: str, changes: dict[str, Any]) -> bool:
    try:
        insert(shell, table, **changes)
    except REFUSALS:
        return True
    return False


def slipped(shell: Shell, rows: Iterable[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Those of the rows that are taken."""
    taken = []
    for table, changes in rows:
        shell.execute("BEGIN")
        fill(shell, *parents(table))
        if table == "user":
            insert(shell, "user", id=2, email="first@x", email_key="first@x")
        if changes == {"user": 1}:
            insert(shell, "membership", id=2)
        if not refuses(shell, table, changes):
            taken.append((table, changes))
        shell.execute("ROLLBACK")
    return taken


def test_every_rule_refuses_the_rows_that_break_it(shell: Shell) -> None:
    assert slipped(shell, BAD) == []


@pytest.mark.sqlite("a server makes of it what the column takes")
def test_no_column_takes_what_is_of_another_type(shell: Shell) -> None:
    assert slipped(shell, OF_ANOTHER_TYPE) == []


def test_every_table_takes_its_good_row(shell: Shell) -> None:
    for table in GOOD:
        fill(shell, table)
    assert shell.execute("SELECT amount FROM invoice") == [(100,)]
    insert(shell, "stream", id=2, ref=None, checkin_line=None, expires_at="2026-11-22T12:00:01Z", **CLOSED)
    insert(shell, "invoice", id=2, status="PAID", paid_on=None)
    insert(shell, "invoice", id=3, status="PAID", paid_on="2026-12-01", issued_at=NOW, due_date="2026-12-06")
    if not shell.server:
        assert shell.execute("PRAGMA foreign_key_check") == []


ODD_DAYS = "2026-02-30 2026-13-01 2026-11-31 2026-99-99 2026-1-1 2026-11-22T00:00:00Z 2026 2q infinity today".split()
ODD_INSTANTS = (
    *("2026-11-22", "2026-11-22T12:00:00", "2026-11-22 12:00:00Z", "2026-11-22T12:00:60Z", "2026-11-22T12:00:00.5Z"),
    *("yesterday", "infinity", "-infinity", ""),
)


def is_real(stored: str, form: str) -> bool:
    """Whether it is a moment, written as this program writes it."""
    try:
        return datetime.strptime(stored, form).replace(tzinfo=UTC).strftime(form) == stored
    except ValueError:
        return False


def test_a_day_and_an_instant_are_real_ones(shell: Shell) -> None:
    """What is written in another way is refused, or becomes what it means: a server's own types do that."""
    slipped = []
    for tables, values, form in ((DAYS, ODD_DAYS, "%Y-%m-%d"), (INSTANTS, ODD_INSTANTS, "%Y-%m-%dT%H:%M:%SZ")):
        for table, columns in tables.items():
            for column in columns:
                for value in values:
                    shell.execute("BEGIN")
                    fill(shell, *parents(table))
                    more = {"month": value[:7]} if column == "date" else {}
                    with suppress(*REFUSALS):
                        stored = insert(shell, table, **{column: value}, **more)[column]
                        if not is_real(stored, form):
                            slipped.append((table, column, value, stored))
                    shell.execute("ROLLBACK")
    assert slipped == []


def test_there_is_one_open_invoice_a_user_and_month(shell: Shell) -> None:
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
        with pytest.raises(REFUSALS, match=r"(?i)unique"):
            shell.execute(statement)


def test_what_is_a_name_of_one_thing_is_unique(shell: Shell) -> None:
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


def test_triggers_keep_an_invoices_amount_the_sum_of_its_lines(shell: Shell) -> None:
    fill(shell, "user", "invoice")
    insert(shell, "invoice", id=2, date="2026-12-01", month="2026-12")

    def amounts(*wanted: int) -> None:
        assert shell.execute("SELECT amount FROM invoice ORDER BY id") == [(one,) for one in wanted]

    insert(shell, "invoice_line")
    insert(shell, "invoice_line", id=2, key=None, amount=-30, kind="discount")
    amounts(70, 0)
    shell.execute("UPDATE invoice_line SET amount = 500 WHERE id = 1")
    amounts(470, 0)
    with pytest.raises(REFUSALS, match="below_zero"):
        shell.execute("UPDATE invoice_line SET invoice = 2 WHERE id = 1")
    amounts(470, 0)
    shell.execute("DELETE FROM invoice_line WHERE id = 2")
    shell.execute("UPDATE invoice_line SET invoice = 2, amount = 40 WHERE id = 1")
    amounts(0, 40)
    with pytest.raises(REFUSALS, match="below_zero"):
        insert(shell, "invoice_line", id=3, key=None, invoice=2, amount=-41, kind="adjustment")
    shell.execute("DELETE FROM invoice_line")
    amounts(0, 0)


def test_a_parent_takes_its_own_along_and_nothing_else(shell: Shell) -> None:
    fill(shell, "user", "membership", "invoice", "invoice_line", "stream")
    with pytest.raises(REFUSALS, match=r"(?i)foreign key"):
        shell.execute("DELETE FROM user")
    shell.execute("DELETE FROM invoice")
    assert shell.execute("SELECT id FROM invoice_line") == []
    assert shell.execute("SELECT checkin_line FROM stream") == [(None,)], "the stream stays"
    shell.execute("DELETE FROM stream")
    shell.execute("DELETE FROM user")
    assert shell.execute("SELECT id FROM membership") == []


def test_an_id_is_never_given_twice(shell: Shell) -> None:
    row = {name: value for name, value in GOOD["user"].items() if name != "id"}
    for number in (1, 2):
        shell.execute(f"INSERT INTO user ({', '.join(row)}) VALUES (?, ?, ?)", list(row.values()))
        assert shell.execute("SELECT id FROM user") == [(number,)]
        shell.execute("DELETE FROM user")
    gives = "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = ?"
    if shell.server:
        gives = (
            "SELECT attidentity = 'd' FROM pg_attribute WHERE attname = 'id' AND attrelid = to_regclass(quote_ident(?))"
        )
    for table in ("user", "membership", "invoice", "invoice_line", "stream", "request"):
        assert shell.execute(gives, (table,)) == [(1,)], table


COLUMNS = {
    "sqlite": 'SELECT name, type, NOT "notnull" AND NOT pk, pk FROM pragma_table_info(?)',
    "postgresql": """
        SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull, attnum = ANY (conkey)
        FROM pg_attribute JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE attrelid = to_regclass(quote_ident(?)) AND attnum > 0 ORDER BY attnum
    """,
}
TYPES = {
    "sqlite": {"TEXT": "TEXT", "DATE": "TEXT", "DATETIME": "TEXT", "INT": "INTEGER"},
    "postgresql": {"TEXT": "text", "DATE": "date", "DATETIME": "timestamp(0) with time zone", "INT": "integer"},
}
IDS_AND_AMOUNTS = {"sqlite": "INTEGER", "postgresql": "bigint"}


def test_the_models_have_the_columns_of_the_tables_and_their_types(program: Program) -> None:
    names = {model._meta.table_name for model in logbook.ENTITIES}
    assert set(program.books()) - {"sqlite_sequence"} == {*names, "schema_migration"}
    for model in logbook.ENTITIES:
        expected = []
        for field in model._meta.sorted_fields:
            kind = TYPES[program.engine].get(field.field_type, IDS_AND_AMOUNTS[program.engine])
            expected.append((field.column_name, kind, field.null, field.primary_key))
        assert program.sql(COLUMNS[program.engine], model._meta.table_name) == expected


@pytest.mark.sqlite("the only one whose tables may be lax")
def test_every_table_is_strict(shell: Shell) -> None:
    strict = {row[1]: bool(row[5]) for row in shell.execute("PRAGMA table_list") if not row[1].startswith("sqlite_")}
    assert set(strict.values()) == {True}


@pytest.mark.sqlite("a file's header")
def test_the_header_says_whose_it_is(program: Program) -> None:
    head = program.db.read_bytes()[:100]
    assert head[68:72] == b"STCL" == header.APPLICATION_ID.to_bytes(4, "big")
    assert int.from_bytes(head[60:64], "big") == SCHEMA
    assert program.sql("PRAGMA journal_mode") == [("wal",)]
    assert head[18:20] == b"\x02\x02", "WAL is in the file itself"


@pytest.mark.sqlite("what SQLite has to be told")
def test_the_pragmas_that_money_depends_on_are_on(store: Store) -> None:
    wanted = {"foreign_keys": 1, "synchronous": 2, "recursive_triggers": 1, "trusted_schema": 0, "journal_mode": "wal"}
    assert {name: store.pragma(name) for name in wanted} == wanted
    assert store.pragma("busy_timeout") == 30_000
    assert store.run("PRAGMA integrity_check") == [("ok",)]
