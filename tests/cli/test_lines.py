"""`streamctl lines`: the amounts on invoices, whose sum the invoice always is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pasting import sentence
from program import Program

from streamctl.errors import BadValue, BelowZero, LineBound, NotFound, StreamctlError
from streamctl.services import invoices, lines, members, streaming
from streamctl.store.database import Store

IN_PROCESS = True  # a process for each of its many commands would say no more

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = ["id", "invoice", "amount", "description", "kind", "key"]
MOST = Decimal("999999999.99")


@pytest.fixture
def bob(store: Store) -> Store:
    """Member 1 with the open invoices 1 of November (5.00, line 1) and 2 of December (empty)."""
    members.add("bob@example.com", at=AT, credits=3)
    invoices.create("1", at=AT, amount=Decimal(5))
    invoices.create("1", at=AT, day=date(2026, 12, 1))
    return store


def amounts(program: Program) -> list[int]:
    """What the invoices owe, in minor units; each is the sum of its lines."""
    sums = program.sql(
        "SELECT i.amount, coalesce(sum(l.amount), 0) FROM invoice i LEFT JOIN invoice_line l ON l.invoice = i.id "
        "GROUP BY i.id ORDER BY i.id"
    )
    assert all(amount == total for amount, total in sums)
    return [amount for amount, _ in sums]


def refused(program: Program, error: type[Exception], call: Callable[[], object]) -> Any:
    """The error, which has changed nothing."""
    before = program.books()
    with pytest.raises(error) as found:
        call()
    assert program.books() == before
    return found.value


def test_a_line_is_shown_with_exactly_the_promised_keys_and_values(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 15)
    added = member("lines", "add", 1, "--discount", "9.90", "--key", "k", "--format", "json")
    assert added.out == (
        '{"id": 2, "invoice": 1, "amount": -9.90, "description": "", "kind": "discount", "key": "k", '
        '"replayed": false}\n'
    )
    shown = member("lines", "show", 2, "--format", "json")
    assert list(shown.json) == KEYS
    assert shown.json == {key: value for key, value in added.json.items() if key != "replayed"}
    assert member("lines", "list", "--format", "json").out == (
        '[\n{"id": 1, "invoice": 1, "amount": 15, "description": "", "kind": "manual", "key": null},\n'
        + shown.out.removesuffix("\n")
        + "\n]\n"
    )
    assert member("lines", "list", "--format", "csv").out == (
        ",".join(KEYS) + "\n1,1,15.00,,manual,\n2,1,-9.90,,discount,k\n"
    )


def test_a_line_has_one_amount_typed_without_a_sign(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    for words in (
        ["--amount", 1, "--discount", 1],
        ["--amount", "-1"],
        ["--discount", "-1"],
        ["--amount", "0.001"],
    ):
        assert member.refused("lines", "add", 1, *words)["status"] == 2, words
    assert member.refused("lines", "add", 9, "--amount", 1)["details"] == {"what": "invoice", "missing": [9]}
    assert member.refused("lines", "show", 9)["status"] == 3


def test_a_line_needs_nothing_but_its_invoice(member: Program) -> None:
    """DESIGN: without an amount it is 0, without a description it is empty."""
    member.ok("invoices", "create", 1)
    told = {"invoice": 1, "amount": 0, "description": "", "kind": "manual", "key": None, "replayed": False}
    assert member.ok("lines", "add", 1) == {"id": 1, **told}
    described = member.ok("lines", "add", 1, "--description", "to be priced", "--key", "k")
    assert described == {"id": 2, **told, "description": "to be priced", "key": "k"}
    assert member.ok("lines", "add", 1, "--key", "k")["replayed"] is True
    assert member.ok("lines", "add", 1, "--discount", 0)["kind"] == "discount"
    for words, said in (
        ("lines add 1", "Added line 4 of invoice 1: 0.00 USD."),
        ("lines add 1 --amount 2", "Added line 5 of invoice 1: 2.00 USD."),
        ("lines add 1 --discount 1 --description Sorry", "Added line 6 of invoice 1: -1.00 USD, Sorry."),
        ("lines update 4 --amount 1", "Updated line 4 of invoice 1: 1.00 USD."),
        ("lines add 1 --key k", "Already added line 2 of invoice 1: 0.00 USD, to be priced."),
    ):
        assert sentence(member, words) == said


def test_every_change_of_a_line_is_a_change_of_its_invoice(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    member.ok("lines", "add", 1, "--amount", "2.50", "--description", "Late fee")
    assert member.ok("invoices", "show", 1)["amount"] == 7.5
    updated = member.ok("lines", "update", 2, "--amount", 3)
    assert (updated["amount"], updated["description"], updated["changed"]) == (3, "Late fee", True)
    assert member.ok("lines", "update", 2, "--description", "Fee") == updated | {"description": "Fee"}
    (gone,) = member.ok("lines", "delete", 1, "--yes")
    assert (gone["id"], gone["amount"], gone["kind"]) == (1, 5, "manual")
    shown = member.ok("invoices", "show", 1)
    assert (shown["amount"], [line["id"] for line in shown["invoice_lines"]]) == (3, [2])
    assert member.ok("lines", "add", 1, "--amount", 1)["id"] == 3  # ids are never reused


def test_a_typed_magnitude_takes_the_sign_of_its_kind(bob: Store, program: Program) -> None:
    discount = lines.add(1, at=AT, amount=Decimal(2), kind="discount").value("id")
    invoices.update(1, at=AT, amount=Decimal(1))  # -2.00, line 3
    invoices.update(1, at=AT, amount=Decimal(4))  # +3.00, line 4
    for line, amount in ((discount, -100), (3, -50), (4, 250), (1, 600)):
        assert lines.update(line, at=AT, amount=Decimal(abs(amount)) / 100).value("amount") == amount
    assert amounts(program) == [600 - 100 - 50 + 250, 0]


def test_a_discount_cannot_take_an_invoice_below_zero(bob: Store, program: Program) -> None:
    error = refused(program, BelowZero, lambda: lines.add(1, at=AT, amount=Decimal("5.01"), kind="discount"))
    assert (error.status, error.details) == (4, {"invoice": 1})
    discount = lines.add(1, at=AT, amount=Decimal(5), kind="discount").value("id")
    assert amounts(program) == [0, 0]
    refused(program, BelowZero, lambda: lines.update(discount, at=AT, amount=Decimal("5.01")))
    refused(program, BelowZero, lambda: lines.update(1, at=AT, amount=Decimal("4.99")))
    refused(program, BelowZero, lambda: lines.delete([1], at=AT))
    lines.delete([1, discount], at=AT)  # whichever order they are named in
    assert amounts(program) == [0, 0]


def test_moving_a_line_mends_both_invoices(bob: Store, program: Program) -> None:
    moved = lines.update(1, at=AT, invoice=2, amount=Decimal(7), description="December")
    assert moved.row == (1, 2, 700, "December", "manual", None, True)
    assert amounts(program) == [0, 700]


def test_neither_end_of_a_move_falls_below_zero_and_the_refusal_names_the_right_one(
    bob: Store, program: Program
) -> None:
    lines.add(1, at=AT, amount=Decimal(2), kind="discount")
    leaving = refused(program, BelowZero, lambda: lines.update(1, at=AT, invoice=2))
    assert leaving.details == {"invoice": 1}
    arriving = refused(program, BelowZero, lambda: lines.update(2, at=AT, invoice=2))
    assert arriving.details == {"invoice": 2}
    assert refused(program, NotFound, lambda: lines.update(1, at=AT, invoice=3)).details["missing"] == [3]


def test_the_systems_lines_stay_but_their_amount_and_text_may_change(bob: Store, program: Program) -> None:
    streaming.check_in("1", at=AT)
    streaming.check_out("1", at=AT)
    fee = "(1, 990, 'Fee', 'fee', 'fee:1:2026-11')"
    program.sql(f"INSERT INTO invoice_line (invoice, amount, description, kind, key) VALUES {fee}")
    for line, kind in ((2, "checkin"), (3, "checkout"), (4, "fee")):
        for call in (
            lambda line=line: lines.delete([1, line], at=AT),
            lambda line=line: lines.update(line, at=AT, invoice=2),
        ):
            error = refused(program, LineBound, call)
            assert (error.status, error.details) == (4, {"line": line, "kind": kind})
        changed = lines.update(line, at=AT, amount=Decimal(line), description="mended", invoice=1)
        assert changed.row[:5] == (line, 1, line * 100, "mended", kind)
    assert amounts(program) == [1400, 0]


def test_many_lines_are_deleted_all_or_none(bob: Store, program: Program) -> None:
    lines.add(2, at=AT, amount=Decimal(1))
    lines.add(2, at=AT, amount=Decimal(1), kind="discount")
    refused(program, NotFound, lambda: lines.delete([1, 9], at=AT))
    refused(program, BelowZero, lambda: lines.delete([1, 2], at=AT))
    assert [row[0] for row in lines.delete([3, 1, 3], at=AT).rows] == [3, 1]
    assert amounts(program) == [0, 100]


def test_more_lines_are_deleted_than_one_statement_can_name(bob: Store, program: Program) -> None:
    if program.engine == "sqlite":
        bob.connection().setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    program.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"
        " INSERT INTO invoice_line (invoice, amount, description, kind) SELECT 2, 1, 'x', 'manual' FROM n"
    )
    assert len(list(lines.delete(range(2, 1502), at=AT).rows)) == 1500
    assert amounts(program) == [500, 0]


def test_no_line_is_larger_than_the_most(bob: Store, program: Program) -> None:
    refused(program, BadValue, lambda: lines.add(1, at=AT, amount=MOST + 1))
    for _ in range(2):
        lines.add(2, at=AT, amount=MOST)
    assert amounts(program) == [500, 2 * 99_999_999_999]
    with suppress(StreamctlError):  # the difference is more than one line can be: refused, or more lines
        invoices.update(2, at=AT, amount=Decimal(0))
    assert program.sql("SELECT max(abs(amount)) FROM invoice_line") == [(99_999_999_999,)]


def test_the_lists_filters_must_all_pass(bob: Store, program: Program) -> None:
    members.add("eve@example.com", at=AT)
    invoices.create("2", at=AT, amount=Decimal(6))
    streaming.check_in("1", at=AT)
    lines.add(3, at=AT, amount=Decimal(1), kind="discount")
    for words, ids in (
        (["--invoice", 3], "2 4"),
        (["--member", "bob@example.com"], "1 3"),
        (["--kind", "checkin"], "3"),
        (["--month", "next"], ""),
        (["--member", 2, "--month", "2026-11", "--kind", "discount"], "4"),
    ):
        assert program("lines", "list", *words, "--format", "ids").out.split() == ids.split(), words
    some = program(
        "lines", "list", "--columns", "user,month,amount", "--sort", "-amount", "--limit", 2, "--format", "csv"
    )
    assert (some.out, some.err) == ("user,month,amount\n2,2026-11,6.00\n1,2026-11,5.00\n", "2 of 4\n")
    for words, status in ((["--invoice", 9], 3), (["--member", 9], 3), (["--kind", "gift"], 2)):
        assert program.refused("lines", "list", *words)["status"] == status


def test_a_delete_needs_yes_and_every_change_can_be_rehearsed(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    assert member.refused("lines", "delete", 1)["code"] == "needs_yes"
    before = member.books()
    for words, changed in (
        (("add", 1, "--amount", 3, "--key", "k"), {"id": 2, "amount": 3, "key": "k", "replayed": False}),
        (("update", 1, "--amount", 6), {"id": 1, "amount": 6}),
        (("delete", "-"), {"id": 1, "amount": 5}),
    ):
        answer = member.ok("lines", *words, "--dry-run", stdin="1\n")
        one = answer[0] if isinstance(answer, list) else answer
        assert one | changed | {"dry_run": True} == one, words
        assert member.books() == before, words
    assert member.ok("lines", "add", 1, "--amount", 4, "--key", "k")["replayed"] is False
