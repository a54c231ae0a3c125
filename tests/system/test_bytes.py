"""Paths with bytes that are no UTF-8, terminals and errors in another encoding, users without a home."""

from __future__ import annotations

import json
import os
import pty
import pwd
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from inside import Inside
from places import empty, put
from program import Program

from streamctl.output import writer

IN_PROCESS = True  # a process for each of its many commands would say no more

LATIN = os.fsdecode(b"caf\xe9.db")
ENCODINGS = ("ascii", "latin-1", "utf-8", "cp1252")


@pytest.mark.sqlite("paths are of files")
@pytest.mark.parametrize("format", ["tsv", "csv", "json", "jsonl", "table", "ids"])
def test_a_path_that_is_no_utf_8_is_answered_escaped(nothing: Program, format: str) -> None:
    """Catches a change that is done, and then exits 1 because its answer can't be encoded."""
    there = replace(nothing, db=nothing.home / LATIN)
    for words in (
        ("db", "init", "--timezone", "UTC"),
        ("db", "init"),
        ("db", "info"),
        ("db", "migrate"),
        ("db", "backup", f"backup-{LATIN}"),
        ("db", "sandbox", f"sandbox-{LATIN}"),
        ("db", "move", "--to", f"moved-{LATIN}"),
        ("db", "restore", f"backup-{LATIN}", "--yes"),
    ):
        answer = there(*words, "--format", format)
        assert answer.status == 0, (words, answer.err)
        if format != "ids":
            assert r"caf\udce9.db" in answer.out, words
        if format == "json":
            assert any(str(value).endswith(LATIN) for value in answer.json.values()), "as Python knows that name"
    there.ok("members", "add", "bob@example.com")
    there.ok("invoices", "create", 1, "--amount", 1)
    folder = os.fsdecode(b"caf\xe9/")
    drawn = there("invoices", "render", 1, "--to", "text", "-o", folder, STREAMCTL_FORMAT=format)
    assert drawn.status == 0, drawn.err
    assert len(list((there.home / folder).iterdir())) == 1
    made = os.fsdecode(b"r\xe9.json")
    assert there("db", "info", "-o", made).status == 0
    assert json.loads((there.home / made).read_text())["path"].endswith(LATIN)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_as_json_is_json_whatever_the_encoding_is(member: Program, encoding: str) -> None:
    command = [sys.executable, "-m", "streamctl", "members", "show", "é…@x", "--format", "json"]
    environment = member.environment | {"PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [os.fsencode(word) for word in command], capture_output=True, env=environment, cwd=member.home, check=False
    )
    assert done.returncode == 3
    told = json.loads(done.stderr.decode("utf-8"))
    assert "é…@x" in told["error"]["message"]
    plain = subprocess.run(
        [os.fsencode(word) for word in command[:-2]], capture_output=True, env=environment, cwd=member.home, check=False
    )
    assert plain.stderr.decode(encoding).startswith("Error: No member '")
    assert b"Traceback" not in plain.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_json_on_a_terminal_of_another_encoding_is_json_and_a_table_is_readable(member: Program, encoding: str) -> None:
    member.ok("members", "update", 1, "--name", "é…")
    shown = {}
    for words in (("show", "1", "--format", "json"), ("list", "--format", "table")):
        ours, theirs = pty.openpty()
        environment = member.environment | {"PYTHONIOENCODING": encoding, "TERM": "xterm"}
        command = [sys.executable, "-m", "streamctl", "members", *words]
        subprocess.run(command, stdout=theirs, env=environment, cwd=member.home, check=True)
        os.close(theirs)
        shown[words[0]] = os.read(ours, 65536).decode(encoding)
        os.close(ours)
    assert json.loads(shown["show"])["name"] == "é…"
    assert r"\u2026" in shown["list"]


@pytest.fixture
def homeless(nothing: Program, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """The program of a user whom neither the environment nor the system gives a home, as in a container."""

    def unknown(user: int) -> None:
        raise KeyError(user)

    class Homeless(Inside):
        @property
        def environment(self) -> dict[str, str]:
            return {"PATH": os.environ["PATH"]}

    for name in ("HOME", "XDG_DATA_HOME", "STREAMCTL_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    return Homeless(nothing.db, nothing.home)


def test_without_a_home_one_line_says_how_to_name_the_database(homeless: Inside) -> None:
    for words in (
        ("members", "list"),
        ("db", "info"),
        ("db", "init"),
        ("db", "backup", "x"),
        ("invoices", "render", 1),
    ):
        answer = homeless(*words)
        assert (answer.status, answer.out) == (6, ""), answer.err
        assert answer.err.splitlines() == [
            "Error: There is no home folder, so there is no data folder in it.",
            "Hint: Name the database with --db or STREAMCTL_DB.",
        ]
    assert homeless("--help").status == 0


def test_without_a_home_a_named_database_does_all_the_same(homeless: Inside) -> None:
    put(empty("postgresql" if isinstance(homeless.db, str) else "sqlite"), homeless.db)
    named = ("--db", homeless.db, "--as-of", "2026-11-22T12:00:00Z")
    assert homeless(*named, "members", "add", "bob@example.com").status == 0
    assert homeless(*named, "log", "list", "--columns", "actor").out == f"actor\n{os.getuid()}\n"
    assert homeless(*named, "db", "backup", homeless.home / "kept.db").status == 0
    restored = homeless(*named, "db", "restore", homeless.home / "kept.db", "--yes")
    if isinstance(homeless.db, Path):
        assert restored.status == 0, restored.err
    else:
        assert restored.status == 6
        assert "HOME or XDG_DATA_HOME" in restored.err
    for words in (("--db", "~/x.db", "db", "info"), (*named, "db", "dump", "-o", "~/x.json")):
        assert homeless(*words).status == 2
        assert "unexpected" not in homeless(*words).err


def test_no_character_stops_an_answer_on_its_way(nothing: Program) -> None:
    """The handler itself: a letter beyond ASCII, one beyond 16 bits, half of one, a byte that was no UTF-8."""
    assert "é😀\ud83d\udcff".encode("ascii", writer.ESCAPED) == rb"\u00e9\ud83d\ude00\ud83d\udcff"
