"""Opening the database, and the one way to write to it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from streamctl.domain.terms import DEFAULTS, Terms
from streamctl.errors import (
    Busy,
    CannotOpen,
    Damaged,
    DatabaseUnusable,
    ReadOnly,
    SchemaNew,
    SchemaOld,
    StorageFailed,
    StreamctlError,
)
from streamctl.store import header
from streamctl.store.drivers import import_peewee

import_peewee()

import peewee  # noqa: E402

from streamctl.store import models  # noqa: E402

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA = 2  # the number of the newest migration
ID_MOST = 2**63 - 1
_PRAGMAS = {"foreign_keys": 1, "synchronous": 2, "recursive_triggers": 1, "trusted_schema": 0}
_LARGE_CACHE = 64 << 20  # bytes
_RETRY = (0.0005, 0.003)  # seconds; a jittered wait is fair where SQLite's own starves the slow


class Store(peewee.SqliteDatabase):
    """The open SQLite file: STRICT column types, fair waiting, whether this run rehearses or has changed anything."""

    field_types = {  # noqa: RUF012
        **peewee.SqliteDatabase.field_types,
        "DATE": "TEXT",
        "DATETIME": "TEXT",
        "BOOL": "INTEGER",
    }

    def __init__(self, path: Path, *, wait: float = 30.0, dry_run: bool = False, mode: str = "rw") -> None:
        self.path = path
        self.wait = wait
        self.dry_run = dry_run
        self.changed = False
        self._connection: sqlite3.Connection
        super().__init__(f"{path.absolute().as_uri()}?mode={mode}", timeout=wait, uri=True, pragmas=_PRAGMAS)

    def begin(self, lock_type: str | None = None) -> None:
        """Begin; for the write lock, wait in short jittered steps up to the timeout. Raises OperationalError (busy)."""
        if lock_type is None:
            return super().begin()
        cursor = self.driver().cursor()
        deadline = time.monotonic() + self.wait
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    return super().begin(lock_type)
                except peewee.OperationalError as error:
                    if not _name_of(error).startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                        raise
                    time.sleep(_RETRY[0] + (_RETRY[1] - _RETRY[0]) * os.urandom(1)[0] / 255)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {int(self.wait * 1000)}")

    def rollback(self) -> None:
        """Roll back, unless SQLite has done so by itself (it does when the disk is full)."""
        if self.driver().in_transaction:
            super().rollback()

    def owns(self, path: Path) -> bool:
        """Whether the path is one of this database's files."""
        return is_part_of(self.path, path)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement by its text; its rows. Raises Peewee's errors."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error:
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                raise

    def insert(self, sql: str, parameters: Sequence[Any]) -> int:
        """Run the INSERT of one row by its text; the row's id. Raises Peewee's errors."""
        try:
            # Cheaper than RETURNING, and right as long as no row is ignored or replaced.
            return self._connection.execute(sql, parameters).lastrowid  # type: ignore[return-value]
        except sqlite3.Error:
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                raise

    def driver(self) -> sqlite3.Connection:
        """The driver's own connection."""
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self._connection = connection = super()._connect()  # type: ignore[misc]
        return connection  # type: ignore[no-any-return]

    def schema(self) -> int:
        """The schema version in the file."""
        return int(self.run("PRAGMA user_version")[0][0])

    def check_schema(self) -> None:
        """Raises SchemaOld or SchemaNew unless the file's schema is this program's."""
        found = self.schema()
        if found != SCHEMA:
            raise (SchemaOld if found < SCHEMA else SchemaNew)(str(self.path), found, SCHEMA)

    def check_pragmas(self) -> None:
        """Raises DatabaseUnusable when SQLite ignored a setting that money depends on (it does so in silence)."""
        for name in ("foreign_keys", "synchronous"):
            if self.pragma(name) != _PRAGMAS[name]:
                raise DatabaseUnusable(f"This SQLite does not honour PRAGMA {name}.")


def is_part_of(database: Path, path: Path) -> bool:
    """Whether the path is the database or one of SQLite's files beside it, by name or by another link to it."""
    files = [database.with_name(database.name + end) for end in ("", "-wal", "-shm", "-journal")]
    return path in files or (path.exists() and any(file.exists() and path.samefile(file) for file in files))


def current() -> Store:
    """The open database."""
    return models.database.obj  # type: ignore[no-any-return]


@contextmanager
def opened(path: Path, *, wait: float = 30.0, dry_run: bool = False, any_schema: bool = False) -> Iterator[Store]:
    """Open the database for one command. Raises NoDatabase, NotOurs, Damaged, CannotOpen, SchemaOld, SchemaNew."""
    header.check(path)
    store = Store(path, wait=wait, dry_run=dry_run)
    models.database.initialize(store)
    with translated(store):
        try:
            store.connect()
            store.check_pragmas()
            if not any_schema:
                store.check_schema()
            yield store
        finally:
            store.close()


