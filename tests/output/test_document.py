"""Documents as they are set: 72 columns of text, file names that meet no other, and what a terminal shows."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import paper
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from program import Program
from rich.cells import cell_len
from shaping import CONJUNCT, INVISIBLE, NAMES, hidden

from streamctl.domain.documents import Bill, LineGroup, Paper, Recipient, Seller
from streamctl.output import progress as bars
from streamctl.output.document import MOST_IN_A_NAME, name_of
from streamctl.output.letter import text
from streamctl.output.progress import progress
from streamctl.output.safety import safe
from streamctl.output.sheet import sheet

Command = Callable[..., Any]
DAY = date(2026, 11, 22)
quick = settings(deadline=None, database=None, max_examples=100)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=120) | st.text("a b漢e\u0301", max_size=120)
names = st.lists(st.sampled_from([*NAMES, CONJUNCT, "a", " "]), max_size=60).map("".join)


def bill(number: str | None = "1", description: str = "x", invoice: int = 7) -> Paper:
    """A document with this number, and this as everything that is text."""
    return Paper(
        Seller(description, (description,), None, None, (description,)),
        Recipient(1, description, f"{description}@x"),
        Bill(invoice, number, "2026-11", "OUT", DAY, datetime(2026, 12, 1, tzinfo=UTC), DAY, None, description),
        DAY,
        "USD",
        (LineGroup("manual", description, 1, 99999999999), LineGroup("checkin", description, 12345, 1234500)),
        100000000000 + 1234499,
    )


@quick
@given(words | names)
@example("")
@example(" ")
def test_any_text_stays_in_its_72_columns_whole_and_beside_its_amount(said: str) -> None:
    lines = "".join(text(sheet(bill(description=said)))).split("\n")
    for line in lines:
        assert cell_len(line) <= 72
        assert line == line.rstrip()
    (amounts,) = [line for line in lines if line.endswith(" 999999999.99")]
    assert cell_len(amounts) == 72
    head = next(i for i, line in enumerate(lines) if line.startswith("Item "))
    first = "".join(lines[head + 2 : next(i for i, line in enumerate(lines) if line.endswith(" 12345.00"))])
    kept = first.replace("999999999.99", "")
    # A line without a description is called what it is.
    shown = safe(said) if said.strip() else "Charge"
    assert kept.replace(" ", "") == shown.replace(" ", ""), "folded, never cut"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_several_characters_is_whole_and_its_amount_stands_below_the_others(name: str) -> None:
    lines = "".join(text(sheet(bill(description=name)))).split("\n")
    (amounts,) = [line for line in lines if line.endswith(" 999999999.99")]
    assert amounts.startswith(f"{name} ")
    assert len(amounts) - len(name) + NAMES[name] == 72


@pytest.mark.parametrize("emoji", [name for name, takes in NAMES.items() if takes == 2 and name[0] != "क"])
def test_a_character_of_several_is_never_broken_in_its_middle(emoji: str) -> None:
    said = "".join(text(sheet(bill(description=emoji * 100))))
    assert [*hidden(said), *INVISIBLE.findall(said.replace(emoji, ""))] == []


numbers = st.text(max_size=300) | st.text("./%a -", max_size=6) | st.from_regex(r"invoice-[0-9]{1,3}", fullmatch=True)


@quick
@given(st.lists(numbers, unique=True, min_size=2, max_size=8))
def test_no_two_invoices_have_one_file_name_and_none_is_a_way_out(given: list[str]) -> None:
    kept = [number for number in given if not any("\ud800" <= c <= "\udfff" for c in number)]
    names = [name_of(bill(number, invoice=place)) for place, number in enumerate(kept)]
    names += [name_of(bill(None, invoice=place)) for place in range(len(kept), len(kept) + 100)]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.isascii()
        assert name.isprintable()
        assert not name.startswith(".")
        assert "/" not in name
        assert len(name) <= MOST_IN_A_NAME + 50


def test_a_plain_number_is_its_own_file_name() -> None:
    assert name_of(bill("2026-11-00041")) == "2026-11-00041"
    assert name_of(bill(None)) == "invoice-7"


def test_at_a_terminal_a_sentence_says_where_the_documents_are(member: Program, terminal: Command) -> None:
    paper.issued(member)
    done = terminal("invoices", "render", 1, "--output", "out/")
    assert (done.status, done.out, done.err) == (0, "Rendered 1 invoice into out/.\n", "")
    assert terminal("invoices", "render", 1, "-o", "out").out == "Rendered 1 invoice into out/.\n"
    assert terminal("invoices", "render", 1, "--to", "text").out == paper.TEXT
    assert terminal("--quiet", "invoices", "render", 1, "-o", "out").out == ""


def test_off_a_terminal_a_bar_draws_nothing_and_loads_nothing() -> None:
    script = (
        "import sys\nfrom streamctl.output.progress import progress\n"
        "with progress('Rendering', 2) as advance:\n    advance()\n    advance()\n"
        "assert 'rich' not in sys.modules"
    )
    environment = {"PATH": os.environ["PATH"], "FORCE_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_on_a_terminal_a_bar_shows_how_far_a_long_job_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(*, quiet: bool = False) -> str:
        ours, theirs = pty.openpty()
        with os.fdopen(theirs, "w") as screen:
            monkeypatch.setattr(sys, "stderr", screen)
            with progress("Rendering", 3, quiet=quiet) as advance:
                for _ in range(3):
                    advance()
            screen.write(".")
        seen = b""
        while not seen.endswith(b"."):
            seen += os.read(ours, 65536)
        os.close(ours)
        return seen.decode()

    monkeypatch.setenv("TERM", "xterm")
    assert shown() == ".", "what is done at once needs no bar"
    monkeypatch.setattr(bars, "SOON", 0.0)
    assert "Rendering" in shown()
    assert "3/3" in shown()
    assert shown(quiet=True) == "."
