"""The queue of writers to one file: in the order they came, never longer than asked, and nothing left of it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from program import Program
from shell import Shell, locked

from streamctl.store import queue

pytestmark = pytest.mark.sqlite("a server has its own queue")
PATIENCE = 30.0  # seconds; only what makes a hang a failure


@contextmanager
def first(program: Program) -> Iterator[None]:
    """Somebody has the database open and their turn, and does not end it."""
    assert isinstance(program.db, Path)
    with Shell(program.db) as shell:
        shell.execute("SELECT * FROM user")
        handle = os.open(f"{program.db}-wal", os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(handle)


def queued(program: Program, *words: str) -> subprocess.Popen[str]:
    """The program as a process that waits for its turn."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamctl", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program.environment,
        cwd=program.home,
    )
    deadline = time.monotonic() + PATIENCE
    while not any("->" in line and f" {process.pid} " in line for line in Path("/proc/locks").read_text().splitlines()):
        assert time.monotonic() < deadline, "it does not wait"
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return process


def test_who_came_first_writes_first(member: Program) -> None:
    """Fails when those who wait try again at random, as SQLite would have them."""
    member.ok("members", "update", 1, "--credits", 9)
    with first(member):
        running = [queued(member, "stream", "checkin", "1", "--ref", f"n{number}") for number in range(6)]
    said = [process.communicate(timeout=PATIENCE) for process in running]
    assert [process.returncode for process in running] == [0] * 6, said
    assert member.sql("SELECT ref FROM stream ORDER BY id") == [(f"n{number}",) for number in range(6)]


def test_who_leaves_the_queue_or_is_killed_in_it_holds_nobody_up_and_leaves_nothing_behind(member: Program) -> None:
    with first(member):
        running = [queued(member, "stream", "checkin", "1", "--ref", f"n{number}") for number in range(5)]
        running[1].kill()
        running[3].send_signal(signal.SIGTERM)
        assert running[3].wait(PATIENCE) == 130
    said = [process.communicate(timeout=PATIENCE) for process in running]
    assert [process.returncode for process in running] == [0, -9, 0, 130, 0], said
    assert sorted(member.sql("SELECT ref FROM stream")) == [("n0",), ("n2",), ("n4",)]
    assert [path.name for path in member.home.iterdir() if path.name.startswith("streamctl")] == ["streamctl.db"]


def test_the_turn_is_waited_for_as_long_as_asked_and_then_nothing_is_done(member: Program) -> None:
    """Fails when the wait in the queue does not count."""
    with first(member):
        running = [queued(member, "--timeout", "0.4", "stream", "checkin", "1") for _ in range(3)]
        began = time.monotonic()
        said = [process.communicate(timeout=PATIENCE) for process in running]
        assert time.monotonic() - began < 10, "but not much longer"
        assert member("--timeout", 0, "stream", "checkin", 1).status == 5
    assert [process.returncode for process in running] == [5] * 3
    assert all("stayed busy for 0.4 s; nothing was changed." in err for _, err in said)
    assert member.sql("SELECT count(*) FROM stream") == [(0,)]
    assert member("stream", "checkin", 1).status == 0


def test_the_wait_for_the_turn_and_for_sqlite_are_one_wait(member: Program) -> None:
    """Fails when whoever has their turn waits as long again for a writer that is not in the queue."""
    with locked(member.db):
        head = queued_behind_nobody(member, "--timeout", "2", "stream", "checkin", "1")
        second = queued(member, "--timeout", "0.2", "stream", "checkin", "1")
        assert second.wait(PATIENCE) == 5
        assert head.poll() is None, "it was not its turn that was short"
        assert head.wait(PATIENCE) == 5
        second.communicate(), head.communicate()


def queued_behind_nobody(program: Program, *words: str) -> subprocess.Popen[str]:
    """The program as a process that has its turn."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamctl", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program.environment,
    )
    while not any(
        f" {process.pid} " in line and "FLOCK" in line for line in Path("/proc/locks").read_text().splitlines()
    ):
        assert process.poll() is None, process.communicate()
    return process


def test_where_there_are_no_such_locks_nobody_waits_in_vain(
    member: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    done = []
    monkeypatch.setattr(fcntl, "flock", none)
    with queue.turn(tmp_path, time.monotonic()), queue.turn(tmp_path / "gone", time.monotonic()):
        done.append(True)
    assert done
