"""Too many open files, and a file system without locks: each is called by its name, and nothing is left behind."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from program import Answer, Program

SPARE = 16  # descriptors that any of these commands finds enough
LEAST = 5  # with fewer Python itself does not start
COMMANDS = (
    ("members", "list", "-o", "members.csv"),
    ("stream", "checkin", "1"),
    ("db", "check"),
    ("db", "backup", "backup.db"),
    ("db", "move", "--to", "moved.db"),
)
# SQLite's own fcntl and Python's, on a disk that has no locks.
NO_LOCKS = """
import ctypes, errno, fcntl, os, sys
sys.path.insert(0, {tests!r})
import _sqlite3, faults

def without(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

fcntl.lockf = without
library = ctypes.CDLL(_sqlite3.__file__)
library.sqlite3_vfs_find.restype = ctypes.POINTER(faults._Vfs)
vfs = library.sqlite3_vfs_find(None)
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, use_errno=True)
real = kind(vfs.contents.xGetSystemCall(vfs, b"fcntl"))

def hooked(handle, command, argument):
    if command in (fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_GETLK):
        ctypes.set_errno(errno.ENOLCK)
        return -1
    return real(handle, command, argument)

hook = kind(hooked)
assert vfs.contents.xSetSystemCall(vfs, b"fcntl", ctypes.cast(hook, ctypes.c_void_p)) == 0
from streamctl.cli.boundary import run
sys.exit(run(sys.argv[1:]))
"""


def limited(program: Program, most: int, *words: str) -> Answer:
    """The program where it can have so many files open."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    command = [sys.executable, "-m", "streamctl", *words]
    how = {"env": program.environment, "cwd": program.home, "preexec_fn": limit}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **how)  # type: ignore[call-overload]
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_too_many_open_files_are_called_that_wherever_they_are_met(member: Program, words: tuple[str, ...]) -> None:
    """Fails when a database that could not be opened is damaged or read-only, or what was not found is not there."""
    member.ok("stream", "checkin", 1)
    before, there = member.books(), set(member.home.iterdir())
    met = 0
    for most in range(LEAST, SPARE):
        answer = limited(member, most, *words)
        if answer.status == 0:
            break
        met += 1
        error = [line for line in answer.err.splitlines() if line.startswith("Error: ")]
        assert len(error) == 1, answer
        assert error[0].endswith("Too many open files."), answer
        assert answer.status in (2, 6), answer
        assert answer.status == 2 or "ulimit -n" in answer.err
        assert member.books() == before
        assert set(member.home.iterdir()) == there, "nothing is left behind"
    assert met or member.engine == "postgresql", "there was nothing to see"
    assert limited(member, 64, *words).status in (0, 4), "with enough it is done, if it was not before"


@pytest.mark.sqlite("a disk")
def test_a_disk_without_locks_is_not_busy(member: Program, tmp_path: Path) -> None:
    """Fails when somebody waits for a lock that nobody has."""
    script = NO_LOCKS.format(tests=str(Path(__file__).parents[1]))
    before = member.content()
    for words in (("members", "list"), ("stream", "checkin", "1"), ("db", "backup", "x.db"), ("db", "migrate")):
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", script, "--timeout", "600", *words],
            env=member.environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode, done.stdout) == (6, ""), done
        error, hint = done.stderr.splitlines()
        assert error.endswith("No locks available.")
        assert "has no locks" in hint
        assert time.monotonic() - start < 60, "of the 600 seconds that it was told to wait at most"
    assert member.content() == before
    made = subprocess.run(
        [sys.executable, "-c", script, "--db", "new.db", "--timeout", "600", "db", "init"],
        env=member.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 6, made
    assert "No locks available" in made.stderr
    assert not (tmp_path / "new.db").exists()
