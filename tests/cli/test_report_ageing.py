"""`streamctl report ageing`: what was owed at the end of a day, by the days it was past due."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from books import Row, bill, exact, random_books
from program import Program
from streams import process

IN_PROCESS = True  # a process for each of its many commands would say no more

BUCKETS = ["not due", "0-30", "31-60", "61-90", "90+"]
ON = date(2026, 11, 22)
ISSUED = "2020-01-01T00:00:00Z"
BERLIN = ZoneInfo("Europe/Berlin")


def owed(program: Program, on: object = ON) -> dict[str, tuple[int, float]]:
    """The buckets that have something in them: how many invoices, and how much."""
    rows = program.ok("report", "ageing", "--on", on)
    assert [row["days_past_due"] for row in rows] == BUCKETS
    return {row["days_past_due"]: (row["invoices"], row["amount"]) for row in rows if row["invoices"]}


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-400, "not due"),
        (-1, "not due"),
        (0, "0-30"),
        (30, "0-30"),
        (31, "31-60"),
        (60, "31-60"),
        (61, "61-90"),
        (90, "61-90"),
        (91, "90+"),
        (2000, "90+"),
    ],
)
def test_the_edges_of_the_buckets(member: Program, days: int, bucket: str) -> None:
    bill(member, "2020-01-01", 1234, issued_at=ISSUED, due_date=str(ON - timedelta(days=days)))
    assert owed(member) == {bucket: (1, 12.34)}


def aged(program: Program, on: date, zone: ZoneInfo) -> list[Row]:
    """The report as it should be, from what `invoices list` says."""

    def day(instant: str) -> date:
        return datetime.fromisoformat(instant).astimezone(zone).date()

    def open_then(row: Row) -> bool:
        if row["issued_at"] is None or day(row["issued_at"]) > on or not row["amount"]:
            return False
        match row["status"]:
            case "PAID":
                return row["paid_on"] is not None and date.fromisoformat(row["paid_on"]) > on
            case "VOID":
                return row["voided_at"] is not None and day(row["voided_at"]) > on
        return True

    def bucket(row: Row) -> str:
        days = -1 if row["due_date"] is None else (on - date.fromisoformat(row["due_date"])).days
        return next(name for most, name in zip((-1, 30, 60, 90, 10**9), BUCKETS, strict=True) if days <= most)

    found = [row for row in exact(program, "invoices", "list", "--columns", "+voided_at") if open_then(row)]
    amounts = {name: [row["amount"] for row in found if bucket(row) == name] for name in BUCKETS}
    return [{"days_past_due": n, "invoices": len(of), "amount": sum(of)} for n, of in amounts.items()]


@pytest.mark.parametrize("seed", [1, 2])
def test_ageing_is_what_the_invoices_add_up_to_on_any_day(program: Program, seed: int) -> None:
    program.sql("UPDATE setting SET value = 'Europe/Berlin' WHERE key = 'timezone'")
    random_books(program, seed)
    seen = set()
    for weeks in range(0, 60, 4):
        on = date(2026, 3, 1) + timedelta(weeks=weeks)
        found = exact(program, "report", "ageing", "--on", on)
        assert found == aged(program, on, BERLIN)
        seen |= {row["days_past_due"] for row in found if row["invoices"]}
    assert seen == set(BUCKETS), "the books have something in every bucket"


def test_a_day_gone_by_is_as_it_was_then_whatever_was_paid_and_voided_since(member: Program) -> None:
    for month in (8, 9, 10):
        bill(member, f"2026-{month:02}-01", 1000, issued_at="2026-10-02T00:00:00Z", due_date="2026-10-16")
    before = owed(member, "2026-10-20")
    assert before == {"0-30": (3, 30)}
    member.ok("invoices", "pay", 1, "--on", "2026-10-21")
    member.ok("invoices", "pay", 2)
    member.ok("invoices", "void", 3)
    assert owed(member, "2026-10-20") == before
    assert owed(member, "2026-10-21") == {"0-30": (2, 20)}, "paid on the day is paid at its end"
    assert owed(member, "2026-11-21") == {"31-60": (2, 20)}
    assert owed(member) == {}
    assert owed(member, "2026-10-01") == {}, "nothing was issued yet"


def test_what_is_not_issued_is_not_owed(member: Program) -> None:
    bill(member, "2026-11-01", 1000)
    bill(member, "2026-10-01", 500, status="PAID", paid_on="2027-01-01")
    assert owed(member, "2026-12-31") == {}


def test_paid_and_void_invoices_of_unknown_date_are_not_owed_on_any_day(member: Program) -> None:
    bill(member, "2020-01-01", 100, issued_at=ISSUED, due_date="2020-02-01", status="PAID")
    bill(member, "2020-02-01", 100, issued_at=ISSUED, due_date="2020-02-01", status="VOID")
    for on in (ON, "2020-01-02"):
        assert owed(member, on) == {}


def test_an_issued_invoice_without_a_due_date_is_not_due(member: Program) -> None:
    bill(member, "2020-01-01", 100, issued_at=ISSUED)
    assert owed(member) == {"not due": (1, 1)}


def test_a_day_ends_at_midnight_in_the_databases_zone(member: Program) -> None:
    member.sql("UPDATE setting SET value = 'Europe/Berlin' WHERE key = 'timezone'")
    bill(member, "2026-10-01", 100, issued_at="2026-11-22T22:59:59Z", due_date="2026-12-06")
    bill(member, "2026-11-01", 200, issued_at="2026-11-22T23:00:00Z", due_date="2026-12-06")
    assert owed(member, "2026-11-22") == {"not due": (1, 1)}
    assert owed(member, "2026-11-23") == {"not due": (2, 3)}
    member.sql("UPDATE invoice SET status = 'VOID', voided_at = '2026-11-23T22:59:59Z' WHERE id = 1")
    member.sql("UPDATE invoice SET status = 'VOID', voided_at = '2026-11-23T23:00:00Z' WHERE id = 2")
    assert owed(member, "2026-11-23") == {"not due": (1, 2)}
    assert owed(member, "2026-11-24") == {}


def test_today_is_the_day_unless_another_is_said(member: Program) -> None:
    bill(member, "2026-10-01", 990, issued_at="2026-11-01T00:00:00Z", due_date="2026-11-22")
    assert member.ok("report", "ageing") == member.ok("report", "ageing", "--on", "today")
    assert [row["invoices"] for row in member.ok("report", "ageing")] == [0, 1, 0, 0, 0]
    assert [row["invoices"] for row in member.ok("report", "ageing", "--on", "yesterday")] == [1, 0, 0, 0, 0]
    then = member.at("2026-10-31T12:00:00Z")
    assert [row["invoices"] for row in then.ok("report", "ageing")] == [0] * 5
    late = member.at("2027-06-01T12:00:00Z")
    assert [row["invoices"] for row in late.ok("report", "ageing")] == [0, 0, 0, 0, 1]


def test_the_keys_and_the_numbers_are_pinned_in_every_format(member: Program) -> None:
    bill(member, "2026-10-01", 990, issued_at="2026-11-01T00:00:00Z", due_date="2026-11-15")
    real = process(member)
    assert real("report", "ageing", "--format", "json").out == (
        '[\n{"days_past_due": "not due", "invoices": 0, "amount": 0},\n'
        '{"days_past_due": "0-30", "invoices": 1, "amount": 9.90},\n'
        '{"days_past_due": "31-60", "invoices": 0, "amount": 0},\n'
        '{"days_past_due": "61-90", "invoices": 0, "amount": 0},\n'
        '{"days_past_due": "90+", "invoices": 0, "amount": 0}\n]\n'
    )
    assert member("report", "ageing").out == (
        "days_past_due\tinvoices\tamount\n"
        "not due\t0\t0.00\n0-30\t1\t9.90\n31-60\t0\t0.00\n61-90\t0\t0.00\n90+\t0\t0.00\n"
    )


@pytest.mark.parametrize("on", ["2000-01-01", "2999-12-31", "tomorrow"])
def test_no_day_is_too_far_and_no_database_too_empty(program: Program, on: str) -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        program.sql("UPDATE setting SET value = ? WHERE key = 'timezone'", zone)
        assert owed(program, on) == {}


@pytest.mark.parametrize("on", ["3000-01-01", "2026-11", "soon"])
def test_what_is_no_day_is_wrong_usage(program: Program, on: str) -> None:
    assert program.refused("report", "ageing", "--on", on)["status"] == 2
