"""A new database, and an old one brought up to date, by Peewee's migration runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peewee import IntegrityError

from streamctl.errors import BadData, CannotOpen, DatabaseExists, quoted_path, shell_quoted
from streamctl.interruption import held, stoppable
from streamctl.store import files
from streamctl.store.database import current, opened, store_at, translated
from streamctl.store.drivers import hidden
from streamctl.store.engine import HISTORY, SCHEMA, Place, Store
from streamctl.store.models import Setting

MIGRATIONS = Path(__file__).parent / "migrations"


def is_there(place: Place, *, wait: float) -> bool:
    """Whether there is something at that place, ours or not. Raises CannotOpen, Unreachable."""
    if isinstance(place, Path):
        try:
            return place.exists()
        except OSError as error:
            raise CannotOpen.because(str(place), error) from None
    store = store_at(place, wait=wait)
    with translated(store):
        try:
            store.connect()
            return store.schema() > 0
        finally:
            store.close()


def create(place: Place, settings: Mapping[str, str], *, wait: float = 30.0) -> str:
    """Make a database of ours, whole or not at all; its name. Raises DatabaseExists, CannotOpen, Unreachable."""
    with _made(place, settings, wait) as store:
        return store.name


@contextmanager
def filled(place: Place, settings: Mapping[str, str], *, wait: float) -> Iterator[Store]:
    """A transaction on the database at that place, the current one from here on, to put everything into.

    Where there is nothing yet it is made with these settings, and is there only when the block ends well.
    Raises what `opened` does, DatabaseExists, Busy.
    """
    there = is_there(place, wait=wait)
    with opened(place, wait=wait) if there else _made(place, settings, wait) as store, held():
        with store.writing(alone=True), stoppable():
            yield store
        store.changed = there


@contextmanager
def _made(place: Place, settings: Mapping[str, str], wait: float) -> Iterator[Store]:
    with held():
        with _founded(place, settings, wait) as store, stoppable():
            yield store
        store.changed = True


@contextmanager
def _founded(place: Place, settings: Mapping[str, str], wait: float) -> Iterator[Store]:
    if not isinstance(place, Path):
        with built(place, settings, wait=wait) as store:
            yield store
        return
    files.check_vacant(place)
    with files.draft(place) as draft, built(draft, settings, wait=wait, name=str(place)) as store:
        yield store


@contextmanager
def built(place: Place, settings: Mapping[str, str], *, wait: float, name: str = "") -> Iterator[Store]:
    """A database of ours made in an empty file or a server's empty schema, the open one from here on.

    Messages call it `name` if that is given.
    """
    store = store_at(place, wait=wait)
    store.name = name or store.name
    with translated(store):
        try:
            store.connect()
            with store.founding():
                if not apply(store):  # somebody else has, while we waited for the lock
                    raise DatabaseExists(
                        f"{quoted_path(store.name)} is there already.",
                        f"See it with: streamctl --db {shell_quoted(store.name)} db info",
                    )
                stored = [{"key": key, "value": value} for key, value in settings.items()]
                Setting.insert_many(stored).on_conflict(action="nothing").execute()
                yield store
        finally:
            store.leave()


def apply(store: Store) -> list[str]:
    """Apply what is pending; the names of it. Raises Busy while another process migrates."""
    with hidden():  # it would import psycopg for a file too
        from playhouse.migrations import Migration, Runner

    class Marking(Runner):  # type: ignore[misc]
        """Peewee's runner, which also writes down in a migration's own transaction which schema that makes."""

        def migrations(self) -> list[Migration]:
            """Not by a glob, which finds nothing where the folder can't be read."""
            return [Migration(int(name[:4]), name, str(MIGRATIONS / f"{name}.py"), None) for name in shipped()]

        def _run(self, name: str, module: Any, direction: str, fake: bool = False) -> None:
            def up(migrator: Any, database: Any) -> None:
                module.up(migrator, database)
                store.reached(int(name[:4]))

            super()._run(name, SimpleNamespace(up=up), direction, fake=fake)

    with store.migrating():
        runner = Marking(store, str(MIGRATIONS), HISTORY)
        if store.schema() and not runner.applied():  # the history was lost; the version says how far it went
            runner.fake(shipped()[store.schema() - 1])
        try:
            applied = [str(name) for name in runner.up()]
        except IntegrityError as error:
            raise BadData(
                f"{quoted_path(store.name)} can't be brought up to date; nothing was changed: {error}.",
                "Mend that row in the database's own shell, then give the same command again.",
            ) from None
        if not applied:  # an older program may have been killed between the two
            store.reached(SCHEMA)
        return applied


def history() -> list[str]:
    """The names of the migrations applied to the open database."""
    return current().history()


def shipped() -> list[str]:
    """The names of the migrations this program has."""
    return sorted(path.stem for path in MIGRATIONS.iterdir() if path.suffix == ".py" and path.stem[0].isdigit())
