"""`db load`: a whole set of books into an empty database, from this tool's own dump or from a Django fixture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from peewee import fn

from streamctl.domain.records import Column, Record
from streamctl.domain.terms import Terms, read
from streamctl.errors import BadData, BadValue, NotEmpty, listed, quoted
from streamctl.services import fixture
from streamctl.store import bulk
from streamctl.store.database import ID_LAST, ID_MOST, SCHEMA, current, journal, transactional
from streamctl.store.fields import DayField, InstantField
from streamctl.store.logbook import ENTITIES, SINCE, Journal, JournalPerson, JournalRow
from streamctl.store.models import (
    Counter,
    Invoice,
    InvoiceLine,
    Membership,
    Request,
    Setting,
    Stream,
    User,
)

# The ids in the journal, and whose they are: an empty database may have entries too.
BEHIND: dict[Any, dict[str, Any]] = {
    Journal: {"id": Journal, "undoes": Journal},
    JournalRow: {"id": JournalRow, "entry": Journal},
    JournalPerson: {"id": JournalPerson, "entry": Journal},
}
LOADED = (
    *(Column(name, "int") for name in ("members", "memberships", "invoices", "lines", "streams", "requests")),
    *(Column(name, "int") for name in ("adjusted", "zero_credits", "lifted", "merged")),
    Column("ignored", "json"),
)


@transactional
def load(
    terms: Terms, document: Any, *, at: datetime, min_credits: int | None = None, merge_months: bool = False
) -> Record:
    """Load the parsed document into the empty database, whole or not at all; a count of everything.

    `adjusted` counts invoices whose amount was not the sum of their lines, `zero_credits` memberships with none.
    Raises NotEmpty, BadData.
    """
    if User.select().exists():
        raise NotEmpty(
            "The database holds members already; nothing was loaded.",
            "Load into a new one with: streamctl --db new.db db init && streamctl --db new.db …",
        )
    journal().coarse = True
    if isinstance(document, list):
        books = fixture.read(document, terms, at, min_credits=min_credits, merge_months=merge_months)
        with current().copying():
            counts = {model: bulk.insert(model, columns, rows, name) for model, columns, rows, name in books.tables}
        bulk.continue_sequences({})
        return _told(_summary(counts, books), "fixture")
    if isinstance(document, dict) and "streamctl" in document:
        if min_credits is not None or merge_months:
            raise BadValue("--min-credits and --merge-months are for a Django fixture; this is a dump of streamctl.")
        return _told(_summary(_load_dump(document), fixture.Books()), "dump")
    raise BadData("This is neither a dump of streamctl nor a Django fixture.", "Make one with: streamctl db dump")


def _load_dump(document: dict[str, Any]) -> dict[Any, int]:
    schema = document.get("schema")
    if type(schema) is not int or not 0 < schema <= SCHEMA:
        has = "names no schema" if schema is None else f"has schema {quoted(schema)}"
        raise BadData(
            f"The dump {has}; this streamctl loads schema {SCHEMA} and older ones.",
            "Load it with the newer streamctl that wrote it.",
        )
    tables = document.get("tables")
    models = [model for model in ENTITIES if SINCE.get(model, 1) <= schema]
    names = [model._meta.table_name for model in models]
    if not isinstance(tables, dict) or sorted(tables) != sorted(names):
        raise BadData(f"The dump does not have the tables {listed(names)}.")
    last = _sequences(document.get("sequences", {}))
    found = {model: _table(model, tables[model._meta.table_name]) for model in models}
    counts: dict[Any, int] = {}
    given = {model: int(model.select(fn.MAX(model.id)).scalar() or 0) for model in BEHIND}
    with current().copying():
        for model, (columns, rows) in found.items():
            if model is Setting:
                _change_settings(columns, rows)
            elif model is Counter:
                _continue_counters(columns, rows)
            else:
                ready: Iterable[Sequence[Any]] = rows
                if model is Invoice:
                    ready = _summed(columns, rows, *found[InvoiceLine])
                elif model in BEHIND:
                    ready = _behind(model, columns, rows, given)
                counts[model] = bulk.insert(model, columns, ready, model._meta.table_name)
    bulk.continue_sequences({name: value for name, value in last.items() if name in names})
    return counts


def _sequences(last: Any) -> dict[str, int]:
    """The last ids that a dump says were given. Raises BadData."""
    if not isinstance(last, dict):
        raise BadData("The sequences in the dump can't be read.")
    for name, value in last.items():
        if type(value) is not int or not 0 <= value <= ID_LAST:
            raise BadData(f"The sequence of {quoted(name)} in the dump is no number up to {ID_LAST}: {quoted(value)}.")
    return last


def _table(model: Any, table: Any) -> tuple[list[str], list[list[Any]]]:
    """The columns and rows of a dumped table. Raises BadData."""
    name, wanted = model._meta.table_name, bulk.columns(model)
    columns, rows = (table.get("columns"), table.get("rows")) if isinstance(table, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list) or sorted(map(str, columns)) != sorted(wanted):
        raise BadData(f"The table {name} in the dump does not have the columns {listed(wanted, 20)}.")
    fields = [model._meta.columns[column] for column in columns]
    times = [(place, field) for place, field in enumerate(fields) if isinstance(field, (DayField, InstantField))]
    for number, row in enumerate(rows, 1):
        if (
            not isinstance(row, list)
            or len(row) != len(columns)
            or not all(map(_storable, row))
            or not all(row[place] is None or field.is_stored(row[place]) for place, field in times)
        ):
            raise BadData(f"Row {number} of the table {name} in the dump can't be stored.")
    return columns, rows


def _storable(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    return value is None or (type(value) is int and -ID_MOST <= value <= ID_MOST)


def _summed(
    columns: list[str], rows: list[list[Any]], line_columns: list[str], lines: list[list[Any]]
) -> Iterator[list[Any]]:
    """The invoices, each with the sum of its lines, whatever the dump says. Raises BadData."""
    number, amount = columns.index("id"), columns.index("amount")
    of, added = line_columns.index("invoice"), line_columns.index("amount")
    sums: defaultdict[Any, int] = defaultdict(int)
    for line in lines:
        if type(line[added]) is int:  # any other is refused when its turn comes
            sums[line[of]] += line[added]
    for row in rows:
        total = sums[row[number]]
        if total > ID_MOST:
            raise BadData(f"The lines of invoice {quoted(row[number])} in the dump are more than can be stored.")
        yield [*row[:amount], max(total, -ID_MOST), *row[amount + 1 :]]  # the database refuses what is below 0


def _behind(model: Any, columns: list[str], rows: list[list[Any]], last: Mapping[Any, int]) -> Iterator[list[Any]]:
    """Rows of the journal with ids behind those of the entries that are here already, if there are any."""
    shifts = [(columns.index(name), last[of]) for name, of in BEHIND[model].items()]
    for row in rows:
        moved = list(row)
        for place, shift in shifts:
            if type(row[place]) is int:
                moved[place] = row[place] + shift
        yield moved


def _change_settings(columns: list[str], rows: list[list[Any]]) -> None:
    for row in rows:
        found = dict(zip(columns, row, strict=True))
        try:
            value = read(str(found["key"]), str(found["value"]))
        except BadValue as error:
            raise BadData(f"A setting in the dump can't be taken: {error.message}") from None
        Setting.insert(key=found["key"], value=value).on_conflict(
            conflict_target=[Setting.key], update={Setting.value: value}
        ).execute()


def _continue_counters(columns: list[str], rows: list[list[Any]]) -> None:
    for row in rows:
        found = dict(zip(columns, row, strict=True))
        if not isinstance(found["value"], int) or not 0 <= found["value"] <= ID_LAST:
            raise BadData(f"The counter {quoted(found['name'])} in the dump is no number up to {ID_LAST}.")
        Counter.update(value=found["value"]).where(Counter.name == found["name"]).execute()


def _told(summary: Record, kind: str) -> Record:
    """The summary, and the journal is told of everything that was loaded."""
    journal().told(count=journal().everything(), selection={"from": kind})
    return summary


def _summary(counts: dict[Any, int], books: fixture.Books) -> Record:
    loaded = [counts.get(model, 0) for model in (User, Membership, Invoice, InvoiceLine, Stream, Request)]
    special = (books.adjusted, books.zero_credits, books.lifted, books.merged, dict(sorted(books.ignored.items())))
    return Record(LOADED, (*loaded, *special))
