"""Many processes at one server: nothing is sold twice, nobody waits for another's member, nobody dies of a conflict."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from crowd import at_once, crowd
from program import Program
from shell import Shell

pytestmark = pytest.mark.postgresql("a file has one writer at a time")
IN_PROCESS = True
JSON = ("--format", "json")


@pytest.fixture
def two(member: Program) -> Program:
    """Bob, and Ann who is member 2, both with three credits."""
    member.ok("members", "add", "ann@example.com", "--credits", 3, "--start", "2026-11-01", "--end", "2026-12-01")
    return member


@contextmanager
def held(program: Program, statement: str) -> Iterator[Shell]:
    """Somebody has run that in a transaction that is still open."""
    with Shell(program.db) as shell:
        shell.execute("BEGIN")
        shell.execute(statement)
        yield shell


def until_waiting(program: Program, count: int) -> None:
    """Wait until so many processes wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    deadline = time.monotonic() + 20
    while program.sql(waiting)[0][0] < count:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)


def planted(program: Program, table: str, body: str) -> None:
    """A trigger before each row that is inserted into the table."""
    function = f"CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN NEW; END$$"
    program.sql(function)
    program.sql(f'CREATE TRIGGER planted BEFORE INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION planted()')


def test_a_member_who_is_busy_keeps_nobody_else_waiting_but_what_bills_everybody_waits_and_is_right(
    two: Program,
) -> None:
    two.ok("stream", "checkin", 1)
    with crowd(two, 2) as (first, whole), held(two, "SELECT * FROM invoice WHERE id = 1 FOR UPDATE") as shell:
        first.begin("stream", "checkin", 1, *JSON)  # has its member's lock, and waits for the invoice
        until_waiting(two, 1)
        assert two("--timeout", 1, "stream", "checkin", 2).status == 0
        busy = two("--timeout", 0.3, "invoices", "generate", "--month", "2026-11", *JSON)
        assert (busy.status, busy.error["code"]) == (5, "busy")
        assert two.ok("lines", "list", "--kind", "fee") == []
        whole.begin("invoices", "generate", "--month", "2026-11", *JSON)
        until_waiting(two, 2)
        shell.execute("COMMIT")
        assert first.answer().json["credits"] == 1
        assert whole.answer().json["created"] == 1
    assert [invoice["amount"] for invoice in two.ok("invoices", "list")] == [11.90, 1]
    assert two("db", "check").status == 0


def test_one_key_for_two_members_at_the_same_time_is_one_request_and_one_conflict(two: Program) -> None:
    planted(two, "request", "PERFORM pg_sleep(0.2)")  # so that both have looked before either is done
    with crowd(two, 2) as both:
        answers = at_once(both, *(("stream", "checkin", who, "--ref", "one", *JSON) for who in (1, 2)))
    assert sorted(answer.status for answer in answers) == [0, 4], answers
    (lost,) = [answer for answer in answers if answer.status]
    assert lost.error["code"] == "key_conflict"
    assert len(two.ok("stream", "list")) == len(two.ok("lines", "list")) == 1


def test_one_key_from_eight_processes_lands_once_while_the_invoice_is_being_made(member: Program) -> None:
    planted(member, "invoice", "PERFORM pg_sleep(0.1)")
    with crowd(member, 8) as eight:
        answers = at_once(eight, *[("stream", "checkin", 1, "--ref", "one", *JSON)] * 8)
    assert [answer.status for answer in answers] == [0] * 8, answers
    assert sum(not answer.json["replayed"] for answer in answers) == 1
    assert len(member.ok("stream", "list")) == len(member.ok("lines", "list")) == 1


def test_a_sign_of_life_beside_a_checkout_does_not_revive_the_stream(member: Program) -> None:
    member.ok("stream", "checkin", 1, "--lease", "30m")
    later = ("--as-of", "2026-11-22T12:05:00Z")
    with crowd(member, 2) as (out, beat), held(member, "SELECT * FROM stream WHERE id = 1 FOR UPDATE") as shell:
        out.begin(*later, "stream", "checkout", 1, *JSON)
        until_waiting(member, 1)
        beat.begin(*later, "stream", "heartbeat", 1, *JSON)
        until_waiting(member, 2)
        shell.execute("COMMIT")
        assert out.answer().status == 0
        lost = beat.answer()
    assert (lost.status, lost.error["code"]) == (4, "stream_lost"), lost
    assert member.sql("SELECT close_reason, seen_at = closed_at FROM stream") == [("checkout", 1)]


