"""`invoices pay`, `void`, `reopen` and `delete`: the moves an invoice may make, all or none of many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from program import Program

from streamctl.domain.records import Listing
from streamctl.errors import AlreadyDone, InvoiceClosed, MonthTaken, NotFound, Refused
from streamctl.services import invoices, lines, members, streaming
from streamctl.store.database import Store

IN_PROCESS = True  # a process for each of its many commands would say no more

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ISSUED = (
    "UPDATE invoice SET issued_at = '2026-11-22T12:00:00Z', number = 'N-' || id, due_date = '2026-12-06' WHERE id = "
)
Verb = Callable[..., Listing]


@pytest.fixture
def bob(store: Store) -> Store:
    """Member 1 with the open invoices 1, 2 and 3 of September, October and November, 5.00 each."""
    members.add("bob@example.com", at=AT, credits=3)
    for month in (9, 10, 11):
        invoices.create("1", at=AT, day=date(2026, month, 22), amount=Decimal(5))
    return store


def values(answer: Listing, *names: str) -> list[tuple[Any, ...]]:
    """These columns of the rows."""
    places = [[column.name for column in answer.columns].index(name) for name in names]
    return [tuple(row[place] for place in places) for row in answer.rows]


def refused(program: Program, error: type[Exception], call: Callable[[], object]) -> Any:
    """The error, which has changed nothing."""
    before = program.books()
    with pytest.raises(error) as found:
        call()
    assert program.books() == before
    return found.value


def test_paying_and_voiding_write_down_when_and_why(member: Program) -> None:
    for month in ("2026-10-01", "2026-11-01"):
        member.ok("invoices", "create", 1, "--date", month, "--amount", "9.90")
    paid = member("invoices", "pay", 1, "--on", "yesterday", "--note", "cash", "--format", "json")
    assert paid.out == (
        '[\n{"id": 1, "user": 1, "date": "2026-10-01", "status": "PAID", "description": "Invoice for 2026-10", '
        '"amount": 9.90, "invoice_lines": [1], "month": "2026-10", "number": null, "issued_at": null, '
        '"due_date": null, "paid_on": "2026-11-21", "changed": true}\n]\n'
    )
    (void,) = member.ok("invoices", "void", 2, "--reason", "mistake")
    assert (void["status"], void["paid_on"], void["amount"]) == ("VOID", None, 9.9)
    assert member.ok("invoices", "list", "--columns", "status,note,voided_at") == [
        {"status": "PAID", "note": "cash", "voided_at": None},
        {"status": "VOID", "note": "mistake", "voided_at": "2026-11-22T12:00:00Z"},
    ]
    (reopened,) = member.ok("invoices", "reopen", 1)
    assert (reopened["status"], reopened["paid_on"]) == ("OUT", None)


def test_what_is_done_already_stays_as_it_was(bob: Store, program: Program) -> None:
    invoices.pay([1], at=AT, on=date(2026, 11, 1), note="cash")
    invoices.void([2], at=AT, reason="mistake")
    before = program.books()
    later = datetime(2026, 12, 24, tzinfo=UTC)
    assert values(invoices.pay([1], at=later, on=date(2026, 11, 1), note="cash"), "paid_on") == [("2026-11-01",)]
    assert values(invoices.void([2], at=later, reason="mistake"), "status") == [("VOID",)]
    for call in (
        lambda: invoices.pay([1, 3], at=later, on=date(2026, 12, 1)),
        lambda: invoices.pay([3, 1], at=later, note="card"),
        lambda: invoices.void([2, 3], at=later, reason="other"),
    ):
        refused(program, AlreadyDone, call)
    assert values(invoices.reopen([3], at=later), "status") == [("OUT",)]
    invoices.update(1, at=later, status="PAID", amount=Decimal(5), description="Invoice for 2026-09")
    assert program.books() == before


def test_only_reopen_leads_back_and_paid_and_void_are_no_neighbours(bob: Store, program: Program) -> None:
    invoices.pay([1], at=AT)
    invoices.void([2], at=AT)
    for call in (
        lambda: invoices.void([3, 1], at=AT),
        lambda: invoices.pay([3, 2], at=AT),
        lambda: invoices.update(1, at=AT, status="OUT"),
        lambda: invoices.update(1, at=AT, status="VOID"),
        lambda: invoices.update(2, at=AT, status="OUT"),
        lambda: invoices.update(2, at=AT, status="PAID"),
    ):
        error = refused(program, InvoiceClosed, call)
        assert error.hint == f"Open it again with: streamctl invoices reopen {error.details['invoice']}"
    assert values(invoices.reopen([1, 2], at=AT), "status", "paid_on") == [("OUT", None), ("OUT", None)]
    assert program.sql("SELECT count(*) FROM invoice WHERE voided_at IS NOT NULL") == [(0,)]


@pytest.mark.parametrize("closing", ["pay", "void", "issue"])
def test_a_closed_invoice_and_its_lines_are_frozen(bob: Store, program: Program, closing: str) -> None:
    closings: dict[str, Callable[[], object]] = {
        "pay": lambda: invoices.pay([1], at=AT),
        "void": lambda: invoices.void([1], at=AT),
        "issue": lambda: program.sql(ISSUED + "1"),
    }
    closings[closing]()
    calls: tuple[Callable[[], object], ...] = (
        lambda: invoices.update(1, at=AT, amount=Decimal(6)),
        lambda: invoices.update(1, at=AT, description="x"),
        lambda: invoices.update(1, at=AT, day=date(2026, 9, 23)),
        lambda: lines.add(1, at=AT, amount=Decimal(1)),
        lambda: lines.add(1, at=AT, amount=Decimal(1), kind="discount", key="k"),
        lambda: lines.update(1, at=AT, amount=Decimal(1)),
        lambda: lines.update(1, at=AT, description="x"),
        lambda: lines.update(1, at=AT, invoice=2),
        lambda: lines.update(2, at=AT, invoice=1),
        lambda: lines.delete([2, 1], at=AT),
    )
    for call in calls:
        error = refused(program, InvoiceClosed, call)
        assert error.details["invoice"] == 1


def test_reopening_keeps_the_number_and_never_un_issues(bob: Store, program: Program) -> None:
    program.sql(ISSUED + "1")
    program.sql(ISSUED + "2")
    invoices.pay([1], at=AT)
    invoices.void([2], at=AT)
    answer = invoices.reopen([1, 2], at=AT)
    assert values(answer, "status", "number", "issued_at", "due_date", "paid_on") == [
        ("OUT", f"N-{number}", "2026-11-22T12:00:00Z", "2026-12-06", None) for number in (1, 2)
    ]
    refused(program, InvoiceClosed, lambda: lines.add(1, at=AT, amount=Decimal(1)))


@pytest.mark.parametrize("close", [invoices.pay, invoices.void])
def test_reopening_is_refused_beside_an_open_invoice_of_the_month(bob: Store, program: Program, close: Verb) -> None:
    close([1, 3], at=AT)
    assert invoices.create("1", at=AT, extra=True).value("id") == 4
    error = refused(program, MonthTaken, lambda: invoices.reopen([1, 3], at=AT))
    assert error.details == {"member": 1, "month": "2026-11", "invoice": 4}
    program.sql(ISSUED + "4")  # an issued one is not open
    assert values(invoices.reopen([1, 3], at=AT), "id", "status") == [(1, "OUT"), (3, "OUT")]


def test_two_of_one_month_are_not_reopened_together(bob: Store, program: Program) -> None:
    invoices.pay([3], at=AT)
    invoices.create("1", at=AT, status="PAID", extra=True)
    refused(program, MonthTaken, lambda: invoices.reopen([3, 4], at=AT))
    assert values(invoices.reopen([3], at=AT), "status") == [("OUT",)]


def test_a_check_in_whose_months_invoice_is_closed_opens_another(bob: Store, program: Program) -> None:
    invoices.pay([3], at=AT)
    assert streaming.check_in("1", at=AT).value("invoice_id") == 4
    invoices.void([4], at=AT)
    assert streaming.check_out("1", at=AT).value("invoice_id") == 5
    assert program.sql("SELECT DISTINCT month FROM invoice WHERE id > 2") == [("2026-11",)]


@pytest.mark.parametrize("verb", [invoices.pay, invoices.void, invoices.reopen, invoices.delete])
def test_many_are_moved_all_or_none(bob: Store, program: Program, verb: Verb) -> None:
    error = refused(program, NotFound, lambda: verb([3, 99, 1, 10**30], at=AT))
    assert error.details["missing"] == [99, 10**30]
    assert values(verb([3, 1, 3], at=AT), "id") == [(3,), (1,)]


def test_an_open_or_void_invoice_is_deleted_with_its_lines(bob: Store, program: Program) -> None:
    streaming.check_in("1", at=AT)
    invoices.void([1], at=AT)
    assert values(invoices.delete([3, 1], at=AT), "id", "amount", "invoice_lines") == [(3, 600, "3 4"), (1, 500, "1")]
    assert [row[0] for row in program.books()["invoice_line"]] == [2]
    assert program.sql("SELECT id, closed_at, checkin_line FROM stream") == [(1, None, None)]
    assert streaming.check_out("1", at=AT).value("stream_id") == 1


@pytest.mark.parametrize("move", [None, invoices.pay, invoices.void])
def test_what_was_issued_or_paid_is_never_deleted(bob: Store, program: Program, move: Verb | None) -> None:
    if move is not invoices.pay:
        program.sql(ISSUED + "2")
    if move:
        move([2], at=AT)
    error = refused(program, InvoiceClosed, lambda: invoices.delete([1, 2], at=AT))
    assert isinstance(error, Refused)
    assert error.details["invoice"] == 2


def test_a_delete_needs_yes_and_ids_may_come_from_standard_input(member: Program) -> None:
    for month in ("2026-10-01", "2026-11-01", "2026-12-01"):
        member.ok("invoices", "create", 1, "--date", month)
    assert member.refused("invoices", "delete", 1)["code"] == "needs_yes"
    assert member.refused("invoices", "pay", "-", stdin="1\nid\n")["status"] == 2
    assert member.refused("invoices", "void", "-", stdin="1\n4\n")["status"] == 3
    assert member.refused("invoices", "reopen", "-", stdin="")["status"] == 2
    assert [one["id"] for one in member.ok("invoices", "void", 3, "-", stdin="1\n")] == [3, 1]
    assert [one["id"] for one in member.ok("invoices", "delete", "-", "--yes", stdin="3\n2\n")] == [3, 2]
    assert member("invoices", "list", "--format", "ids").out == "1\n"


def test_every_change_can_be_rehearsed_and_then_nothing_has_changed(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    member.ok("invoices", "create", 1, "--date", "2026-10-01", "--status", "PAID")
    before = member.books()
    for words, changed in (
        (("create", 1, "--date", "2026-12-01", "--amount", 3), {"id": 3, "amount": 3, "month": "2026-12"}),
        (("update", 1, "--amount", 6), {"id": 1, "amount": 6}),
        (("delete", 1), {"id": 1, "invoice_lines": [1]}),
        (("pay", 1), {"status": "PAID", "paid_on": "2026-11-22"}),
        (("void", 1), {"status": "VOID"}),
        (("reopen", 2), {"status": "OUT", "paid_on": None}),
    ):
        answer = member.ok("invoices", *words, "--dry-run")
        one = answer[0] if isinstance(answer, list) else answer
        assert one | changed | {"dry_run": True} == one, words
        assert member.books() == before, words
    assert member.refused("invoices", "pay", 1, 3, "--dry-run")["status"] == 3