@contextmanager
def translated(store: Store) -> Iterator[None]:
    """The driver's errors as ours: busy, damaged, read-only, a failing disk."""
    try:
        yield
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.DatabaseError) as error:
        if found := _translate(error, store):
            raise found from error
        raise


def _name_of(error: BaseException) -> str:
    """SQLite's own name of an error, such as SQLITE_BUSY_SNAPSHOT; Peewee keeps the driver's error as `orig`."""
    return getattr(getattr(error, "orig", error), "sqlite_errorname", "")


def _translate(error: Exception, store: Store) -> StreamctlError | None:
    name, path = _name_of(error), str(store.path)
    match name.removeprefix("SQLITE_").split("_")[0]:
        case "BUSY" | "LOCKED":
            return Busy(store.wait)
        case "READONLY":
            return ReadOnly(path)
        case "CANTOPEN":
            return CannotOpen(path, "SQLite can't open it or make its -wal file beside it")
        case "CORRUPT" | "NOTADB":
            return Damaged(path, str(error))
        case "FULL":
            return StorageFailed(path, "it is full")
        case "IOERR":
            return StorageFailed(path, "it can't be read or written")
        case _ if any(sign in str(error) for sign in DAMAGE):
            return Damaged(path, str(error))
    return None


DAMAGE = ("no such table", "no such column", "decode to UTF-8", "unsupported file format")


class _Rehearsed(Exception):
    """Carries a dry run's result out of the transaction that it rolls back."""


def write(body: Callable[[Terms], T]) -> T:
    """Run the body in one write transaction, outermost and immediate, and commit; roll back where it raises.

    A dry run does all of it and rolls back at the end. Raises what the body raises, and Busy.
    """
    store = current()
    result: list[T] = []
    try:
        with translated(store), store.atomic("IMMEDIATE"):
            store.check_schema()
            result.append(body(terms()))
            if store.dry_run:
                raise _Rehearsed
    except _Rehearsed:
        return result[0]
    store.changed = True
    return result[0]


def use_large_cache() -> None:
    """For a job of many rows: let pages wait in memory instead of going to the disk and back within a transaction."""
    current().pragma("cache_size", -(_LARGE_CACHE >> 10))


def changes() -> Callable[[], int]:
    """Tells, whenever it is called, how many rows this connection has changed so far."""
    driver = current().driver()
    return lambda: driver.total_changes


@contextmanager
def savepoint() -> Iterator[None]:
    """Inside a write transaction: what the block changed is taken back when it raises."""
    store = current()
    store.run("SAVEPOINT part")
    try:
        yield
    except BaseException:
        store.run("ROLLBACK TO part")
        raise
    finally:
        store.run("RELEASE part")


@contextmanager
def snapshot() -> Iterator[None]:
    """One consistent view of the database for several reads."""
    with current().atomic():
        yield


def tuples(query: Any) -> Iterator[tuple[Any, ...]]:
    """The query's rows as tuples of Python values."""
    yield from query.tuples()


def rows(query: Any) -> Iterator[tuple[Any, ...]]:
    """The query's rows as the driver gives them, one after the other: no model and no conversion on the way."""
    yield from current().execute(query)  # type: ignore[no-untyped-call]


class Verb(Generic[P, T]):
    """A public verb: called, it is one write transaction; `body` is what that transaction runs."""

    def __init__(self, body: Callable[Concatenate[Terms, P], T]) -> None:
        self.body = body
        update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return write(lambda terms: self.body(terms, *args, **kwargs))


def transactional(body: Callable[Concatenate[Terms, P], T]) -> Verb[P, T]:
    """Make a body that takes the terms first into a verb of its own transaction."""
    return Verb(body)


def settings() -> dict[str, str]:
    """The stored settings."""
    # The defaults stand for a setting that is younger than the database.
    stored = tuples(models.Setting.select(models.Setting.key, models.Setting.value))
    return {**DEFAULTS, **{key: value for key, value in stored}}


def terms() -> Terms:
    """The terms as they stand in the database now. Raises Damaged when there are none."""
    try:
        return Terms.of(settings())
    except (LookupError, ValueError, ArithmeticError, OSError) as error:
        raise Damaged(str(current().path), f"its settings can't be read ({error})") from None


def violated(error: peewee.IntegrityError) -> str:
    """What an IntegrityError is about: a constraint's name (`amount`) or the columns of an index (`user.email_key`)."""
    return str(error).rsplit("constraint failed:", 1)[-1].strip()


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite library in this process."""
    return sqlite3.sqlite_version_info
