"""The file: none, somebody else's, damaged, not ours to write, of any name."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import Program

from streamctl.cli.boundary import run

COMMANDS = (
    ("members", "list"),
    ("members", "add", "a@b"),
    ("db", "info"),
    ("db", "check"),
    ("db", "dump"),
    ("db", "migrate"),
    ("db", "set", "payment_days", "7"),
)
# Root may write what it likes: these powers are dropped before the program begins. 24 is PR_CAPBSET_DROP,
# 1 and 2 are CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
AS_ANYBODY = """
import ctypes, os, sys
if os.geteuid() == 0:
    assert not any(ctypes.CDLL(None).prctl(24, power, 0, 0, 0) for power in (1, 2))
os.execv(sys.executable, [sys.executable, "-m", "streamctl", *sys.argv[1:]])
"""


def names(folder: Path) -> list[str]:
    """The names in the folder, in order."""
    return sorted(path.name for path in folder.iterdir())


pytestmark = pytest.mark.sqlite("files")
IN_PROCESS = True  # a process for each of its many commands would say no more


@pytest.fixture
def inside(program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """The command line in this process on any path: its status and what it said on standard error."""
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STREAMCTL_FORMAT", raising=False)

    def command(db: Path, *words: object) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["--db", str(db), *(str(word) for word in words)])
        return status, capsys.readouterr().err

    return command


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below the folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def everything_is_refused(inside: Callable[..., Any], db: Path, *parts: str) -> None:
    """Every command answers 6 in one line with these words in it, and leaves every byte in the folder alone."""
    before = contents(db.parent)
    for words in COMMANDS:
        status, err = inside(db, *words)
        assert status == 6, (words, err)
        assert err.startswith("Error: ")
        assert "Traceback" not in err
        assert all(part in err for part in parts), (words, err)
        assert contents(db.parent) == before, words


def test_without_a_database_every_command_names_init_and_makes_nothing(
    nothing: Program, inside: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    everything_is_refused(inside, folder / "no.db", "no.db", "db init")
    everything_is_refused(inside, folder / "no" / "folder" / "no.db", "db init")
    assert names(folder) == []
    error = dataclasses.replace(nothing, db=folder / "no.db").refused("members", "list")
    assert (error["status"], error["code"]) == (6, "no_database")
    assert names(folder) == []


def test_what_is_no_database_is_left_alone(inside: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "empty").touch()
    (folder / "text").write_text("id,email\n1,bob@example.com\n" * 100)
    (folder / "short").write_bytes(b"SQLite")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "nowhere").symlink_to(folder / "gone")
    for name in ("empty", "text", "short", "folder", "nowhere", "text/below"):
        everything_is_refused(inside, folder / name)
    assert inside(folder / "loop", "members", "list")[0] in (2, 6)
    for name in ("empty", "text", "short", "folder"):
        before = contents(folder)
        status, err = inside(folder / name, "db", "init")
        assert status in (4, 6), (name, err)
        assert err.startswith("Error: ")
        assert contents(folder) == before, name
    for path in (Path(os.devnull), folder / "pipe"):
        assert inside(path, "members", "list")[0] == 6
        assert inside(path, "db", "init")[0] in (4, 6)


def test_another_programs_database_is_not_touched_not_even_its_log(inside: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    theirs = sqlite3.connect(folder / "app.db")
    theirs.execute("PRAGMA journal_mode = wal")
    theirs.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT)")
    theirs.execute("INSERT INTO user VALUES (1, 'x')")
    theirs.commit()
    for end in ("", "-wal", "-shm"):  # as a crash would leave them
        shutil.copyfile(f"{folder / 'app.db'}{end}", f"{folder / 'left.db'}{end}")
    theirs.close()
    assert len(names(folder)) == 4
    everything_is_refused(inside, folder / "left.db", "another program's")
    before = contents(folder)
    assert inside(folder / "left.db", "db", "init")[0] == 6
    assert contents(folder) == before


def test_a_cut_off_database_is_damaged(program: Program, inside: Callable[..., Any], tmp_path: Path) -> None:
    whole = program.db.read_bytes()
    folder = tmp_path / "cut"
    folder.mkdir()
    for length in (50, 99, 100, 512, 4096, 4097, 8192, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        (folder / "cut.db").write_bytes(whole[:length])
        everything_is_refused(inside, folder / "cut.db", "damaged")
        assert inside(folder / "cut.db", "db", "init")[0] == 6
        assert (folder / "cut.db").read_bytes() == whole[:length]


def test_no_flipped_bit_of_the_header_is_more_than_a_refusal(program: Program, inside: Callable[..., Any]) -> None:
    whole = program.db.read_bytes()
    surprises = []
    for place in range(100):
        for bit in (1, 128):
            broken = bytearray(whole)
            broken[place] ^= bit
            program.db.write_bytes(broken)
            for words in (("members", "list"), ("members", "add", "a@b", "--dry-run")):
                status, err = inside(program.db, *words)
                if status not in (0, 6) or (status and program.db.read_bytes() != broken):
                    surprises.append((place, bit, words[1], err))
    assert surprises == []


def test_damage_inside_is_found_and_never_a_traceback(member: Program, inside: Callable[..., Any]) -> None:
    whole = member.db.read_bytes()
    found = set()
    for page in range(1, len(whole) // 4096):
        member.db.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        for words in (
            ("members", "list"),
            ("invoices", "list"),
            ("stream", "checkin", "1", "--dry-run"),
            ("db", "check"),
        ):
            status, err = inside(member.db, *words)
            assert status in (0, 4, 6), (page, words, err)
            assert "Traceback" not in err
            found.add((words[1], status))
    assert ("list", 6) in found
    assert found & {("check", 4), ("check", 6)}


def test_damage_in_the_schema_is_damage(member: Program, inside: Callable[..., Any], tmp_path: Path) -> None:
    """Fails when what SQLite says of a rule that can't be read is taken for a fault of the program."""
    whole, found = member.db.read_bytes(), []
    for text, damaged in (
        (b"length(", b"lengtx("),
        (b'REFERENCES "invoice_line"', b'REFERENCES "invoice_linf"'),
        (b'REFERENCES "user" ("id")', b'REFERENCES "user" ("ie")'),
        (b"CREATE TABLE", b"CREATE TACLE"),
        (b"CREATE TABLE", b"CREATE\xa0TABLE"),
        (b"invoice_user_month", b"\xa0nvoice_user_month"),
        (b"length(description)", b"length(descri\xf0tion)"),
    ):
        assert text in whole
        member.db.write_bytes(whole.replace(text, damaged))
        for words in (("db", "check"), ("db", "backup", tmp_path / "x.db"), ("members", "list"), ("db", "dump")):
            status, err = inside(member.db, *words)
            assert status in (0, 4, 6), (damaged, words, err)
            assert "Traceback" not in err
        found.append(inside(member.db, "db", "check")[0])
    assert found.count(6) >= 4, "most of it is found before it is met with"


