"""Bars and totals: drawn in a table for a person, and in nothing that a program reads."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from books import bill
from hypothesis import given, settings
from hypothesis import strategies as st
from program import Program

from streamctl.domain.records import Column, Listing
from streamctl.output import table

Command = Callable[..., Any]
STYLE = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[[0-9;]*[34][0-9]")
BLOCKS = " ▏▎▍▌▋▊▉█"
REVENUE = """\
month    invoices  lines      amount
────────────────────────────────────────────────────────────────────
2026-08         1      1   12.00 USD  ███
2026-09         1      1    1.50 USD  ▍
2026-10         1      1  120.00 USD  ██████████████████████████████
2026-11         1      2   64.99 USD  ████████████████▏
────────────────────────────────────────────────────────────────────
total           4      5  198.49 USD
"""
BY_KIND = """\
kind      invoices  lines      amount
─────────────────────────────────────────────────────────────────────
discount         1      1   -0.01 USD
manual           4      4  198.50 USD  ██████████████████████████████
─────────────────────────────────────────────────────────────────────
total                   5  198.49 USD
"""
AGEING = """\
days_past_due  invoices      amount
───────────────────────────────────────────────────────────────────
not due               0    0.00 USD
0-30                  1  120.00 USD  ██████████████████████████████
31-60                 1    1.50 USD  ▍
61-90                 0    0.00 USD
90+                   0    0.00 USD
───────────────────────────────────────────────────────────────────
total                 2  121.50 USD
"""
USAGE = """\
day         streams  hours  peak  at_limit  hours
──────────────────────────────────────────────────────────────────────────
2026-11-01        0   0.00     0         0
2026-11-02        1  14.00     1         0  ██████████████
2026-11-03        1  30.00     2         0  ██████████████████████████████
2026-11-04        0   6.75     1         0  ██████▊
2026-11-05        0   0.00     0         0
──────────────────────────────────────────────────────────────────────────
total             2  50.75
"""
ASCII = """\
month   |invoices |lines |    amount |
--------+---------+------+-----------+------------------------------
2026-08 |       1 |    1 | 12.00 USD |###
2026-09 |       1 |    1 |  1.50 USD |
2026-10 |       1 |    1 |120.00 USD |##############################
2026-11 |       1 |    2 | 64.99 USD |################
--------+---------+------+-----------+------------------------------
total   |       4 |    5 |198.49 USD |
"""


class Screen(io.StringIO):
    """A file that says it is a terminal; COLUMNS says how wide."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def books(member: Program) -> Program:
    """Four months of invoices of member 1, two of them issued, and two streams of the first days of November."""
    bill(member, "2026-08-01", 1200)
    bill(member, "2026-09-01", 150, issued_at="2026-10-01T00:00:00Z", due_date="2026-10-15")
    bill(member, "2026-10-01", 12000, issued_at="2026-11-01T00:00:00Z", due_date="2026-11-15")
    bill(member, "2026-11-01", 6500, -1)
    for opened, closed in (("2T10:00:00", "4T06:45:00"), ("3T12:00:00", "3T18:00:00")):
        member.sql(
            'INSERT INTO stream ("user", opened_at, seen_at, closed_at, close_reason) VALUES (1, ?, ?, ?, ?)',
            *(f"2026-11-0{opened}Z", f"2026-11-0{opened}Z", f"2026-11-0{closed}Z", "checkout"),
        )
    return member


def lines(text: str) -> list[str]:
    """The lines without styles and the blanks at their ends."""
    return [line.rstrip() for line in STYLE.sub("", text).splitlines()]


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (REVENUE, ("revenue",)),
        (BY_KIND, ("revenue", "--by", "kind")),
        (AGEING, ("ageing",)),
    ],
)
def test_the_pictures_of_the_reports(books: Program, terminal: Command, picture: str, words: tuple[str, ...]) -> None:
    answer = terminal("report", *words, NO_COLOR="1", TERM="dumb")
    assert (answer.status, answer.err) == (0, "")
    assert lines(answer.out) == lines(picture)
    assert lines(books("report", *words, "--format", "table").out) == lines(picture), "a pipe's is the same"


