"""The whole database as a file of its own: a backup that is kept, or a sandbox to rehearse in."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from streamctl.domain.records import Column, Record
from streamctl.errors import DatabaseExists, UsageError, quoted_path
from streamctl.interruption import held, stoppable
from streamctl.store import copies, files, rotation
from streamctl.store.database import SCHEMA, Place, is_part_of, now_changed, opened
from streamctl.store.transfer import COUNTS, counts

COPIED = (Column("path"), Column("bytes", "int"), *COUNTS)


def backup(place: Place, path: Path, *, keep: int, wait: float) -> tuple[Record, list[copies.Objection]]:
    """Put the whole database, as it stands at one moment, into a file; what is in it.

    So many are kept under the name, older ones with a number after it. What comes second is what is wrong in the
    database and therefore in its backup too, and `restore` would refuse it for. Raises UsageError, NoBackup, and what
    opening and copying do.
    """
    _check_elsewhere(place, path)
    rotation.check(path, keep)
    return _copied(place, path, partial(rotation.put, keep=keep, wait=wait), wait=wait)


def sandbox(place: Place, path: Path, *, wait: float) -> tuple[Record, list[copies.Objection]]:
    """The same as a new database to work in. Raises UsageError, DatabaseExists, and what opening and copying do."""
    _check_elsewhere(place, path)
    files.check_vacant(path)
    if os.path.lexists(path):
        there = f"There is something at {quoted_path(str(path))} already; it was left alone."
        raise DatabaseExists(there, "Name another file, or remove that one first.", path=str(path))
    return _copied(place, path, files.as_new, wait=wait, log=True)


def _check_elsewhere(place: Place, path: Path) -> None:
    if is_part_of(place, path):
        raise UsageError(f"{quoted_path(str(path))} is the database itself.", "Name another file.")


def _copied(
    place: Place, path: Path, put: files.Put, *, wait: float, log: bool = False
) -> tuple[Record, list[copies.Objection]]:
    with held():
        with opened(place, wait=wait, any_schema=True) as old, files.draft(path, put) as draft, stoppable():
            copies.write(old, draft, name=str(path), log=log)
            with opened(draft, wait=wait, any_schema=True, name=old.name) as copy:
                copies.check(copy, "Nothing was copied. See all that is wrong with: streamctl db check")
                record = Record(COPIED, (str(path), draft.stat().st_size, *counts()))
                wrong = list(copies.objections(copy)) if copy.schema() == SCHEMA else None
            if wrong is None:
                wrong = list(copies.objections_later(draft, wait=wait))
        now_changed()
    return record, wrong
