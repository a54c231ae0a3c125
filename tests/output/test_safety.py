"""Text that would command a terminal: shown harmless wherever a person looks, kept exactly wherever a program reads."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hostile import HOSTILE, Screen, unsafe
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import UNESCAPED
from places import keep, put
from program import Program

from streamctl.domain.records import Column, Listing, Record
from streamctl.output import delimited, jsontext, table
from streamctl.output.safety import safe

Command = Callable[..., Any]
any_text = st.text(st.characters(exclude_categories=["Cs"]))
spiced = st.lists(st.one_of(any_text, st.sampled_from(list(HOSTILE.values())))).map("".join)


@pytest.fixture
def screen(inside: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in this process before a terminal; what it showed."""

    def command(*words: object) -> str:
        with monkeypatch.context() as patch:
            shown = io.BytesIO()
            patch.setattr(sys, "stdout", Screen(shown, encoding="utf-8"))
            patch.setenv("TERM", "dumb")
            answer = inside(*words)
            sys.stdout.flush()
            return shown.getvalue().decode() + str(answer.err)

    return command


MADE: dict[str, str | bytes] = {}


@pytest.fixture
def hostile(program: Program, inside: Command) -> Command:
    """Each hostile text as a name, a description, a note, a line's text, a device and a ref; made once."""
    if program.engine in MADE:
        put(MADE[program.engine], program.db)
        return inside
    for number, text in enumerate(HOSTILE.values(), 1):
        for words in (
            ("members", "add", f"m{number}@example.com", f"--name={text}", "--start", "2026-11-01"),
            ("invoices", "create", number, f"--description={text}"),
            ("lines", "add", number, "--amount", "1", f"--description={text}", f"--key=line {text}"),
            ("stream", "checkin", number, f"--device={text}", f"--ref={text}"),
            ("invoices", "pay", number, f"--note={text}"),
        ):
            answer = inside(*words)
            assert answer.status == 0, answer.err
    MADE[program.engine] = keep(program)
    return inside


LISTS = {
    "members": ("members", "list", "--columns", "name"),
    "descriptions": ("invoices", "list", "--columns", "description"),
    "notes": ("invoices", "list", "--columns", "note"),
    "lines": ("lines", "list", "--kind", "manual", "--columns", "description"),
    "devices": ("stream", "list", "--columns", "device"),
    "refs": ("stream", "list", "--columns", "ref"),
}


def test_json_and_csv_in_a_pipe_give_back_every_text_exactly(hostile: Command) -> None:
    texts = list(HOSTILE.values())
    for words in LISTS.values():
        array = json.loads(hostile(*words, "--format", "json").out)
        assert [value for row in array for value in row.values()] == texts
        lines = hostile(*words, "--format", "jsonl").out.splitlines()
        assert [value for line in lines for value in json.loads(line).values()] == texts
        written = hostile(*words, "--format", "csv").out
        assert [cell for (cell,) in csv.reader(io.StringIO(written, newline=""), strict=True)][1:] == texts
        rows = hostile(*words, "--format", "tsv").out.split("\n")[1:-1]
        assert [re.sub(r"\\.", lambda found: UNESCAPED[found[0]], row) for row in rows] == texts


def test_a_table_in_a_pipe_is_harmless(hostile: Command) -> None:
    for words in LISTS.values():
        shown = hostile(*words, "--format", "table").out
        assert unsafe(shown) == set()
        for text in HOSTILE.values():
            assert safe(text).strip() in shown, "nothing of it is swallowed, not even what looks like markup"
    for number, text in enumerate(HOSTILE.values(), 1):
        shown = hostile("invoices", "show", number, "--format", "table").out
        assert unsafe(shown) == set()
        assert safe(text).strip() in shown


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv", "tsv", "ids"])
def test_a_terminal_is_safe_in_every_format(hostile: Command, screen: Command, format: str) -> None:
    for words in LISTS.values():
        shown = screen(*words, "--format", format)
        assert shown.count("\n") >= len(HOSTILE)
        assert unsafe(shown, "\n\t" if format == "tsv" else "\n") == set()
    for group in ("members", "invoices", "lines"):
        for number in range(1, len(HOSTILE) + 1):
            shown = screen(group, "show", number, "--format", format)
            assert unsafe(shown, "\n\t" if format == "tsv" else "\n") == set()


