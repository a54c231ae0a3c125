"""`db diff`: what differs between the open database and a copy of it, row by row."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streamctl.domain.records import DIFFERENCE, Column, Listing
from streamctl.errors import shell_quoted
from streamctl.store import bulk, header
from streamctl.store.database import Store, current, opened
from streamctl.store.models import BOOKS
from streamctl.store.records import stored_columns

Row = tuple[Any, ...]


def between(path: Path, *, wait: float) -> Listing:
    """The rows of every table, by key, that the copy has and the database has not, or has not so, and the other way.

    The log is left aside: what it says is what the rows show. Both are read as they stand at one moment, and one row
    of each at a time. A row that changed shows what did. Raises what opening the copy does.
    """
    header.check(path, f"Make one with: streamctl db sandbox {shell_quoted(str(path))}")
    with ExitStack() as stack:
        here = current()
        stack.enter_context(here.reading())
        there = stack.enter_context(opened(path, wait=wait))
        stack.enter_context(there.reading())
        rows = _rows(here, there, stack.pop_all())
    first = next(rows, None)
    if first is None:
        return Listing(DIFFERENCE, []).said("Nothing differs.")
    return Listing(DIFFERENCE, _from(first, rows))


def _from(first: Row, rows: Generator[Row, None, None]) -> Iterator[Row]:
    try:
        yield first
        yield from rows
    finally:
        rows.close()


def _rows(here: Store, there: Store, both: ExitStack) -> Generator[Row, None, None]:
    with both:
        for model in BOOKS:
            table = model._meta.table_name
            columns = stored_columns(model)
            for old, new in _unlike(bulk.stored(here, model), bulk.stored(there, model)):
                if old and new:
                    changed = [place for place, column in enumerate(columns) if old[place] != new[place]]
                    yield table, old[0], "changed", _fields(columns, old, changed), _fields(columns, new, changed)
                elif old:
                    yield table, old[0], "removed", _fields(columns, old, _given(old)), None
                elif new:
                    yield table, new[0], "added", None, _fields(columns, new, _given(new))


def _unlike(before: Iterator[Row], after: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """The rows of two streams, ordered by the key in front, that are not the same in both; None where there is none."""
    old, new = next(before, None), next(after, None)
    while old or new:
        if old == new:
            old, new = next(before, None), next(after, None)
        elif old and new and old[0] == new[0]:
            yield old, new
            old, new = next(before, None), next(after, None)
        elif new is None or (old and old[0] < new[0]):
            yield old, None
            old = next(before, None)
        else:
            yield None, new
            new = next(after, None)


def _given(row: Row) -> list[int]:
    """The places of what the row has, but for its key, which is shown beside them."""
    return [place for place, value in enumerate(row) if place and value is not None]


def _fields(columns: list[Column], row: Row, places: list[int]) -> tuple[tuple[Column, Any], ...]:
    return tuple((columns[place], row[place]) for place in places)
