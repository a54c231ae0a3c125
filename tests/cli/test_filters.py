"""Filters given more than once: a row passes that has any of the values, and no value is dropped in silence."""

from __future__ import annotations

from typing import Any

import pytest
from program import Program
from typer.main import get_command

from streamctl.cli import app

IN_PROCESS = True
ONE_VALUE = {"--from", "--to", "--min", "--max", "--days"}  # a range has one beginning and one end
LOOKS = {"--columns", "--sort", "--limit", "--format", "--output"}  # of these the last one counts


@pytest.fixture
def three(program: Program) -> Program:
    """Three members, each with an invoice: of 2026-10 PAID, of 2026-11 VOID and of 2026-12 OUT, and a stream."""
    for number, (month, status) in enumerate((("2026-10", "PAID"), ("2026-11", "VOID"), ("2026-12", "OUT")), 1):
        program.ok("--actor", f"op{number}", "members", "add", f"m{number}@example.com")
        program.ok("invoices", "create", number, "--date", f"{month}-03", "--amount", 5, "--status", status)
    program.ok("lines", "add", 3, "--discount", 1)
    for number in (1, 2, 3):
        program.ok("stream", "checkin", number)
    program.ok("members", "cancel", 3)
    return program


REPEATED = [
    ("invoices list", "--member", "1", "m2@example.com"),
    ("invoices list", "--status", "PAID", "void"),
    ("invoices list", "--month", "2026-10", "next"),
    ("lines list", "--member", "1", "2"),
    ("lines list", "--invoice", "1", "3"),
    ("lines list", "--month", "last", "2026-12"),
    ("lines list", "--kind", "manual", "discount"),
    ("members list", "--email", "m1@", "M3@"),
    ("members list", "--state", "ACT", "canc"),
    ("stream list", "--member", "1", "3"),
    ("log list", "--member", "1", "m3@example.com"),
    ("log list", "--invoice", "1", "3"),
    ("log list", "--actor", "op1", "op3"),
    ("log list", "--command", "members add", "stream"),
]


def test_a_repeated_filter_lets_through_what_any_of_its_values_does(three: Program) -> None:
    for command, option, *values in REPEATED:

        def found(*chosen: str, command: str = command, option: str = option) -> set[int]:
            return {row["id"] for row in three.ok(*command.split(), *(f"{option}={value}" for value in chosen))}

        first, second = map(found, values)
        assert first - second, (command, option)
        assert second - first, (command, option)
        assert found(*values) == first | second, (command, option)


def test_a_watch_follows_any_of_the_members_named(three: Program) -> None:
    from streamctl.domain.calendar import typed_moment
    from streamctl.store.database import opened
    from streamctl.views.watch import Watch

    at = typed_moment("2026-11-22T12:00:00Z")
    with opened(three.db):
        assert {row[3] for row in Watch(["1", "m3@example.com"]).look(at).rows} == {1, 3}


def test_one_unknown_member_among_several_is_not_left_out(three: Program) -> None:
    refused = three.refused("invoices", "list", "--member", 1, "--member", 99, "--member", "x@example.com")
    assert (refused["status"], refused["code"]) == (3, "not_found")
    assert refused["details"]["missing"] == ["99", "'x@example.com'"]


def test_every_filter_of_every_list_can_be_repeated() -> None:
    groups: Any = get_command(app)
    lists = {
        (group, name): [option for option in command.params if option.param_type_name == "option"]
        for group, built in groups.commands.items()
        for name, command in built.commands.items()
        if any("--columns" in option.opts for option in command.params)
    }
    assert {("invoices", "list"), ("lines", "list"), ("log", "list"), ("stream", "list")} <= lists.keys()
    single = {
        (*path, option.opts[0])
        for path, options in lists.items()
        for option in options
        if not (option.multiple or option.is_flag or option.opts[0] in ONE_VALUE | LOOKS)
    }
    assert single == set()


@pytest.mark.parametrize(
    "words",
    [
        ("invoices", "list", "--from", "2026-10-01", "--from", "2026-12-01"),
        ("invoices", "list", "--min", "1", "--min", "7"),
        ("report", "usage", "--month", "2026-10", "--month", "2026-11"),
        ("lines", "add", 3, "--amount", 1, "--amount", 2),
        ("invoices", "pay", 3, "--on", "2026-11-01", "--on", "2026-11-02"),
        ("stream", "checkin", 1, "--ref", "a", "--ref", "b"),
        ("members", "renew", 1, "--months", 1, "--months", 12),
    ],
)
def test_an_option_that_takes_one_value_is_refused_when_given_twice(three: Program, words: tuple[object, ...]) -> None:
    refused = three.refused(*words)
    assert (refused["status"], refused["code"]) == (2, "usage")
    assert refused["message"] == f"Option '{words[-2]}' is given twice, and takes one value."


def test_of_options_that_say_how_it_looks_the_last_one_counts(three: Program) -> None:
    words = ("invoices", "list", "--format", "json", "--sort", "id", "--limit", 1, "--columns", "amount")
    last = three(*words, "--format", "csv", "--columns", "id", "--sort", "-id", "--limit", 2)
    assert last.out == "id\n6\n5\n"
