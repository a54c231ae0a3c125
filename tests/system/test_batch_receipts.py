"""`stream batch --output`: a receipt is in the file when its event is durable, however the run ends."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from program import Program
from streams import enrol, event, inside, lines

from streamctl.output.descriptor import Descriptor

BOUND = 60.0  # seconds; only what makes a hang a failure
GROUP = 10
FILE = "receipts.jsonl"


@pytest.fixture
def crowd(program: Program) -> Program:
    """The program with a member who may have any number of streams, and 900 check-ins without a key."""
    enrol(program, "m@example.com", credits=1000)
    (program.home / "events.jsonl").write_bytes(lines(*[event("checkin", member=1)] * 900))
    return program


@contextmanager
def batch(program: Program, *words: object, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The program playing events into the file."""
    command = [sys.executable, "-m", "streamctl", "stream", "batch", *map(str, words), "--output", FILE]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, cwd=program.home, **{"env": program.environment} | more
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(there: Any, process: subprocess.Popen[bytes]) -> None:
    """Wait until that is so."""
    deadline = time.monotonic() + BOUND
    while not there():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.001)


def receipts(program: Program) -> list[dict[str, Any]]:
    """The receipts in the file, which are all whole."""
    text = (program.home / FILE).read_text()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def durable(program: Program) -> list[int]:
    """The ids of the streams that are there."""
    return [row[0] for row in program.sql("SELECT id FROM stream ORDER BY id")]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_the_file_has_what_is_durable(crowd: Program, sent: signal.Signals) -> None:
    file = crowd.home / FILE
    file.write_text("of an earlier run\n")
    file.chmod(0o640)
    with batch(crowd, "events.jsonl", "--commit-every", GROUP) as process:
        until(lambda: file.read_bytes().count(b"\n") > 2 * GROUP, process)
        process.send_signal(sent)
        assert process.stderr
        said = process.stderr.read().decode()
        assert process.wait(BOUND) == (-sent if sent == signal.SIGKILL else 130)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    there = durable(crowd)
    assert 0 < len(there) < 900
    answered = [receipt["stream_id"] for receipt in receipts(crowd)]
    if sent == signal.SIGKILL:
        assert answered == there[: len(answered)]
        assert len(there) - len(answered) <= GROUP
    else:
        assert answered == there
        assert said.startswith(
            f"Interrupted; what was committed until then stays done. It is done up to line {len(there)}. "
        )
    assert [path.name for path in crowd.home.glob(".streamctl-*")] == []


def test_receipts_come_while_it_runs_and_waiting_for_events_may_be_stopped(crowd: Program) -> None:
    file = crowd.home / FILE
    with batch(crowd, "-", stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(lines(event("checkin", member=1)))
        process.stdin.flush()
        until(lambda: file.exists() and file.read_bytes().endswith(b"\n"), process)
        assert [receipt["stream_id"] for receipt in receipts(crowd)] == durable(crowd) == [1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(BOUND) == 130
    assert len(receipts(crowd)) == 1


STOPPED_AFTER_THE_THIRD_COMMIT = """
import signal
from streamctl.__main__ import main
from streamctl.services import batch

commit, commits = batch.write, 0

def write(*args, **more):
    global commits
    done = commit(*args, **more)
    commits += 1
    if commits == 3:
        signal.raise_signal(signal.SIGTERM)
    return done

batch.write = write
main()
"""


@pytest.mark.parametrize("redirected", [True, False])
def test_a_signal_between_a_commit_and_its_receipts_waits_for_them(crowd: Program, redirected: bool) -> None:
    words = ("stream", "batch", "events.jsonl", "--commit-every", str(GROUP))
    with (crowd.home / FILE).open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", STOPPED_AFTER_THE_THIRD_COMMIT, *words, *(() if redirected else ("-o", FILE))],
            stdout=out if redirected else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=crowd.environment,
            cwd=crowd.home,
            check=False,
        )
    assert done.returncode == 130
    assert f"It is done up to line {3 * GROUP}." in done.stderr.decode()
    assert [receipt["stream_id"] for receipt in receipts(crowd)] == durable(crowd) == list(range(1, 3 * GROUP + 1))


@pytest.mark.parametrize("every", [GROUP, 1000])
def test_on_a_full_disk_whole_receipts_stay_and_the_error_says_how_far_it_came(
    crowd: Program, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    room = 5000
    write = Descriptor.write

    def full(self: Descriptor, data: bytes) -> int:
        nonlocal room
        if Path(f"/proc/self/fd/{self.fileno()}").resolve().name != FILE:
            return write(self, data)
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(self, memoryview(data)[:room])
        room -= written
        return written

    monkeypatch.setattr(Descriptor, "write", full)
    answer = inside(crowd)("stream", "batch", "events.jsonl", "--commit-every", every, "--output", FILE)
    there, answered = durable(crowd), [receipt["stream_id"] for receipt in receipts(crowd)]
    assert answer.status == 1
    assert answer.err.startswith(
        f"Error: The change is done up to line {len(there)}, but its answer can't be written: No space left on device."
    )
    assert answered == there[: len(answered)]
    assert 0 < len(answered) < len(there) <= len(answered) + every
    assert (crowd.home / FILE).stat().st_size > 5000 - 200, "as many as there was room for"


@pytest.mark.postgresql("SQLite's own files would not fit either")
def test_a_limit_of_the_system_does_no_more(crowd: Program) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    environment = crowd.environment | {"PYTHONDONTWRITEBYTECODE": "1"}
    with batch(crowd, "events.jsonl", "--commit-every", GROUP, env=environment, preexec_fn=small) as process:
        assert process.stderr
        said = process.stderr.read().decode()
        assert process.wait(BOUND) == 1
    there, answered = durable(crowd), [receipt["stream_id"] for receipt in receipts(crowd)]
    assert f"is done up to line {len(there)}, but its answer can't be written: File too large." in said
    assert answered == there[: len(answered)]
    assert 0 < len(there) - len(answered) <= GROUP


def test_a_run_that_ends_replaces_the_file_and_one_that_never_begins_leaves_it(crowd: Program) -> None:
    file = crowd.home / FILE
    file.write_text("of an earlier run\n" * 100_000)
    quick = inside(crowd)
    assert quick("stream", "batch", "missing.jsonl", "--output", FILE).status == 2
    assert file.read_text().startswith("of an earlier run\n")
    assert quick("stream", "batch", "events.jsonl", "--output", FILE).status == 0
    assert [receipt["stream_id"] for receipt in receipts(crowd)] == durable(crowd) == list(range(1, 901))
    (crowd.home / "none").write_text("")
    assert quick("stream", "batch", "none", "--output", FILE).status == 0
    assert file.read_text() == ""
    assert list(crowd.home.glob(".streamctl-*")) == []
