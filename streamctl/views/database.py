"""What `db info` and `db dump` read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamctl import __version__
from streamctl.domain.records import Column, Record
from streamctl.store import schema
from streamctl.store.bulk import sequences
from streamctl.store.database import SCHEMA, current, rows, settings, snapshot, sqlite_version
from streamctl.store.models import (
    ENTITIES,
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
    text = {
        "path": str(store.path),
        "engine": "sqlite",
        "engine_version": ".".join(map(str, sqlite_version())),
        "migrations": " ".join(schema.history()),
    }
    numbers = {
        "schema": store.schema(),
        "bytes": store.path.stat().st_size,
        **counts,
        "open_streams": Stream.select().where(Stream.closed_at.is_null()).count(),
    }
    values = {**{name: text[name] for name in INFO_TEXT}, **numbers, **settings()}
    columns = tuple(Column(name, "int" if name in numbers else "text") for name in values)
    return Record(columns, tuple(values.values()))


def _json(row: tuple[Any, ...]) -> str:
    """A row as JSON in ASCII, which no terminal obeys."""
    return json.dumps(row, default=str).replace("\x7f", "\\u007f")


def dump() -> Iterator[str]:
    """The whole database as the text of one JSON document, a row a line, in one consistent view."""
    head: dict[str, Any] = {"streamctl": __version__, "schema": SCHEMA}
    with snapshot():
        head["sequences"] = sequences()
        yield f'{json.dumps(head)[:-1]}, "tables": {{'
        for position, model in enumerate(ENTITIES):
            meta = model._meta
            fields = meta.sorted_fields
            yield f"{',' if position else ''}\n{json.dumps(meta.table_name)}: {{"
            yield f'"columns": {json.dumps([field.column_name for field in fields])}, "rows": ['
            query = model.select(*fields).order_by(meta.primary_key)
            for number, row in enumerate(rows(query)):
                yield f"{',' if number else ''}\n{_json(row)}"
            yield "]}"
        yield "}}\n"
