"""Opening the database, and the one way to write to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EMFILE
from functools import update_wrapper
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from streamctl.domain.terms import DEFAULTS, Terms
from streamctl.errors import (
    CannotOpen,
    Damaged,
    Interrupted,
    ReadOnly,
    StorageFailed,
    StreamctlError,
    Unreachable,
    too_many_files,
)
from streamctl.interruption import held, stoppable
from streamctl.store.drivers import import_peewee

import_peewee()

import peewee  # noqa: E402

from streamctl.store import files, header, models  # noqa: E402
from streamctl.store.engine import SCHEMA, Place, RowRefused, Store  # noqa: E402
from streamctl.store.journal import Author, Journal  # noqa: E402
from streamctl.store.sqlite import SqliteStore, is_file_of  # noqa: E402

__all__ = ["SCHEMA", "Author", "Place", "Store"]

P = ParamSpec("P")
T = TypeVar("T")

ID_MOST = 2**63 - 1  # what a column can hold
ID_LAST = 2**62  # the highest id that is taken from outside: as many are left to be given
_PAUSE = 0.005  # seconds at most before a write is run again, the first time


def current() -> Store:
    """The open database."""
    return models.database.obj  # type: ignore[no-any-return]


def use(store: Store) -> None:
    """Let models use that open database from here on."""
    models.database.initialize(store)


def store_at(place: Place, *, wait: float, dry_run: bool = False) -> Store:
    """The database at that place, not connected yet, as the one that models use from here on."""
    store: Store
    if isinstance(place, Path):
        store = SqliteStore(place, wait=wait, dry_run=dry_run)
    else:
        from streamctl.store.postgres import PostgresStore

        store = PostgresStore(place, wait=wait, dry_run=dry_run)
    use(store)
    return store


def is_part_of(place: Place, path: Path) -> bool:
    """Whether the path is one of the files of the database at that place."""
    return isinstance(place, Path) and is_file_of(place, path)


@contextmanager
def opened(
    place: Place, *, wait: float = 30.0, dry_run: bool = False, any_schema: bool = False, name: str = ""
) -> Iterator[Store]:
    """Open the database for one command; messages call it `name` if that is given.

    Raises NoDatabase, NotOurs, Damaged, CannotOpen, SchemaOld, SchemaNew, ChangedWhileRead.
    """
    live = not isinstance(place, Path) or header.check(place).live
    store = store_at(place, wait=wait, dry_run=dry_run)
    store.live = live
    store.name = name or store.name
    with translated(store):
        try:
            store.connect()
            store.check_ours()
            if not any_schema:
                store.check_schema()
            yield store
        finally:
            store.leave()
            store.check_unchanged()


def has_changed() -> bool:
    """Whether the database that is open, or was last, was changed by this run."""
    store = models.database.obj
    return store is not None and store.changed


def now_changed() -> None:
    """Say that what this run is about has been done, where that is not a write transaction of the open database."""
    current().changed = True


@contextmanager
def translated(store: Store) -> Iterator[None]:
    """The driver's errors as ours: busy, damaged, read-only, a failing disk; and that a commit was given up."""
    try:
        yield
    except KeyboardInterrupt:
        if store.in_doubt:
            raise Interrupted(done=False, in_doubt=True) from None
        raise
    except Exception as error:
        found = store.translate(error)
        if (why := _no_more_files(error, found)) is not None:
            raise CannotOpen.because(store.name, why) from error
        if found:
            raise found from error
        raise


def _no_more_files(error: Exception, found: StreamctlError | None) -> OSError | None:
    """The error of too many open files, if it is one, whoever met it and says what."""
    if isinstance(error, OSError):
        return error if too_many_files(error) else None
    if isinstance(found, (CannotOpen, Unreachable)) and (words := os.strerror(EMFILE)) in found.message:
        return OSError(EMFILE, words)
    return files.no_more() if isinstance(found, (CannotOpen, ReadOnly, StorageFailed)) else None


class _Rehearsed(Exception):
    """Carries a dry run's result out of the transaction that it rolls back."""


