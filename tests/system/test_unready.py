"""A database that is not there, of another schema, or busy: one line says so, and nothing is done."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from program import Program
from shell import locked
from versions import to_a_later, to_the_first

IN_PROCESS = True  # a process for each of its many commands would say no more

COMMANDS = (
    ("members", "list"),
    ("members", "add", "a@b"),
    ("db", "info"),
    ("db", "check"),
    ("db", "dump"),
    ("db", "migrate"),
    ("db", "set", "payment_days", "7"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_without_a_database_every_command_names_init_and_makes_nothing(
    nothing: Program, words: tuple[str, ...]
) -> None:
    answer = nothing(*words, STREAMCTL_FORMAT="json")
    assert (answer.status, answer.out, answer.error["code"]) == (6, "", "no_database")
    assert "db init" in answer.error["hint"]
    assert nothing.books() == {}


def test_an_older_schema_is_named_with_the_way_out(program: Program) -> None:
    to_the_first(program)
    old = program.refused("members", "list")
    assert (old["status"], old["code"]) == (6, "schema_old")
    assert "db migrate" in old["hint"]
    assert program.refused("members", "add", "a@b")["code"] == "schema_old"
    assert program.refused("db", "init")["code"] == "schema_old"


def test_a_newer_schema_is_left_alone(program: Program) -> None:
    to_a_later(program)
    for words in (("members", "list"), ("members", "add", "a@b"), ("db", "migrate"), ("db", "info")):
        new = program.refused(*words)
        assert (new["status"], new["code"]) == (6, "schema_new")
        assert "migrate" not in new["hint"]


def test_a_busy_database_is_5_and_nothing_is_done(member: Program) -> None:
    before = member.books()
    with locked(member.db):
        for words in (("members", "add", "a@b"), ("stream", "checkin", "1"), ("db", "set", "payment_days", "3")):
            busy = member("--timeout", "0.05", *words)
            assert (busy.status, busy.out) == (5, "")
            assert "0.05 s" in busy.err
            assert "--timeout" in busy.err
        for words in (("members", "list"), ("db", "check"), ("db", "dump"), ("db", "init")):
            assert member("--timeout", "0.05", *words).status == 0, "readers don't wait for a writer"
        assert member("--timeout", "0.05", "db", "migrate").status in (0, 5)
        error = member.refused("--timeout", "0", "stream", "checkin", 1)
        assert (error["status"], error["code"]) == (5, "busy")
    assert member.books() == before
    assert member("--timeout", "0.05", "stream", "checkin", "1").status == 0


def test_an_interrupt_while_waiting_is_130_and_nothing_is_done(member: Program) -> None:
    before = member.books()
    with locked(member.db):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "streamctl", "--timeout", "60", "stream", "checkin", "1"],
            env=member.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        for line in process.stderr:  # the last module before the transaction, so the wait has begun
            if b"streamctl.services.streaming" in line:
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        said = [line for line in err.decode().splitlines() if not line.startswith("import time:")]
        assert (process.returncode, out) == (130, b"")
        assert len(said) == 1
        assert "Traceback" not in said[0]
    assert member.books() == before
