"""Tables for people, by Rich: money with its currency, text that can do nothing, nothing cut off, and bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from rich import box
from rich.bar import Bar
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from streamctl.domain.records import NESTED, Column, Listing, Record
from streamctl.output.safety import safe
from streamctl.output.values import spoken

_RIGHT = ("id", "int", "money", "hours")
_WHOLE = (*_RIGHT, "date", "instant", "bool")
_WIDEST = 10_000
_BAR = Measurement(4, 30)


def print_listing(listing: Listing, currency: str, file: IO[str]) -> None:
    """The rows as a table with a header."""
    _print(_grid(listing, currency), file)


def print_record(record: Record, currency: str, file: IO[str]) -> None:
    """One thing, a field a line; its lines and its history, if it has any, as tables below."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    below = []
    for column, value in zip(record.columns, record.row, strict=True):
        if column.kind == "rows":
            nested = NESTED[column.name]
            kept = [position for position, c in enumerate(nested) if c.brief]
            rows = [tuple(row[position] for position in kept) for row in value]
            below += [Listing(tuple(nested[position] for position in kept), rows)] if value else []
        else:
            table.add_row(column.name, Text(safe(spoken(value, column.kind, currency))))
    _print(table, file)
    for listing in below:
        file.write("\n")
        _print(_grid(listing, currency), file)


def _grid(listing: Listing, currency: str) -> Table:
    table = Table(
        box=box.SIMPLE,
        show_edge=False,
        show_footer=listing.foot is not None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
        footer_style="bold",
    )
    foot = _texts(listing.columns, listing.foot or (None,) * len(listing.columns), currency)
    for column, total in zip(listing.columns, foot, strict=True):
        table.add_column(
            column.name,
            total,
            justify="right" if column.kind in _RIGHT else "left",
            no_wrap=column.kind in _WHOLE,
            overflow="fold",
        )
    rows = list(listing.rows)
    bars = _bars(table, listing, rows) if listing.bar else [()] * len(rows)
    for row, bar in zip(rows, bars, strict=True):
        table.add_row(*_texts(listing.columns, row, currency), *bar)
    return table


def _texts(columns: Sequence[Column], row: Sequence[Any], currency: str) -> list[Text]:
    return [Text(safe(spoken(v, column.kind, currency))) for column, v in zip(columns, row, strict=True)]


def _bars(table: Table, listing: Listing, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Bar]]:
    """A bar for each row, in a column of its own, whose header says what it is unless it stands beside that."""
    position = [column.name for column in listing.columns].index(listing.bar)
    table.add_column("" if position == len(listing.columns) - 1 else listing.bar)
    most = max((row[position] for row in rows), default=0)
    return [(_Bar(most, 0, row[position], color="cyan"),) for row in rows]


class _Bar(Bar):
    """Nothing below zero, and the longest for the largest; of `#` where the terminal has no blocks."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not options.ascii_only:
            yield from super().__rich_console__(console, options)
        elif self.end > 0:
            yield Text("#" * int(options.max_width * self.end / self.size), self.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return _BAR


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