def test_the_picture_of_a_month(books: Program, terminal: Command) -> None:
    answer = terminal("--as-of", "2026-11-05", "report", "usage", NO_COLOR="1", TERM="dumb")
    assert lines(answer.out) == lines(USAGE)


def test_a_terminal_without_blocks_gets_ascii(books: Program, terminal: Command) -> None:
    answer = terminal("report", "revenue", NO_COLOR="1", TERM="dumb", PYTHONIOENCODING="ascii")
    assert lines(answer.out) == lines(ASCII)
    nothing = terminal("report", "ageing", "--on", "2026-01-01", PYTHONIOENCODING="ascii")
    assert (nothing.status, nothing.out.count("#")) == (0, 0)


def test_bars_have_a_colour_where_colour_is_wanted(books: Program, terminal: Command) -> None:
    coloured = terminal("report", "revenue")
    assert COLOUR.search(coloured.out)
    plain = terminal("report", "revenue", NO_COLOR="1")
    assert not COLOUR.search(plain.out)
    assert lines(plain.out) == lines(coloured.out) == lines(REVENUE)


def test_the_largest_figures_fit_eighty_columns(books: Program, terminal: Command) -> None:
    for month in range(1, 8):
        bill(books, f"2026-{month:02}-01", *[99_999_999_999] * 9, issued_at="2026-08-01T00:00:00Z")
    for words in (("revenue",), ("revenue", "--by", "status"), ("ageing",), ("usage",)):
        shown = lines(terminal("report", *words).out)
        assert max(map(len, shown)) <= 80, words
    narrow, wide = (lines(terminal("report", "revenue", columns=columns).out) for columns in (60, 80))
    assert max(map(len, narrow)) <= 60
    figures = [re.sub(f"[─{BLOCKS}]+", " ", "\n".join(shown)) for shown in (narrow, wide)]
    assert figures[0] == figures[1], "bars give way, figures do not"


@pytest.mark.parametrize(
    ("words", "rows"), [(("revenue",), 4), (("revenue", "--by", "kind"), 2), (("ageing",), 5), (("usage",), 22)]
)
def test_no_bar_and_no_total_is_in_what_a_program_reads(books: Program, words: tuple[str, ...], rows: int) -> None:
    for format, more in (("json", 2), ("jsonl", 0), ("csv", 1), ("tsv", 1), ("ids", 0)):
        shown = books("report", *words, "--format", format).out
        assert shown.count("\n") == rows + more
        assert "total" not in shown
        assert shown.isascii()


def drawn(values: list[int], width: int) -> list[str]:
    """The bars of these amounts on a terminal of that width."""
    screen = Screen()
    listing = Listing((Column("key"), Column("amount", "int")), [("x", value) for value in values], bar="amount")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "dumb")
        patch.setenv("COLUMNS", str(width))
        table.print_listing(listing, "USD", screen)
    rows = screen.getvalue().splitlines()[2:]
    return [re.sub(r"^x +-?\d+ *", "", row).strip() for row in rows]


@settings(deadline=None, database=None, max_examples=100)
@given(st.lists(st.integers(-(10**6), 10**6), max_size=8), st.sampled_from([30, 80, 200]))
def test_a_bar_is_as_long_as_its_value_to_an_eighth_of_a_character(values: list[int], width: int) -> None:
    bars = drawn(values, width)
    most = max(values, default=0)
    longest = max(map(len, bars), default=0)
    assert longest <= 30
    for value, bar in zip(values, bars, strict=True):
        eighths = sum(BLOCKS.index(block) for block in bar)
        assert eighths == (longest * 8 * value // most if value > 0 else 0)
        assert bar[:-1] == "█" * (len(bar) - 1)
