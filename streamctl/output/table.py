"""Tables for people, by Rich: money with its currency, text that can do nothing, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from streamctl.domain.records import NESTED, Listing, Record
from streamctl.output.safety import safe
from streamctl.output.values import spoken

_RIGHT = ("id", "int", "money")
_WHOLE = ("id", "int", "money", "date", "instant", "bool")
_WIDEST = 10_000


def print_listing(listing: Listing, currency: str, file: IO[str]) -> None:
    """The rows as a table with a header."""
    _print(_grid(listing, currency), file)


def print_record(record: Record, currency: str, file: IO[str]) -> None:
    """One thing, a field a line; its lines, if it has any, as a table below."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    below = None
    for column, value in zip(record.columns, record.row, strict=True):
        if column.kind == "rows":
            nested = NESTED[column.name]
            kept = [position for position, c in enumerate(nested) if c.brief]
            rows = [tuple(row[position] for position in kept) for row in value]
            below = Listing(tuple(nested[position] for position in kept), rows) if value else None
        else:
            table.add_row(column.name, Text(safe(spoken(value, column.kind, currency))))
    _print(table, file)
    if below:
        file.write("\n")
        _print(_grid(below, currency), file)


def _grid(listing: Listing, currency: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in listing.columns:
        table.add_column(
            column.name,
            justify="right" if column.kind in _RIGHT else "left",
            no_wrap=column.kind in _WHOLE,
            overflow="fold",
        )
    for cells in _cells(listing, currency):
        table.add_row(*cells)
    return table


def _cells(listing: Listing, currency: str) -> Iterator[list[Text]]:
    kinds = [column.kind for column in listing.columns]
    for row in listing.rows:
        yield [Text(safe(spoken(v, kind, currency))) for v, kind in zip(row, kinds, strict=True)]


def _print(table: Table, file: IO[str]) -> None:
    """Print at the terminal's width; at the table's own where there is no terminal or it is too narrow to hold it.

    Rich draws into a text of ours: writing is the sink's, which knows what a closed pipe means.
    """
    console = Console(file=file, markup=False, highlight=False, emoji=False)
    needed = Measurement.get(console, console.options.update(width=_WIDEST), table)
    if not file.isatty() or needed.minimum > console.width:
        console.width = max(needed.maximum, console.width)
    with console.capture() as drawn:
        console.print(table)
    file.write(drawn.get())
