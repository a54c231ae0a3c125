"""Standard output that is full, closed or gone: an honest word and the documented status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Program

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "ids")


IN_PROCESS = True  # a process for each of its many commands would say no more


def spoken(program: Program, *words: str, into: int | str) -> tuple[int, str]:
    """Run with this as standard output (a descriptor, or the words of a shell); the status and standard error."""
    command = [sys.executable, "-m", "streamctl", *words]
    if isinstance(into, str):
        command = ["/bin/sh", "-c", f'exec "$@" {into}', "sh", *command]
        into = subprocess.DEVNULL
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=into, stderr=subprocess.PIPE, env=program.environment, check=False
    )
    return done.returncode, done.stderr.decode()


def nobody_reads(program: Program, *words: str) -> tuple[int, str]:
    """Run into a pipe whose other end is closed."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return spoken(program, *words, into=writer)
    finally:
        os.close(writer)


@pytest.mark.parametrize("format", FORMATS)
def test_a_closed_pipe_ends_quietly_with_141(member: Program, format: str) -> None:
    assert nobody_reads(member, "members", "list", "--format", format) == (141, "")
    status, err = nobody_reads(member, "stream", "checkin", "1", "--format", format)
    assert status == 141
    assert err.count("\n") == 1
    assert "the change is done" in err.lower()
    assert len(member.ok("stream", "list")) == 1


@pytest.mark.parametrize("format", ["table", "json", "csv", "tsv"])
def test_a_long_listing_into_head_ends_quietly_with_141(member: Program, format: str) -> None:
    rows = [f"({i}, 'm{i}@x', 'm{i}@x', '{'n' * 250}', '2026-11-22T12:00:00Z')" for i in range(1000, 1500)]
    member.sql(f"INSERT INTO user (id, email, email_key, name, created_at) VALUES {', '.join(rows)}")
    command = [sys.executable, "-m", "streamctl", "members", "list", "--format", format]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=member.environment) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        assert listing.stdout.readline()
        listing.stdout.close()
        said = listing.stderr.read()
    assert (listing.returncode, said) == (141, b"")


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_under_the_answer_is_said_and_is_1(member: Program, format: str) -> None:
    with Path("/dev/full").open("wb") as full:
        status, err = spoken(member, "members", "list", "--format", format, into=full.fileno())
        assert status == 1
        assert "can't be written" in err
        assert "is done" not in err
        assert len(err.splitlines()) == 1, err
        status, err = spoken(member, "stream", "checkin", "1", "--format", format, into=full.fileno())
    assert status == 1
    assert "The change is done" in err
    assert "streamctl stream list" in err, "it says how to see it"
    if format in ("json", "jsonl"):
        assert json.loads(err)["error"]["details"] == {"done": True}
    assert len(member.ok("stream", "list")) == 1


def test_a_file_on_a_full_disk_is_said_and_a_rehearsal_is_never_done(member: Program) -> None:
    answer = member("stream", "checkin", 1, "--output", "/dev/full")
    assert (answer.status, answer.out) == (1, "")
    assert "The change is done" in answer.err
    with Path("/dev/full").open("wb") as full:
        status, err = spoken(member, "stream", "checkin", "1", "--dry-run", into=full.fileno())
    assert status == 1
    assert "is done" not in err
    assert len(member.ok("stream", "list")) == 1


def test_a_dump_and_a_new_database_speak_as_honestly(member: Program, elsewhere: Callable[[], Program]) -> None:
    assert nobody_reads(member, "db", "dump") == (141, "")
    with Path("/dev/full").open("wb") as full:
        status, err = spoken(member, "db", "dump", into=full.fileno())
        assert (status, len(err.splitlines())) == (1, 1)
        new = elsewhere()
        status, err = spoken(new, "db", "init", into=full.fileno())
    assert status == 1
    assert "is done" in err
    assert len(new.books()["setting"]) > 0


def test_a_closed_standard_output_is_no_mystery(member: Program) -> None:
    before = member.books()
    status, err = spoken(member, "members", "list", into=">&-")
    assert status in (0, 1)
    assert "Traceback" not in err
    assert "unexpected" not in err
    status, err = spoken(member, "stream", "checkin", "1", into=">&-")
    assert "unexpected" not in err
    assert "Traceback" not in err
    done = member.books() != before
    assert (status == 0 or "is done" in err) if done else status == 1, "it is honest about the change"


def test_closed_standard_error_and_input_hurt_nothing(member: Program) -> None:
    assert spoken(member, "members", "list", into="2>&-") == (0, "")
    assert spoken(member, "members", "list", into="<&-") == (0, "")
    assert spoken(member, "members", "show", "9", into="2>&-")[0] == 3
    assert spoken(member, "members", "delete", "1", into="<&-")[0] == 2, "nobody to ask"


def test_help_and_version_that_can_not_be_written_say_so(program: Program) -> None:
    for words in (["--help"], ["--version"], ["members", "add", "--help"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "streamctl", *words],
                env=program.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (done.returncode, done.stderr.decode().partition(":")[0]) == (1, "Error"), words
        assert b"No space left" in done.stderr
