"""Statements that Peewee builds once and the driver runs by their text: building costs ten times the running."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from peewee import SQL

from streamctl.store.database import Store, current


class Slot:
    """A place in a statement for a value that is known when it runs."""

    def __init__(self, name: str) -> None:
        self.name = name


def slot(name: str) -> SQL:
    """A slot as a part of a Peewee query; its value is passed as the database stores it."""
    return SQL(current().param, [Slot(name)])


class Prepared:
    """A statement, built at its first run for the open engine. `build` makes the Peewee query, with slots in it."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._store: Store | None = None

    def __call__(self, **values: Any) -> list[tuple[Any, ...]]:
        """Run it; its rows as the driver gives them. Raises Peewee's errors."""
        store = current()
        if self._store is not store:
            self._prepare(store)
        values.update(self._constants)
        return store.run(self._text, self._in_order(values))

    def _prepare(self, store: Store) -> None:
        self._text, parameters = self._build().sql()
        slots = [p.name if isinstance(p, Slot) else f"constant {i}" for i, p in enumerate(parameters)]
        self._constants = {name: p for name, p in zip(slots, parameters, strict=True) if not isinstance(p, Slot)}
        self._in_order: Callable[[Any], Any] = lambda values: [values[name] for name in slots]
        if len(slots) > 1:
            self._in_order = itemgetter(*slots)  # the same, at the speed of C
        self._store = store
