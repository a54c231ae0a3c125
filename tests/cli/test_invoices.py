"""`invoices create`, `show`, `list` and `update`: one month of one member, its amount the sum of its lines."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pasting import paste
from program import Program

from streamctl.errors import MonthTaken
from streamctl.services import invoices, members
from streamctl.store.database import Store

IN_PROCESS = True  # a process for each of its many commands would say no more

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)

KEYS = [
    *("id", "user", "date", "status", "description", "amount", "invoice_lines"),
    *("month", "number", "issued_at", "due_date", "paid_on"),
]


def test_an_invoice_is_shown_with_exactly_the_promised_keys_and_values(member: Program) -> None:
    created = member("invoices", "create", 1, "--amount", "9.90", "--format", "json")
    shown = member("invoices", "show", 1, "--format", "json")
    assert shown.out == created.out
    assert list(shown.json) == KEYS
    assert shown.out == (
        '{"id": 1, "user": 1, "date": "2026-11-22", "status": "OUT", "description": "Invoice for 2026-11", '
        '"amount": 9.90, "invoice_lines": [{"id": 1, "invoice": 1, "amount": 9.90, "description": "", '
        '"kind": "manual"}], "month": "2026-11", "number": null, "issued_at": null, "due_date": null, '
        '"paid_on": null}\n'
    )


def test_a_list_has_the_ids_of_the_lines_ascending_with_a_space_between_in_csv(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 15)
    member.ok("stream", "checkin", 1)
    member.ok("lines", "add", 1, "--discount", 1)
    listed = member("invoices", "list", "--format", "json")
    assert [list(invoice) for invoice in listed.json] == [KEYS]
    assert '"amount": 15, "invoice_lines": [1, 2, 3], ' in listed.out
    lines = member("invoices", "list", "--format", "csv").out.splitlines()
    assert lines == [",".join(KEYS), "1,1,2026-11-22,OUT,Invoice for 2026-11,15.00,1 2 3,2026-11,,,,"]
    assert member("invoices", "show", 1, "--format", "csv").out.splitlines() == lines


def test_what_is_stored_of_an_issued_and_paid_invoice_is_shown(member: Program) -> None:
    member.ok("invoices", "create", 1)
    member.sql(
        "UPDATE invoice SET issued_at = '2026-12-01T00:00:05Z', number = '2026-11-00001', due_date = '2026-12-15'"
    )
    (paid,) = member.at("2026-12-02T12:00:00Z").ok("invoices", "pay", 1, "--note", "by card")
    assert list(paid.items())[7:] == [
        ("month", "2026-11"),
        ("number", "2026-11-00001"),
        ("issued_at", "2026-12-01T00:00:05Z"),
        ("due_date", "2026-12-15"),
        ("paid_on", "2026-12-02"),
        ("changed", True),
    ]
    more = member.ok("invoices", "list", "--columns", "email,note,voided_at")
    assert more == [{"email": "bob@example.com", "note": "by card", "voided_at": None}]


def test_an_invoice_is_todays_and_outstanding_and_empty_unless_said_otherwise(member: Program) -> None:
    plain = member.ok("invoices", "create", "bob@example.com")
    assert (plain["date"], plain["status"], plain["amount"], plain["invoice_lines"]) == ("2026-11-22", "OUT", 0, [])
    told = member.ok(
        *("invoices", "create", 1, "--date", "2026-01-31", "--status", "paid"),
        *("--description", "January", "--amount", "0.00"),
    )
    assert list(told.values())[1:] == [
        *(1, "2026-01-31", "PAID", "January", 0, [], "2026-01", None, None, None, "2026-11-22")
    ]
    for words in (["--amount", "-1"], ["--amount", "1.234"], ["--date", "2026-11"], ["--status", "DUE"]):
        assert member.refused("invoices", "create", 1, "--date", "2026-02-01", *words)["status"] == 2
    assert member.refused("invoices", "create", 2)["status"] == 3


def test_a_month_is_taken_by_any_invoice_that_is_not_void(store: Store, program: Program) -> None:
    for email in ("bob@example.com", "eve@example.com"):
        members.add(email, at=AT)
    invoices.create("1", at=AT)

    def taken(*, extra: bool) -> MonthTaken:
        before = program.books()
        with pytest.raises(MonthTaken) as found:
            invoices.create("1", at=AT, day=date(2026, 11, 1), extra=extra)
        assert program.books() == before
        return found.value

    for extra in (False, True):
        assert taken(extra=extra).details == {"member": 1, "month": "2026-11", "invoice": 1}
        assert "--extra" not in taken(extra=extra).hint
    invoices.pay([1], at=AT)
    assert "--extra" in taken(extra=False).hint
    assert invoices.create("1", at=AT, extra=True).value("id") == 2
    assert taken(extra=True).details["invoice"] == 2
    invoices.void([2], at=AT)
    assert taken(extra=False).details["invoice"] == 1
    assert invoices.create("2", at=AT).value("id") == 3


def test_beside_a_closed_invoice_stands_another_only_with_extra(member: Program) -> None:
    member.ok("invoices", "create", 1, "--status", "PAID")
    taken = member.refused("invoices", "create", 1)
    assert (taken["code"], taken["status"], taken["details"]["invoice"]) == ("month_taken", 4, 1)
    assert member.ok("invoices", "create", 1, "--extra")["id"] == 2


def test_the_same_month_of_another_year_is_another_month(member: Program) -> None:
    old = member.ok("invoices", "create", 1, "--date", "2025-11-22", "--amount", 5)
    assert member.ok("stream", "checkin", 1)["invoice_id"] == 2
    assert member.ok("invoices", "show", 1) == old
    assert member.ok("invoices", "create", 1, "--date", "2027-11-22")["month"] == "2027-11"
    assert member("invoices", "list", "--month", "this", "--format", "ids").out == "2\n"


def test_an_update_changes_only_what_is_given(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    before = member.ok("invoices", "create", 1, "--amount", 5) | {"changed": True}
    assert member.ok("invoices", "update", 1, "--description", "Nov") == before | {"description": "Nov"}
    after = member.ok("invoices", "update", 1, "--member", "EVE@example.com", "--date", "2027-01-31")
    assert after == before | {"description": "Nov", "user": 2, "date": "2027-01-31", "month": "2027-01"}
    paid = member.ok("invoices", "update", 1, "--status", "PAID", "--amount", 7, "--description", "Paid")
    assert (paid["status"], paid["paid_on"], paid["amount"], paid["description"]) == ("PAID", "2026-11-22", 7, "Paid")


def test_an_amount_that_is_set_adds_an_adjustment_for_the_difference(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    up = member.ok("invoices", "update", 1, "--amount", "7.50")
    assert (up["amount"], up["invoice_lines"][1:]) == (
        7.5,
        [{"id": 2, "invoice": 1, "amount": 2.5, "description": "Adjustment", "kind": "adjustment"}],
    )
    down = member.ok("invoices", "update", 1, "--amount", 0)
    assert (down["amount"], [line["amount"] for line in down["invoice_lines"]]) == (0, [5, 2.5, -7.5])
    assert member.ok("invoices", "update", 1, "--amount", "0.00") == down | {"changed": False}


def test_a_total_may_be_above_what_a_line_can_be(member: Program) -> None:
    """Fails when the invoice's own amount, or a filter, is read as if it were a line's."""
    member.ok("invoices", "create", 1, "--amount", "999999999.99")
    member.ok("lines", "add", 1, "--amount", "999999999.99")
    own = "1999999999.98"
    same = member.ok("invoices", "update", 1, "--amount", own)
    assert (same["changed"], len(same["invoice_lines"])) == (False, 2)
    more = member.ok("invoices", "update", 1, "--amount", "2000000000")
    assert more["invoice_lines"][2]["amount"] == 0.02
    for words, ids in (
        (["--min", own], "1\n"),
        (["--max", own], ""),
        (["--min", "2000000000.01"], ""),
        (["--max", "999999999999999.99"], "1\n"),
    ):
        assert member("invoices", "list", *words, "--format", "ids").out == ids, words
    for words in (["create", 1, "--date", "2026-10-01", "--amount", "1000000000"], ["list", "--min", "0.001"]):
        assert member.refused("invoices", *words)["code"] == "bad_value"
    wish = ("invoices", "update", 1, "--amount", 5)
    refused = member.refused(*wish)
    assert refused["code"] == "too_much"
    paste(member, refused["hint"])  # a step that a line can take
    assert member.ok(*wish)["amount"] == 5


@pytest.mark.parametrize("currency", ["JPY", "KWD", "UYW"])
def test_every_currency_has_totals(program: Program, currency: str) -> None:
    program.ok("db", "set", "currency", currency)
    program.ok("members", "add", "bob@example.com")
    program.ok("invoices", "create", 1, "--amount", 5)
    assert program.ok("invoices", "update", 1, "--amount", 7, "--description", "x")["amount"] == 7
    most = "922337203685477.5807" if currency == "UYW" else "999999999999999"
    assert program("invoices", "list", "--max", most, "--format", "ids").out == "1\n"
    if currency == "UYW":
        beyond = program.refused("invoices", "list", "--max", "922337203685477.5808")
        assert "the most a total can be" in beyond["message"]


def test_an_invoice_moves_into_no_month_that_is_taken(store: Store, program: Program) -> None:
    for email in ("bob@example.com", "eve@example.com"):
        members.add(email, at=AT)
    for user, month in (("1", 11), ("1", 12), ("2", 12)):
        invoices.create(user, at=AT, day=date(2026, month, 1))
    before = program.books()
    with pytest.raises(MonthTaken) as taken:
        invoices.update(1, at=AT, day=date(2026, 12, 5), amount=Decimal(5))
    assert taken.value.details == {"member": 1, "month": "2026-12", "invoice": 2}
    with pytest.raises(MonthTaken) as taken:
        invoices.update(2, at=AT, member="eve@example.com")
    assert taken.value.details == {"member": 2, "month": "2026-12", "invoice": 3}
    assert program.books() == before
    assert invoices.update(1, at=AT, member="2", day=date(2026, 10, 5)).value("user") == 2


def test_an_invoice_with_a_line_of_the_systems_stays_on_its_member_and_month(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    member.ok("stream", "checkin", 1)
    for words in (["--member", 2], ["--date", "2026-12-01"], ["--date", "2025-11-22"]):
        bound = member.refused("invoices", "update", 1, *words, "--description", "x")
        assert (bound["code"], bound["status"]) == ("line_bound", 4)
    moved = member.ok("invoices", "update", 1, "--date", "2026-11-30", "--member", 1, "--amount", 3)
    assert (moved["date"], moved["amount"], moved["user"]) == ("2026-11-30", 3, 1)


def test_the_lists_filters_are_inclusive_and_all_must_pass(store: Store, program: Program) -> None:
    for email in ("bob@example.com", "eve@example.com"):
        members.add(email, at=AT)
    for user, day, amount, status in (
        ("1", date(2026, 10, 31), "5", "PAID"),
        ("1", date(2026, 11, 1), "9.90", "OUT"),
        ("2", date(2026, 11, 30), "15", "VOID"),
        ("2", date(2026, 12, 1), "0", "OUT"),
    ):
        invoices.create(user, at=AT, day=day, amount=Decimal(amount), status=status)
    for words, ids in (
        (["--member", "eve@example.com"], "3 4"),
        (["--status", "out"], "2 4"),
        (["--month", "2026-11"], "2 3"),
        (["--from", "2026-11-01", "--to", "2026-11-30"], "2 3"),
        (["--min", 5, "--max", "9.90"], "1 2"),
        (["--month", "this", "--member", 2, "--status", "VOID", "--min", 15], "3"),
        (["--sort", "-amount,date", "--limit", 3], "3 2 1"),
    ):
        assert program("invoices", "list", *words, "--format", "ids").out.split() == ids.split(), words
    assert program.refused("invoices", "list", "--member", 9)["status"] == 3
    assert program.refused("invoices", "list", "--month", "11-2026")["status"] == 2


def test_a_day_beyond_our_years_is_wrong_usage(member: Program) -> None:
    refused = member.at("2999-12-31").refused("invoices", "create", 1, "--date", "tomorrow")
    assert refused["status"] == 2


def test_what_is_not_there_is_not_found(member: Program) -> None:
    for words in (("show", 1), ("update", 1, "--amount", 5), ("show", "9" * 40)):
        missing = member.refused("invoices", *words)
        assert (missing["code"], missing["status"], missing["details"]["what"]) == ("not_found", 3, "invoice")
    assert member.refused("invoices", "show", "x")["status"] == 2
