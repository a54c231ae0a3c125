"""How a stored value is written, by the kind of its column."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from streamctl.domain import money
from streamctl.domain.calendar import written
from streamctl.domain.records import Kind


def plain(value: Any, kind: Kind, currency: str) -> str:
    """The value as text without its currency; nothing for null."""
    if value is None:
        return ""
    match kind:
        case "money":
            return money.plain(value, currency)
        case "hours":
            return hours(value)
        case "instant":
            return written(value) if isinstance(value, datetime) else str(value)
        case "bool":
            return "true" if value else "false"
        case "rows":
            return " ".join(str(row[0]) for row in value)
        case "json":
            from json import dumps

            return dumps(value)
        case "fields":
            from streamctl.output.jsontext import fields

            return fields(value, currency)
        case _:
            return str(value)


def spoken(value: Any, kind: Kind, currency: str) -> str:
    """The value for a person: money with its currency, a yes or no in words."""
    if value is None:
        return ""
    match kind:
        case "money":
            return money.spoken(value, currency)
        case "bool":
            return "yes" if value else "no"
        case "fields":
            return ", ".join(f"{column.name} {_named(v, column.kind, currency)}" for column, v in value)
        case _:
            return plain(value, kind, currency)


def _named(value: Any, kind: Kind, currency: str) -> str:
    return "nothing" if value is None else spoken(value, kind, currency)


def hours(seconds: int) -> str:
    """`1.50`: seconds as hours with two decimals, half up."""
    whole, hundredths = divmod((seconds + 18) // 36, 100)
    return f"{whole}.{hundredths:02}"