def anybody(program: Program, *words: str) -> subprocess.CompletedProcess[str]:
    """The program without root's power to write everywhere."""
    return subprocess.run(
        [sys.executable, "-c", AS_ANYBODY, *words],
        env=program.environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_may_not_be_written_is_refused_and_unchanged(member: Program, tmp_path: Path) -> None:
    before = member.db.read_bytes()
    folder = tmp_path / "closed"
    folder.mkdir()
    closed = dataclasses.replace(member, db=folder / "streamctl.db")
    shutil.copyfile(member.db, closed.db)
    closed.db.chmod(0o400)
    refused = anybody(closed, "members", "add", "a@b")
    assert (refused.returncode, refused.stdout) == (6, "")
    assert "can't be written" in refused.stderr
    assert "Hint: " in refused.stderr
    read = anybody(closed, "members", "list", "--format", "ids")
    assert (read.returncode, read.stdout) in ((0, "1\n"), (6, ""))
    folder.chmod(0o500)
    for words in (("members", "list"), ("members", "add", "a@b"), ("db", "check"), ("db", "migrate")):
        refused = anybody(closed, *words)
        assert refused.returncode == 6 or (refused.returncode, words[1]) in ((0, "list"), (0, "check"))
        assert "Traceback" not in refused.stderr
    nowhere = anybody(dataclasses.replace(closed, db=folder / "new.db"), "db", "init")
    assert (nowhere.returncode, nowhere.stdout) == (6, "")
    assert "Permission denied" in nowhere.stderr
    closed.db.chmod(0o000)
    assert anybody(closed, "members", "list").returncode == 6
    folder.chmod(0o700)
    assert closed.db.read_bytes() == before
    assert set(names(folder)) <= {"streamctl.db", "streamctl.db-wal", "streamctl.db-shm"}


NAMES = ("with space.db", "what?.db", "a#b.db", "100%.db", "%41.db", "it's.db", 'say "x".db', "two\nlines.db")
MORE_NAMES = (
    "Zoë-😀.db",
    "a&b;c=d?mode=ro.db",
    "-dash.db",
    "\\back.db",
    ":memory:",
    "file:x.db",
    "~tilde.db",
    "\x1b[31m.db",
)


@pytest.mark.parametrize("name", [*NAMES, *MORE_NAMES])
def test_any_name_of_a_file_is_only_a_name(inside: Callable[..., Any], tmp_path: Path, name: str) -> None:
    folder = tmp_path / name.removesuffix(".db")
    db = folder / name
    status, err = inside(db, "members", "list")
    assert status == 6
    assert all(character.isprintable() for character in err.replace("\n", ""))
    assert inside(db, "db", "init", "--timezone", "UTC") == (0, "")
    assert inside(db, "members", "add", "a@b") == (0, "")
    assert inside(db, "db", "check", "--format", "json")[0] == 0
    assert names(folder) == [name]
    assert names(tmp_path).count(folder.name) == 1
    connection = sqlite3.connect(db.absolute().as_uri(), uri=True)
    assert connection.execute("SELECT email FROM user").fetchall() == [("a@b",)]
    connection.close()


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_a_name_is_taken_as_long_as_sqlites_own_files_have_one(
    program: Program, inside: Callable[..., Any], tmp_path: Path, letter: str
) -> None:
    """Catches a name that only the database itself, or the draft of it, could have: it was said of the answer."""
    folder = tmp_path / "long"
    folder.mkdir()
    most = 255 - len("-journal")
    for length in (most - 1, most, most + 1, most + 20, 300):
        name = (letter * length).encode()[:length].decode(errors="ignore")
        fits = len(name.encode()) <= most
        for command in ((folder / name, "db", "init"), (program.db, "db", "move", "--to", folder / name)):
            status, err = inside(*command)
            assert status == (0 if fits else 6), err
            assert fits or "can't be opened: File name too long." in err
            assert names(folder) == ([name] if fits else [])
            for made in folder.iterdir():
                made.unlink()


def test_a_new_database_is_its_owners_alone(inside: Callable[..., Any], tmp_path: Path) -> None:
    db = tmp_path / "one" / "two" / "streamctl.db"
    before = os.umask(0)
    try:
        assert inside(db, "db", "init")[0] == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(db.stat().st_mode) == 0o600
    assert stat.S_IMODE(db.parent.stat().st_mode) == 0o700
    assert names(db.parent) == ["streamctl.db"]
    assert stat.S_IMODE(db.parent.parent.stat().st_mode) == 0o700, "every new folder"


def test_a_link_to_the_database_is_the_database(member: Program, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "link.db").symlink_to(member.db)
    linked = dataclasses.replace(member, db=folder / "link.db")
    linked.ok("members", "add", "second@example.com")
    assert [row["id"] for row in member.ok("members", "list")] == [1, 2]
    assert names(folder) == ["link.db"], "its log stands beside the file, not beside the link"
    again = linked.ok("db", "init")
    assert again["created"] is False
