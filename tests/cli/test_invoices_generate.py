"""`streamctl invoices generate`: everybody's fee of a month, once, whatever happens on the way."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from program import Program
from shell import Shell, locked
from streams import process

from streamctl.services import billing, members
from streamctl.store.database import Store

IN_PROCESS = True  # where a process of its own matters, the test starts one

MONTH = "2026-11"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = ["month", "members", "created", "existing", "skipped", "total"]


def enrolled(program: Program, *memberships: tuple[Any, ...]) -> Program:
    """Members numbered from 1 with a membership each: start, end, fee in minor units, and the day it was cancelled."""
    emails = [f"u{number}@example.com" for number in range(1, len(memberships) + 1)]
    with Shell(program.db) as shell:
        shell.repeat(
            "INSERT INTO user (email, email_key, created_at) VALUES (?, ?, '2020-01-01T00:00:00Z')",
            [(email, email) for email in emails],
        )
        shell.repeat(
            'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date, cancelled_on)'
            " VALUES (?, ?, 1, ?, ?, ?, ?)",
            [
                (number, "CANC" if cancelled else "ACT", fee, start, end, cancelled[0] if cancelled else None)
                for number, (start, end, fee, *cancelled) in enumerate(memberships, 1)
            ],
        )
    return program


def fees(program: Program) -> dict[int, int]:
    """What each member is charged, in minor units, by their invoices that are not void."""
    rows = program.sql(
        'SELECT i."user", sum(l.amount) FROM invoice_line l JOIN invoice i ON i.id = l.invoice'
        " WHERE l.kind = 'fee' AND i.status <> 'VOID' GROUP BY 1"
    )
    return dict(rows)


def test_every_membership_with_a_fee_is_billed_on_its_months_open_invoice(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    member.ok("members", "add", "eve@example.com", "--fee", "20", "--start", "2026-11-30")
    member.ok("members", "add", "free@example.com")
    member.ok("members", "add", "none@example.com", "--no-membership")
    summary = member.ok("invoices", "generate")
    assert list(summary) == KEYS
    assert summary == {
        "month": MONTH,
        "members": 3,
        "created": 2,
        "existing": 0,
        "skipped": {"no_fee": 1},
        "total": 29.9,
    }
    lines = member.ok("lines", "list", "--kind", "fee")
    assert lines == [
        {"id": 2, "invoice": 1, "amount": 9.9, "description": "Membership 2026-11", "kind": "fee"}
        | {"key": "fee:1:2026-11"},
        {"id": 3, "invoice": 2, "amount": 20, "description": "Membership 2026-11", "kind": "fee"}
        | {"key": "fee:2:2026-11"},
    ]
    assert [(i["user"], i["amount"], i["description"]) for i in member.ok("invoices", "list")] == [
        (1, 10.9, "Invoice for 2026-11"),
        (2, 20, "Invoice for 2026-11"),
    ]


def test_a_second_run_changes_nothing_and_says_so(member: Program) -> None:
    member.ok("invoices", "generate")
    member.ok("lines", "update", 1, "--amount", "5", "--description", "Half price")
    before = member.books()
    again = member.ok("invoices", "generate")
    assert (again["created"], again["existing"], again["total"]) == (0, 1, 0)
    assert member.books() == before
    said = member("invoices", "generate", "--format", "tsv").out
    assert said == "month\tmembers\tcreated\texisting\tskipped\ttotal\n2026-11\t1\t0\t1\t{}\t0.00\n"


@pytest.mark.parametrize(
    ("period", "billed"),
    [
        (("2026-10-01", "2026-11-01", 500), False),
        (("2026-10-01", "2026-11-02", 500), True),
        (("2026-11-30", "2026-12-01", 500), True),
        (("2026-12-01", "2027-01-01", 500), False),
        (("2025-11-01", "2025-12-01", 500), False),
        (("2026-01-01", "2027-01-01", 500, "2026-11-01"), False),
        (("2026-01-01", "2027-01-01", 500, "2026-11-02"), True),
        (("2026-01-01", "2027-01-01", 500, "2026-12-05"), True),
        (("2026-11-20", "2026-12-20", 500, "2026-11-20"), False),
        (("2026-11-20", "2026-12-20", 500, "2026-11-10"), False),
        (("2026-01-01", "2027-01-01", 500, None), False),
        (("2026-01-01", "2027-01-01", 0), False),
    ],
    ids=str,
)
def test_a_day_of_the_month_is_enough_and_the_end_is_not_included(
    program: Program, period: tuple[Any, ...], billed: bool
) -> None:
    enrolled(program, period)
    assert program.ok("invoices", "generate")["created"] == billed
    assert fees(program) == ({1: 500} if billed else {})
    assert len(program.ok("invoices", "list")) == billed, "nobody gets an empty invoice"


def active_days(start: date, end: date, cancelled: date | None, first: date, after: date) -> int:
    """Counted one by one."""
    days = ((first + timedelta(days=n)) for n in range((after - first).days))
    return sum(start <= day < end and (cancelled is None or day < cancelled) for day in days)


@pytest.mark.parametrize("month", ["2026-11", "2027-02", "2028-02", "2026-12"])
def test_prorated_fees_are_the_active_days_share_half_up(program: Program, month: str) -> None:
    draw = random.Random(month)
    first = date.fromisoformat(f"{month}-01")
    after = (first + timedelta(days=31)).replace(day=1)
    memberships = []
    for _ in range(300):
        start = first + timedelta(days=draw.randint(-40, 40))
        end = start + timedelta(days=draw.randint(1, 60))
        cancelled = [start + timedelta(days=draw.randint(-3, 40))] if draw.random() < 0.3 else []
        memberships.append((start, end, draw.choice([0, 1, 990, 999, 1_000_001, 99_999_999_999]), *cancelled))
    enrolled(program, *(tuple(str(v) if isinstance(v, date) else v for v in one) for one in memberships))
    expected = {}
    for number, (start, end, fee, *cancelled) in enumerate(memberships, 1):
        days = active_days(start, end, cancelled[0] if cancelled else None, first, after)
        if days and fee:
            expected[number] = (2 * fee * days + (after - first).days) // (2 * (after - first).days)
    summary = program.ok("invoices", "generate", "--month", month, "--prorate")
    assert fees(program) == expected
    assert summary["created"] == len(expected)
    assert round(summary["total"] * 100) == sum(expected.values())
    assert program("db", "check").status == 0


def test_a_program_of_ours_may_bill_many_months_on_one_connection(store: Store) -> None:
    members.add("bob@example.com", at=AT, fee=Decimal("9.90"), months=3)
    created = [billing.generate(at=AT, month=month).value("created") for month in ("2026-11", "2026-12", "2026-11")]
    assert created == [1, 1, 0]


def test_a_rehearsal_answers_what_the_real_run_will_to_the_unit(program: Program) -> None:
    enrolled(program, *((f"2026-11-{day:02}", "2027-05-01", 997 * day) for day in range(1, 31)))
    for words in ((), ("--prorate",), ("--month", "next")):
        before = program.books()
        rehearsed = program.ok("--as-of", "2026-12-01", "invoices", "generate", *words, "--dry-run")
        assert program.books() == before
        assert rehearsed.pop("dry_run") is True
        assert rehearsed["members"] == 30
        assert program.ok("--as-of", "2026-12-01", "invoices", "generate", *words) == rehearsed


def test_a_voided_fee_is_billed_again_only_when_that_is_asked_for(member: Program) -> None:
    member.ok("invoices", "generate")
    member.ok("invoices", "void", 1)
    before = member.books()
    summary = member.ok("invoices", "generate")
    assert (summary["created"], summary["skipped"]) == (0, {"voided": 1})
    assert member.books() == before
    for existing in (1, 2):  # voided, billed again, voided, billed again: each time once
        assert member.ok("invoices", "generate", "--reissue")["created"] == 1
        again = member.ok("invoices", "generate", "--reissue")
        assert (again["created"], again["existing"], again["skipped"]) == (0, 1, {})
        assert member.ok("invoices", "generate")["existing"] == 1
        assert fees(member) == {1: 990}
        member.ok("invoices", "void", existing + 1)
    keys = [line["key"] for line in member.ok("lines", "list")]
    assert keys == ["fee:1:2026-11", "fee:1:2026-11:2", "fee:1:2026-11:3"]


def test_a_month_whose_invoice_is_closed_gets_another_for_the_fee(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    member.ok("invoices", "pay", 1)
    member.ok("invoices", "generate")
    assert [(i["status"], i["amount"]) for i in member.ok("invoices", "list")] == [("PAID", 1), ("OUT", 9.9)]
    member.ok("invoices", "pay", 2)
    assert member.ok("invoices", "generate")["existing"] == 1, "what is paid is billed"


@pytest.mark.parametrize(
    ("month", "day"),
    [("this", "2026-11-22"), ("last", "2026-10-31"), ("next", "2026-12-01"), ("2999-12", "2999-12-01")],
)
def test_an_invoice_is_dated_in_its_month_as_near_to_today_as_can_be(program: Program, month: str, day: str) -> None:
    enrolled(program, ("2026-01-01", "2999-12-31", 500))
    program.ok("invoices", "generate", "--month", month)
    (invoice,) = program.ok("invoices", "list")
    assert (invoice["date"], invoice["month"]) == (day, day[:7])


def test_months_of_one_name_in_two_years_are_two_months(program: Program) -> None:
    enrolled(program, ("2025-01-01", "2028-01-01", 500))
    assert program.ok("invoices", "generate", "--month", "2025-11")["created"] == 1
    assert program.ok("invoices", "generate", "--month", "2026-11")["created"] == 1
    assert [line["key"] for line in program.ok("lines", "list")] == ["fee:1:2025-11", "fee:1:2026-11"]


def test_this_month_is_the_databases_own(program: Program) -> None:
    program.ok("db", "set", "timezone", "Pacific/Auckland")
    enrolled(program, ("2026-01-01", "2028-01-01", 500))
    assert program.at("2026-11-30T11:30:00Z").ok("invoices", "generate")["month"] == "2026-12"


def test_cron_hears_nothing_when_all_is_well(member: Program) -> None:
    done = process(member)("--quiet", "invoices", "generate")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert fees(member) == {1: 990}


def test_who_cannot_get_a_turn_says_so_with_nothing_done(member: Program) -> None:
    with locked(member.db):
        busy = process(member)("--timeout", "0.2", "--quiet", "invoices", "generate")
    assert (busy.status, busy.out) == (5, "")
    assert "busy for 0.2 s" in busy.err
    assert fees(member) == {}


def test_runs_at_the_same_time_bill_everybody_once(program: Program) -> None:
    enrolled(program, *[("2026-01-01", "2027-01-01", 990)] * 20)
    command = [sys.executable, "-m", "streamctl", "invoices", "generate", "--format", "jsonl"]
    running = [subprocess.Popen(command, env=program.environment, stdout=subprocess.PIPE) for _ in range(4)]
    outs = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0] * 4
    assert sum(b'"created": 20' in out for out in outs) == 1
    assert sum(b'"existing": 20' in out for out in outs) == 3
    assert fees(program) == dict.fromkeys(range(1, 21), 990)


def test_a_run_that_is_killed_leaves_all_or_nothing_and_the_next_one_ends_it(program: Program) -> None:
    count = 20000
    program.sql(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        " INSERT INTO user (email, email_key, created_at)"
        " SELECT 'u' || i || '@x.com', 'u' || i || '@x.com', '2026-01-01T00:00:00Z' FROM n"
    )
    program.sql(
        'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date)'
        " SELECT id, 'ACT', 1, 990, '2026-01-01', '2027-01-01' FROM user"
    )
    command = [sys.executable, "-m", "streamctl", "invoices", "generate"]
    for delay in (0.15, 0.25, 0.35, 0.55):
        running = subprocess.Popen(command, env=program.environment, stdout=subprocess.DEVNULL)
        time.sleep(delay)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert len(fees(program)) in (0, count)
    program.ok("invoices", "generate")
    assert fees(program) == dict.fromkeys(range(1, count + 1), 990)
    assert program.sql("SELECT count(*), sum(amount) FROM invoice") == [(count, count * 990)]


@pytest.mark.parametrize("words", [("--month", "2026-13"), ("--month", ""), ("--prorate=yes",), ("extra",)])
def test_what_cannot_be_read_is_wrong_usage(member: Program, words: tuple[str, ...]) -> None:
    assert member.refused("invoices", "generate", *words)["status"] == 2