def test_a_sign_of_life_does_not_come_between_a_checkin_that_counts_and_takes_the_credit(program: Program) -> None:
    """At 12:30 the lease is over for a check-in; a heartbeat of 12:29, which comes late, must not move it on then."""
    program.ok("members", "add", "bob@example.com", "--start", "2026-11-01", "--end", "2026-12-01")
    program.ok("stream", "checkin", 1, "--lease", "30m")
    with crowd(program, 2) as (take, beat), held(program, "LOCK TABLE invoice IN SHARE MODE") as shell:
        take.begin("--as-of", "2026-11-22T12:30:00Z", "stream", "checkin", 1, *JSON)
        until_waiting(program, 1)  # it has counted the streams, and is at the invoice
        beat.begin("--as-of", "2026-11-22T12:29:00Z", "stream", "heartbeat", 1, *JSON)
        until_waiting(program, 2)
        shell.execute("COMMIT")
        assert take.answer().status == 0
        assert beat.answer().error["code"] == "stream_lost"
    assert [stream["id"] for stream in program.ok("--as-of", "2026-11-22T12:31:00Z", "stream", "list")] == [2]


def test_two_batches_of_one_file_at_the_same_time_land_each_event_once(two: Program) -> None:
    events = []
    for number in range(150):
        name = {"member": 1 + number % 2, "ref": f"e{number}", "at": "2026-11-22T11:00:00Z"}
        events += [{"action": "checkin", **name}, {"action": "checkout", **name}]
    file = two.home / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    with crowd(two, 2) as both:
        answers = at_once(both, *[("stream", "batch", file)] * 2)
    assert [answer.status for answer in answers] == [0, 0], answers
    receipts = [json.loads(line) for answer in answers for line in answer.out.splitlines()]
    assert Counter(receipt["replayed"] for receipt in receipts) == {False: 300, True: 300}
    assert len(two.ok("lines", "list")) == 300
    assert two("db", "check").status == 0


def test_whatever_many_do_at_once_the_books_are_right_and_nobody_fails_of_it(program: Program) -> None:
    """8 processes, 20 random commands each, on 4 members."""
    for name in ("ann", "bob", "cleo", "dan"):
        period = ("--start", "2026-11-01", "--end", "2026-12-01")
        program.ok("members", "add", f"{name}@example.com", "--credits", 2, "--fee", "9.90", *period)
    luck = random.Random(5)
    with crowd(program, 8) as eight:
        for one in eight:
            for _ in range(20):
                one.begin(*luck.choice(DOINGS)(luck), *JSON)
        answers = [one.answer() for one in eight for _ in range(20)]
    assert {answer.status for answer in answers} <= {0, 3, 4}, [a for a in answers if a.status not in (0, 3, 4)]
    assert sum(answer.status == 0 for answer in answers) > 40
    checked = program("db", "check")
    assert checked.status == 0, checked
    assert max(member["open_streams"] for member in program.ok("members", "list")) <= 2


def _member(luck: random.Random) -> int:
    return luck.randint(1, 4)


def _key(luck: random.Random) -> str:
    return f"key{luck.randint(1, 10)}"


DOINGS = (
    lambda luck: ("stream", "checkin", _member(luck)),
    lambda luck: ("stream", "checkin", _member(luck), "--ref", _key(luck)),
    lambda luck: ("stream", "checkin", _member(luck), "--lease", "1m"),
    lambda luck: ("stream", "checkout", _member(luck)),
    lambda luck: ("stream", "checkout", _member(luck), "--all"),
    lambda luck: ("stream", "checkout", _member(luck), "--ref", _key(luck)),
    lambda luck: ("stream", "takeover", _member(luck), "--oldest"),
    lambda luck: ("stream", "heartbeat", luck.randint(1, 20), luck.randint(1, 20)),
    lambda luck: ("stream", "expire", "--idle", "1h"),
    lambda luck: ("invoices", "pay", luck.randint(1, 8)),
    lambda luck: ("invoices", "void", luck.randint(1, 8)),
    lambda luck: ("invoices", "reopen", luck.randint(1, 8)),
    lambda luck: ("invoices", "generate", "--month", "2026-11"),
    lambda luck: ("invoices", "issue", "--month", "2026-11", "--force"),
    lambda luck: ("invoices", "create", _member(luck), "--amount", 5),
    lambda luck: ("lines", "add", luck.randint(1, 8), "--amount", 2, "--key", f"line{luck.randint(1, 5)}"),
    lambda luck: ("members", "update", _member(luck), "--email", f"{luck.choice('ab')}@example.com"),
)
