"""A whole SQLite database copied page by page, out of one that is written to and into one that is."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamctl.errors import NOTHING, Busy, OthersWrite, ReadOnly, StorageFailed
from streamctl.interruption import stoppable
from streamctl.store import files
from streamctl.store.database import translated
from streamctl.store.header import APPLICATION_ID, BACKUP_ID
from streamctl.store.sqlite import SqliteStore

_PAUSE = 0.002  # seconds between two tries for the lock
# Whoever has a WAL database open holds a shared lock on these bytes: sqlite.org/fileformat2.html, "The Lock-Byte Page".
_LOCK_BYTES = (512, 0x40000000)


def saved(database: Path, copy: Path, *, name: str, wait: float, log: bool = False) -> None:
    """Fill the new file `copy` with all pages as they stand at one moment; writers go on meanwhile.

    It is a backup, one file without a log; with `log`, in WAL mode, as databases in use are. `name` is what it will be
    called. Raises Busy, Damaged, StorageFailed.
    """
    with _connected(copy, wait) as target, _connected(database, wait) as source, _disk_of(copy, name):
        _copy(source, target, wait)
        _mark(target, log=log)


def check_readable(database: Path, *, wait: float) -> None:
    """Raises Damaged when SQLite can make nothing of it. The files are as before: its log is not written back."""
    with _connected(database, wait, mode="ro") as source:
        source.execute("SELECT count(*) FROM sqlite_master").fetchall()


def without_log(copy: Path) -> None:
    """Make the database at that path one file, a backup."""
    with _connected(copy, 0) as target:
        _mark(target, log=False)


def _mark(copy: sqlite3.Connection, *, log: bool) -> None:
    """Let the file say that it is a backup, or (with a log) a database to work in."""
    copy.execute("PRAGMA journal_mode = delete")
    copy.execute(f"PRAGMA application_id = {APPLICATION_ID if log else BACKUP_ID}")
    if log:
        copy.execute("PRAGMA journal_mode = wal")


def overwritten(copy: Path, database: Path, *, wait: float, before: Callable[[], None]) -> None:
    """Put the pages of the copy into the database, in one transaction beside whoever has it open.

    `before` is called when nobody else can write any more and nothing is changed yet. Raises Busy, Damaged,
    StorageFailed.
    """
    with _connected(copy, wait) as source, _connected(database, wait) as target:
        target.execute("PRAGMA journal_mode = wal")
        target.execute("PRAGMA synchronous = full")
        ((size,),) = target.execute("PRAGMA page_size")
        if source.execute("PRAGMA page_size").fetchone() != (size,):  # a log holds pages of one size
            source.execute("PRAGMA journal_mode = delete")
            source.execute(f"PRAGMA page_size = {int(size)}")
            source.execute("VACUUM")
        target.execute("PRAGMA busy_timeout = 0")  # SQLite's own waiting starves where others write without a pause
        _copy(source, target, wait, before)
        with suppress(sqlite3.Error):  # others read it still
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(
    source: sqlite3.Connection, target: sqlite3.Connection, wait: float, before: Callable[[], None] | None = None
) -> None:
    """All pages in one transaction on either side. With `before`, step by step: the first takes the target's lock."""
    deadline = time.monotonic() + wait
    begun = False

    def step(status: int, *_: int) -> None:
        nonlocal begun
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            with stoppable():
                if time.monotonic() >= deadline:
                    raise Busy(wait)
        elif before and not begun:
            begun = True
            before()

    source.execute("BEGIN")  # one view of it, or each step would begin another
    source.execute("SELECT count(*) FROM sqlite_master").fetchall()
    source.backup(target, pages=1 if before else -1, progress=step, sleep=_PAUSE)
    source.execute("ROLLBACK")


@contextmanager
def _connected(path: Path, wait: float, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    store = SqliteStore(path, wait=wait, mode=mode)
    with translated(store):
        try:
            store.connect()
            yield store.connection()  # type: ignore[no-untyped-call]
        finally:
            store.close()
            store.check_unchanged()


@contextmanager
def _disk_of(copy: Path, name: str) -> Iterator[None]:
    """A full disk is the one under the copy: nothing is written anywhere else."""
    store = SqliteStore(copy)
    store.name = name
    try:
        yield
    except sqlite3.Error as error:
        if isinstance(found := store.translate(error), StorageFailed):
            raise found from error
        raise


@contextmanager
def held(database: Path) -> Iterator[None]:
    """While it lasts nobody else can open the file with SQLite. Raises OthersWrite when somebody has it open.

    Not while this process has it open itself: closing the file here would take its locks away.
    """
    try:
        handle = os.open(database, os.O_RDWR)
    except OSError:
        raise ReadOnly(str(database), NOTHING) from None
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, *_LOCK_BYTES)
        except OSError:
            raise OthersWrite(str(database)) from None
        yield
    finally:
        os.close(handle)


def copied_as_they_are(database: Path, copy: Path) -> None:
    """The files of a database that SQLite can't read any more, under another name."""
    with files.draft(copy) as draft:
        shutil.copyfile(database, draft)
        for end in ("-wal", "-journal"):
            if files.beside(database, end).exists():
                files.copied(files.beside(database, end), files.beside(copy, end))


def replaced(draft: Path, database: Path) -> None:
    """Put the draft in the place of a damaged database that nobody else can open, its log with it."""
    for end in files.BESIDE:
        files.beside(database, end).unlink(missing_ok=True)
    draft.replace(database)
