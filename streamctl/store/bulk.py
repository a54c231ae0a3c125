"""Many rows at once, and the ids that go on after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from peewee import fn

from streamctl.domain.calendar import written
from streamctl.errors import BadData, quoted
from streamctl.store.database import ID_LAST, current, translated, tuples
from streamctl.store.engine import RowRefused, Store
from streamctl.store.fields import DayField, InstantField
from streamctl.store.logbook import ENTITIES, SINCE


def insert(model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]], name: str) -> int:
    """Insert rows of stored values; how many.

    Raises BadData with the row that a rule of the database refuses, or whose id is none that we take.
    """
    if "id" in columns:
        rows = _with_ids(rows, columns.index("id"), name)
    try:
        return current().fill(model._meta.table_name, columns, rows)
    except RowRefused as refused:
        found = zip(columns, refused.row, strict=True)
        row = ", ".join(f"{column} {value!r}" for column, value in found if value is not None)
        raise BadData(f"{name} {refused.row[0]} breaks the rule {refused.rule}: {row}.") from None


def _with_ids(rows: Iterable[Sequence[Any]], place: int, name: str) -> Iterator[Sequence[Any]]:
    for row in rows:
        if type(row[place]) is not int or not 0 < row[place] <= ID_LAST:
            raise BadData(f"{name} {quoted(row[place])} has no id from 1 to {ID_LAST}.")
        yield row


def out_of_range(store: Store) -> Iterator[tuple[str, int, bool]]:
    """Ids that leave none, or not enough, for new rows: the table, the id, and whether there is such a row.

    Where there is none it has been deleted, and the table goes on after it all the same.
    """
    last, schema = store.last_ids(readable=True), store.schema()
    for model in ENTITIES:
        table, number = model._meta.table_name, model._meta.primary_key
        if "id" not in model._meta.columns or SINCE.get(model, 1) > schema:
            continue
        (ends,) = tuples(model.select(fn.MIN(number), fn.MAX(number)).bind(store))
        found = sorted({end for end in ends if end is not None and not 0 < end <= ID_LAST})
        yield from ((table, end, True) for end in found)
        if last.get(table, 0) > ID_LAST and last[table] not in found:
            yield table, last[table], False


def stored(store: Store, model: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of the model's table in that database, by key and as they come: the same ones on every engine."""
    meta = model._meta
    fields = meta.sorted_fields
    times = [place for place, field in enumerate(fields) if isinstance(field, (DayField, InstantField))]
    with translated(store):
        found = store.stream(model.select(*fields).order_by(meta.primary_key).bind(store))
        if meta.primary_key.column_name != "id":  # few, and text sorts differently from place to place
            yield from sorted(found)
        elif not times:
            yield from found
        else:
            for row in found:
                values = list(row)
                for place in times:
                    values[place] = _text(values[place])
                yield tuple(values)


def _text(value: date | str | None) -> str | None:
    """A day or an instant as text, whichever way the driver gives it."""
    if isinstance(value, datetime):
        return written(value)
    return value.isoformat() if isinstance(value, date) else value


def columns(model: Any) -> list[str]:
    """The names of the columns of such rows."""
    return [field.column_name for field in model._meta.sorted_fields]


def sequences(store: Store) -> dict[str, int]:
    """The highest id that each table of that database ever gave."""
    last = store.last_ids()
    names = [model._meta.table_name for model in ENTITIES]
    return {name: last[name] for name in names if last.get(name)}


def continue_sequences(last: Mapping[str, int]) -> None:
    """Go on giving ids where another database stopped, so that none is given twice."""
    current().continue_ids(last)
