"""CSV, TSV and bare ids: a row a line, as the rows come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from streamctl.domain.records import Column, Listing
from streamctl.output.safety import safe
from streamctl.output.values import plain

_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """What csv.writer writes to: it keeps the last line."""

    def write(self, text: str) -> None:
        self.text = text.removesuffix("\r\n") + "\n"


def csv_lines(listing: Listing, currency: str, *, for_terminal: bool, excel_safe: bool) -> Iterator[str]:
    """RFC 4180 with `\\n` line ends and a header. `excel_safe` puts a `'` before text that begins a formula."""
    import csv

    line = _Line()
    # Told that lines end in CR LF, the writer quotes a lone CR too, which it otherwise would not.
    writer = csv.writer(line, lineterminator="\r\n")
    cell = _cell(for_terminal, excel_safe)
    writer.writerow([column.name for column in listing.columns])
    yield line.text
    kinds = [column.kind for column in listing.columns]
    for row in listing.rows:
        writer.writerow([cell(plain(v, kind, currency), kind) for v, kind in zip(row, kinds, strict=True)])
        yield line.text


def tsv_lines(listing: Listing, currency: str, *, for_terminal: bool, excel_safe: bool) -> Iterator[str]:
    """Tab-separated with a header; tab, line ends and backslash escaped as PostgreSQL's COPY does."""
    cell = _cell(for_terminal, excel_safe)
    yield "\t".join(column.name for column in listing.columns) + "\n"
    kinds = [column.kind for column in listing.columns]
    for row in listing.rows:
        cells = (cell(plain(v, kind, currency), kind, escape=True) for v, kind in zip(row, kinds, strict=True))
        yield "\t".join(cells) + "\n"


def id_lines(listing: Listing, currency: str, *, for_terminal: bool) -> Iterator[str]:
    """The id of each row alone, a line each; of rows that have none the first column, escaped as in TSV."""
    position = _id_of(listing.columns)
    kind, cell = listing.columns[position].kind, _cell(for_terminal, excel_safe=False)
    for row in listing.rows:
        yield f"{cell(plain(row[position], kind, currency), kind, escape=True)}\n"


def _id_of(columns: tuple[Column, ...]) -> int:
    names = [column.name for column in columns]
    return next((names.index(name) for name in ("id", "stream_id") if name in names), 0)


def _cell(for_terminal: bool, excel_safe: bool) -> Callable[..., str]:
    def cell(text: str, kind: Any, *, escape: bool = False) -> str:
        if excel_safe and kind == "text" and text.startswith(_FORMULA):
            text = f"'{text}"
        if escape:
            text = text.translate(_TSV)
        return safe(text) if for_terminal else text

    return cell
