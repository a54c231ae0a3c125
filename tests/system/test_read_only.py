"""A database on read-only media, in another user's folder, or of a reader without rights: it is read, and not torn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import unready
from books import dumped, everything
from program import Program
from shell import Shell

pytestmark = pytest.mark.sqlite("a file and its folder")
IN_PROCESS = True
READERS = (
    *("members list", "members show", "invoices list", "invoices show", "invoices overdue", "invoices render"),
    *("lines list", "lines show", "stream list", "stream why", "report revenue", "report ageing", "report usage"),
    *("log list", "log show", "db init", "db info", "db dump", "db check", "db backup", "db move"),
)
PATIENCE = 30.0  # seconds; only what makes a hang a failure


@contextmanager
def closed(program: Program, folder: Path, *, log: bool = False) -> Iterator[Path]:
    """The database in a folder that nobody may write in, and may not be written either, as closing it left it.

    With `log` as a crash left it.
    """
    assert isinstance(program.db, Path)
    (place := folder / "closed").mkdir()
    with Shell(program.db) as shell:
        shell.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if log:
            shell.execute("UPDATE user SET name = 'in the log'")
        for end in ("", "-wal") if log else ("",):
            shutil.copyfile(f"{program.db}{end}", place / f"books.db{end}")
    for path in place.iterdir():
        path.chmod(0o444)
    place.chmod(0o555)
    try:
        yield place / "books.db"
    finally:
        place.chmod(0o755)


def as_anybody(place: Path, home: Path, *words: str) -> subprocess.Popen[str]:
    """The program run by somebody who has none of root's rights."""
    command = [sys.executable, unready.__file__, str(place), str(home), *words]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "STREAMCTL_DB": str(place)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=home, env=environment)


def told(place: Path, home: Path, *words: str) -> tuple[int, str, str]:
    """What it says: the status, standard output and standard error."""
    with as_anybody(place, home, *words) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_every_command_that_reads_reads_it_and_every_other_says_that_it_can_not_be_written(
    member: Program, tmp_path: Path
) -> None:
    """Fails when SQLite's wish for files beside it is taken for a refusal, or a writer believes that it has written."""
    everything(member)
    with closed(member, tmp_path) as place:
        before = place.read_bytes()
        for words, answer in unready.powerless(place, tmp_path):
            name = " ".join(words[:2])
            if name in READERS:
                assert answer.status == 0, (words, answer)
            elif name in ("db restore", "db diff", "db load", "db sandbox"):  # what is given is no such file
                assert answer.status in (4, 6), (words, answer)
            elif answer.status != 2:
                assert (answer.status, answer.out) == (6, ""), (words, answer)
                assert "can't be written; nothing was changed" in answer.err, (words, answer)
                assert unready.one_line(answer), (words, answer)
        assert [path.name for path in place.parent.iterdir()] == ["books.db"]
        assert place.read_bytes() == before


def test_all_of_it_is_read_and_copied_from_there(member: Program, tmp_path: Path) -> None:
    """Fails when a copy is made by another way than the one that reads it."""
    everything(member)
    wanted = dumped(member)
    (home := tmp_path / "home").mkdir()
    with closed(member, tmp_path) as place:
        assert json.loads(told(place, home, "db", "dump")[1]) == json.loads(member("db", "dump").out)
        for words in (("backup", "b.db"), ("sandbox", "s.db"), ("move", "--to", "m.db")):
            assert told(place, home, "db", *words)[0] == 0, words
        status, _, err = told(home / "r.db", home, "db", "restore", str(place), "--yes")
        assert status == 0, err
        assert told(home / "s.db", home, "db", "diff", str(place), "--format", "json")[:2] == (0, "[]\n")
    for name in ("b.db", "s.db", "m.db", "r.db"):
        assert dumped(member, home / name) == wanted, name


def test_what_a_crash_left_in_the_log_is_no_silent_loss(member: Program, tmp_path: Path) -> None:
    """Fails when the file is read without its log."""
    with closed(member, tmp_path, log=True) as place:
        for words in (("members", "list"), ("db", "backup", "b.db"), ("members", "add", "a@b")):
            status, out, err = told(place, tmp_path, *words)
            assert (status, out) == (6, ""), (words, err)
            error, hint = err.splitlines()
            assert "books.db-wal" in error
            assert hint.endswith(f"streamctl --db {place} db info"), "which whoever may write there can paste"
        assert not (tmp_path / "b.db").exists()
    for path in place.parent.iterdir():
        path.chmod(0o644)
    assert member("--db", place, "db", "info").status == 0
    place.with_name("books.db-shm").unlink(missing_ok=True)
    for path in place.parent.iterdir():
        path.chmod(0o444)
    place.parent.chmod(0o555)
    assert told(place, tmp_path, "members", "list")[0] == 0
    place.parent.chmod(0o755)


def test_a_writer_that_comes_meanwhile_ends_the_command_with_an_error(member: Program, tmp_path: Path) -> None:
    """Fails when half of an answer is from before and half from after, and nobody hears of it."""
    with Shell(member.db) as shell:
        names = ((f"u{number}@example.com", f"u{number}@example.com") for number in range(4000))
        shell.repeat("INSERT INTO user (email, email_key, created_at) VALUES (?, ?, '2026-11-01T00:00:00Z')", names)
    with closed(member, tmp_path) as place:
        writer = ("--db", place, "members", "add", "late@example.com")
        with as_anybody(place, tmp_path, "db", "dump") as process:
            assert process.stdout
            process.stdout.readline()  # the rest of it waits for room in the pipe
            place.parent.chmod(0o755)
            place.chmod(0o644)
            assert member(*writer).status == 0
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 5, err
        assert "was written to while it was read" in err
        assert len(err.splitlines()) == 2


def test_a_watch_of_it_ends_when_somebody_writes(member: Program, tmp_path: Path) -> None:
    """Fails when it goes on showing what was there when it began."""
    member.ok("stream", "checkin", 1)
    with closed(member, tmp_path) as place, as_anybody(place, tmp_path, "stream", "watch", "--every", "1s") as process:
        assert process.stdout
        process.stdout.readline()
        place.parent.chmod(0o755)
        place.chmod(0o644)
        assert member("--db", place, "stream", "checkin", "1").status == 0
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5, err
    assert "was written to while it was read" in err
