"""JSON as others write it, read without mercy: no duplicate keys, no NaN, no depth that breaks the reader."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from streamctl.errors import BadData, quoted


def parse(data: bytes | bytearray, name: str) -> Any:
    """The document in these bytes; decimals are exact. Raises BadData with the place."""
    try:
        return _STRICT.decode(data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise BadData(f"{name} is no UTF-8 at byte {error.start}.") from None
    except RecursionError:
        raise BadData(f"{name} is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise BadData(f"{name} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:
        raise BadData(f"{name} can't be read: {error}.") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {quoted(text)} is beyond all decimals") from None


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {quoted(twice)} stands twice in one object")
    return found


_STRICT = json.JSONDecoder(parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_object)