def test_sentences_and_errors_are_one_safe_line(
    hostile: Command, screen: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, text in enumerate(HOSTILE.values(), 1):
        for words in (
            ("members", "update", number, f"--name={text}"),
            ("lines", "update", number * 2 - 1, f"--description={text}"),
            ("stream", "checkout", number, f"--ref={text}"),
            ("stream", "checkout", number, f"--ref={text}x"),
            ("members", "show", "--", text),
            ("members", "add", "--", text),
            ("members", "list", f"--columns={text}"),
            ("members", "list", f"--sort={text}"),
            ("members", "list", f"--limit={text}"),
            ("members", "list", f"--format={text}"),
            ("members", f"--{text}"),
            ("--", text),
            ("db", "set", "timezone", f"{text}x"),
            ("db", "load", f"./{text}"),
            ("--db", f"./{text}.db", "members", "list"),
            ("--as-of", text, "members", "list"),
        ):
            shown = screen(*words)
            assert unsafe(shown) == set(), words
            assert 1 <= shown.count("\n") <= 2, (words, shown)
            monkeypatch.setenv("STREAMCTL_FORMAT", "json")
            shown = screen(*words)
            assert unsafe(shown) == set(), words
            assert 1 <= shown.count("\n") <= (2 if "--format=" in words[-1] else 1), (words, shown)
            monkeypatch.delenv("STREAMCTL_FORMAT")


def test_a_dump_before_a_terminal_is_safe_and_still_the_whole_truth(hostile: Command, screen: Command) -> None:
    shown = screen("db", "dump")
    assert unsafe(shown) == set()
    assert json.loads(shown) == json.loads(hostile("db", "dump").out)
    names = [row[3] for row in json.loads(shown)["tables"]["user"]["rows"]]
    assert names == list(HOSTILE.values())


def test_a_real_terminal_gets_nothing_but_our_own_styles(hostile: Command, terminal: Command) -> None:
    shown = terminal("members", "list", "--columns", "id,email,name")
    assert shown.status == 0
    assert unsafe(re.sub(r"\x1b\[[0-9;]*m", "", shown.out)) == set()
    assert set(re.findall(r"\x1b\[([0-9;]*)m", shown.out)) <= {"1", "0"}
    one = terminal("members", "show", 1, "--format", "csv")
    assert unsafe(one.out) == set()
    assert "\\x1b[31mred" in one.out


@settings(deadline=None, database=None, max_examples=200)
@given(spiced)
def test_json_text_is_lossless_and_harmless(text: str) -> None:
    written = jsontext.text(text)
    assert json.loads(written) == text
    assert unsafe(written, "") == set()
    assert json.loads(jsontext.anything({text: [text]})) == {text: [text]}
    assert unsafe(jsontext.anything({text: [text]}), "") == set()


@settings(deadline=None, database=None, max_examples=200)
@given(st.one_of(spiced, st.text()))
def test_safe_text_is_harmless_and_other_text_is_left_alone(text: str) -> None:
    shown = safe(text)
    assert unsafe(shown, "") == set()
    assert safe(shown) == shown
    plain = "".join(c for c in text if unicodedata.category(c)[0] in "LNP" and c not in "\u115f\u1160\u3164\uffa0")
    assert safe(plain) == plain


@settings(deadline=None, database=None, max_examples=60)
@given(st.one_of(spiced, any_text))
def test_no_text_breaks_a_table_or_a_terminals_csv(text: str) -> None:
    columns = (Column("id", "id"), Column("name"))
    out = io.StringIO()
    table.print_listing(Listing(columns, [(1, text)]), "USD", out)
    table.print_record(Record(columns, (1, text)), "USD", out)
    assert unsafe(out.getvalue()) == set()
    listing = Listing(columns, [(1, text)])
    for lines in (delimited.csv_lines, delimited.tsv_lines):
        assert unsafe("".join(lines(listing, "USD", for_terminal=True, excel_safe=True)), "\n\t") == set()
