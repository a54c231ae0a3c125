"""Input that does not end: it is refused before it fills the memory, and before much of it is read."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import repeat

import pytest
from program import Program

MUCH = 32 << 20  # bytes; more than a pipe and the reader's buffers hold, by far
MEMORY = 400 << 10  # KiB

pytestmark = pytest.mark.sqlite("nothing is asked of the database before the input is refused")


def fed(program: Program, *words: str, head: bytes = b"", endless: bytes) -> tuple[int, str, int]:
    """The exit status, standard error, and how many bytes the process let us write before it ended."""
    out, into = os.pipe()
    running = subprocess.Popen(
        ["/bin/sh", "-c", f'ulimit -v {MEMORY}; exec "$@"', "sh", sys.executable, "-m", "streamctl", *words],
        stdin=out,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=program.environment,
        cwd=program.home,
    )
    os.close(out)
    written = 0
    try:
        for part in (head, *repeat(endless, MUCH // len(endless))):
            written += os.write(into, part)
    except BrokenPipeError:
        pass
    finally:
        os.close(into)
    _, said = running.communicate(timeout=60)
    return running.returncode, said.decode(), written


@pytest.mark.parametrize(
    ("words", "head", "named"),
    [
        (["invoices", "pay", "-"], b"1\n2\n", "Line 3 of standard input is longer than 1000 bytes"),
        (["members", "cancel", "-"], b"", "Line 1 of standard input is longer"),
        (["stream", "heartbeat", "-"], b"\n", "Line 2 of standard input is longer"),
        (["db", "load", "-"], b"", "Standard input is no JSON"),
        (["db", "load", "-"], b"\xef\xbb\xbf \n", "Standard input is no JSON"),
        (["stream", "batch", "-"], b"", "is neither a JSON object nor a header of events"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else repr(value),
)
def test_a_line_without_end_is_refused_before_much_of_it_is_read(
    program: Program, words: list[str], head: bytes, named: str
) -> None:
    status, said, written = fed(program, *words, head=head, endless=b"7" * (1 << 16))
    assert (status, said.startswith("Error: ")) == (4, True), said
    assert named in said
    assert written < MUCH // 8


def test_a_device_without_end_is_refused(program: Program) -> None:
    for words in (["db", "load"], ["stream", "batch"]):
        answer = program(*words, "/dev/zero")
        assert (answer.status, answer.err.startswith("Error: ")) == (4, True)


def test_lines_without_end_are_refused(program: Program) -> None:
    status, said, _ = fed(program, "invoices", "pay", "-", endless=b"1\n" * (1 << 15))
    assert (status, "more than 1000000 lines; nothing was changed" in said) == (4, True), said


def test_a_file_that_is_larger_than_what_is_loaded_is_refused_unread(program: Program) -> None:
    with (program.home / "large.json").open("wb") as file:
        file.write(b"[")
        file.truncate(5 << 30)
    answer = program("db", "load", "large.json")
    assert (answer.status, "large.json is larger than 4 GiB" in answer.err) == (4, True)


def test_what_does_not_fit_into_the_memory_is_refused_with_a_word(program: Program) -> None:
    status, said, _ = fed(program, "db", "load", "-", head=b"[", endless=b"[]," * (1 << 15))
    assert (status, said) == (4, "Error: Standard input needs more memory than this machine has free.\n")
