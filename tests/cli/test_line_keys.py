"""Keys of `lines add`: the same request twice is one request."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from program import Program

from streamctl.errors import BelowZero, KeyConflict
from streamctl.services import invoices, lines, members, streaming
from streamctl.store.database import Store

IN_PROCESS = True  # a process for each of its many commands would say no more

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = datetime(2031, 1, 1, tzinfo=UTC)
FIVE = Decimal(5)


@pytest.fixture
def bob(store: Store) -> Store:
    """Member 1 with the open, empty invoices 1 of November and 2 of December."""
    members.add("bob@example.com", at=AT, credits=3)
    invoices.create("1", at=AT)
    invoices.create("1", at=AT, day=date(2026, 12, 1))
    return store


def test_a_repeated_key_returns_the_first_receipt_and_changes_nothing(member: Program) -> None:
    member.ok("invoices", "create", 1)
    words = ("lines", "add", 1, "--amount", "9.90", "--key", "order 7", "--description", "first")
    first = member.ok(*words)
    assert (first["replayed"], first["key"], first["description"]) == (False, "order 7", "first")
    before = member.books()
    again = member.at("2030-01-01")("lines", "add", 1, "--amount", "9.9", "--key", "order 7", "--format", "json")
    assert again.json == first | {"replayed": True}
    assert '"amount": 9.90' in again.out
    assert member.books() == before
    other = member.refused("lines", "add", 1, "--amount", "9.91", "--key", "order 7")
    assert (other["code"], other["status"], other["details"]) == ("key_conflict", 4, {"key": "order 7"})
    for key in ("", "  ", "fee:1:2026-11", "x" * 256):
        assert member.refused("lines", "add", 1, "--amount", 1, "--key", key)["status"] == 2


@pytest.mark.parametrize("change", ["pay", "void", "line deleted", "invoice deleted", "line changed", "member erased"])
def test_a_replay_comes_before_any_other_check_and_never_expires(bob: Store, program: Program, change: str) -> None:
    first = lines.add(1, at=AT, amount=FIVE, key="k")
    match change:
        case "pay":
            invoices.pay([1], at=AT)
        case "void":
            invoices.void([1], at=AT)
        case "line deleted":
            lines.delete([1], at=AT)
        case "invoice deleted":
            invoices.delete([1], at=AT)
        case "line changed":
            lines.update(1, at=AT, amount=Decimal(6), description="other", invoice=2)
        case _:
            members.cancel(["1"], at=AT)
            members.erase("1", at=AT)
    before = program.books()
    assert lines.add(1, at=LATER, amount=FIVE, key="k").row == (*first.row[:-1], True)
    assert program.books() == before


def test_the_same_key_for_anything_else_is_a_conflict(bob: Store, program: Program) -> None:
    lines.add(1, at=AT, amount=FIVE, key="k")
    before = program.books()
    for invoice, amount, kind in ((2, 5, "manual"), (1, 6, "manual"), (1, 5, "discount"), (9, 5, "manual")):
        with pytest.raises(KeyConflict):
            lines.add(invoice, at=AT, amount=Decimal(amount), kind=kind, key="k")
    with pytest.raises(KeyConflict):
        streaming.check_in("1", at=AT, ref="k")
    assert program.books() == before
    streaming.check_in("1", at=AT, ref="r")
    with pytest.raises(KeyConflict):
        lines.add(1, at=AT, amount=FIVE, key="r")


def test_a_request_of_before_lines_could_be_without_a_description_is_answered_as_it_was(
    bob: Store, program: Program
) -> None:
    lines.add(1, at=AT, amount=FIVE, key="k")
    program.sql('UPDATE request SET receipt = replace(receipt, \'"description": ""\', \'"description": "Charge"\')')
    again = lines.add(1, at=LATER, amount=FIVE, key="k")
    assert (again.value("description"), again.value("replayed")) == ("Charge", True)


def test_a_refused_request_leaves_its_key_free(bob: Store, program: Program) -> None:
    with pytest.raises(BelowZero):
        lines.add(1, at=AT, amount=FIVE, kind="discount", key="k")
    assert lines.add(1, at=AT, amount=FIVE, key="k").value("replayed") is False
    assert program.sql("SELECT key, action, member FROM request") == [("k", "line", 1)]


def test_without_a_key_the_same_line_is_added_twice(bob: Store, program: Program) -> None:
    assert [lines.add(1, at=AT, amount=FIVE).value("id") for _ in range(2)] == [1, 2]
    assert program.sql("SELECT amount FROM invoice ORDER BY id") == [(1000,), (0,)]
    assert program.sql("SELECT count(*) FROM request") == [(0,)]
