"""A SQLite file looked at from outside its rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import peewee

from streamctl.errors import Damaged, quoted_path, shell_quoted
from streamctl.store import header
from streamctl.store.engine import Store
from streamctl.store.inspection import REPAIR, Facts, Fault, Inspector, Piece, identifier
from streamctl.store.sqlite import SqliteStore, name_of

INDEX_ALONE = r"row \d+ missing from index |wrong # of entries in index "
WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
WAL_RESET_FIXED_TOO = ((3, 44, 6), (3, 50, 7))  # sqlite.org/wal.html names these branch releases


class SqliteInspector(Inspector):
    """Of the open file."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def facts(self) -> Facts:
        """SQLite, its version, and the size of the file."""
        return Facts("sqlite", sqlite3.sqlite_version, self._store.path.stat().st_size)

    def faults(self) -> Iterator[Fault]:
        """What SQLite's own checks find. Raises Damaged where the schema is so wrong that they can't be run."""
        recover = f"sqlite3 {shell_quoted(self._store.name)} .recover | sqlite3 recovered.db"
        try:
            found = self._complaints()
            mend = REPAIR if all(re.match(INDEX_ALONE, message) for message in found) else recover
            yield from (Fault("integrity", "", message, mend) for message in found)
            for table, row, parent, _ in self._store.run("PRAGMA foreign_key_check"):
                mend = self._store.shell(f'DELETE FROM "{table}" WHERE rowid = {row}')
                yield Fault("foreign_key", f"{table} {row}", f"its {parent} is not there", mend)
        except peewee.OperationalError as error:
            if name_of(error) == "SQLITE_ERROR":
                raise Damaged(self._store.name, str(error)) from error
            raise

    def rebuild(self) -> None:
        """Make every index anew from its rows, when they are all that SQLite's own checks complain of."""
        if (found := self._complaints()) and all(re.match(INDEX_ALONE, message) for message in found):
            self._store.run("REINDEX")

    def _complaints(self) -> list[str]:
        return [message for (message,) in self._store.run("PRAGMA integrity_check") if message != "ok"]

    def pieces(self) -> list[Piece]:
        """What the schema is made of."""
        found = "SELECT type, tbl_name, name, sql FROM sqlite_master WHERE sql <> '' AND name NOT LIKE 'sqlite_%'"
        return [Piece(*row) for row in self._store.run(f"{found} ORDER BY name")]

    @contextmanager
    def blank(self) -> Iterator[Store]:
        """A file elsewhere."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "blank.db")
            path.touch(0o600)
            blank = SqliteStore(path)
            blank.connect()
            try:
                yield blank
            finally:
                blank.close()

    def removal(self, trigger: Piece) -> str:
        """SQL that takes the trigger away."""
        return f"DROP TRIGGER {identifier(trigger.name)}"

    def remake(self, piece: Piece) -> None:
        """Make this piece as it says, instead of what has its name. Raises Peewee's errors."""
        self._store.run(f'DROP {piece.kind} IF EXISTS "{piece.name}"')
        self._store.run(piece.ddl)

    def notes(self) -> Iterator[str]:
        """A word on the versions that have a rare fault in WAL mode, on another mode, and on a file open to others."""
        first, last = WAL_RESET_BUG
        if first <= sqlite3.sqlite_version_info <= last and sqlite3.sqlite_version_info not in WAL_RESET_FIXED_TOO:
            yield (
                f"SQLite {sqlite3.sqlite_version} has the rare WAL-reset fault of 3.7.0 to 3.51.2; "
                "take 3.51.3 or later when you can."
            )
        found = header.check(self._store.path)
        if found.application_id == header.APPLICATION_ID and not found.wal:
            yield "The database is in rollback mode, as backups are; its next change puts it into WAL mode."
        if self._store.path.stat().st_mode & 0o077:  # what SQLite makes beside it has the same mode
            yield (
                f"Others on this machine may open {quoted_path(self._store.name)}; unless that is meant, "
                f"close it with: chmod go= {shell_quoted(self._store.name)}"
            )
