"""What a person sees: tables that lose nothing, a sentence for a write, colour where it is wanted."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program import Program

from streamctl.domain.records import ENTITIES, Listing, Record
from streamctl.output import table

Command = Callable[..., Any]
STYLE = re.compile(r"\x1b\[[0-9;]*m")
WORDS = " ".join(f"word{number}" for number in range(35))
MEMBERS = """\
id  email            name  state  credits       fee  end_date
───────────────────────────────────────────────────────────────
 1  bob@example.com  Bob   ACT          3  9.90 USD  2026-12-01
"""


class Screen(io.StringIO):
    """A file that says it is a terminal; COLUMNS says how wide."""

    def isatty(self) -> bool:
        return True


def lines(text: str) -> list[str]:
    """The lines without styles and the blanks at their ends."""
    return [line.rstrip() for line in STYLE.sub("", text).splitlines()]


def without_space(text: str) -> str:
    """The text without its blanks and rules, which a table may put anywhere."""
    return "".join(sorted(re.sub(r"[\s─]", "", STYLE.sub("", text))))


def test_the_picture_of_a_table(member: Program, terminal: Command) -> None:
    answer = terminal("members", "list", NO_COLOR="1", TERM="dumb")
    assert (answer.status, answer.err) == (0, "")
    assert lines(answer.out) == lines(MEMBERS)
    assert lines(member("members", "list", "--format", "table").out) == lines(MEMBERS), "a pipe's is the same"


def test_a_write_says_a_sentence_on_a_terminal(member: Program, terminal: Command) -> None:
    done = terminal("stream", "checkin", 1)
    assert (done.status, done.err) == (0, "")
    assert re.fullmatch(r"Checked in member 1: [^\n]*\.\n", done.out)
    for part in ("stream 1", "invoice 1", "line 1", "2 credits"):
        assert part in done.out
    rehearsed = terminal("members", "update", 1, "--name", "X", "--dry-run")
    assert rehearsed.out.count("\n") == 1
    assert "dry run" in rehearsed.out.lower()
    assert terminal("--quiet", "members", "update", 1, "--name", "Y") == (0, "", "")
    asked = terminal("members", "update", 1, "--name", "Z", "--format", "json")
    assert json.loads(asked.out)["name"] == "Z", "a format that is asked for is given"


def test_eighty_columns_lose_nothing(member: Program, terminal: Command) -> None:
    long = "x" * 120 + "@example.com"
    member.ok("members", "add", long, "--name", WORDS[:255])
    member.ok("invoices", "create", 1, "--description", WORDS[:255], "--amount", "999999999.99")
    listed = terminal("members", "list").out
    assert listed.count("x") == (long + "bob@example.com").count("x")
    for word in WORDS[:255].split():
        assert re.search(rf"\b{word}\b", listed), word
    shown = terminal("invoices", "show", 1).out
    assert without_space(WORDS[:255]) in without_space(shown) or all(word in shown for word in WORDS[:255].split())
    assert "999999999.99 USD" in STYLE.sub("", shown)
    assert max(map(len, STYLE.sub("", terminal("invoices", "list").out).splitlines())) <= 80, "text is folded to fit"


DATES = ("2026-11-22T12:00:00Z", "2026-12-06", "2026-12-01")
WHOLE: dict[str, tuple[Any, ...]] = {
    "member": (123456, "somebody@example.com", WORDS[:60], "ACT", 3, 3, 0, 99999999999, "2026-11-01", "2026-12-01"),
    "invoice": (7, 123456, "2026-11-05", "OUT", WORDS[:60], 99999999999, "1 2 3 4", "2026-11", "2026-11-00007", *DATES),
    "line": (12, 7, -99999999999, WORDS[:60], "adjustment", "key-1"),
    "stream": (9, 123456, "somebody@example.com", "r" * 30, WORDS[:60], *[DATES[0]] * 4, "takeover"),
}


@pytest.mark.parametrize("entity", WHOLE)
def test_no_width_of_a_terminal_loses_a_character(entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = tuple(column for column in ENTITIES[entity] if not column.extra)
    for chosen in (range(len(shown)), range(0, len(shown), 2), [i for i, column in enumerate(shown) if column.brief]):
        columns, row = tuple(shown[i] for i in chosen), tuple(WHOLE[entity][i] for i in chosen)
        pictures = set()
        for width in range(20, 200, 3):
            monkeypatch.setenv("COLUMNS", str(width))
            screen = Screen()
            table.print_listing(Listing(columns, [row]), "USD", screen)
            table.print_record(Record(columns, row), "USD", screen)
            pictures.add(without_space(screen.getvalue()))
        assert len(pictures) == 1, "the same characters, however wide the terminal"


@settings(deadline=None, database=None, max_examples=60)
@given(st.integers(10, 120), st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=60))
def test_any_name_is_whole_at_any_width(width: int, name: str) -> None:
    columns = tuple(column for column in ENTITIES["member"] if column.brief and not column.extra)
    row = (1, "bob@example.com", name, "ACT", 3, 990, "2026-12-01")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "dumb")
        patch.setenv("COLUMNS", str(width))
        narrow, wide = Screen(), io.StringIO()
        table.print_listing(Listing(columns, [row]), "USD", narrow)
        table.print_listing(Listing(columns, [row]), "USD", wide)
    assert without_space(narrow.getvalue()) == without_space(wide.getvalue())


def test_a_table_in_a_pipe_keeps_a_row_a_line(
    member: Program, inside: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inside("members", "update", 1, "--name", WORDS[:255]).status == 0
    plain = inside("members", "list", "--format", "table").out
    assert f" {WORDS[:255]} " in plain
    monkeypatch.setenv("COLUMNS", "80")
    assert inside("members", "list", "--format", "table").out == plain
    assert WORDS[:255] in inside("members", "show", 1, "--format", "table").out


def test_colour_is_left_out_and_forced_as_asked(
    member: Program, inside: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = inside("members", "list", "--format", "table").out
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    forced = inside("members", "list", "--format", "table").out
    assert STYLE.search(forced)
    assert lines(forced) == lines(plain)
    for format in ("json", "csv", "tsv", "ids"):
        assert "\x1b" not in inside("members", "list", "--format", format).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]", inside("members", "list", "--format", "table").out)


def test_forced_colour_does_not_cut_a_pipe_to_eighty_columns(
    member: Program, inside: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inside("members", "update", 1, "--name", WORDS[:255]).status == 0
    plain = inside("members", "list", "--format", "table").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert lines(inside("members", "list", "--format", "table").out) == lines(plain)


def test_a_terminal_may_be_plain(member: Program, terminal: Command) -> None:
    coloured = terminal("members", "list")
    assert STYLE.search(coloured.out)
    none = terminal("members", "list", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]", none.out)
    assert lines(none.out) == lines(coloured.out) == lines(terminal("members", "list", TERM="dumb").out)


def test_data_is_utf8_whatever_the_locale(member: Program, inside: Command) -> None:
    assert inside("members", "update", 1, "--name", "Zoë 😀").status == 0
    for format in ("json", "csv", "table"):
        process = Program(member.db, member.home)
        answer = process("members", "list", "--format", format, LC_ALL="C", PYTHONIOENCODING="ascii")
        assert answer.status == 0
        assert "Zoë 😀" in answer.out


def test_messages_never_mix_with_the_data(member: Program, inside: Command) -> None:
    import subprocess
    import sys

    assert inside("members", "add", "x@y").status == 0
    words = [sys.executable, "-m", "streamctl", "members", "list", "--limit", "1", "--format", "ids"]
    heard = subprocess.run(words, capture_output=True, env=member.environment, check=False)
    assert (heard.stdout, heard.stderr) == (b"1\n", b"1 of 2\n")
    shell = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *words]
    deaf = subprocess.run(shell, stdout=subprocess.PIPE, env=member.environment, stdin=subprocess.DEVNULL, check=False)
    assert (deaf.returncode, deaf.stdout) == (0, b"1\n"), "with standard error closed, its words go nowhere"
