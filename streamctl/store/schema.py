"""Making a new database and bringing an old one up to date, by Peewee's migration runner."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playhouse.migrations import Runner

from streamctl.errors import Busy, CannotOpen, DatabaseExists
from streamctl.store import header, models
from streamctl.store.database import SCHEMA, Store, current, translated

MIGRATIONS = Path(__file__).parent / "migrations"
HISTORY = "schema_migration"
BESIDE = ("-wal", "-shm", "-journal")
_HISTORY_DDL = (
    f"CREATE TABLE IF NOT EXISTS {HISTORY} "
    "(id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, applied TEXT NOT NULL) STRICT"
)


def create(path: Path, settings: Mapping[str, str]) -> None:
    """Make a database of ours at the path, whole or not at all, mode 0600 (its new folders 0700).

    Raises DatabaseExists when something is there, CannotOpen when the folder can't take it.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    if left := [name for end in BESIDE if (name := path.with_name(path.name + end)).exists()]:
        raise DatabaseExists(
            f"{left[0]} is left over from another database; it would be mixed into this one.",
            "Move it away, or bring back the database it belongs to.",
        )
    try:
        _make_folder(path.parent)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise CannotOpen(str(path), error.strerror or str(error)) from None
    try:
        _build(draft, settings)
        os.link(draft, path)
    except FileExistsError:
        raise DatabaseExists(f"There is something at {path} already.", "Name another path with --db.") from None
    except OSError as error:
        raise CannotOpen(str(path), error.strerror or str(error)) from None
    finally:
        for leftover in (draft, *(draft.with_name(draft.name + end) for end in BESIDE)):
            leftover.unlink(missing_ok=True)
    _sync(path.parent)


def _build(path: Path, settings: Mapping[str, str]) -> None:
    store = Store(path)
    models.database.initialize(store)
    with translated(store):
        try:
            store.connect()
            store.pragma("application_id", header.APPLICATION_ID)
            apply(store)
            with store.atomic("IMMEDIATE"):
                models.Setting.insert_many([{"key": key, "value": value} for key, value in settings.items()]).execute()
            # Last, so that the header is in the file itself and not in its -wal.
            store.pragma("journal_mode", "wal")
        finally:
            store.close()


def apply(store: Store) -> list[str]:
    """Apply what is pending; the names of it. Raises Busy while another process migrates."""
    with _folder_locked(store.path.parent, store.wait):
        store.run(_HISTORY_DDL)
        runner = Runner(store, str(MIGRATIONS), HISTORY)
        if store.schema() and not runner.applied():  # the history was lost; the version says how far it went
            runner.fake(shipped()[store.schema() - 1])
        names = runner.up()
        store.pragma("user_version", SCHEMA)
        if store.pragma("journal_mode") == "wal":
            store.run("PRAGMA wal_checkpoint(TRUNCATE)")
    return [str(name) for name in names]


def history() -> list[str]:
    """The names of the migrations applied to the open database."""
    return [name for (name,) in current().run(f"SELECT name FROM {HISTORY} ORDER BY name")]


def shipped() -> list[str]:
    """The names of the migrations this program has."""
    return sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py"))


@contextmanager
def _folder_locked(folder: Path, wait: float) -> Iterator[None]:
    """One migration at a time: the runner plans outside the transaction. A lock on the folder leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(wait) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """Make the folder and what is missing above it, each for its owner alone."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _sync(folder: Path) -> None:
    """Make a new name in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
