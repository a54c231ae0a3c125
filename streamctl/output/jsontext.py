"""JSON and JSON Lines: exact numbers for money, every character kept, nothing that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from json.encoder import JSONEncoder
from json.encoder import encode_basestring as quoted
from re import Match
from typing import Any

from streamctl.domain import money
from streamctl.domain.flatjson import flat
from streamctl.domain.records import NESTED, Column, Kind, Listing
from streamctl.output.safety import escaped
from streamctl.output.values import hours, plain


def _escaped(found: Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))


def text(value: str) -> str:
    """A JSON string: lossless, readable, and safe on a terminal."""
    return escaped(quoted(value), _escaped)


def value(stored: Any, kind: Kind, currency: str) -> str:
    """A stored value as JSON, by the kind of its column."""
    if stored is None:
        return "null"
    if isinstance(stored, int) and kind in ("id", "int", "key"):
        return str(stored)
    match kind:
        case "money":
            return money.exact(stored, currency)
        case "hours":
            return hours(stored).removesuffix(".00")
        case "bool":
            return "true" if stored else "false"
        case "ids":
            return f"[{', '.join(stored.split())}]"
        case "json":
            return anything(stored)
        case "raw":
            return escaped(stored, _escaped)
        case "fields":
            return fields(stored, currency)
        case _:
            return text(plain(stored, kind, currency))


def fields(pairs: Iterable[tuple[Column, Any]], currency: str) -> str:
    """Columns with their values as a JSON object."""
    return "{" + ", ".join(f'"{column.name}": {value(v, column.kind, currency)}' for column, v in pairs) + "}"


def record(columns: tuple[Column, ...], row: tuple[Any, ...], currency: str) -> str:
    """One row as a JSON object on one line."""
    pairs = zip(columns, row, strict=True)
    return "{" + ", ".join(f'"{column.name}": {_cell(v, column, currency)}' for column, v in pairs) + "}"


def _cell(stored: Any, column: Column, currency: str) -> str:
    if column.kind == "rows":
        return f"[{', '.join(record(NESTED[column.name], row, currency) for row in stored)}]"
    return value(stored, column.kind, currency)


def array(listing: Listing, currency: str) -> Iterator[str]:
    """The rows as a JSON array, an object a line, as they come."""
    before = "["
    for row in listing.rows:
        yield f"{before}\n{record(listing.columns, row, currency)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def lines(listing: Listing, currency: str) -> Iterator[str]:
    """The rows as JSON Lines."""
    for row in listing.rows:
        yield f"{record(listing.columns, row, currency)}\n"


def anything(values: Mapping[str, Any] | list[Any]) -> str:
    """Any JSON value on one line, as safe as the rest."""
    return escaped(_ENCODER.encode(values), _escaped)


def flat_line(values: Mapping[str, Any]) -> str:
    """The same for an object of numbers and text alone, in half the time."""
    return escaped(flat(values), _escaped)


_ENCODER = JSONEncoder(ensure_ascii=False, default=str)
