"""All rows of one database into another, whichever engines keep them, read back and compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from hashlib import sha256
from typing import Any

from peewee import JOIN, fn

from streamctl.domain.records import Column
from streamctl.errors import BadData, CopyDiffers, shell_quoted
from streamctl.store import bulk
from streamctl.store.database import current
from streamctl.store.engine import Store
from streamctl.store.logbook import ENTITIES, SINCE, Journal
from streamctl.store.models import Invoice, InvoiceLine, Membership, Request, Stream, User

COUNTED: dict[str, Any] = {
    "members": User,
    "memberships": Membership,
    "invoices": Invoice,
    "lines": InvoiceLine,
    "streams": Stream,
    "requests": Request,
    "entries": Journal,
}
COUNTS = tuple(Column(name, "int") for name in COUNTED)


def counts() -> tuple[int, ...]:
    """How many rows the open database has of what is counted; 0 of what is younger than its schema."""
    schema = current().schema()
    return tuple(model.select().count() if SINCE.get(model, 1) <= schema else 0 for model in COUNTED.values())


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


def transfer(old: Store, new: Store) -> tuple[int, ...]:
    """Give the new database, the open one, in whose transaction this is, the rows and ids of the old one and no others.

    How many there are of what is counted. Raises BadData, CopyDiffers.
    """
    copied = _copied(old, new)
    _compare(copied, old, new)
    return tuple(copied[model].count for model in COUNTED.values())


def unbalanced(store: Store) -> list[int]:
    """The invoices that are not the sum of their lines."""
    total = fn.COALESCE(fn.SUM(InvoiceLine.amount), 0)
    wrong = (
        Invoice.select(Invoice.id)
        .join(InvoiceLine, JOIN.LEFT_OUTER, on=(InvoiceLine.invoice == Invoice.id))
        .group_by(Invoice.id)
        .having(total != Invoice.amount)
        .order_by(Invoice.id)
    )
    return [invoice for (invoice,) in store.stream(wrong.bind(store))]


def check_balanced(store: Store, name: str) -> None:
    """Raises BadData for an invoice that is not the sum of its lines: a copy would be as wrong."""
    for invoice in unbalanced(store):
        raise BadData(
            f"Invoice {invoice} in {name} is not the sum of its lines; nothing was copied.",
            f"See all that is wrong, and what mends it, with: streamctl --db {shell_quoted(name)} db check",
            invoice=invoice,
        )


def _emptied() -> None:
    """Take every row out of the open database, what a new one begins with too."""
    for model in reversed(ENTITIES):
        model.delete().execute()


def _copied(old: Store, new: Store) -> Mapping[Any, Tally]:
    """Copy every table; what was read of each."""
    new.use_large_cache()
    tallies: dict[Any, Tally] = {model: Tally() for model in ENTITIES}
    with new.copying():
        _emptied()
        for model, tally in tallies.items():
            with closing(tally.over(bulk.stored(old, model))) as rows:  # it may fail before they are all read
                bulk.insert(model, bulk.columns(model), rows, model._meta.table_name)
    bulk.continue_sequences(bulk.sequences(old))
    return tallies


def _compare(copied: Mapping[Any, Tally], old: Store, new: Store) -> None:
    """Raises CopyDiffers unless the target, read again, has the rows that were read from the source."""
    for model, read in copied.items():
        found = Tally()
        deque(found.over(bulk.stored(new, model)), maxlen=0)
        if (found.count, found.sum) != (read.count, read.sum):
            raise CopyDiffers(model._meta.table_name, old.name, new.name, read.count, found.count)
