"""`streamctl report revenue`: the sums of the lines, which are what `lines list` and `invoices list` add up to."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from books import Row, bill, exact, random_books
from program import Program
from streams import process

IN_PROCESS = True  # a process for each of its many commands would say no more

KEYS = ["invoices", "lines", "amount"]
PERIODS = [(), ("--from", "2026-05-10"), ("--to", "2026-09-30"), ("--from", "2026-05-10", "--to", "2026-09-30")]


def summed(program: Program, by: str, *period: str) -> list[Row]:
    """The report as it should be, from what the lists say."""
    invoices = {row["id"]: row for row in exact(program, "invoices", "list", *period) if row["status"] != "VOID"}
    lines = [row for row in exact(program, "lines", "list") if row["invoice"] in invoices]
    key: Callable[[Row], str] = (
        (lambda line: line["kind"]) if by == "kind" else lambda line: invoices[line["invoice"]][by]
    )
    return [
        {
            by: name,
            "invoices": len({line["invoice"] for line in lines if key(line) == name}),
            "lines": sum(key(line) == name for line in lines),
            "amount": sum(line["amount"] for line in lines if key(line) == name),
        }
        for name in sorted({key(line) for line in lines})
    ]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("by", ["month", "kind", "status"])
def test_revenue_is_what_the_lists_add_up_to(program: Program, by: str, seed: int) -> None:
    random_books(program, seed)
    for period in PERIODS:
        found = exact(program, "report", "revenue", "--by", by, *period)
        assert found == summed(program, by, *period)
        assert len(found) > 1


def test_every_way_of_summing_has_the_same_total_which_is_that_of_the_invoices(program: Program) -> None:
    random_books(program, 3)
    for period in PERIODS:
        billed = sum(row["amount"] for row in exact(program, "invoices", "list", *period) if row["status"] != "VOID")
        for by in ("month", "kind", "status"):
            rows = exact(program, "report", "revenue", "--by", by, *period)
            assert sum(row["amount"] for row in rows) == billed


def test_the_lines_of_a_void_invoice_are_no_revenue(member: Program) -> None:
    bill(member, "2026-11-01", 1000)
    bill(member, "2026-10-01", 500, status="PAID")
    bill(member, "2026-09-01", 300, status="VOID")
    assert [row["month"] for row in member.ok("report", "revenue")] == ["2026-10", "2026-11"]
    assert [(row["status"], row["amount"]) for row in member.ok("report", "revenue", "--by", "status")] == [
        ("OUT", 10),
        ("PAID", 5),
    ]
    member.ok("invoices", "void", 1)
    assert [row["month"] for row in member.ok("report", "revenue")] == ["2026-10"]
    member.ok("invoices", "reopen", 1)
    assert len(member.ok("report", "revenue")) == 2


def test_from_and_to_are_days_of_the_invoice_and_both_count(member: Program) -> None:
    for day in ("2026-10-31", "2026-11-01", "2026-11-02", "2026-11-03"):
        bill(member, day, 100, issued_at="2026-12-01T00:00:00Z")
    for period, count in (
        (("--from", "2026-11-01", "--to", "2026-11-02"), 2),
        (("--from", "2026-11-02", "--to", "2026-11-02"), 1),
        (("--from", "2026-11-03"), 1),
        (("--to", "2026-11-01"), 2),
        (("--from", "yesterday"), 0),
        (("--from", "2026-11-03", "--to", "2026-11-01"), 0),
        (("--from", "2000-01-01", "--to", "2999-12-31"), 4),
        (("--from", "2999-12-31", "--to", "2000-01-01"), 0),
    ):
        found = member.ok("report", "revenue", *period)
        assert sum(row["invoices"] for row in found) == count, period
        assert count == len(member.ok("invoices", "list", *period))


def test_an_invoice_without_lines_is_in_no_row_and_a_line_of_nothing_is(member: Program) -> None:
    bill(member, "2026-10-01")
    bill(member, "2026-11-01", 0)
    assert member.ok("report", "revenue") == [{"month": "2026-11", "invoices": 1, "lines": 1, "amount": 0}]


def test_nothing_billed_is_no_rows(program: Program) -> None:
    for by in ("month", "kind", "status"):
        assert program.ok("report", "revenue", "--by", by) == []
    assert program("report", "revenue", "--format", "csv").out == "month,invoices,lines,amount\n"
    assert program("report", "revenue", "--format", "table").out.split() == ["month", *KEYS, "─" * 33]


def test_the_keys_and_the_numbers_are_pinned_in_every_format(member: Program) -> None:
    bill(member, "2026-10-01", 1000, -250)
    bill(member, "2026-11-01", 990)
    real = process(member)
    assert real("report", "revenue", "--format", "json").out == (
        '[\n{"month": "2026-10", "invoices": 1, "lines": 2, "amount": 7.50},\n'
        '{"month": "2026-11", "invoices": 1, "lines": 1, "amount": 9.90}\n]\n'
    )
    assert real("report", "revenue", "--by", "kind", "--format", "jsonl").out == (
        '{"kind": "discount", "invoices": 1, "lines": 1, "amount": -2.50}\n'
        '{"kind": "manual", "invoices": 2, "lines": 2, "amount": 19.90}\n'
    )
    assert real("report", "revenue", "--by", "status").out == "status\tinvoices\tlines\tamount\nOUT\t2\t3\t17.40\n"
    assert member("report", "revenue", "--format", "csv").out == (
        "month,invoices,lines,amount\n2026-10,1,2,7.50\n2026-11,1,1,9.90\n"
    )
    assert member("report", "revenue", "--format", "ids").out == "2026-10\n2026-11\n"


def test_the_largest_amounts_add_up_exactly(program: Program) -> None:
    program.sql("UPDATE setting SET value = 'UYW' WHERE key = 'currency'")  # four decimals
    random_books(program, 1, count=0)
    bill(program, "2026-11-01", *[10**13 - 1] * 50, issued_at="2026-11-01T00:00:00Z")
    assert exact(program, "report", "revenue")[0]["amount"] == Decimal(50) * (10**13 - 1) / 10_000


@pytest.mark.parametrize("words", [("--by", "year"), ("--from", "2026-11"), ("--to", "2026-02-30"), ("--by", "")])
def test_what_can_not_be_read_is_wrong_usage(program: Program, words: tuple[str, ...]) -> None:
    assert program.refused("report", "revenue", *words)["status"] == 2


def test_a_report_changes_nothing(program: Program) -> None:
    random_books(program, 1, count=5)
    books = program.books()
    for report in ("revenue", "ageing", "usage"):
        program.ok("report", report)
    assert program.books() == books
