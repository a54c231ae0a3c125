"""What is typed where we have no such command or option: answered with something true that helps and does no harm."""

from __future__ import annotations

import shlex
from itertools import product
from typing import Any

import pytest
from inside import Inside
from pasting import commands
from tree import commands as every_command
from typer.main import get_command

from streamctl.cli import app, words

IN_PROCESS = True  # a process for each of its many commands would say no more

EXPECTED = {
    "members pause 1": "There is no pausing yet; see what an end does: streamctl members cancel 1 --dry-run",
    "members resume 1": "There is no pausing yet; see what a return does: streamctl members reactivate 1 --dry-run",
    "members search bob": "Find members by a part of their address: streamctl members list --email bob",
    "invoices refund 1": "There are no refunds yet; see what was paid: streamctl invoices show 1",
    "payments": "See the invoices that are paid: streamctl invoices list --status PAID",
    "plans": "There are no plans yet; see how a fee and credits are set: streamctl members update --help",
    "invoice list": "The group is called invoices. Do it with: streamctl invoices list",
    "invoice delete 1 --yes": "The group is called invoices. See how it is used with: streamctl invoices delete --help",
    "members rm 1": "It is called delete. See how it is used with: streamctl members delete --help",
    "checkin 1": "It is a command of stream. See how it is used with: streamctl stream checkin --help",
    "invoices shwo 1": "Did you mean show? See how it is used with: streamctl invoices show --help",
    "invocies list": "Did you mean invoices? See how it is used with: streamctl invoices --help",
    "members frobnicate": "See what there is with: streamctl members --help",
    "frobnicate": "See what there is with: streamctl --help",
    "invoices list --user 1": "Did you mean --member? See how it is used with: streamctl invoices list --help",
    "members list --json": "Did you mean --format json? See how it is used with: streamctl members list --help",
    "members delete 1 --yess": "See how it is used with: streamctl members delete --help",
    "members list --quiet": "--quiet goes before the group: streamctl --quiet members list",
    "members list --as-of 2026-11-01": "--as-of goes before the group: streamctl --as-of 2026-11-01 members list",
}
TYPED = sorted({word for text in words.COMMAND_NAMES.values() for word in text.split()} | set(EXPECTED))
ADVISED = sorted({word for _, text, *_ in words.ADVICE for word in text.split()})
GROUPS = ("", *words.GROUP_NAMES)
ROOT: Any = get_command(app)


@pytest.fixture
def books(member: Inside) -> Inside:
    """Member 1 with a paid invoice, and a stream on another."""
    member.ok("invoices", "create", 1, "--date", "2026-10-01", "--status", "PAID", "--amount", 5)
    member.ok("stream", "checkin", 1)
    return member


@pytest.mark.parametrize("typed", EXPECTED)
def test_a_word_that_people_type_gets_the_command_that_helps(books: Inside, typed: str) -> None:
    answer = books(*typed.split())
    said, hint = answer.err.splitlines()
    assert (answer.status, said[: len("Error: No such ")]) == (2, "Error: No such ")
    assert hint == f"Hint: {EXPECTED[typed]}"


def test_whatever_is_typed_the_advice_can_be_pasted_and_changes_nothing(books: Inside) -> None:
    """Fails when a word is advised a command that is not there, is refused, or does what was not asked for."""
    before = books.books()
    told = set()
    for group, word, more in product(GROUPS, [*TYPED, *ADVISED, *words.DESTROYING], (["1"], [])):
        if not group or word not in ROOT.commands[group].commands:
            told |= set(commands(words.advice(ROOT, group, [word, *more])))
    told |= {line for name in words.GROUP_NAMES.values() for line in commands(words.advice(ROOT, "", name.split()[:1]))}
    assert len(told) > 60
    for line in sorted(told):
        answer = books(*shlex.split(line)[1:])
        assert answer.status == 0, (line, answer.err)
        assert "--help" in line or answer.out, line
        assert books.books() == before, line


def test_nothing_that_destroys_is_offered_to_who_typed_something_else() -> None:
    """Fails when a mistyped or unknown word is answered with delete, erase, --yes or the like."""
    assert {"delete", "erase", "void", "restore"} <= set(words.DESTROYING)
    letters = "abdeilorstvxy"
    for group, name in product(words.GROUP_NAMES, words.DESTROYING):
        near = {name[:i] + c + name[j:] for i in range(len(name) + 1) for j in (i, i + 1) for c in ["", *letters]}
        for word in near - {name} - set(TYPED) - set(ROOT.commands[group].commands):
            hint = words.advice(ROOT, group, [word, "1"])
            assert not set(hint.replace("?", "").split()) & set(words.DESTROYING), (group, word, hint)
    for typed in ("--yess", "--ye", "--forc", "--forced", "--yse"):
        assert words.option(typed, ["--yes", "--force", "--dry-run"]) == ""


def test_what_destroys_is_a_command_that_we_have() -> None:
    ours = {one.name.split()[1] for one in every_command()}
    assert set(words.DESTROYING) <= ours
    assert words.COMMAND_NAMES.keys() <= ours
    assert words.GROUP_NAMES.keys() == ROOT.commands.keys()
    for text in words.COMMAND_NAMES.values():
        assert not set(text.split()) & set(words.DESTROYING), text


def test_every_option_that_is_advised_is_one_that_some_command_has() -> None:
    ours = {flag for one in every_command() for flag in (*one.flags, *(each.flag for each in one.parameters))}
    assert {name.partition(" ")[0] for name in words.OPTIONS} <= ours


def test_advice_goes_to_the_database_that_was_named(books: Inside) -> None:
    answer = books("--db", str(books.db), "members", "search", "it's me")
    assert answer.err.splitlines()[1].endswith(
        f"streamctl --db {shlex.quote(str(books.db))} members list --email 'it'\"'\"'s me'"
    )
