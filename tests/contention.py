"""Many processes that check in and out at the same time, and how long each had to wait.

python contention.py PLACE HOME PROCESSES EACH OPTION...      prints what came of it as JSON

`batch` lets a batch in groups of 1000 write beside them without a pause, `unfair` leaves them without a queue, and
with `started` each command is a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from inside import Inside
from program import Answer, Program
from streams import enrol

MEMBERS, CREDITS = 8, 5
ENDLESS = 200_000  # events


def crowded(program: Program, processes: int, each: int, *options: str) -> dict[str, Any]:
    """Enrol members, let the processes at them, and look at what they leave; `wrong` is what is wrong with it."""
    enrol(program, *(f"m{number}@example.com" for number in range(1, MEMBERS + 1)), credits=CREDITS)
    command = [sys.executable, __file__, str(program.db), str(program.home), str(processes), str(each), *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "wrong": [*found["wrong"], *_left(program, found["done"], "batch" in options)]}


def _left(program: Program, done: dict[str, int], others: bool) -> Iterator[str]:
    """What is wrong with what is there, after so many check-ins and check-outs."""
    lines = dict(program.sql("SELECT kind, count(*) FROM invoice_line GROUP BY kind"))
    if not others and lines != {kind: count for kind, count in done.items() if count}:
        yield f"{lines} lines for {done}"
    open_ones = program.sql('SELECT "user", count(*) FROM stream WHERE closed_at IS NULL GROUP BY "user"')
    if any(count > CREDITS for _, count in open_ones):
        yield f"oversold: {open_ones}"
    if (checked := program("db", "check")).status:
        yield f"db check: {checked}"


def crowd(place: Path | str, home: Path, processes: int, each: int, options: list[str]) -> dict[str, Any]:
    """Let so many processes run so many commands each."""
    program = Inside(place, home)
    waits = _measured()
    if "unfair" in options:
        from streamctl.store import queue

        queue.turn = lambda *_: nullcontext()  # type: ignore[assignment]
    children = []
    start = time.monotonic()
    for number in range(processes):
        if not (process := os.fork()):
            report = _one(Program(place, home) if "started" in options else program, number, each, waits)
            (home / f"report{number}").write_text(json.dumps(report))
            os._exit(0)
        children.append(process)
    beside = _batch(program, home) if "batch" in options else None
    statuses = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children]
    seconds = time.monotonic() - start
    if beside:
        os.kill(beside, signal.SIGKILL)
        os.waitpid(beside, 0)
    reports = [json.loads((home / f"report{number}").read_text()) for number in range(processes)]
    waited = sorted(wait for report in reports for wait in report["waits"])
    done = Counter[str]()
    for report in reports:
        done.update(report["done"])
    return {
        "commands": processes * each,
        "seconds": seconds,
        "done": done,
        "longest_wait": max(waited, default=0.0),
        "median_wait": waited[len(waited) // 2] if waited else 0.0,
        "longest_command": max(report["longest"] for report in reports),
        "wrong": [*(f"ended with {s}" for s in statuses if s), *(w for report in reports for w in report["wrong"])][:5],
    }


def _one(program: Program, number: int, each: int, waits: list[float]) -> dict[str, Any]:
    luck = random.Random(number)
    done, wrong, longest = Counter[str](), list[str](), 0.0
    for _ in range(each):
        kind = luck.choice(("checkin", "checkout"))
        start = time.monotonic()
        answer = program("stream", kind, luck.randint(1, MEMBERS), "--format", "json")
        longest = max(longest, time.monotonic() - start)
        if fault := _fault(kind, answer):
            wrong.append(fault)
        done[kind] += answer.status == 0
    return {"done": done, "wrong": wrong, "longest": longest, "waits": waits}


def _fault(kind: str, answer: Answer) -> str | None:
    """What is wrong with an answer."""
    if answer.status == 0:
        left = answer.json["credits"]
        return None if (0 <= left < CREDITS if kind == "checkin" else 0 < left <= CREDITS) else f"{left} credits left"
    expected = "no_credits" if kind == "checkin" else "no_open_stream"
    return None if (answer.status, answer.error["code"]) == (4, expected) else str(answer)


def _measured() -> list[float]:
    """How long each wait for the lock of a write was, from here on."""
    from streamctl.store import postgres, sqlite

    waits: list[float] = []
    for store in (sqlite.SqliteStore, postgres.PostgresStore):

        def writing(self: Any, *, alone: bool, real: Any = store.writing) -> Any:
            @contextmanager
            def timed() -> Iterator[None]:
                start = time.monotonic()
                with real(self, alone=alone):
                    waits.append(time.monotonic() - start)
                    yield

            return timed()

        store.writing = writing  # type: ignore[method-assign]
    return waits


def _batch(program: Inside, home: Path) -> int:
    """Somebody who plays events without end."""
    file = home / "endless.jsonl"
    with file.open("w") as events:
        for number in range(ENDLESS // 2):
            name = f'"member": {1 + number % MEMBERS}, "ref": "b{number}"'
            events.write(f'{{"action": "checkin", {name}}}\n{{"action": "checkout", {name}}}\n')
    if not (process := os.fork()):
        program("stream", "batch", file)
        os._exit(0)
    return process


if __name__ == "__main__":
    asked, folder, count, times, *more = sys.argv[1:]
    where = asked if "://" in asked else Path(asked)
    print(json.dumps(crowd(where, Path(folder), int(count), int(times), more)))
