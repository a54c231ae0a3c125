"""Whatever Hypothesis makes of a command line or a file: a documented status, one line, nothing half done."""

from __future__ import annotations

import pytest
from fuzzing import LIKELY, Bench, event_files, files, lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inside import Inside
from tree import Command, commands

pytestmark = pytest.mark.sqlite("each try begins with a copy of a file; the long version has a server too")
IN_PROCESS = True  # a process for each of its many commands would say no more

few = settings(
    deadline=None, database=None, derandomize=True, max_examples=200, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def bench(program: Inside) -> Bench:
    """The program on a database that begins anew with every try."""
    return Bench(program)


def test_every_kind_of_value_is_known() -> None:
    """Catches an option of a new kind, which would get nothing that looks like it."""
    assert {one.shown.rstrip(".") for each in commands() for one in each.parameters if not one.choices} <= LIKELY.keys()


def test_no_command_line_is_more_than_a_refusal(bench: Bench) -> None:
    """Catches a reader of an option that lets an error of Python's out, an undocumented status, a line too many."""

    @settings(few, max_examples=400)
    @given(lines())
    def every_line(made: tuple[Command, list[str]]) -> None:
        bench.line(*made)

    every_line()
    assert {0, 2} < bench.outcomes.keys(), "some are done, some are refused"


def test_no_file_is_loaded_in_part_or_wrong(bench: Bench) -> None:
    """Catches a value that the reader lets through and the database does not, or neither of them but `db check`."""

    @few
    @given(st.one_of(files(bench.dump), files(bench.fixture)))
    def every_file(data: bytes) -> None:
        bench.load(data)

    every_file()


def test_no_event_breaks_a_batch(bench: Bench) -> None:
    """Catches a line that ends the run, a receipt that is missing or lies, and books that do not add up after it."""

    @few
    @given(event_files())
    def every_file(data: bytes) -> None:
        bench.batch(data)

    every_file()
