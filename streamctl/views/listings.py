"""Every `list`: chosen columns, filters, order and limit, as one query whose rows are read as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from streamctl.domain.records import ENTITIES, Column, Listing
from streamctl.errors import BadValue, UnknownColumn, quoted
from streamctl.store.database import streamed
from streamctl.store.records import expressions, key_of, select


class Window(NamedTuple):
    """How much of a listing: columns (`a,b` or `+c`), order (`-a,b`) and limit as typed, and whether for a person."""

    columns: str | None = None
    sort: str | None = None
    limit: int | None = None
    brief: bool = False


def listing(
    entity: str,
    filters: Iterable[Any],
    window: Window,
    at: datetime,
    *,
    columns: Sequence[Column] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Listing:
    """The rows of an entity that pass all filters; `more` are expressions for columns that are not the entity's own.

    Raises UnknownColumn, BadValue.
    """
    by_name = {**expressions(entity, at), **(more or {})}
    columns = chosen(columns or ENTITIES[entity], window)
    query = select(entity, columns, by_name)
    for condition in filters:
        query = query.where(condition)
    total = query.count() if window.limit is not None else None
    ordered = query.order_by(*_order(entity, window.sort, by_name)).limit(window.limit)
    return Listing(columns, streamed(ordered), total, window.limit)


def chosen(columns: Sequence[Column], window: Window) -> tuple[Column, ...]:
    """The columns asked for: those named, the default ones with a `+extra`, or the default ones.

    Raises UnknownColumn, BadValue.
    """
    default = tuple(c for c in columns if not c.extra and (c.brief or not window.brief))
    if window.columns is None:
        return default
    asked, by_name = window.columns.strip(), {column.name: column for column in columns}
    names = [name.strip() for name in asked.removeprefix("+").split(",")]
    if not all(names):
        raise BadValue(f"{quoted(window.columns)} is no list of columns; write it like id,amount or +email.")
    for name in names:
        if name not in by_name:
            raise UnknownColumn(name, list(by_name))
    picked = [by_name[name] for name in names]
    if asked.startswith("+"):
        return (*default, *(column for column in picked if column not in default))
    return tuple(dict.fromkeys(picked))


def _order(entity: str, sort: str | None, by_name: Mapping[str, Any]) -> Iterator[Any]:
    for term in (sort or "").split(",") if sort is not None else ():
        name = term.strip().removeprefix("-")
        if name not in by_name:
            raise UnknownColumn(name, list(by_name))
        # Said aloud, because the engines differ: nothing comes last, whichever way it is sorted.
        yield by_name[name].desc(nulls="LAST") if term.strip().startswith("-") else by_name[name].asc(nulls="LAST")
    yield key_of(entity)
