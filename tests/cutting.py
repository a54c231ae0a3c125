"""The line to the server cut after any message of a command: what it says, what is there, and what comes after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from front import Front
from inside import Inside
from program import Answer
from streams import enrol

STEPS = ("Q", "S")


class Command(NamedTuple):
    """A command with a name of its own in it, and how many rows of that name there are when it is done."""

    words: Callable[[str], tuple[object, ...]]
    query: str


COMMANDS = (
    Command(lambda tag: ("stream", "checkin", 1, "--ref", tag), "SELECT count(*) FROM stream WHERE ref = ?"),
    Command(
        lambda tag: ("lines", "add", 1, "--amount", 1, "--key", tag), "SELECT count(*) FROM invoice_line WHERE key = ?"
    ),
    Command(
        lambda tag: ("members", "add", f"{tag}@example.com"), "SELECT count(*) FROM user WHERE email_key LIKE ? || '@%'"
    ),
    Command(lambda tag: ("db", "set", "seller_note", tag), "SELECT count(*) FROM setting WHERE value = ?"),
)


class Cut(NamedTuple):
    """How many lines were cut, how many changes were done without anybody being told, and what was wrong."""

    count: int
    unheard: int
    wrong: list[str]


def prepared(program: Inside) -> None:
    """Who and what the commands are about."""
    enrol(program, "a@example.com", credits=1000)
    program.ok("invoices", "create", 1, "--date", "2026-10-01")


def cut(program: Inside, front: Front, command: Command, *, steps: bool) -> Cut:
    """Cut after every message (or only where something begins or ends), with the message let through or lost."""
    through = Inside(front.url(str(program.db)), program.home)
    front.cut = None
    for tag in ("first", "whole"):  # the first may make an invoice, too
        through.ok(*command.words(tag))
        front.settle()
    kinds = [*front.kinds]
    count, unheard, wrong = 0, 0, list[str]()
    for number, kind in enumerate(kinds, 1):
        if steps and kind not in STEPS:
            continue
        for front.passed in (True, False):
            front.cut, tag = number, f"t{number}{front.passed}".lower()
            answer = through(*command.words(tag))
            front.settle()
            done = program.sql(command.query, tag)[0][0]
            count += 1
            unheard += bool(done and answer.status)
            where = f"{' '.join(map(str, command.words(tag)))}: after {number} of {len(kinds)} ({kind})"
            last = kinds[number:] in (["X"], [])
            wrong += [f"{where}: {fault}: {answer}" for fault in _wrong(answer, done, in_doubt=last)]
            again = program(*command.words(tag))
            if again.status not in (0, 4 if done else 0) or program.sql(command.query, tag)[0][0] != 1:
                wrong.append(f"{where}: again: {again}")
    return Cut(count, unheard, wrong)


def _wrong(answer: Answer, done: int, *, in_doubt: bool) -> Iterator[str]:
    said = answer.err.splitlines()
    if answer.status == 0:
        if not done or said:
            yield "it is not there"
        return
    if answer.status != 5 or "Traceback" in answer.err or not said[0].startswith("Error: ") or len(said) > 2:
        yield "it is no clear line"
    if done and ("nothing" in answer.err or "not known" not in answer.err):
        yield "it claims too much"
    if in_doubt != ("not known" in answer.err):
        yield "it doubts where it could know" if not in_doubt else "it does not doubt"
