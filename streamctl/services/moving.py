"""`db move`: everything from one database to another place, on either engine, compared before it counts."""

from __future__ import annotations

from pathlib import Path

from streamctl.domain.records import Column, Record
from streamctl.errors import ChangedMeanwhile, NotEmpty, UsageError, counted, listed
from streamctl.store import schema
from streamctl.store.database import Place, is_part_of, opened, settings
from streamctl.store.transfer import COUNTED, COUNTS, check_balanced, counts, transfer

NOUNS = {"entries": "log entry"}
MOVED = (Column("from"), Column("to"), *COUNTS)


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
        _check_vacant(new.name)
        with old.reading():
            before = old.fingerprint()
            check_balanced(old, old.name)
            moved = transfer(old, new)
        if old.fingerprint() != before:
            raise ChangedMeanwhile(old.name)
        return Record(MOVED, (old.name, new.name, *moved))


def _same_place() -> UsageError:
    return UsageError("The database can't be moved to where it is.", "Name another place with --to.")


def _check_vacant(name: str) -> None:
    """Raises NotEmpty when there is a row in the target besides its settings."""
    found = {NOUNS.get(what, what.removesuffix("s")): n for what, n in zip(COUNTED, counts(), strict=True) if n}
    if found:
        there = listed(counted(count, what) for what, count in found.items())
        raise NotEmpty(
            f"{name} holds {there} already; nothing was moved.",
            "Name a place with --to where there is nothing yet, or an empty database.",
        )
