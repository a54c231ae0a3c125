"""What a change of many things says: which it changed, and which were so already."""

from collections.abc import Iterable
from typing import Any

from streamctl.domain.records import Listing
from streamctl.errors import listed

Row = dict[str, Any]


def parted(answer: Listing) -> tuple[list[Row], list[Row]]:
    """The rows by their columns: those that were changed, and those that were so already."""
    names = [column.name for column in answer.columns]
    every = [dict(zip(names, row, strict=True)) for row in answer.rows]
    return [row for row in every if row.get("changed", True)], [row for row in every if not row.get("changed", True)]


def already(states: Iterable[tuple[str, object]]) -> list[str]:
    """A sentence for each state, with the names of what is in it: `Already paid on 2026-11-20: 1, 2.`"""
    names: dict[str, list[object]] = {}
    for state, name in states:
        names.setdefault(state, []).append(name)
    return [f"Already {state}: {listed(found)}." for state, found in names.items()]
