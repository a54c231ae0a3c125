"""What the tests of streams share: members put straight into the database, events played at once, times of one day."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

from inside import Inside
from program import Program
from shell import Shell

Rows = list[tuple[Any, ...]]


def day(clock: str) -> str:
    """The instant of that time of day, such as 12:05 or 12:05:30, on 2026-11-22."""
    return f"2026-11-22T{clock}:00Z" if len(clock) == 5 else f"2026-11-22T{clock}Z"


def at(program: Program, clock: str) -> Program:
    """The program at that time of day on 2026-11-22."""
    return replace(program, now=day(clock))


def inside(program: Program) -> Inside:
    """The same program called in this process."""
    return Inside(program.db, program.home, program.now)


def process(program: Program) -> Program:
    """The same program as a process of its own, every time."""
    return Program(program.db, program.home, program.now)


def enrol(program: Program, *emails: str, credits: int = 3) -> Program:
    """Members for the whole of 2026-11, numbered from 1; no process is run for them."""
    with Shell(program.db) as shell:
        shell.repeat(
            "INSERT INTO user (email, email_key, created_at) VALUES (?, ?, '2026-11-01T00:00:00Z')",
            [(email, email) for email in emails],
        )
        shell.repeat(
            'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date)'
            " VALUES (?, 'ACT', ?, 0, '2026-11-01', '2026-12-01')",
            [(number, credits) for number in range(1, len(emails) + 1)],
        )
    return program


def event(action: str, clock: str | None = None, **values: object) -> dict[str, object]:
    """An event of that time of day on 2026-11-22, or of now."""
    return {"action": action, **values, **({"at": day(clock)} if clock else {})}


def lines(*events: dict[str, object]) -> bytes:
    """The events as JSON Lines."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def play(program: Program, *events: dict[str, object]) -> list[dict[str, Any]]:
    """Play the events from a file; a receipt each."""
    (program.home / "events.jsonl").write_bytes(lines(*events))
    answer = program("stream", "batch", "events.jsonl")
    receipts = [json.loads(line) for line in answer.out.splitlines()]
    assert len(receipts) == len(events), answer.err
    assert answer.status == (0 if all(receipt["ok"] for receipt in receipts) else 4), answer.err
    return receipts


def codes(receipts: list[dict[str, Any]]) -> list[str]:
    """The code of each receipt's error, `ok` without one, `again` for a replay."""
    return [
        receipt["error"]["code"] if not receipt["ok"] else "again" if receipt["replayed"] else "ok"
        for receipt in receipts
    ]


def follow(program: Program, suggestion: str) -> Any:
    """Run the command as it was suggested; its answer."""
    name, *words = shlex.split(suggestion)
    assert name == "streamctl"
    return program.ok(*words)


def ends(program: Program) -> dict[int, tuple[Any, ...]]:
    """How each stream ended, straight from the database: when, why, and with which line."""
    rows = program.sql("SELECT id, closed_at, close_reason, checkout_line FROM stream ORDER BY id")
    return {number: tuple(rest) for number, *rest in rows}


def limit(program: Program, credits: int) -> None:
    """Set the limit of member 1 behind the program's back."""
    program.sql('UPDATE membership SET credit_limit = ? WHERE "user" = 1', credits)
