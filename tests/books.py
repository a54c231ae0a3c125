"""What the tests of reports share: invoices and lines put straight into the database, amounts read exactly."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from program import Program
from shell import Shell
from streams import enrol

KINDS = ("manual", "adjustment", "checkin", "checkout", "fee")
Row = dict[str, Any]
AWKWARD = "Zoë \u202e\x1b[31m😀\t\x7f\u2028 \\N \\. 100% 'q' \"d\" {}\r\n"
LOGS = ("journal", "journal_row", "journal_person")


def exact(program: Program, *words: object) -> list[Row]:
    """The rows of the answer, amounts as decimals."""
    answer = program(*words, "--format", "json")
    assert (answer.status, answer.err) == (0, ""), answer.err
    rows: list[Row] = json.loads(answer.out, parse_float=Decimal, parse_int=Decimal)
    return rows


def bill(program: Program, day: str, *amounts: int, kind: str = "manual", **values: object) -> None:
    """An invoice of member 1 of that day, with a line for each amount in minor units; `values` are its columns."""
    columns = {"user": 1, "date": day, "month": day[:7], "description": "", "status": "OUT", "amount": 0, **values}
    names, places = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    with Shell(program.db) as shell:
        insert = f"INSERT INTO invoice ({names}) VALUES ({places}) RETURNING id"
        ((found,),) = shell.execute(insert, [*columns.values()])
        shell.repeat(
            "INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (?, ?, '', ?)",
            [(found, amount, "discount" if amount < 0 else kind) for amount in amounts],
        )


def random_books(program: Program, seed: int, count: int = 50) -> Program:
    """Invoices of three members in every state, dated in eight months, with up to six lines of every kind each."""
    dice = random.Random(seed)
    enrol(program, "a@example.com", "b@example.com", "c@example.com")
    for _ in range(count):
        dated = date(2026, 3, 1) + timedelta(days=dice.randrange(240))
        issued = f"{dated + timedelta(days=dice.randrange(40))}T{dice.randrange(24):02}:30:00Z"
        status = dice.choice(["OUT", "PAID", "VOID"])
        later = str(dated + timedelta(days=dice.randrange(120)))
        values: dict[str, object] = {"user": dice.randint(1, 3), "status": status, "issued_at": issued}
        values["due_date"] = dice.choice([None, str(date.fromisoformat(issued[:10]) + timedelta(days=14))])
        if status == "PAID":
            values["paid_on"] = dice.choice([None, later])
        if status == "VOID":
            values["voided_at"] = dice.choice([None, f"{later}T23:30:00Z"])
        amounts = sorted((dice.randint(-99, 9999) for _ in range(dice.randrange(6))), reverse=True)
        if sum(amounts) >= 0:
            bill(program, str(dated), *amounts, kind=dice.choice(KINDS), **values)
    return program


def everything(member: Program) -> Program:
    """Books with something in every table and every column that can hold something."""
    member.ok("db", "set", "seller_address", "1 Harbour Road; Dublin")
    member.ok("db", "set", "timezone", "Europe/Berlin")
    member.ok("members", "add", "zoë@example.com", "--no-membership", "--name", AWKWARD.replace("\r\n", ""))
    member.ok("members", "add", "gone@example.com")
    member.ok("members", "delete", 3, "--yes")
    member.ok("stream", "checkin", 1, "--ref", "k1", "--device", "tv", "--lease", "2h")
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkin", 1, "--lease", "1h")
    member.ok("stream", "checkout", 1, "--ref", "k1")
    member.at("2026-11-22T14:00:00Z").ok("stream", "expire")
    member.ok("invoices", "create", 1, "--date", "2026-10-01", "--amount", "20", "--status", "PAID")
    member.ok("invoices", "create", 1, "--date", "2026-09-01", "--amount", "5")
    member.ok("lines", "add", 3, "--discount", "4.99", "--key", "k2", "--description", AWKWARD.strip())
    member.ok("invoices", "update", 3, "--amount", "2")
    member.ok("invoices", "void", 3, "--reason", 'why, "so"\n')
    member.ok("invoices", "generate", "--month", "2026-10")
    member.ok("invoices", "create", 1, "--date", "2026-08-01", "--amount", "999999999.99")
    member.ok("invoices", "issue", "--month", "2026-08")
    member.ok("invoices", "create", 1, "--date", "2026-07-01")
    member.ok("invoices", "delete", 5, "--yes")
    member.ok("members", "cancel", 1)
    return member


def dumped(program: Program, db: Path | str | None = None) -> dict[str, Any]:
    """The whole database as its dump has it, without the log's entries of loads and restores."""
    answer = program("--db", db or program.db, "db", "dump")
    assert answer.status == 0, answer.err
    document: dict[str, Any] = json.loads(answer.out)
    tables = document["tables"]
    loads = {entry for entry, _, _, _, command, *_ in tables["journal"]["rows"] if command in ("db load", "db restore")}
    for name, place in zip(LOGS, (0, 1, 1), strict=True):
        tables[name]["rows"] = [row for row in tables[name]["rows"] if row[place] not in loads]
        document["sequences"].pop(name, None)
    return document


def timeless(program: Program) -> dict[str, Any]:
    """The same without the times at which the log's entries were written."""
    document = dumped(program)
    document["tables"]["journal"]["rows"] = [[*row[:1], *row[2:]] for row in document["tables"]["journal"]["rows"]]
    return document
