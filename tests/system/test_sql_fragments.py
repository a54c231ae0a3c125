"""Fragments of SQL as orders, columns and filters of every list and report: refused by name, or only values."""

from __future__ import annotations

import re
from itertools import cycle

import pytest
from hostile import furnish
from inside import Inside
from program import Program
from shell import Shell
from tree import commands

IN_PROCESS = True  # a process for each of its many commands would say no more

FRAGMENTS = (
    "id; DROP TABLE user--",
    'id; DROP TABLE "user"; --',
    "id desc nulls first",
    "id DESC",
    "id COLLATE NOCASE",
    "id--",
    "id/**/",
    "(select email from user)",
    "(SELECT pg_sleep(9))",
    "user.id",
    '"user"."id"',
    "`id`",
    "[id]",
    "'id'",
    '"id"',
    "main.invoice",
    "invoice.user",
    "t1.id",
    "rowid",
    "oid",
    "ctid",
    "email_key",
    "1",
    "-1",
    "1=1",
    "*",
    "count(*)",
    "random()",
    "id,(select 1)",
    "id UNION SELECT sql FROM sqlite_master",
    "id' OR '1'='1",
    "') OR 1=1 --",
    "\\'; DROP TABLE user; --",
    "%s",
    "%(id)s",
    "?",
    ":id",
    "$1",
    "$$x$$",
    "{id}",
    "\u0456d",  # a Cyrillic i
    "\uff49\uff44",
    "i\u200bd",
    "i\u00a0d",
    "ID",
    "__class__",
    "id\nid",
)
NAMES = ("--sort", "--columns")
LISTS = [one for one in commands() if any(each.flag == "--sort" for each in one.parameters)]
FILTERS = [
    (one, each)
    for one in commands()
    if one in LISTS or one.name.startswith("report")
    for each in one.options
    if each.flag not in (*NAMES, "--format", "--output")
]


def schema(program: Program) -> list[tuple[object, ...]]:
    """Every table, index, trigger and column, and every function of ours, from the engine's own catalogue."""
    with Shell(program.db) as shell:
        if not shell.server:
            return shell.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        return [
            *shell.execute(
                "SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull"
                " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE c.relnamespace = current_schema()::regnamespace ORDER BY c.relname, a.attnum"
            ),
            *shell.execute(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = current_schema()::regnamespace ORDER BY conname"
            ),
            *shell.execute("SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname"),
        ]


@pytest.fixture
def books(member: Inside) -> Inside:
    """The program on a database with one of everything, and a second member that no filter but theirs finds."""
    furnish(member)
    member.ok("members", "add", "zoe@example.com", "--name", "Zoe")
    return member


def test_all_lists_are_here() -> None:
    assert {one.name for one in LISTS} >= {
        "members list",
        "invoices list",
        "invoices overdue",
        "lines list",
        "stream list",
    }


def test_no_fragment_is_an_order_or_a_column(books: Inside) -> None:
    """Catches a name that goes into the statement without having been looked up, in an order or in the columns."""
    before, tables = books.books(), schema(books)
    ways = cycle(("{}", "id,{}", "-{}", "+{}"))
    for one in LISTS:
        for flag in NAMES:
            for fragment in FRAGMENTS:
                typed = next(ways).format(fragment)
                answer = books(*one.words(f"{flag}={typed}"), STREAMCTL_FORMAT="json")
                assert (answer.status, answer.out) == (2, ""), (one.name, flag, typed, answer)
                assert answer.error["code"] == "unknown_column", (one.name, flag, typed, answer)
                assert answer.error["details"]["column"].strip("-+ ") in typed
    assert (books.books(), schema(books)) == (before, tables)


def test_a_fragment_in_a_filter_is_a_value(books: Inside) -> None:
    """Catches a value that becomes part of the statement: it would find all, change something, or not be read."""
    before, tables = books.books(), schema(books)
    for number, (one, into) in enumerate(FILTERS):
        text = into.free or into.shown == "MEMBER"
        for fragment in FRAGMENTS if text else FRAGMENTS[number % 5 :: 5]:
            answer = books(*one.words(**{into.name: fragment}), STREAMCTL_FORMAT="json")
            about = (one.name, into.flag, fragment, answer)
            if into.free:
                assert answer.status == 0, about
                assert answer.json == [], about
            else:
                assert answer.status == (3 if text and not fragment.isdigit() else 2) or fragment == "1", about
                assert answer.status == 0 or not re.search('(?i)syntax error|near "|no such|psycopg', answer.err), about
    assert (books.books(), schema(books)) == (before, tables)


def test_signs_of_a_pattern_are_only_themselves(books: Inside) -> None:
    """Catches a filter by a part of the e-mail in which % and _ stand for anything."""
    books.ok("members", "add", "100%_sure\\@example.com")
    for sign in ("%", "_", "\\", "%_", "100%_s", "sure\\@"):
        assert [row["id"] for row in books.ok("members", "list", "--email", sign)] == [3], sign
    assert books.ok("members", "list", "--email", "1%e") == []