def write(body: Callable[[Terms], T], *, alone: bool = True) -> T:
    """Run the body in one write transaction, the outermost, and commit; roll back where it raises.

    What it changed is written into the journal in the same transaction, in the name of the store's `author`.
    A dry run does all of it and rolls back at the end. Not `alone`, other such bodies may run at the same time where
    the engine can do that, each on the members it locks; where two meet all the same, one is run once more.
    Raises what the body raises, and Busy.
    """
    store = current()
    deadline = time.monotonic() + store.wait
    with translated(store):
        for run in count(1):
            try:
                return _written(store, body, alone)
            except peewee.PeeweeException as error:
                if run >= store.runs(error, alone=alone) or time.monotonic() >= deadline:
                    raise
                time.sleep(_PAUSE * run * os.urandom(1)[0] / 255)  # jittered, so that two do not meet again
    raise AssertionError  # the last run returns or raises


def _written(store: Store, body: Callable[[Terms], T], alone: bool) -> T:
    result: list[T] = []
    with held():  # a transaction that is ending ends, and it is known how
        try:
            with store.writing(alone=alone), stoppable():
                store.check_schema()
                store.journal = Journal(store)
                result.append(body(terms()))
                _log(store)
                if store.dry_run:
                    raise _Rehearsed
        except _Rehearsed:
            return result[0]
        store.changed = True
    return result[0]


def _log(store: Store) -> None:
    """Write the log's entry. Raises Damaged where the log does not take it: it has rows that are none of ours."""
    try:
        store.journal.write(store.author)
    except (RowRefused, peewee.IntegrityError) as error:
        raise Damaged(store.name, f"its log takes no entry ({error})", "See why with: streamctl db check") from error


def rehearsed(verb: Callable[[], T]) -> T:
    """What the verb would answer now, or raises; it is taken back. Raises what the verb raises, and Busy."""
    store = current()
    before, store.dry_run = store.dry_run, True
    try:
        return verb()
    finally:
        store.dry_run = before


def journal() -> Journal:
    """The journal's entry of the write transaction under way."""
    return current().journal


def use_large_cache() -> None:
    """For a job of many rows: let pages wait in memory where the engine lets us say so."""
    current().use_large_cache()


def changes() -> Callable[[], int]:
    """Tells, whenever it is called, a number that grows when this connection changes rows or fails to."""
    return current().written()


@contextmanager
def savepoint() -> Iterator[None]:
    """Inside a write transaction: what the block changed is taken back when it raises, and the rest goes on."""
    store = current()
    noted = store.journal.noted_so_far()
    store.run("SAVEPOINT part")
    try:
        yield
    except BaseException:
        store.run("ROLLBACK TO part")
        store.journal.forget_since(noted)
        raise
    finally:
        store.run("RELEASE part")


@contextmanager
def snapshot() -> Iterator[None]:
    """One consistent view of the database for several reads."""
    with current().reading():
        yield


def tuples(query: Any) -> Iterator[tuple[Any, ...]]:
    """The query's rows as tuples of Python values."""
    yield from query.tuples()


def rows(query: Any) -> Iterator[tuple[Any, ...]]:
    """The query's rows as the driver gives them: no model and no conversion on the way."""
    yield from current().execute(query)  # type: ignore[no-untyped-call]


def streamed(query: Any) -> Iterator[tuple[Any, ...]]:
    """The same one after the other, however many there are."""
    return current().stream(query)


class Verb(Generic[P, T]):
    """A public verb: called, it is one write transaction; `body` is what that transaction runs."""

    def __init__(self, body: Callable[Concatenate[Terms, P], T], *, alone: bool) -> None:
        self.body = body
        self._alone = alone
        update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return write(lambda terms: self.body(terms, *args, **kwargs), alone=self._alone)


def transactional(body: Callable[Concatenate[Terms, P], T]) -> Verb[P, T]:
    """Make a body that takes the terms first into a verb of its own transaction."""
    return Verb(body, alone=True)


def concurrent(body: Callable[Concatenate[Terms, P], T]) -> Verb[P, T]:
    """The same for a body that touches one member alone, and locks them before it reads: others go on beside it."""
    return Verb(body, alone=False)


def settings() -> dict[str, str]:
    """The stored settings."""
    # The defaults stand for a setting that is younger than the database.
    return {**DEFAULTS, **dict(current().run("SELECT key, value FROM setting"))}


def terms() -> Terms:
    """The terms as they stand in the database now. Raises Damaged when there are none."""
    try:
        return Terms.of(settings())
    except (LookupError, ValueError, ArithmeticError, OSError) as error:
        if too_many_files(error):
            raise
        raise Damaged(current().name, f"its settings can't be read ({error})") from None


def violated(error: peewee.IntegrityError) -> str:
    """What an IntegrityError is about: a constraint's name (`amount`) or the columns of an index (`user.email_key`)."""
    return current().violated(error)
