"""Hostile text in every column that keeps text, and books that are made of nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from hostile import ENDLESS, EVERYTHING, FORMATS, HOSTILE, is_safe, shown
from inside import Inside
from tree import command, commands


class Kept(NamedTuple):
    """A command that keeps text: in which options, with what else, and the listing with columns of these names.

    `{n}` is the number of the text, from 1.
    """

    command: str
    options: tuple[str, ...]
    values: dict[str, str]
    listing: str
    column: str = ""  # where its name is another one
    before: str = ""  # a command that is run for each text first


# One after the other on a database without members.
KEPT = (
    Kept(
        "members add", ("name",), {"email": "m{n}@example.com", "start": "2026-11-01", "credits": "9"}, "members list"
    ),
    Kept("members update", ("name",), {"member": "{n}"}, "members list"),
    Kept("invoices create", ("description",), {"member": "{n}"}, "invoices list"),
    Kept("invoices update", ("description",), {"invoice": "{n}"}, "invoices list"),
    Kept("lines add", ("description", "key"), {"invoice": "{n}"}, "lines list"),
    Kept("lines update", ("description",), {"line": "{n}"}, "lines list"),
    Kept("stream checkin", ("ref", "device"), {"member": "{n}"}, "stream list"),
    Kept("stream takeover", ("ref", "device"), {"member": "{n}"}, "stream list"),
    Kept("invoices pay", ("note",), {"ids": "{n}"}, "invoices list --columns id,note"),
    Kept(
        "invoices void", ("reason",), {"ids": "{n}"}, "invoices list --columns id,note", "note", "invoices reopen {n}"
    ),
)
# What takes text and does not keep it as it is in a listing: tests of their own.
TAKEN_OTHERWISE = {
    ("members add", "email"),
    ("members update", "email"),
    ("stream checkout", "ref"),
    ("stream heartbeat", "refs"),
    ("db set", "key"),
    ("db set", "value"),
}
MOST_OF_A_KEY = 200


def value_of(kept: Kept, option: str, text: str) -> str:
    """The text as this option takes it: a key is new, not empty and shorter."""
    return f"{kept.command} {text}"[:MOST_OF_A_KEY] if option in ("key", "ref") else text


def fill(program: Inside, texts: Iterable[str]) -> Iterator[tuple[Kept, list[dict[str, str]]]]:
    """Keep each text with each command in turn, before a terminal; after each command, what its listing should have."""
    texts = list(texts)
    for kept in KEPT:
        expected = []
        for number, text in enumerate(texts, 1):
            if kept.before:
                program.ok(*kept.before.format(n=number).split())
            values = {option: value_of(kept, option, text) for option in kept.options}
            fixed = {name: value.format(n=number) for name, value in kept.values.items()}
            answer = shown(program, *command(kept.command).words(**values, **fixed))
            assert answer.status == 0, (kept.command, text, answer.err)
            is_safe(answer, (kept.command, text))
            expected.append({kept.column or option: value for option, value in values.items()})
        yield kept, expected


def reads_back(program: Inside, kept: Kept, expected: list[dict[str, str]]) -> None:
    """In a pipe each format but those for people gives back every text exactly; a terminal gets it harmless."""
    for format in FORMATS:
        words = (*kept.listing.split(), "--format", format)
        is_safe(shown(program, *words), words, tabs=format == "tsv")
        if format in ("table", "ids"):
            continue
        answer = program(*words)
        for column in expected[0]:
            assert read_back(answer.out, format, column) == [row[column] for row in expected], (words, column)


UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}


def read_back(text: str, format: str, column: str) -> list[Any]:
    """The values of a column as a program reads them from JSON, JSON Lines, CSV or TSV."""
    match format:
        case "json":
            return [row[column] for row in json.loads(text)]
        case "jsonl":
            return [json.loads(line)[column] for line in text.split("\n") if line]
        case "csv":
            return [row[column] for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)]
        case _:
            assert "\r" not in text
            header, *rows = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
            place = header.index(column)
            return [re.sub(r"\\.", lambda found: UNESCAPED[found[0]], row[place]) for row in rows]


ADDRESS = "a\u202e\u200b[red]='`$(x)😀\u05d0\ufe0f@example.com"
SELLER = ("seller_name", "seller_address", "seller_email", "seller_tax_id", "seller_note")


def books_of(program: Inside, texts: Iterable[str]) -> None:
    """Books whose every text is hostile: names, addresses, the seller, and the invoices' numbers too."""
    for _ in fill(program, texts):
        pass
    for setting in SELLER:
        program.ok("db", "set", setting, ADDRESS if setting == "seller_email" else EVERYTHING)
    program.ok("db", "set", "number_format", f"{HOSTILE['colour']}{HOSTILE['bidi']}{HOSTILE['formula']}{{seq}}")
    program.ok("members", "update", "1", "--email", ADDRESS)
    program.ok("invoices", "reopen", "1")
    program.ok("invoices", "issue", "--month", "this", "--force")
    program.ok("stream", "checkin", ADDRESS, "--device", EVERYTHING, "--ref", EVERYTHING[:MOST_OF_A_KEY])


def readings() -> Iterator[tuple[str, ...]]:
    """Every command that only reads, and the documents, in every format, when something is overdue already."""
    for one in commands():
        if one.name in ENDLESS or one.changes:
            continue
        words = ("--as-of", "2026-12-31T12:00:00Z", *one.words())
        yield words
        if one.takes_format:
            split = len(words) - words[::-1].index("--") - 1 if "--" in words else len(words)
            yield from ((*words[:split], f"--format={format}", *words[split:]) for format in FORMATS)
    extra = "+email,voided_at,note"
    yield from (("invoices", "list", "--columns", extra, "--format", format) for format in FORMATS)
    yield from (("invoices", "render", "1", "--to", form) for form in ("html", "text", "json"))
    yield from (
        ("invoices", "list", "--columns", EVERYTHING),
        ("invoices", "list", "--sort", EVERYTHING, "--format=json"),
    )
    yield ("members", "show", "--", f"x{ADDRESS}")
