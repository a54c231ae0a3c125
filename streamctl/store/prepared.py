"""Statements that Peewee builds once and the driver runs by their text: building costs ten times the running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from peewee import SQL

from streamctl.store import models
from streamctl.store.engine import Store


class Slot:
    """A place in a statement for the value at that position of a call."""

    def __init__(self, position: int) -> None:
        self.position = position


class Prepared:
    """A statement, built at its first run for the open engine and called with its values as the database stores them.

    `build` makes the Peewee query; its parameters are the places where the values go.
    """

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build
        self._store: Store | None = None
        self._arrange: Callable[[tuple[Any, ...]], Sequence[Any]] | None = None

    def __call__(self, *values: Any) -> list[tuple[Any, ...]]:
        """Run it; its rows as the driver gives them. Raises Peewee's errors."""
        store: Store = models.database.obj
        if self._store is not store:
            self._prepare(store)
        return store.run(self._text, values if self._arrange is None else self._arrange(values))

    def id(self, *values: Any) -> int:
        """Run the INSERT of one row that it is; the row's id. Raises Peewee's errors."""
        store: Store = models.database.obj
        if self._store is not store:
            self._prepare(store)
        return store.insert(self._text, values if self._arrange is None else self._arrange(values))

    def _prepare(self, store: Store) -> None:
        count = self._build.__code__.co_argcount
        self._text, parameters = self._build(*(SQL(store.param, [Slot(number)]) for number in range(count))).sql()
        constants = [p for p in parameters if not isinstance(p, Slot)]
        positions = [p.position if isinstance(p, Slot) else count + constants.index(p) for p in parameters]
        if positions == list(range(count)):
            self._arrange = None
        else:
            pick = itemgetter(*positions) if len(positions) > 1 else lambda values: (values[positions[0]],)
            self._arrange = (lambda values: pick((*values, *constants))) if constants else pick
        self._store = store
