"""Text that would command a terminal: shown harmless wherever a person looks, kept exactly wherever a program reads."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
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
from shaping import CONJUNCT, ENGLAND, INVISIBLE, NAMES, SCOTLAND, WALES, hidden

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


JOINING = "\u200c\u200d\ufe00\ufe0e\ufe0f\u180b\U000e0067\U000e007f\U000e0100\U000e01ef\u20e3\xad\u2060"
BASES = "aé1#بیख्ᠠ漢가👩😀🏽❤✈🏴\u064e\u094d\u0b4d\u2800 "
woven = st.text(st.sampled_from(JOINING + BASES), max_size=40)


@settings(deadline=None, database=None, max_examples=1000)
@given(st.one_of(woven, st.lists(st.one_of(any_text, woven, st.sampled_from(list(NAMES)))).map("".join)))
def test_nothing_hides_among_joiners_and_what_was_shown_once_is_shown_so_again(text: str) -> None:
    shown = safe(text)
    assert hidden(shown) == []
    rest = re.sub(f"{ENGLAND}|{SCOTLAND}|{WALES}", "", shown).replace("\ufe0f\u200d", "\u200d")  # of one emoji
    assert not re.search(f"{INVISIBLE.pattern}{{2}}", rest), "never two in a row"
    assert safe(shown) == shown
    assert json.loads(jsontext.text(text)) == text
    assert hidden(jsontext.text(text)) == []


MORE_NAMES = (CONJUNCT, "न\u094d\u200d", SCOTLAND, WALES, "🙂\u200d↔\ufe0f", "☎\ufe0e", "ᠠ\u180b")


@pytest.mark.parametrize("name", [*NAMES, *MORE_NAMES])
def test_a_name_is_shown_as_it_is_written(name: str) -> None:
    for text in (name, f"x{name}x", f"{name} {name}", f'"{name}"'):
        assert safe(text) == text
        assert jsontext.text(text) == json.dumps(text, ensure_ascii=False)


SMUGGLED = {
    "selectors after one emoji": "😀" + "".join(chr(0xE0100 + byte - 16) for byte in b"attack"),
    "selectors after one ideograph": "漢\U000e0100\U000e0101",
    "selectors after letters": "p\ufe00a\ufe0fy\U000e0100",
    "a selector of ideographs after an emoji": "😀\U000e0100",
    "two of an emoji's selectors": "❤\ufe0f\ufe0f",
    "tags": "".join(chr(0xE0000 + byte) for byte in b"attack"),
    "a flag of nowhere": "🏴\U000e0061\U000e0074\U000e007f",
    "more after a flag": f"{ENGLAND}\U000e0061",
    "joiners between letters": "p\u200da\u200cy",
    "joiners between digits": "1\u200d2\u200c3",
    "a joiner between an emoji and a letter": "👩\u200da\u200d👩",
    "joiners at both ends": "\u200c\u200dab\u200c\u200d",
    "a joiner at the end of a Persian word": "می\u200c",
    "two joiners in a Persian word": "می\u200c\u200cشب",
    "a joiner and what is escaped itself": "می\u200c\xadشب",
    "a keycap of a letter": "a\ufe0f\u20e3",
    "half a keycap": "1\ufe0f",
    "directions": "user\u202egnp.exe\u2066\u2069\u200f",
    "zero-width spaces": "p\u200ba\u2060y\ufeff",
    "Mongolian selectors elsewhere": "a\u180b1\u180c",
}


@pytest.mark.parametrize("text", SMUGGLED.values(), ids=list(SMUGGLED))
def test_what_would_hide_is_escaped(text: str) -> None:
    shown = safe(text)
    left = INVISIBLE.findall(shown)
    allowed = {ENGLAND: 6, "漢": 1, "❤": 1}
    assert len(left) == next((number for base, number in allowed.items() if base in text), 0)
    assert hidden(shown) == []


def test_an_error_repeats_a_name_as_it_is_written(program: Program, inside: Command) -> None:
    for name in NAMES:
        assert f"No member '{name}'." in inside("members", "show", name).err
        error = json.loads(inside("members", "show", name, "--format", "json").err)["error"]
        assert error["message"] == f"No member '{name}'."
    assert "'p\\u200ca\\u200dy'" in inside("members", "show", "p\u200ca\u200dy").err


def test_ordinary_text_costs_no_import() -> None:
    script = (
        "import sys\nfrom streamctl.output.safety import safe\n"
        "assert safe('Zoë, 李, שלום, 😀 \\x1b[1m') == 'Zoë, 李, שלום, 😀 \\\\x1b[1m'\n"
        "assert not {'idna', 'unicodedata', 'streamctl.output.joiners'} & set(sys.modules)\n"
        "safe('\\u0645\\u06cc\\u200c\\u062e')\nassert 'idna' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_such_names_stand_as_they_are_in_a_table_and_its_columns_are_straight(
    program: Program, inside: Command, screen: Command
) -> None:
    for number, name in enumerate(NAMES, 1):
        assert inside("members", "add", f"m{number}@example.com", "--name", name).status == 0
    columns = ("members", "list", "--columns", "id,name,email")
    for show in (screen, lambda *words: inside(*words, "--format", "table").out):
        _, _, *rows = show(*columns).splitlines()
        starts = set()
        for row, (name, takes) in zip(rows, NAMES.items(), strict=True):
            before = row.partition("m")[0]
            assert name in row
            starts.add(len(before) - len(name) + takes)
        assert len(starts) == 1


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
