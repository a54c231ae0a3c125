"""Text that would command a terminal, a spreadsheet or a database, and what every answer promises whatever is typed."""

from __future__ import annotations

import io
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator

from inside import Inside
from program import Answer
from shaping import NAMES, hidden
from tree import ARGUMENTS, REHEARSAL, ROOT, Command, Parameter, commands

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
    "c1": "\x9b31mred\x85",
    "bidi": "user\u202egnp.exe\u2066\u2069",
    "marks": "a\u200eb\u200fc\u061cd",
    "invisible": "a\u200b\u200c\u200d\u2060\ufeffb",
    "separators": "one\u2028two\u2029three",
    "closing": "[/b] [/] [",
    "markup": "[red]x[/red] [link=http://evil]y[/link]",
    "smiley": ":smile: ${HOME} %s {0}",
    "formula": "=cmd|' /C calc'!A0",
    "lines": "one\ntwo\n",
    "overwrite": "safe\rowned",
    "backspace": "abc\b\b\bxyz\x7f",
    "tab": "a\tb\\t",
    "bell": "\a",
    "emoji": "😀👩\u200d👩\u200d👧",
    "joined": " ".join(NAMES),
    "smuggled": "😀\U000e0159\U000e0155 a\u200db 葛\U000e0100\U000e0101 🏴\U000e0067\U000e007f 1\ufe0f ب\u200c",
    "hebrew": "שלום עולם",
    "arabic": "مرحبا",
    "quotes": "'\"`$(rm)",
}
MORE = {
    "clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "device control": '\x1bP$q"p\x1b\\ \x1b_apc\x1b\\ \x1b^pm\x1b\\ \x1bXsos\x1b\\',
    "reset": "\x1bc\x1b(0\x1b[?1049h\x1b[6n",
    "c1 strings": "\x90q\x9c\x9d0;owned\x9c\x9e\x9f\x84\x8e\x8f",
    "dos lines": "one\r\ntwo\r\n",
    "other line ends": "a\vb\fc\x85d\x1ce\x1df\x1e",
    "embeddings": "\u202aa\u202bb\u202cc\u202dd\u2067e\u2068f\u2069",
    "sum": "@SUM(A1:A9)",
    "plus": "+cmd|'/C calc'!A0",
    "minus": "-1+1",
    "tab formula": "\t=1+1",
    "cr formula": "\r=1+1",
    "four bytes": "𝕬𠜎🏴\U000e0067\U000e0062\U000e007f",
    "combining": "Z̷̢͍̀a̸l̴g̵o̶ e\u0301 é",
    "tags": "a\U000e0001b\ufff9c\ufffbd\u00ade",
    "fullwidth": "\uff1d\uff11\uff0b\uff11 \uff07\uff1b\uff24\uff32\uff2f\uff30",
    "invisible marks": "a\u034fb\u17b4c\u180bd\uffa0e\U0001d173f\ufe0fg",
    "backslashes": "\\x1b[31m \\u202e \\n \\",
    "sql": "'; DROP TABLE user; --",
    "nothing": " ",
    "null": "\\N",
    "255 characters": "ä" * 255,
    "255 wide ones": "😀" * 255,
}
CORPUS = {**HOSTILE, **MORE}
# What can't be kept, whatever it is to be.
UNSTORABLE = {
    "nul": "a\0b",
    "lone surrogate": "a\ud83db",
    "broken byte": "a\udcffb",
    "256 characters": "x" * 256,
}
EVERYTHING = "".join(dict.fromkeys("".join(CORPUS.values())))[:255]
DOCUMENTED = (0, 2, 3, 4, 5, 6, 130, 141)
FORMATS = ("table", "json", "jsonl", "csv", "tsv", "ids")

CONTROLLING = {chr(number) for number in (*range(32), *range(0x7F, 0xA0))}
BIDI = {chr(number) for number in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
SEPARATING = {"\u2028", "\u2029"}
OUR_STYLES = re.compile(r"\x1b\[(?:0|1|36;49)?m")  # of tables and bars; the corpus has none of them


def unsafe(text: str, allowed: str = "\n") -> set[str]:
    """The characters in it that a terminal would obey or that would hide something."""
    obeyed = {c for c in text if c in CONTROLLING | BIDI or unicodedata.category(c) in ("Cc", "Cs")}
    return (obeyed | {c for c in text if c in SEPARATING} | set(hidden(text))) - set(allowed)


class Screen(io.TextIOWrapper):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(program: Inside, *words: object, stdin: str | bytes = b"", **environment: str) -> Answer:
    """Run it in this process before a terminal that knows no styles."""
    out = io.BytesIO()
    screen = Screen(out, encoding="utf-8")
    status, err = program.into(screen, *words, stdin=stdin, TERM="dumb", **environment)
    screen.flush()
    return Answer(status, out.getvalue().decode(), err)


def keeps_its_word(answer: Answer, about: object) -> None:
    """Whatever was typed: a documented status, never a traceback, and one `Error:` where it is not done."""
    assert answer.status in DOCUMENTED, (about, answer)
    assert "Traceback" not in answer.err, (about, answer.err)
    assert "Something unexpected" not in answer.err, (about, answer.err)
    said = [line for line in answer.err.split("\n") if line and not line.startswith("Note: ")]
    if answer.status in (0, 130, 141):
        assert not any(line.startswith(("Error: ", '{"error"')) for line in said), (about, answer.err)
        return
    assert said, (about, answer)
    assert said[0].startswith(("Error: ", '{"error"')), (about, answer.err)
    assert len(said) <= 1 or (len(said) == 2 and said[1].startswith("Hint: ")), (about, answer.err)
    if said[0].startswith("{"):
        assert list(json.loads(said[0])["error"]) == ["code", "message", "hint", "details"]


def is_safe(answer: Answer, about: object, *, tabs: bool = False) -> None:
    """What a terminal got of it can do nothing to it."""
    assert unsafe(OUR_STYLES.sub("", answer.out), "\n\t" if tabs else "\n") == set(), (about, answer.out)
    assert unsafe(answer.err) == set(), (about, answer.err)


ENDLESS = ("stream watch",)  # into a pipe that nobody reads it ends


def type_in(program: Inside, where: Command | None, into: Parameter, text: str, format: str = "") -> Answer:
    """Give the text as this argument or option of the command (of the root, without one) before a terminal."""
    if where is None:
        return shown(program, *into.given(text), "members", "list", *([f"--format={format}"] if format else []))
    more = [REHEARSAL] if where.rehearses else []
    if format and where.takes_format:
        more.append(f"--format={format}")
    return run(program, where, where.words(*more, **{into.name: text}))


def run(program: Inside, command: Command, words: Iterable[str]) -> Answer:
    """Run that command's line before a terminal; an endless one into a pipe that nobody reads."""
    if command.name not in ENDLESS:
        return shown(program, *words)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        status, err = program.into(pipe, *words)
        return Answer(status, "", err)


def everywhere() -> Iterator[tuple[Command | None, Parameter]]:
    """Every argument and every option with a value of every command, and of the root."""
    yield from ((None, one) for one in ROOT)
    yield from ((each, one) for each in commands() for one in each.parameters)


def furnish(program: Inside) -> None:
    """One of everything besides member 1, and the file that commands are told to read."""
    for words in ("invoices create 1", "lines add 1 --amount 5 --key k", "stream checkin 1 --ref s"):
        program.ok(*words.split())
    (program.home / ARGUMENTS["file"]).write_bytes(b"{}\n")
