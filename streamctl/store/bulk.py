"""Many rows at once: Peewee builds the statement, the driver runs its text for every row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import peewee

from streamctl.errors import BadData
from streamctl.store.database import current, violated


def insert(model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]], name: str) -> int:
    """Insert rows of stored values; how many. Raises BadData with the row that a rule of the database refuses."""
    fields = [model._meta.columns[column] for column in columns]
    statement, _ = model.insert_many([tuple(0 for _ in fields)], fields=fields).sql()
    last: Sequence[Any] = ()
    count = 0

    def seen() -> Iterator[Sequence[Any]]:
        nonlocal last, count
        for row in rows:
            last, count = row, count + 1
            yield row

    try:
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            current().driver().executemany(statement.partition(" RETURNING ")[0], seen())
    except peewee.IntegrityError as error:
        row = ", ".join(f"{c} {v!r}" for c, v in zip(columns, last, strict=True) if v is not None)
        rule = violated(error) or str(error)
        raise BadData(f"{name} {last[0]} breaks the rule {rule}: {row}.") from None
    return count


def sequences() -> dict[str, int]:
    """The highest id that each table ever gave."""
    return {str(table): int(last) for table, last in current().run("SELECT name, seq FROM sqlite_sequence")}


def continue_sequences(last: Mapping[str, int]) -> None:
    """Go on giving ids where another database stopped, so that none is given twice."""
    for table, number in last.items():
        current().run("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table))
        current().run(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS "
            "(SELECT * FROM sqlite_sequence WHERE name = ?)",
            (table, number, table),
        )
