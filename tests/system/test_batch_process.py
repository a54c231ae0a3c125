"""`streamctl stream batch` as a process: a co-process on a pipe, killed, beside another, with nobody listening."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from program import Program
from streams import enrol, event, lines

BOUND = 30.0  # seconds; not a promise, only what makes a hang a failure
MEMBERS = 12
Receipts = list[dict[str, Any]]


@contextmanager
def batch(program: Program, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running `stream batch` with pipes on all sides; it is ended with the block."""
    running = subprocess.Popen(
        [sys.executable, "-m", "streamctl", "stream", "batch", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=program.environment,
        cwd=program.home,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def told(running: subprocess.Popen[bytes], count: int) -> Receipts:
    """The next so many receipts, as far as they come while the pipe stays open."""
    assert running.stdout
    deadline, data = time.monotonic() + BOUND, b""
    while data.count(b"\n") < count:
        ready, _, _ = select.select([running.stdout], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no answer in {BOUND} s: {data!r}"
        found = os.read(running.stdout.fileno(), 1 << 16)
        assert found, "it ended"
        data += found
    return [json.loads(line) for line in data.splitlines()]


def tell(running: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to its standard input, which stays open."""
    assert running.stdin
    running.stdin.write(data)
    running.stdin.flush()


def generated(seed: int, count: int = 600) -> list[dict[str, object]]:
    """A day of events with refs, each at its own second, many of them refused: lost streams, no credit, strangers."""
    chance, events, refs = random.Random(seed), [], ["none"]
    for number in range(count):
        member, second = chance.randint(1, MEMBERS + 1), 60 * number
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{chance.randint(0, 59):02}"
        kind = chance.choices(("checkin", "takeover", "checkout", "heartbeat", "again"), (8, 3, 4, 6, 1))[0]
        opening = {"member": member, "ref": f"{seed}-{number}", "device": chance.choice([None, "tv", "phone"])}
        match kind:
            case "checkin" | "takeover":
                lease = chance.choice([None, "90s", "20m", "3h"])
                events.append(event(kind, clock, **opening, lease=lease))
                refs.append(f"{seed}-{number}")
            case "checkout":
                ref = chance.choice(refs[-30:])
                owner = next((one["member"] for one in events if one.get("ref") == ref and "member" in one), member)
                events.append(event(kind, clock, member=owner, ref=ref))
            case "heartbeat":
                events.append(event(kind, clock, ref=chance.choice(refs[-8:])))
            case _ if events:
                events.append(chance.choice(events))
    return events


def facts(program: Program) -> dict[str, list[tuple[Any, ...]]]:
    """What there is, without the ids that depend on how the work was cut up."""
    requests = []
    for key, action, member, parameters, receipt, at in program.sql(
        "SELECT key, action, member, parameters, receipt, at FROM request ORDER BY key, action"
    ):
        answer = {name: value for name, value in json.loads(receipt).items() if not name.endswith("_id")}
        answer.pop("taken_over", None), answer.pop("details", None)
        requests.append((key, action, member, parameters, answer, at))
    return {
        "stream": program.sql(
            'SELECT s."user", s.ref, s.device, s.opened_at, s.seen_at, s.expires_at, s.closed_at, s.close_reason,'
            " i.kind, i.amount, o.kind, o.amount FROM stream s"
            " LEFT JOIN invoice_line i ON i.id = s.checkin_line LEFT JOIN invoice_line o ON o.id = s.checkout_line"
            " ORDER BY s.ref"
        ),
        "lines": program.sql(
            'SELECT "user", kind, count(*), sum(l.amount) FROM invoice_line l JOIN invoice i ON i.id = l.invoice'
            ' GROUP BY "user", kind ORDER BY "user", kind'
        ),
        "invoice": program.sql('SELECT "user", date, month, description, status, amount FROM invoice ORDER BY "user"'),
        "request": requests,
    }


def held(program: Program, receipts: Receipts) -> None:
    """Every receipt speaks of what is in the database."""
    streams = {row[0]: row[1:] for row in program.sql("SELECT id, checkin_line, checkout_line, seen_at FROM stream")}
    for receipt in filter(lambda receipt: receipt["ok"], receipts):
        checkin, checkout, seen = streams[receipt["stream_id"]]
        if receipt["action"] == "heartbeat":
            assert receipt["seen_at"] <= seen
        elif receipt["invoice_line_id"] is not None:
            assert receipt["invoice_line_id"] == (checkout if receipt["action"] == "checkout" else checkin)


def whole(data: bytes) -> Receipts:
    """The receipts that arrived whole; a kill may cut the last."""
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


@pytest.fixture
def crowd(program: Program) -> Program:
    """The program with a dozen members of two credits each."""
    return enrol(program, *(f"m{number}@example.com" for number in range(1, MEMBERS + 1)), credits=2)


def test_an_event_alone_on_the_pipe_is_answered_at_once_and_nobody_waits_for_the_next(crowd: Program) -> None:
    with batch(crowd, "-", "--commit-every", "1h") as running:
        tell(running, lines(event("checkin", member=1, ref="a")))
        (receipt,) = told(running, 1)
        assert (receipt["ok"], receipt["stream_id"]) == (True, 1)
        assert crowd.sql("SELECT ref FROM stream") == [("a",)], "it is durable, the pipe is open"
        assert crowd("--timeout", 1, "stream", "checkin", 2).status == 0, "the lock is free"
        tell(running, b'{"action": "checkout", "mem')
        assert crowd("--timeout", 1, "stream", "checkin", 2).status == 0, "half a line holds no lock"
        tell(running, b'ber": 1}\n\n{"action": "checkin"}\n' + lines(event("heartbeat", ref="a")))
        receipts = told(running, 3)
        assert [(receipt["line"], receipt["ok"]) for receipt in receipts] == [(2, True), (4, False), (5, False)]
        assert crowd("--timeout", 1, "stream", "checkin", 3).status == 0
        tell(running, b'{"action": "checkin", "member": 4}')
        rest, err = running.communicate(timeout=BOUND)
    assert [receipt["ok"] for receipt in whole(rest)] == [True]
    assert (running.returncode, b"2 of 5 events" in err) == (4, True)


def test_killed_at_any_moment_and_run_again_it_ends_as_if_it_had_never_been_killed(
    crowd: Program, twin: Callable[[], Program]
) -> None:
    chance = random.Random(os.urandom(8))
    for seed in (1, 2):
        quiet, rough = twin(), crowd
        events = generated(seed)
        (crowd.home / "events.jsonl").write_bytes(lines(*events))
        calm = quiet("stream", "batch", "events.jsonl")
        expected = whole(calm.out.encode())
        assert (calm.status, len(expected)) == (4, len(events))
        moments = sorted(chance.randrange(len(events)) for _ in range(5))
        for moment in moments:
            every = chance.choice(["1", "5", "40", "1000"])
            with batch(rough, "events.jsonl", "--commit-every", every) as running:
                assert running.stdout
                read = b"".join(running.stdout.readline() for _ in range(moment))
                running.kill()
                receipts = whole(read + running.stdout.read())
            held(rough, receipts)
        last = whole(rough("stream", "batch", "events.jsonl", "--commit-every", 50).out.encode())
        assert facts(rough) == facts(quiet), (seed, moments)
        wanted, found = (dict(one.sql("SELECT id, ref FROM stream")) for one in (quiet, rough))
        for before, after in zip(expected, last, strict=True):
            if before.get("action") != "heartbeat":
                streams = wanted.get(before.get("stream_id")), found.get(after.get("stream_id"))
                assert (before["ok"], streams[0]) == (after["ok"], streams[1]), (seed, moments)
        assert rough("db", "check").status == 0
        for table in ("request", "stream", "invoice_line", "invoice"):
            rough.sql(f"DELETE FROM {table}")


def test_two_batches_of_one_file_at_once_do_its_work_once(crowd: Program, twin: Callable[[], Program]) -> None:
    quiet = twin()
    events = generated(3)
    (crowd.home / "events.jsonl").write_bytes(lines(*events))
    quiet("stream", "batch", "events.jsonl")
    with (
        batch(crowd, "events.jsonl", "--commit-every", "3") as one,
        batch(crowd, "events.jsonl", "--commit-every", "5") as other,
    ):
        answers = [running.communicate(timeout=BOUND) for running in (one, other)]
    assert [running.returncode for running in (one, other)] == [4, 4], answers
    assert facts(crowd) == facts(quiet)
    fresh = [
        (receipt["line"], receipt["stream_id"])
        for out, _ in answers
        for receipt in whole(out)
        if receipt["ok"] and receipt["action"] != "heartbeat" and not receipt["replayed"]
    ]
    assert len(fresh) == len(set(fresh)) == len(crowd.sql("SELECT 1 FROM invoice_line"))


def test_two_batches_of_different_files_at_once_lose_nothing_and_share_the_credits(crowd: Program) -> None:
    for name in ("a", "b"):
        events = [event("checkin", member=1 + number % MEMBERS, ref=f"{name}{number}") for number in range(240)]
        (crowd.home / f"{name}.jsonl").write_bytes(lines(*events))
    with (
        batch(crowd, "a.jsonl", "--commit-every", "2") as one,
        batch(crowd, "b.jsonl", "--commit-every", "2") as other,
    ):
        receipts = [whole(running.communicate(timeout=BOUND)[0]) for running in (one, other)]
    assert [len(found) for found in receipts] == [240, 240]
    assert sum(receipt["ok"] for found in receipts for receipt in found) == 2 * MEMBERS
    assert crowd.sql('SELECT "user", count(*) FROM stream GROUP BY "user" ORDER BY "user"') == [
        (n, 2) for n in range(1, MEMBERS + 1)
    ]
    assert crowd.sql("SELECT amount, count(*) FROM invoice GROUP BY amount") == [(200, MEMBERS)]


def test_a_closed_output_pipe_ends_it_quietly_and_what_was_answered_is_done(crowd: Program) -> None:
    (crowd.home / "events.jsonl").write_bytes(lines(*generated(4)))
    with batch(crowd, "events.jsonl", "--commit-every", "1") as running:
        assert running.stdout
        assert running.stderr
        first = running.stdout.readline()
        running.stdout.close()
        assert running.wait(timeout=BOUND) == 141
        assert b"Traceback" not in running.stderr.read()
        running.stdout = None
    held(crowd, whole(first))
    assert crowd("db", "check").status == 0
