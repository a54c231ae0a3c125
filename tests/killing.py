"""Four writers that do every kind of write and are killed, one here, one there, now and then all; and what they were
told is done compared with what is there.

python killing.py PLACE HOME KILLS SEED      prints what came of it as JSON
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from inside import Inside
from logged import unlike
from program import Program
from shell import Shell

WRITERS, MEMBERS = 4, 3  # and members each
LATER = "2026-11-22T12:30:00Z"
SELLER = ("seller_name", "seller_address", "seller_email", "seller_note")
LONGEST = 0.12  # seconds from one kill to the next


class Fact(NamedTuple):
    """What is found when somebody looks: these rows, or a number that is at least so much."""

    statement: str
    parameters: tuple[object, ...]
    rows: list[list[object]] | None = None
    least: int = 0

    def holds(self, shell: Shell) -> bool:
        found = [list(row) for row in shell.execute(self.statement, self.parameters)]
        return found == self.rows if self.rows is not None else found[0][0] >= self.least


Facts = dict[str, Fact]
Told = Callable[[Any], Facts]


class Doing(NamedTuple):
    """A command, what it is about while it is under way, and what holds once it has answered."""

    words: tuple[object, ...]
    about: tuple[str, ...]
    told: Told


def row(table: str, where: str, value: object, *columns: object) -> Fact:
    """One row, found by a column, with these values in pairs of a name and a value."""
    names, values = columns[::2], columns[1::2]
    picked = ", ".join(f'"{name}"' for name in names) or "1"
    return Fact(f'SELECT {picked} FROM "{table}" WHERE {where} = ?', (value,), [list(values) or [1]])


def gone(table: str, where: str, value: object) -> Fact:
    """No such row."""
    return Fact(f'SELECT 1 FROM "{table}" WHERE {where} = ?', (value,), [])


def closed(stream: int) -> Fact:
    """The stream is closed."""
    return Fact("SELECT 1 FROM stream WHERE id = ? AND closed_at IS NOT NULL", (stream,), [[1]])


def charged(ref: str) -> Fact:
    """The stream of that key is there with its line."""
    join = "SELECT 1 FROM stream JOIN invoice_line ON invoice_line.id = stream.checkin_line WHERE stream.ref = ?"
    return Fact(join, (ref,), [[1]])


class Writer:
    """One of the four: what it does next, in a life of its own; nobody else touches what is its."""

    def __init__(self, number: int, life: int, home: Path) -> None:
        self._number, self._life, self._home = number, life, home
        self._luck = random.Random(f"{number} {life}")
        self._count = 0
        self._open: list[tuple[int, str]] = []

    def doings(self) -> Iterator[Doing]:
        """Without end."""
        kinds = [self._streams, self._streams, self._batch, self._members, self._invoices, self._months, self._others]
        while True:
            yield from self._luck.choice(kinds)()

    def _tag(self) -> str:
        self._count += 1
        return f"w{self._number}-{self._life}-{self._count}"

    def _member(self) -> int:
        return 1 + self._number * MEMBERS + self._luck.randrange(MEMBERS)

    def _streams(self) -> Iterator[Doing]:
        member, ref = self._member(), self._tag()
        lease = self._luck.choice([(), (), ("--lease", "60s")])
        yield Doing(("stream", "checkin", member, "--ref", ref, *lease), (ref,), lambda _: {ref: charged(ref)})
        if not lease:
            self._open.append((member, ref))
            yield Doing(("stream", "heartbeat", "--ref", ref), (), lambda _: {})
        if self._luck.random() < 0.3:
            other = self._tag()
            words = ("stream", "takeover", member, "--ref", other, "--oldest")
            yield Doing(
                words, (other,), lambda told: {other: charged(other), f"over {other}": closed(told["taken_over"])}
            )
        while self._open and self._luck.random() < 0.6:
            member, ref = self._open.pop()
            words = ("stream", "checkout", member, "--ref", ref)
            yield Doing(words, (), lambda told: {f"closed {told['stream_id']}": closed(told["stream_id"])})

    def _batch(self) -> Iterator[Doing]:
        refs = [self._tag() for _ in range(5)]
        events = [
            {"action": action, "member": self._member(), "ref": ref, "at": "2026-11-22T11:00:00Z"}
            for ref in refs
            for action in ("checkin",)
        ]
        file = self._home / f"events{self._number}.jsonl"
        file.write_text("".join(json.dumps(event) + "\n" for event in events))
        words = ("stream", "batch", file, "--commit-every", self._luck.choice([1, 2, 1000]))
        yield Doing(words, tuple(refs), lambda _: {ref: charged(ref) for ref in refs})

    def _members(self) -> Iterator[Doing]:
        name = self._tag()
        email = f"{name}@example.com"

        def state(**values: object) -> Told:
            pairs = [part for pair in values.items() for part in pair]
            return lambda _: {email: row("user", "email", email, *pairs)}

        yield Doing(("members", "add", email, "--fee", "1.50"), (email,), state(name=None))
        yield Doing(("members", "update", email, "--name", name), (email,), state(name=name))
        fee = 'SELECT m.state FROM membership m JOIN user u ON u.id = m."user" WHERE u.email = ?'
        for verb, after in (("renew", "ACT"), ("cancel", "CANC"), ("reactivate", "ACT")):
            about = f"state {email}"
            fact = Fact(fee, (email,), [[after]])
            yield Doing(("members", verb, email), (about,), lambda _, about=about, fact=fact: {about: fact})
        if self._luck.random() < 0.5:
            both = (email, f"state {email}")
            facts = {email: gone("user", "email", email), f"state {email}": Fact(fee, (email,), [])}
            yield Doing(("members", "delete", email, "--yes", "--force"), both, lambda _: facts)

    def _invoices(self) -> Iterator[Doing]:
        number = self._life * 8 + self._count % 8
        day = f"{2040 + number // 12 % 900}-{number % 12 + 1:02}-05"
        made: list[int] = []
        tag, key, other = self._tag(), self._tag(), self._tag()

        def state(status: str) -> Told:
            def told(answer: Any) -> Facts:
                made[:] = [(answer[0] if isinstance(answer, list) else answer)["id"]]
                return {f"invoice {made[0]}": row("invoice", "id", made[0], "status", status)}

            return told

        yield Doing(
            ("invoices", "create", self._member(), "--date", day, "--amount", 5, "--description", tag), (), state("OUT")
        )
        if not made:
            return
        invoice, about = made[0], (f"invoice {made[0]}",)
        yield Doing(
            ("lines", "add", invoice, "--amount", 2, "--key", key),
            (key,),
            lambda _: {key: row("invoice_line", "key", key, "amount", 200)},
        )
        yield Doing(
            ("lines", "add", invoice, "--amount", 1, "--key", other),
            (other,),
            lambda _: {other: row("invoice_line", "key", other, "amount", 100)},
        )
        with Shell(self._place) as shell:
            lines = [number for (number,) in shell.execute("SELECT id FROM invoice_line WHERE key = ?", (key,))]
        if lines:
            yield Doing(
                ("lines", "update", lines[0], "--amount", 3),
                (key,),
                lambda _: {key: row("invoice_line", "key", key, "amount", 300)},
            )
            if self._luck.random() < 0.5:
                words = ("lines", "delete", lines[0], "--yes")
                yield Doing(words, (key,), lambda _: {key: gone("invoice_line", "key", key)})
        yield Doing(("invoices", "update", invoice, "--amount", 20), about, state("OUT"))
        for verb, status in (("pay", "PAID"), ("reopen", "OUT"), ("void", "VOID"), ("reopen", "OUT")):
            yield Doing(("invoices", verb, invoice), about, state(status))
            if self._luck.random() < 0.2:
                return
        facts = {
            about[0]: gone("invoice", "id", invoice),
            key: gone("invoice_line", "key", key),
            other: gone("invoice_line", "key", other),
        }
        yield Doing(("invoices", "delete", invoice, "--yes"), (*about, key, other), lambda _: facts)

    def _months(self) -> Iterator[Doing]:
        month = f"{2030 + self._luck.randrange(5)}-{1 + self._luck.randrange(12):02}"
        fees = "SELECT count(*) FROM invoice_line WHERE kind = 'fee' AND key LIKE ?"
        yield Doing(
            ("invoices", "generate", "--month", month),
            (),
            lambda told: {month: Fact(fees, (f"fee:%:{month}",), least=told["created"] + told["existing"])},
        )
        if self._luck.random() < 0.3:
            yield Doing(
                ("invoices", "issue", "--month", month, "--force"),
                (),
                lambda told: (
                    {f"number {told['last_number']}": row("invoice", "number", told["last_number"])}
                    if told["last_number"]
                    else {}
                ),
            )

    def _others(self) -> Iterator[Doing]:
        name, value = SELLER[self._number], f"{self._tag()}@example.com"
        yield Doing(("db", "set", name, value), (name,), lambda _: {name: row("setting", "key", name, "value", value)})
        yield Doing(
            ("--as-of", LATER, "stream", "expire"),
            (),
            lambda told: {f"closed {one['id']}": closed(one["id"]) for one in told},
        )

    _place: Path | str


def live(writer: Writer, program: Inside, log: int) -> None:
    """Do one thing after the other, each written down before, and after when it has answered."""
    writer._place = program.db
    for doing in writer.doings():
        os.write(log, (json.dumps(["begins", doing.about, [str(word) for word in doing.words]]) + "\n").encode())
        batch = doing.words[:2] == ("stream", "batch")
        answer = program(*doing.words, *(() if batch else ("--format", "json")))
        if answer.status == 0:
            told = answer.out if batch else answer.json
            os.write(
                log, (json.dumps(["done", {name: fact for name, fact in doing.told(told).items()}]) + "\n").encode()
            )
        else:
            os.write(
                log, (json.dumps(["refused", answer.status, answer.err, doing.words], default=str) + "\n").encode()
            )


def acknowledged(log: bytes) -> tuple[int, Facts, list[str]]:
    """How much was told to be done, what holds after it, and whatever else was said that should not have been."""
    count, facts, wrong = 0, {}, []
    for line in log.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        match json.loads(line):
            case ["begins", about, _]:
                before = {name: facts.pop(name) for name in about if name in facts}
            case ["done", told]:
                count += 1
                facts |= before | {name: Fact(*fact) for name, fact in told.items()}
            case ["refused", status, said, words]:
                facts |= before
                if status not in (3, 4):
                    wrong.append(f"{words}: {status} {said}")
    return count, facts, wrong


class Four:
    """The four, each in a process of its own, and what came of them so far."""

    def __init__(self, program: Inside) -> None:
        self._program = program
        self._running: dict[int, tuple[int, Path]] = {}
        self._lives = 0
        self.acknowledged = 0
        self.wrong: list[str] = []

    def start(self, number: int) -> None:
        """Give this one a new life."""
        self._lives += 1
        log = self._program.home / f"log{number}"
        log.write_bytes(b"")
        if not (process := os.fork()):
            try:
                writer = Writer(number, self._lives, self._program.home)
                live(writer, self._program, os.open(log, os.O_WRONLY | os.O_APPEND))
            except BaseException as error:  # noqa: BLE001
                os.write(2, f"writer {number}: {error!r}\n".encode())
            os._exit(9)
        self._running[number] = process, log

    def kill(self, numbers: list[int]) -> None:
        """Kill these, all at once."""
        for number in numbers:
            os.kill(self._running[number][0], signal.SIGKILL)

    def bury(self, number: int) -> None:
        """Look whether what a killed one was told is done is there."""
        process, log = self._running.pop(number)
        _, waited = os.waitpid(process, 0)
        if os.waitstatus_to_exitcode(waited) != -signal.SIGKILL:
            self.wrong.append(f"writer {number} ended by itself")
        told, facts, said = acknowledged(log.read_bytes())
        self.acknowledged += told
        with Shell(self._program.db) as shell:
            self.wrong += [*said, *(f"{name}: not {fact}" for name, fact in facts.items() if not fact.holds(shell))]

    def check(self) -> None:
        """Look whether the books are right and the log tells of them, while others write."""
        if (check := self._program("db", "check")).status:
            self.wrong.append(f"db check: {check}")
        with Shell(self._program.db) as shell:
            shell.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if shell.server else "BEGIN")
            self.wrong += unlike(shell)

    def end(self) -> None:
        """Kill all that are left."""
        self.kill([*self._running])


def kill(place: Path | str, home: Path, kills: int, seed: int) -> dict[str, Any]:
    """Let the four write, and kill; what came of it."""
    luck, four = random.Random(seed), Four(Inside(place, home))
    count = checks = 0
    for number in range(WRITERS):
        four.start(number)
    while count < kills and not four.wrong:
        time.sleep(luck.random() * LONGEST)
        dying = [*range(WRITERS)] if luck.random() < 0.1 else [luck.randrange(WRITERS)]
        four.kill(dying)
        for number in dying:
            four.bury(number)
        four.check()
        count, checks = count + len(dying), checks + 1
        for number in dying:
            four.start(number)
    four.end()
    return {"kills": count, "acknowledged": four.acknowledged, "checks": checks, "wrong": four.wrong[:5]}


def members(program: Program) -> None:
    """The members that the writers have."""
    with Shell(program.db) as shell:
        for number in range(1, WRITERS * MEMBERS + 1):
            email = f"m{number}@example.com"
            shell.execute(
                "INSERT INTO user (email, email_key, created_at) VALUES (?, ?, '2026-11-01T00:00:00Z')", (email, email)
            )
            shell.execute(
                'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date)'
                " VALUES (?, 'ACT', 1000, 250, '2026-11-01', '2999-12-01')",
                (number,),
            )


def killed(program: Program, kills: int, seed: int) -> dict[str, Any]:
    """The same in a process that forks without harm."""
    members(program)
    command = [sys.executable, __file__, str(program.db), str(program.home), str(kills), str(seed)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    asked, folder, times, chance = sys.argv[1:]
    where = asked if "://" in asked else Path(asked)
    print(json.dumps(kill(where, Path(folder), int(times), int(chance))))
