"""`db move`: everything from one database to another place, on either engine, compared before it counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from peewee import JOIN, fn

from streamctl.domain.records import Column, Record
from streamctl.errors import BadData, ChangedMeanwhile, CopyDiffers, NotEmpty, UsageError, counted, listed, shell_quoted
from streamctl.store import bulk, schema
from streamctl.store.database import Place, Store, is_part_of, opened, settings
from streamctl.store.models import (
    ENTITIES,
    Counter,
    Invoice,
    InvoiceLine,
    Journal,
    Membership,
    Request,
    Setting,
    Stream,
    User,
)

COUNTED = {
    "members": User,
    "memberships": Membership,
    "invoices": Invoice,
    "lines": InvoiceLine,
    "streams": Stream,
    "requests": Request,
    "entries": Journal,
}
NOUNS = {"entries": "log entry"}
MOVED = (Column("from"), Column("to"), *(Column(name, "int") for name in COUNTED))


class Tally:
    """Rows as they pass: how many they were, and a sum over all of them that does not ask for their order."""

    def __init__(self) -> None:
        self.count = self.sum = 0

    def over(self, rows: Iterable[tuple[Any, ...]]) -> Generator[tuple[Any, ...], None, None]:
        """The same rows."""
        for row in rows:
            self.count += 1
            self.sum += int.from_bytes(sha256(repr(row).encode()).digest())
            yield row


def move(source: Place, target: Place, *, wait: float) -> Record:
    """Copy all rows, ids and settings to the target, which is made where there is nothing; a count of everything.

    The source is read as it stood at one moment, and stays as it is. The target has all of it or is left as it was.
    Raises UsageError, NotEmpty, BadData, ChangedMeanwhile, CopyDiffers, and what opening either of them does.
    """
    if isinstance(target, Path) and is_part_of(source, target):
        raise _same_place()
    with opened(source, wait=wait) as old, schema.filled(target, settings(), wait=wait) as new:
        if new.identity() == old.identity():
            raise _same_place()
        _check_vacant(new)
        with old.reading():
            before = old.fingerprint()
            _check_balanced(old)
            copied = _copied(old, new)
        _compare(copied, old, new)
        if old.fingerprint() != before:
            raise ChangedMeanwhile(old.name)
        return Record(MOVED, (old.name, new.name, *(copied[model].count for model in COUNTED.values())))


def _same_place() -> UsageError:
    return UsageError("The database can't be moved to where it is.", "Name another place with --to.")


def _check_vacant(new: Store) -> None:
    """Raises NotEmpty when there is a row in the target besides its settings."""
    counts = {name: model.select().count() for name, model in COUNTED.items()}
    if any(counts.values()):
        found = listed(
            counted(count, NOUNS.get(name, name.removesuffix("s"))) for name, count in counts.items() if count
        )
        raise NotEmpty(
            f"{new.name} holds {found} already; nothing was moved.",
            "Name a place with --to where there is nothing yet, or an empty database.",
        )


def _check_balanced(old: Store) -> None:
    """Raises BadData for an invoice that is not the sum of its lines: the copy would be as wrong."""
    total = fn.COALESCE(fn.SUM(InvoiceLine.amount), 0)
    wrong = (
        Invoice.select(Invoice.id)
        .join(InvoiceLine, JOIN.LEFT_OUTER, on=(InvoiceLine.invoice == Invoice.id))
        .group_by(Invoice.id)
        .having(total != Invoice.amount)
        .order_by(Invoice.id)
        .limit(1)
    )
    for (invoice,) in old.stream(wrong.bind(old)):
        raise BadData(
            f"Invoice {invoice} in {old.name} is not the sum of its lines; nothing was moved.",
            f"See all that is wrong, and what mends it, with: streamctl --db {shell_quoted(old.name)} db check",
            invoice=invoice,
        )


def _copied(old: Store, new: Store) -> dict[Any, Tally]:
    """Copy every table; what was read of each."""
    new.use_large_cache()
    tallies: dict[Any, Tally] = {model: Tally() for model in ENTITIES}
    for model in (Setting, Counter):  # what a new database begins with
        model.delete().execute()
    with new.copying():
        for model, tally in tallies.items():
            with closing(tally.over(bulk.stored(old, model))) as rows:  # it may fail before they are all read
                bulk.insert(model, bulk.columns(model), rows, model._meta.table_name)
    bulk.continue_sequences(bulk.sequences(old))
    return tallies


def _compare(copied: dict[Any, Tally], old: Store, new: Store) -> None:
    """Raises CopyDiffers unless the target, read again, has the rows that were read from the source."""
    for model, read in copied.items():
        found = Tally()
        deque(found.over(bulk.stored(new, model)), maxlen=0)
        if (found.count, found.sum) != (read.count, read.sum):
            raise CopyDiffers(model._meta.table_name, old.name, new.name, read.count, found.count)
