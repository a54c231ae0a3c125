"""What must hold after a command whose disk failed, or that was killed or told to stop, at any of its calls."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from faults import AFTER, BEFORE, ERRORS, Fault, Launcher, Outcome
from inside import Inside
from program import Program
from streams import enrol, event, lines
from versions import to_the_first

# The facts of the business; what else is kept beside them may say when it was, by the real clock.
FACTS = ("user", "membership", "invoice", "invoice_line", "stream", "request", "setting", "counter")
WAYS = (("EIO", BEFORE), ("ENOSPC", BEFORE), ("SIGKILL", BEFORE), ("SIGKILL", AFTER), ("SIGTERM", AFTER))
Books = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A command: on which database, in how many transactions, and how it answers when it is given once more."""

    words: tuple[object, ...]
    again: tuple[int, ...] = (0,)
    begin: Callable[[Program], None] | None = lambda program: None  # None: there is no database yet
    whole: bool = True  # one transaction

    @property
    def name(self) -> str:
        return " ".join(map(str, self.words))


def _months(program: Program) -> None:
    program.ok("invoices", "generate", "--month", "2026-11")


EVENTS = [
    *(event("checkin", f"10:0{number}", member=1 + number % 3, ref=f"e{number}") for number in range(6)),
    *(event("checkout", f"11:0{number}", member=1 + number % 3, ref=f"e{number}") for number in range(6)),
]
CHECKIN = Case(("stream", "checkin", 1, "--ref", "one"))
CASES = (
    CHECKIN,
    Case(("stream", "checkout", 1, "--ref", "open")),
    Case(("stream", "takeover", 1, "--ref", "two", "--oldest")),
    Case(("members", "add", "new@example.com", "--name", "New"), again=(4,)),
    Case(("lines", "add", 1, "--amount", "2.50", "--key", "cable")),
    Case(("invoices", "pay", 1)),
    Case(("invoices", "generate", "--month", "2026-11")),
    Case(("invoices", "issue", "--month", "2026-11", "--force"), begin=_months),
    Case(("stream", "batch", "events.jsonl", "--commit-every", 4), whole=False),
    Case(("db", "migrate"), begin=to_the_first),
    Case(("db", "init", "--timezone", "UTC"), begin=None),
)
SIGNED = CHECKIN, CASES[8], CASES[9], CASES[10]  # what is told to stop as well


@dataclass
class Tally:
    """What was tried, and what was wrong."""

    faults: Counter[str] = field(default_factory=Counter)
    ended: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(self.faults.values())


