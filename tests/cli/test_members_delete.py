"""`members delete` and `members erase`: what may go, and what the books keep."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pasting import paste
from program import Program
from terminals import on_a_terminal

from streamctl.errors import InUse, NotFound
from streamctl.services import invoices, lines, members, streaming
from streamctl.store.database import Store

IN_PROCESS = "postgresql"  # the processes on a server are in tests/system

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def bob(store: Store) -> Store:
    """Member 1 with an open invoice, called into the open database."""
    members.add("bob@example.com", at=AT, name="Bob", credits=3)
    invoices.create("1", at=AT, amount=Decimal(5))
    return store


def count(program: Program, *tables: str) -> list[int]:
    """How many rows these tables have."""
    books = program.books()
    return [len(books[table]) for table in tables]


def test_without_a_terminal_a_delete_needs_yes(member: Program) -> None:
    for words in (("delete", 1), ("delete", 1, "--force"), ("erase", 1)):
        refused = member.refused("members", *words)
        assert (refused["code"], refused["status"]) == ("needs_yes", 2)
        assert "--yes" in refused["hint"]
    (gone,) = member.ok("members", "delete", 1, "-y")
    assert (gone["id"], gone["email"], gone["fee"]) == (1, "bob@example.com", 9.9)
    assert count(member, "user", "membership") == [0, 0]
    assert member.ok("members", "add", "bob@example.com")["id"] == 2  # ids are never reused


def test_on_a_terminal_a_delete_asks_and_only_a_yes_deletes(member: Program) -> None:
    for typed, status, left in (("n\n", 130, 1), ("\n", 130, 1), ("y\n", 0, 0)):
        command = ["-m", "streamctl", "members", "delete", "1"]
        ended, got = on_a_terminal(member, command, typed=typed.encode())
        assert (ended, count(member, "user")) == (status, [left]), got
        assert "Delete member 1 (Bob, bob@example.com)? [y/N]: " in got


def test_a_member_with_invoices_or_streams_stays_unless_forced(bob: Store, program: Program) -> None:
    streaming.check_in("1", at=AT)
    members.add("eve@example.com", at=AT)
    before = program.books()
    for names in (["1"], ["2", "1"]):
        with pytest.raises(InUse) as refused:
            members.delete(names, at=AT)
        assert refused.value.details == {"member": 1, "invoices": 1, "streams": 1}
        assert program.books() == before
    members.delete(["2", "bob@example.com"], at=AT, force=True)
    assert count(program, "user", "membership", "invoice", "invoice_line", "stream") == [0, 0, 0, 0, 0]


def test_a_void_invoice_goes_with_its_member_but_only_by_force(bob: Store, program: Program) -> None:
    invoices.void([1], at=AT)
    with pytest.raises(InUse):
        members.delete(["1"], at=AT)
    members.delete(["1"], at=AT, force=True)
    assert count(program, "user", "invoice", "invoice_line") == [0, 0, 0]


@pytest.mark.parametrize(
    "change",
    [
        "status = 'PAID', paid_on = '2026-11-22'",
        "issued_at = '2026-11-22T12:00:00Z', number = '1'",
        "issued_at = '2026-11-22T12:00:00Z', status = 'VOID'",
    ],
)
def test_what_was_issued_or_paid_keeps_its_member_whatever_the_force(bob: Store, program: Program, change: str) -> None:
    program.sql(f"UPDATE invoice SET {change}")
    before = program.books()
    for force in (False, True):
        with pytest.raises(InUse, match="issued or paid") as refused:
            members.delete(["1"], at=AT, force=force)
        assert "streamctl members erase 1" in refused.value.hint
        assert program.books() == before


def test_a_request_outlives_its_member(bob: Store, program: Program) -> None:
    first = lines.add(1, at=AT, amount=Decimal(1), key="k")
    members.delete(["1"], at=AT, force=True)
    again = lines.add(1, at=AT, amount=Decimal(1), key="k")
    assert again.value("replayed") is True
    assert again.row[:-1] == first.row[:-1]
    assert count(program, "request", "invoice_line") == [1, 0]


def test_erasing_takes_name_and_email_out_and_keeps_the_books(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5, "--status", "PAID")
    member.ok("stream", "checkin", 1, "--ref", "r")
    member.ok("members", "cancel", 1)
    before = member.books()
    erased = member.ok("members", "erase", "bob@example.com", "--yes")
    assert (erased["id"], erased["name"], erased["credit_limit"]) == (1, None, 3)
    after = member.books()
    changed = {table for table in before if before[table] != after[table]} - {"sqlite_sequence"}
    assert changed == {"user", "journal", "journal_row", "journal_person"}
    assert not any("bob" in str(value).lower() for rows in after.values() for row in rows for value in row)
    assert member.refused("members", "show", "bob@example.com")["status"] == 3
    assert member.ok("members", "erase", 1, "--yes") == erased | {"changed": False}
    assert member.ok("members", "add", "bob@example.com")["id"] == 2


def test_a_member_whose_membership_goes_on_is_not_erased(member: Program) -> None:
    refused = member.refused("members", "erase", 1, "--yes")
    assert (refused["status"], refused["code"]) == (4, "membership_active")
    member.ok("members", "add", "later@example.com", "--start", "2026-12-01", "--months", 1)
    assert member.refused("members", "erase", 2, "--yes")["code"] == "membership_active", "it would begin to be billed"
    paste(member, refused["hint"])
    assert member.ok("members", "erase", 1, "--yes")["email"] == "erased-1@erased.invalid"


def test_a_member_without_a_membership_or_whose_membership_is_over_is_erased(member: Program) -> None:
    member.ok("members", "add", "eve@example.com", "--no-membership")
    assert member.ok("members", "erase", 2, "--yes")["changed"] is True
    assert member.at("2026-11-30T23:59:59Z").refused("members", "erase", 1, "--yes")["code"] == "membership_active"
    assert member.at("2026-12-01T00:00:00Z").ok("members", "erase", 1, "--yes")["state"] == "ACT"


def test_nobody_who_was_erased_is_billed(member: Program) -> None:
    member.ok("members", "add", "eve@example.com", "--fee", 5)
    member.ok("members", "cancel", 1)
    member.ok("members", "erase", 1, "--yes")
    for month, created, skipped in (("2026-11", 1, {"erased": 1}), ("2026-12", 1, {})):
        summary = member.ok("invoices", "generate", "--month", month)
        assert (summary["created"], summary["skipped"], summary["total"]) == (created, skipped, 5)
    assert member("invoices", "list", "--member", 1).out.count("\n") == 1


def test_the_hint_of_a_refused_delete_says_all_steps(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    member.ok("members", "cancel", 2)
    for number in (1, 2):
        member.ok("invoices", "create", number, "--amount", 5, "--status", "PAID")
    for number, hint in (
        (1, "streamctl members cancel 1 && streamctl members erase 1"),
        (2, "streamctl members erase 2"),
    ):
        refused = member.refused("members", "delete", number, "--force", "--yes")
        assert refused["hint"] == f"Take name and e-mail out instead with: {hint}"
        paste(member, f"{refused['hint']} --yes")  # without a terminal nobody can say it
        assert member.ok("members", "show", number)["email"] == f"erased-{number}@erased.invalid"
    member.ok("members", "add", "ann@example.com")
    member.ok("invoices", "create", 3)
    assert "cancel 3 && streamctl members erase 3" in member.refused("members", "delete", 3, "--yes")["hint"]


def test_erasing_somebody_who_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        members.erase("1", at=AT)


def test_nobody_can_stand_in_the_way_of_being_erased(store: Store, program: Program) -> None:
    members.add("bob@example.com", at=AT, name="Bob")
    members.add("erased-1@erased.invalid", at=AT)
    members.cancel(["1"], at=AT)
    members.erase("1", at=AT)
    assert not any("bob" in str(value).lower() for row in program.books()["user"] for value in row)
