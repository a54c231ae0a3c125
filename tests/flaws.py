"""What can be wrong in a database that nobody's rules kept, as tests of `db check` plant and find it."""

from __future__ import annotations

from typing import Any

from program import Program
from shell import Shell

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
