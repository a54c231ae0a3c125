"""Many processes on one file: nothing is sold twice, and nobody fails for any other reason than the rules."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from contention import crowded
from program import Program


def at_once(program: Program, count: int, *words: str) -> list[tuple[int, str, str]]:
    """Start so many processes together; what each answered."""
    command = [sys.executable, "-m", "streamctl", *words]
    running = [
        subprocess.Popen(command, env=program.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    answers = [process.communicate(timeout=120) for process in running]
    return [(process.returncode, out, err) for process, (out, err) in zip(running, answers, strict=True)]


def test_sixteen_processes_on_three_credits_give_three_streams_and_thirteen_clean_refusals(member: Program) -> None:
    """Fails when the write lock is taken late: with a deferred transaction most die of "database is locked"."""
    answers = at_once(member, 16, "stream", "checkin", "1", "--format", "json")
    assert Counter(status for status, _, _ in answers) == {0: 3, 4: 13}
    assert all('"no_credits"' in err for status, _, err in answers if status == 4)
    assert [stream["id"] for stream in member.ok("stream", "list")] == [1, 2, 3]
    assert len(member.ok("lines", "list")) == 3
    (invoice,) = member.ok("invoices", "list")
    assert (invoice["amount"], invoice["invoice_lines"]) == (3, [1, 2, 3])
    assert member("db", "check").status == 0


def test_one_key_from_eight_processes_lands_once(member: Program) -> None:
    answers = at_once(member, 8, "stream", "checkin", "1", "--ref", "once", "--format", "json")
    assert Counter(status for status, _, _ in answers) == {0: 8}
    assert sum('"replayed": false' in out for _, out, _ in answers) == 1
    assert len(member.ok("stream", "list")) == 1


def test_a_crowd_sells_no_credit_twice_loses_no_line_and_nobody_fails(program: Program) -> None:
    """Fails when a credit is counted before the lock is held. 32 processes of 100 commands are `nox -s torture`."""
    found = crowded(program, 6, 12)
    assert found["wrong"] == []
    assert found["done"]["checkin"] > 5
    assert found["longest_wait"] < 30


@pytest.mark.sqlite("a server does not lock the whole of it for a batch")
def test_nobody_fails_beside_a_batch_that_writes_without_a_pause(program: Program) -> None:
    assert crowded(program, 4, 10, "batch")["wrong"] == []
