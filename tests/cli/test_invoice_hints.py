"""The hints of what is refused about an invoice: pasted in the state they were given in, they get what was wanted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pasting import command_of, follow, paste
from places import keep, put
from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more

DECEMBER = "2026-12-01T06:00:00Z"
MOVES = {
    "paid": ["invoices pay 1"],
    "paid, another open": ["invoices pay 1", "invoices create 1 --extra --date 2026-11-05 --amount 4"],
    "void": ["invoices void 1"],
    "void, another open": ["invoices void 1", "invoices create 1 --date 2026-11-05 --amount 4"],
    "numbered and paid": ["invoices pay 1", "invoices issue"],
    "issued": ["invoices issue"],
    "issued, another open": ["invoices issue", "invoices create 1 --extra --date 2026-12-02 --amount 4"],
    "issued and paid": ["invoices issue", "invoices pay 1"],
    "issued and paid, another open": ["invoices issue", "invoices pay 1", "invoices create 1 --extra --amount 4"],
    "issued and void": ["invoices issue", "invoices void 1"],
}
# What it should come to in all that the member is billed, for a change of an amount.
AMOUNTS = {
    "lines add 1 --amount 2": 2,
    "lines add 1 --amount 2 --key k --description it's": 2,
    "lines add 1 --discount 2": -2,
    "lines add 1 --discount 2 --key k": -2,
    "lines update 1 --amount 12": 2,
    "lines update 1 --amount 7": -3,
    "lines delete 2 --yes": -1,
    "invoices update 1 --amount 12": 1,
    "invoices update 1 --amount 8": -3,
    "invoices update 1 --amount 0": -11,
}


@pytest.fixture
def books(member: Program) -> Program:
    """In December: member 1 with invoice 1 of November, 10.00 (line 1) and 1.00 (line 2)."""
    member.ok("members", "add", "eve@example.com")
    member.ok("invoices", "create", 1, "--amount", 10)
    member.ok("lines", "add", 1, "--amount", 1)
    return member.at(DECEMBER)


def words(command: str) -> list[str]:
    return command.split(" ")


def billed(program: Program, member: int = 1) -> float:
    """What the member is billed in all."""
    return sum(i["amount"] for i in program.ok("invoices", "list", "--member", member) if i["status"] != "VOID")


@pytest.mark.sqlite("the hints are the same on both; what they ask the database is asked on both below")
@pytest.mark.parametrize("state", MOVES)
def test_what_a_closed_invoice_does_not_take_is_billed_all_the_same(books: Program, state: str) -> None:
    for move in MOVES[state]:
        books.ok(*words(move))
    kept = keep(books)
    for wish, difference in AMOUNTS.items():
        put(kept, books.db)
        before = billed(books)
        refused = books.refused(*words(wish))
        assert refused["code"] == "invoice_closed"
        hint = refused["hint"]
        if " and " in state or state.startswith("issued"):
            assert "reopen" not in hint, "what has a number does not change by being reopened"
        follow(books, hint)
        if "reopen" in hint:
            books.ok(*words(wish))
            assert billed(books) == 11 + difference
        elif "invoices list" in hint:  # there is nothing that it could come off yet
            more = "lines add 2" if "another" in state else "invoices create 1 --extra"
            books.ok(*words(f"{more} --amount 20"))
            again = books.refused(*words(wish))["hint"]
            follow(books, again)
            assert billed(books) == before + 20 + difference
        else:
            assert billed(books) == before + difference, (wish, hint)
        assert books.ok("db", "check") == []


@pytest.mark.sqlite("the hints are the same on both; what they ask the database is asked on both below")
@pytest.mark.parametrize("state", MOVES)
def test_what_else_is_wanted_of_a_closed_invoice(books: Program, state: str) -> None:
    """Its member, date and text, and to be paid, void or gone: a hint that helps, or none where nothing does."""
    for move in MOVES[state]:
        books.ok(*words(move))
    kept = keep(books)
    ways: dict[str, Callable[[], object]] = {
        "invoices update 1 --member 2": lambda: billed(books, 2) == 11,
        "invoices update 1 --date 2026-10-05": lambda: books.ok("invoices", "list", "--month", "2026-10"),
        "invoices update 1 --description Other": lambda: any(
            "Other" in row.values()
            for entity in ("invoices", "lines")
            for row in books.ok(entity, "list", "--columns", "description")
        ),
        "lines update 1 --description Other": lambda: False,
        "invoices delete 1 --yes": lambda: billed(books) == (4 if "another" in state else 0),
        "invoices void 1": lambda: False,
        "invoices pay 1": lambda: False,
    }
    for wish, got in ways.items():
        put(kept, books.db)
        if books(*words(wish), "--dry-run").status == 0:
            continue  # it may
        refused = books.refused(*words(wish))
        assert refused["code"] == "invoice_closed", (wish, refused)
        hint = refused["hint"]
        if hint is None or "streamctl" not in hint or " show " in hint:
            assert state not in ("paid", "issued") or wish.startswith("lines update"), wish
            continue
        follow(books, f"{hint} --yes" if hint.endswith("delete 1") else hint)
        assert got() or books(*words(wish)).status == 0, (state, wish, hint)


def test_the_example_of_a_discount_on_what_was_issued_and_paid(books: Program) -> None:
    books.ok("invoices", "issue")
    books.ok("invoices", "pay", 1)
    wish = ("lines", "add", 1, "--discount", 2, "--description", "it's late", "--key", "k 1")
    assert command_of(books.refused(*wish)["hint"]) == "streamctl invoices list --member 1 --status OUT"
    books.ok("invoices", "create", 1, "--amount", "1.99", "--extra")
    books.ok("invoices", "create", 2, "--amount", 30)
    assert "invoices list" in books.refused(*wish)["hint"], "neither less nor another member's can bear it"
    books.ok("lines", "add", 2, "--amount", "0.01")
    hint = books.refused(*wish)["hint"]
    paste(books, hint)
    assert billed(books) == 11
    assert books.ok("lines", "add", 2, *wish[3:])["replayed"] is True


def test_a_charge_with_words_and_a_key_goes_on_a_new_invoice(books: Program) -> None:
    books.ok("invoices", "issue")
    refused = books.refused("lines", "add", 1, "--amount", "2.50", "--description", 'it\'s "$HOME"', "--key", "k 1")
    paste(books, refused["hint"])
    line = books.ok("lines", "list", "--sort", "-id")[0]
    assert line == {
        "id": 3,
        "invoice": 2,
        "amount": 2.5,
        "description": 'it\'s "$HOME"',
        "kind": "manual",
        "key": "k 1",
    }


def test_an_invoice_that_is_voided_and_billed_anew_says_which_it_replaces(books: Program) -> None:
    books.ok("invoices", "issue")
    paste(books, books.refused("lines", "add", 1, "--discount", 2)["hint"])
    anew = books.ok("invoices", "list")[1]
    assert (anew["amount"], anew["month"], anew["description"]) == (9, "2026-11", "Instead of 2026-11-00001")
    books.ok("invoices", "issue")
    assert books.ok("invoices", "show", 2)["number"] == "2026-11-00002"
    paste(books, books.refused("lines", "add", 2, "--discount", 9)["hint"])
    assert billed(books) == 0


def test_the_systems_lines_bind_and_the_hint_frees(books: Program) -> None:
    november = books.at("2026-11-23T06:00:00Z")
    november.ok("stream", "checkin", 1)  # line 3
    november.ok("invoices", "create", 1, "--date", "2026-10-01")
    moved = november.refused("lines", "update", 3, "--invoice", 2)
    assert moved["code"] == "line_bound"
    paste(november, moved["hint"])
    assert [i["amount"] for i in november.ok("invoices", "list")] == [11, 1]
    deleted = november.refused("lines", "delete", 3, "--yes")
    paste(november, deleted["hint"])
    bound = november.refused("invoices", "update", 1, "--member", 2, "--date", "2026-09-05")
    assert bound["code"] == "line_bound"
    paste(november, bound["hint"])
    assert (billed(november), billed(november, 2)) == (1, 11)
    assert november.ok("invoices", "list", "--member", 2)[0]["month"] == "2026-09"


def test_an_undo_that_a_closed_invoice_does_not_take_says_what_does(books: Program) -> None:
    def newest() -> int:
        return int(books.sql("SELECT max(id) FROM journal")[0][0])

    books.ok("lines", "add", 1, "--amount", 2)
    charge = newest()
    books.ok("invoices", "pay", 1)
    paste(books, books.refused("log", "undo", charge)["hint"])
    books.ok("invoices", "update", 1, "--amount", 20, "--status", "PAID", "--description", "x")
    books.ok("log", "undo", newest())  # it opens the invoice before it takes the line off
    assert (books.ok("invoices", "show", 1)["amount"], books.ok("invoices", "show", 1)["status"]) == (13, "OUT")
    books.ok("invoices", "issue")
    paste(books, books.refused("log", "undo", charge)["hint"])
    assert billed(books) == 11
    books.ok("invoices", "create", 1, "--date", "2026-10-01", "--amount", 5, "--status", "PAID")
    made = books.refused("log", "undo", newest())
    paste(books, f"{made['hint']} --yes")
    assert books.ok("invoices", "list", "--month", "2026-10") == []
    for command in (("invoices", "generate", "--month", "last"), ("invoices", "issue", "--force", "--month", "this")):
        books.ok(*command)
        assert paste(books, books.refused("log", "undo", newest())["hint"])


def test_a_number_that_was_given_before_is_mended_by_the_hint(books: Program) -> None:
    books.ok("invoices", "create", 2, "--date", "2026-10-01", "--amount", 3)
    books.ok("invoices", "issue", "--month", "2026-10")
    books.sql("UPDATE invoice SET number = '2026-11-00002' WHERE id = 2")
    taken = books.refused("invoices", "issue")
    assert taken["code"] == "number_taken"
    paste(books, taken["hint"])
    assert books.ok("invoices", "issue")["first_number"] == "2026-11-00002-1"


def test_db_check_names_what_mends_a_line_on_an_invoice_with_a_number(books: Program) -> None:
    books.ok("invoices", "issue")
    books.sql("INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (1, 100, 'Check-in', 'checkin')")
    (finding,) = books("db", "check", "--format", "json").json
    assert "reopen" not in finding["mend"]
    books.sql("UPDATE invoice_line SET kind = 'manual' WHERE id = 3")
    assert "UPDATE invoice_line SET kind = " in finding["mend"]
    assert books.ok("db", "check") == []
