"""Ctrl-C and SIGTERM at any moment of a command, once or twice; what it says compared with what is there."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from program import Answer, Program
from streams import enrol

BOUND = 60.0  # seconds; only what makes a hang a failure
STOPPED = 130
STAYS = "what was committed until then stays done"


class Command(NamedTuple):
    """A command with a name of its own in it, and how many rows of that name there are when it is done."""

    words: Callable[[str], tuple[object, ...]]
    query: str
    rows: int


def _batch(tag: str) -> tuple[object, ...]:
    return ("stream", "batch", f"{tag}.jsonl", "--commit-every", 5)


BATCH = Command(_batch, "SELECT count(*) FROM stream WHERE ref LIKE ? || '-%'", 20)
COMMANDS = (
    Command(
        lambda tag: ("stream", "checkin", "m@example.com", "--ref", tag, "--format", "json"),
        "SELECT count(*) FROM stream WHERE ref = ?",
        1,
    ),
    Command(
        lambda tag: ("lines", "add", 1, "--amount", 1, "--key", tag, "--format", "json"),
        "SELECT count(*) FROM invoice_line WHERE key = ?",
        1,
    ),
    BATCH,
)


class Stopped(NamedTuple):
    """What was tried, and what was wrong."""

    signals: int
    ended: Counter[str]
    wrong: list[str]


def listening(process: subprocess.Popen[str]) -> bool:
    """Whether the program has come so far that SIGTERM is its own affair."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def stop(program: Program, moments: int, seed: int) -> Stopped:
    """Stop each command at so many random moments."""
    enrol(program, "m@example.com", *(f"m{moment}@example.com" for moment in range(moments)), credits=1000)
    program.ok("invoices", "create", 1, "--date", "2026-10-01")
    luck = random.Random(seed)
    ended, wrong, signals = Counter[str](), list[str](), 0
    for number, command in enumerate(COMMANDS):
        length = max(_length(program, command, f"measured{number}-{turn}") for turn in range(2))
        for moment in range(moments):
            tag = f"s{seed}-{number}-{moment}"
            sent = luck.choice((signal.SIGINT, signal.SIGTERM))
            after, twice = luck.random() * length, luck.random() < 0.5
            signals += 1 + twice
            answer = _run(program, command, tag, [sent] * (1 + twice), after, luck.random() * 0.003)
            ended[_kind(answer)] += 1
            where = f"{' '.join(map(str, command.words(tag)))}: {sent.name} after {after:.4f} of {length:.4f} s"
            wrong += [f"{where}: {fault}: {answer}" for fault in _wrong(program, command, tag, answer)]
    if (check := program("db", "check")).status:
        wrong.append(f"db check: {check}")
    return Stopped(signals, ended, wrong)


def _kind(answer: Answer) -> str:
    said = (answer.err.partition("change is ")[2] and "done") or ("stays" if STAYS in answer.err else "nothing")
    return "too late" if answer.status == 0 else said


def _start(program: Program, command: Command, tag: str) -> subprocess.Popen[str]:
    member = f"m{tag.rpartition('-')[2]}@example.com"
    events = [
        f'{{"action": "checkin", "member": "{member}", "ref": "{tag}-{number}"}}\n' for number in range(BATCH.rows)
    ]
    (program.home / f"{tag}.jsonl").write_text("".join(events))
    process = subprocess.Popen(
        [sys.executable, "-m", "streamctl", *map(str, command.words(tag))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program.environment,
        cwd=program.home,
    )
    deadline = time.monotonic() + BOUND
    while not listening(process):
        assert time.monotonic() < deadline, "it never listens"
        time.sleep(0.0002)
    return process


def _length(program: Program, command: Command, tag: str) -> float:
    """Seconds that it takes from where it listens."""
    with _start(program, command, tag) as process:
        start = time.monotonic()
        process.communicate(timeout=BOUND)
        assert process.returncode == 0
        return time.monotonic() - start


def _run(
    program: Program, command: Command, tag: str, signals: list[signal.Signals], after: float, between: float
) -> Answer:
    with _start(program, command, tag) as process:
        for number, sent in enumerate(signals):
            time.sleep(between if number else after)
            process.send_signal(sent)
        out, err = process.communicate(timeout=BOUND)
        return Answer(process.returncode, out, err)


def _wrong(program: Program, command: Command, tag: str, answer: Answer) -> Iterator[str]:
    """Every promise that is broken."""
    count = program.sql(command.query, tag)[0][0]
    if answer.status not in (0, STOPPED) or "Traceback" in answer.err:
        yield "it ends in another way"
    if answer.status == STOPPED and answer.err.count("\n") != 1:
        yield "it is not one line"
    if answer.status == 0 and (answer.err or count != command.rows):
        yield f"{count} rows"
    if answer.status == STOPPED:
        yield from _told(command, answer, count)
    again = program(*command.words(tag))
    if again.status or program.sql(command.query, tag)[0][0] != command.rows:
        yield f"again: {again}"


def _told(command: Command, answer: Answer, count: int) -> Iterator[str]:
    """What is not as it says."""
    if "nothing was changed" in answer.err and count:
        yield f"{count} rows all the same"
    if "change is done" in answer.err and count != command.rows:
        yield f"{count} rows"
    if command is BATCH:
        receipts = [json.loads(line) for line in answer.out.splitlines(keepends=True) if line.endswith("\n")]
        if len(receipts) > count:
            yield f"{count} rows for {len(receipts)} receipts"
        if (STAYS in answer.err) != (count > 0):
            yield f"{count} rows"
    elif "nothing was changed" not in answer.err and "change is done" not in answer.err:
        yield "it does not say how far it came"