class Sweep:
    """One command on one database, again and again."""

    def __init__(self, launch: Launcher, case: Case, template: bytes, folder: Path) -> None:
        self._launch, self._case, self._folder = launch, case, folder
        folder.mkdir()
        (folder / "events.jsonl").write_bytes(lines(*EVENTS))
        self.program = Inside(folder / "streamctl.db", folder)
        self._template = None
        if case.begin:
            self._path.write_bytes(template)
            case.begin(self.program)
            self.program.sql("PRAGMA wal_checkpoint(TRUNCATE)")
            self._template = self._path.read_bytes()
        self._before = self._facts()
        self.clean = self._run(None)
        assert self.clean.answer.status == 0, self.clean
        self._after = self._facts()
        assert self._after != self._before

    @property
    def _path(self) -> Path:
        assert isinstance(self.program.db, Path)
        return self.program.db

    def _facts(self) -> Books:
        books = self.program.books()
        return {name: books[name] for name in FACTS if name in books}

    def _run(self, fault: Fault | None) -> Outcome:
        """Run it on the database as it was."""
        for path in self._folder.iterdir():
            if path.is_dir():  # what a killed run has left of its draft
                shutil.rmtree(path)
            elif path.name != "events.jsonl":
                path.unlink()
        if self._template is not None:
            self._path.write_bytes(self._template)
            self._path.chmod(0o600)
        return self._launch(self._path, self._folder, *self._case.words, *self._json, fault=fault)

    @property
    def _json(self) -> tuple[str, ...]:
        return () if self._case.words[:2] == ("stream", "batch") else ("--format", "json")

    def ends(self) -> Iterator[int]:
        """The calls that are not in the middle of many of the same kind."""
        number = 1
        for _, same in groupby(self.clean.calls):
            count = len(list(same))
            yield from sorted({number, number + count - 1})
            number += count

    def over(self, ways: Sequence[tuple[str, str]], numbers: Sequence[int] | None, tally: Tally) -> None:
        """Let each of these calls (all, and as many more as there may be with a fault) go wrong in each way."""
        for what, when in ways:
            number = 0
            for number in numbers or range(1, 10 * len(self.clean.calls)):
                fault = Fault(number, what, when)
                outcome = self._run(fault)
                if len(outcome.calls) < number:
                    break
                tally.faults[what] += 1
                tally.ended[outcome.answer.status] += 1
                where = f"{self._case.name}: call {number} ({outcome.calls[number - 1]}), {what} {when}"
                tally.wrong += [f"{where}: {wrong}: {outcome.answer}" for wrong in self._wrong(fault, outcome)]

    def _wrong(self, fault: Fault, outcome: Outcome) -> Iterator[str]:
        """Every promise that is broken."""
        answer = outcome.answer
        yield from self._spoken(fault, outcome)
        call = outcome.calls[fault.number - 1]
        if fault.what in ERRORS and call == "fsync" and answer.status == 0:
            yield "it may not last"  # SQLite's own syncs may fail where it puts its -wal away
        stays = fault.what == "SIGKILL" or (fault.what in ERRORS and call == "unlink")
        if not stays and (left := [p.name for p in self._folder.iterdir() if p.name.startswith(".")]):
            yield f"it leaves {left}"
        facts = self._facts() if self._path.exists() else {}
        if facts and (check := self.program("db", "check")).status and not self._old(facts):
            yield f"db check: {check}"
        done, nothing = facts == self._after, facts == self._before
        if self._case.whole and not (done or nothing):
            yield "it is half done"
        if answer.status == 0 and not done:
            yield "it is not there"
        if "nothing was changed" in answer.err and not nothing:
            yield "something was changed"
        if "change is done" in answer.err and not done:
            yield "it is not done"
        again = self.program(*self._case.words, *self._json)
        if again.status not in ((0,) if nothing else (0, *self._case.again)):
            yield f"again: {again}"
        if self._facts() != self._after:
            yield "again it is something else"

    def _old(self, facts: Books) -> bool:
        """Whether it is a database that is still to be migrated."""
        return self._case.words == ("db", "migrate") and facts == self._before

    def _spoken(self, fault: Fault, outcome: Outcome) -> Iterator[str]:
        answer = outcome.answer
        wanted = {"SIGKILL": (-9,), "SIGTERM": (130, 0), "SIGINT": (130, 0)}.get(fault.what, (0, 5, 6))
        if "events.jsonl" in answer.err:  # the only file it reads that is not the database
            wanted = (2,)
        if answer.status not in wanted:
            yield "the wrong exit"
        if "Traceback" in answer.err or (answer.status in (0, -9) and answer.err):
            yield "it says too much"
        if answer.status > 0:
            said = answer.err.splitlines()
            if self._json and len(said) == 1:
                assert json.loads(said[0])["error"]["message"]
            elif self._json or not 1 <= len(said) <= 2:
                yield "it is no clear line"


def template(folder: Path) -> bytes:
    """A database of three members with an invoice each, and a stream that is open."""
    program = Inside(folder / "template.db", folder)
    program.ok("db", "init", "--timezone", "UTC")
    enrol(program, "a@example.com", "b@example.com", "c@example.com", credits=4)
    program.sql("UPDATE membership SET fee = 990")
    program.ok("invoices", "create", 1, "--amount", 5, "--date", "2026-10-02")
    for member in (1, 2):
        program.ok("stream", "checkin", member, "--ref", "open" if member == 1 else "other")
    program.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "template.db").read_bytes()
