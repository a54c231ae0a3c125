"""Whatever standard output is, and whether Python buffers it: all of an answer leaves, or the exit says so."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from program import Program
from streams import enrol, event, lines

pytestmark = pytest.mark.sqlite("how an answer leaves does not come from the engine")

UNBUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
FORMATS = ("table", "json", "csv")  # by Rich, from one generator, from another
SMALL = 4096  # bytes of a pipe
ROOM = 50_000  # bytes that a file may have: more than SQLite's own files need
BOUND = 60.0  # seconds; only what makes a hang a failure


@pytest.fixture
def many(program: Program) -> Program:
    """The program with so many members that no listing fits into a small pipe."""
    return enrol(program, *(f"member-{number}-{'x' * 40}@example.com" for number in range(1, 1501)))


@contextmanager
def running(program: Program, *words: object, unbuffered: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """The program as a process, killed if it is still there at the end."""
    environment = program.environment | ({"PYTHONUNBUFFERED": unbuffered} if unbuffered else {})
    command = [sys.executable, "-m", "streamctl", *map(str, words)]
    with subprocess.Popen(
        command,
        **({"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "env": environment, "cwd": program.home} | options),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def small_pipe(*, blocking: bool = True) -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that takes 4 KiB; the one that is written to may not block."""
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, SMALL)
        os.set_blocking(writer, blocking)
        yield reader, writer
    finally:
        for end in (reader, writer):
            with suppress(OSError):  # a test has closed it
                os.close(end)


def full(process: subprocess.Popen[bytes], writer: int) -> None:
    """Wait until the pipe takes no more."""
    deadline = time.monotonic() + BOUND
    while select.select([], [writer], [], 0)[1]:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def drained(reader: int) -> bytes:
    """All that comes, read slowly."""
    parts = []
    while part := os.read(reader, 1000):
        parts.append(part)
    return b"".join(parts)


@UNBUFFERED
@pytest.mark.parametrize("format", FORMATS)
def test_a_pipe_that_does_not_block_and_a_slow_reader_get_every_byte(
    many: Program, format: str, unbuffered: str
) -> None:
    words = ("members", "list", "--format", format)
    wanted = many(*words).out.encode()
    with (
        small_pipe(blocking=False) as (reader, writer),
        running(many, *words, unbuffered=unbuffered, stdout=writer) as process,
    ):
        full(process, writer)
        os.close(writer)
        found = drained(reader)
        assert process.wait(BOUND) == 0
        assert process.stderr
        assert process.stderr.read() == b""
    assert found == wanted


@UNBUFFERED
def test_a_process_that_is_stopped_and_continued_loses_nothing(many: Program, unbuffered: str) -> None:
    words = ("members", "list", "--format", "csv")
    wanted = many(*words).out.encode()
    with (
        small_pipe() as (reader, writer),
        running(many, *words, unbuffered=unbuffered, stdout=writer) as process,
    ):
        full(process, writer)
        for sent in (signal.SIGSTOP, signal.SIGCONT):
            process.send_signal(sent)
            time.sleep(0.05)
        os.close(writer)
        assert drained(reader) == wanted
        assert process.wait(BOUND) == 0


@UNBUFFERED
@pytest.mark.parametrize("format", ["json", "csv"])
def test_a_disk_that_is_nearly_full_is_said_and_is_1(
    many: Program, tmp_path: Path, format: str, unbuffered: str
) -> None:
    def nearly_full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))

    words = ("members", "list", "--format", format)
    environment = many.environment | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": unbuffered}
    with (tmp_path / "out").open("wb") as out:
        process = running(many, *words, unbuffered="", stdout=out, preexec_fn=nearly_full, env=environment)
        with process as listing:
            assert listing.wait(BOUND) == 1
            assert listing.stderr
            said = listing.stderr.read().decode()
    assert "can't be written: File too large" in said
    assert (tmp_path / "out").stat().st_size == ROOM


@UNBUFFERED
def test_every_receipt_leaves_before_the_batch_ends_well(program: Program, unbuffered: str) -> None:
    enrol(program, "m@example.com", credits=1000)
    (program.home / "events.jsonl").write_bytes(lines(*(event("checkin", member=1, ref=f"r{n}") for n in range(300))))
    with (
        small_pipe(blocking=False) as (reader, writer),
        running(program, "stream", "batch", "events.jsonl", unbuffered=unbuffered, stdout=writer) as process,
    ):
        full(process, writer)
        os.close(writer)
        receipts = [json.loads(line) for line in drained(reader).splitlines()]
        assert process.wait(BOUND) == 0
    assert [receipt["line"] for receipt in receipts] == list(range(1, 301))


@UNBUFFERED
def test_ctrl_c_ends_a_listing_that_waits_for_a_pipe_that_does_not_block(many: Program, unbuffered: str) -> None:
    with (
        small_pipe(blocking=False) as (_, writer),
        running(many, "members", "list", unbuffered=unbuffered, stdout=writer) as process,
    ):
        full(process, writer)
        process.send_signal(signal.SIGINT)
        assert process.wait(BOUND) == 130
        assert process.stderr
        assert process.stderr.read() == b"Interrupted; nothing was changed.\n"


@UNBUFFERED
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("members", "--help"),
        ("members", "add", "--help"),
        ("members", "list", "--format", "table"),
    ],
    ids=" ".join,
)
def test_whatever_nobody_reads_ends_quietly_with_141(member: Program, words: tuple[str, ...], unbuffered: str) -> None:
    with small_pipe() as (reader, writer):
        os.close(reader)
        with running(member, *words, unbuffered=unbuffered, stdout=writer) as process:
            assert process.wait(BOUND) == 141
            assert process.stderr
            assert process.stderr.read() == b""


@UNBUFFERED
def test_completions_that_nobody_reads_end_quietly_with_141(member: Program, unbuffered: str) -> None:
    asked = {"_STREAMCTL_COMPLETE": "complete_bash", "COMP_WORDS": "streamctl me", "COMP_CWORD": "1"}
    with small_pipe() as (reader, writer):
        os.close(reader)
        environment = member.environment | asked | ({"PYTHONUNBUFFERED": unbuffered} if unbuffered else {})
        with running(member, unbuffered="", stdout=writer, env=environment) as process:
            assert process.wait(BOUND) == 141


@UNBUFFERED
def test_help_for_nobody_is_2_with_or_without_a_reader(program: Program, unbuffered: str) -> None:
    with small_pipe() as (reader, writer):
        os.close(reader)
        with running(program, unbuffered=unbuffered, stdout=writer, stderr=writer) as process:
            assert process.wait(BOUND) == 2
