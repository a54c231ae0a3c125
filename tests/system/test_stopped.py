"""Killed, terminated or interrupted at any moment: what was answered is there, and what is said of it is true."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from breaking import CASES, WAYS, Sweep, Tally, template
from faults import BEFORE, Launcher, launcher
from killing import killed
from program import Program
from shell import locked
from stopping import listening, stop

IN_PROCESS = True  # what is stopped here is a process all the same
STOPPED = (("SIGINT", BEFORE), WAYS[-1])


def test_whatever_four_writers_were_told_is_done_is_there_after_any_kill(program: Program) -> None:
    """Fails when a command answers before its commit. 200 kills and more are `nox -s torture`."""
    found = killed(program, 12, 7)
    assert found["wrong"] == []
    assert found["acknowledged"] > 0


def test_ctrl_c_and_sigterm_are_130_and_what_they_say_is_true(program: Program) -> None:
    """Fails when a signal raises where a commit is under way or known to be done only a moment later, or when a second
    one does so while the first is being seen to.
    """
    found = stop(program.at("2026-11-22T12:00:00Z"), 5, 3)
    assert found.wrong == []


@pytest.fixture(scope="module")
def launch() -> Iterator[Launcher]:
    with launcher() as found:
        yield found


@pytest.mark.sqlite("its calls to the disk")
def test_a_signal_at_any_call_of_a_commit_tells_done_from_not_done(launch: Launcher, tmp_path: Path) -> None:
    """Fails when the mark that a change is done is set where a signal may come before it."""
    case = next(case for case in CASES if case.words[:2] == ("members", "add"))
    sweep, tally = Sweep(launch, case, template(tmp_path), tmp_path / "swept"), Tally()
    sweep.over(STOPPED, list(sweep.ends()), tally)
    assert tally.wrong == []
    assert set(tally.ended) == {0, 130}


def test_a_signal_between_a_commit_and_the_knowledge_of_it_is_told_as_done(member: Program) -> None:
    """Fails when a signal may raise while a transaction ends."""
    script = (
        "import os, psycopg, signal\n"  # or Peewee would be told that there is no such driver
        "from streamctl.store import database, postgres, sqlite\n"
        "for store in (sqlite.SqliteStore, postgres.PostgresStore):\n"
        "    def commit(self, real=store.commit):\n"
        "        real(self)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    store.commit = commit\n"
        "from streamctl.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "members", "add", "new@example.com"],
        env=member.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("Interrupted; the change is done."), done
    assert done.stderr.count("\n") == 1
    assert [row["email"] for row in member.ok("members", "list")] == ["bob@example.com", "new@example.com"]


def waiting(program: Program, *words: str) -> subprocess.Popen[str]:
    """The program as a process that has begun."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamctl", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program.environment,
        cwd=program.home,
    )
    while not listening(process):
        pass
    return process


def test_a_stop_says_in_json_what_it_says_in_words(member: Program) -> None:
    with locked(member.db), waiting(member, "stream", "checkin", "1", "--format", "json") as process:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    error = json.loads(err)["error"]
    assert (error["code"], error["message"]) == ("interrupted", "Interrupted; nothing was changed.")


def test_a_batch_that_is_stopped_says_that_what_it_answered_stays(member: Program) -> None:
    with waiting(member, "stream", "batch", "-") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write('{"action": "checkin", "member": 1, "ref": "one"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["ok"]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith("Interrupted; what was committed until then stays done.")
    assert err.count("\n") == 1
    assert [stream["ref"] for stream in member.ok("stream", "list")] == ["one"]


def test_what_nohup_has_ignored_stays_ignored(member: Program) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = waiting(member, "stream", "batch", "-")
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate('{"action": "checkin", "member": 1}\n', timeout=30)
    assert (process.returncode, json.loads(out)["ok"]) == (0, True)
