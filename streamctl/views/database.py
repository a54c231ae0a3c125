"""What `db info` and `db dump` read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamctl import __version__
from streamctl.domain.records import Column, Record
from streamctl.store import bulk, schema
from streamctl.store.database import SCHEMA, current, settings, snapshot
from streamctl.store.logbook import ENTITIES
from streamctl.store.models import (
    Invoice,
    InvoiceLine,
    Membership,
    Stream,
    User,
)

INFO_TEXT = ("path", "engine", "engine_version", "migrations")


def info() -> Record:
    """Where the database is, what it runs on, its settings, and how much is in it."""
    store = current()
    counts = {
        name: model.select().count()
        for name, model in (
            ("members", User),
            ("memberships", Membership),
            ("invoices", Invoice),
            ("lines", InvoiceLine),
            ("streams", Stream),
        )
    }
    engine, version, size = store.inspector().facts()
    text = {
        "path": store.name,
        "engine": engine,
        "engine_version": version,
        "migrations": " ".join(schema.history()),
    }
    numbers = {
        "schema": store.schema(),
        "bytes": size,
        **counts,
        "open_streams": Stream.select().where(Stream.closed_at.is_null()).count(),
    }
    values = {**{name: text[name] for name in INFO_TEXT}, **numbers, **settings()}
    columns = tuple(Column(name, "int" if name in numbers else "text") for name in values)
    return Record(columns, tuple(values.values()))


def _json(row: tuple[Any, ...]) -> str:
    """A row as JSON in ASCII, which no terminal obeys."""
    return json.dumps(row).replace("\x7f", "\\u007f")


def dump() -> Iterator[str]:
    """The whole database as the text of one JSON document, a row a line, in one consistent view."""
    store = current()
    head: dict[str, Any] = {"streamctl": __version__, "schema": SCHEMA}
    with snapshot():
        head["sequences"] = bulk.sequences(store)
        yield f'{json.dumps(head)[:-1]}, "tables": {{'
        for position, model in enumerate(ENTITIES):
            yield f"{',' if position else ''}\n{json.dumps(model._meta.table_name)}: {{"
            yield f'"columns": {json.dumps(bulk.columns(model))}, "rows": ['
            for number, row in enumerate(bulk.stored(store, model)):
                yield f"{',' if number else ''}\n{_json(row)}"
            yield "]}"
        yield "}}\n"
