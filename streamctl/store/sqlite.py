"""SQLite: one file, one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peewee
from peewee import Select, fn

from streamctl.errors import (
    Busy,
    CannotOpen,
    ChangedWhileRead,
    Damaged,
    DatabaseUnusable,
    IdsUsedUp,
    ReadOnly,
    StorageFailed,
    StreamctlError,
    quoted_path,
    shell_quoted,
)
from streamctl.interruption import stoppable
from streamctl.store import files, queue
from streamctl.store.engine import HISTORY, RowRefused, Store
from streamctl.store.header import APPLICATION_ID

if TYPE_CHECKING:
    from streamctl.store.inspection import Inspector

EXTRA = 3
PRAGMAS = {"foreign_keys": 1, "synchronous": 2, "recursive_triggers": 1, "trusted_schema": 0}
DAMAGE = (
    *("no such table", "no such column", "no such function", "unknown function", "no such collation"),
    *("decode to UTF-8", "unsupported file format"),
)
NO_LOCK = ("IOERR_LOCK", "IOERR_RDLOCK", "PERM")
_HISTORY_DDL = (
    f"CREATE TABLE IF NOT EXISTS {HISTORY} "
    "(id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, applied TEXT NOT NULL) STRICT"
)
_LARGE_CACHE = 64 << 20  # bytes
_RETRY = (0.0002, 0.001)  # seconds; jittered, for those who are not in the queue: older programs, the sqlite3 shell


class SqliteStore(Store, peewee.SqliteDatabase):
    """The open SQLite file: STRICT column types, fair waiting."""

    field_types = {  # noqa: RUF012
        **peewee.SqliteDatabase.field_types,
        "DATE": "TEXT",
        "DATETIME": "TEXT",
        "BOOL": "INTEGER",
    }

    def __init__(self, path: Path, *, wait: float = 30.0, dry_run: bool = False, mode: str = "rw") -> None:
        self.path, self.name = path, str(path)
        self._unlocked: object = None  # how it stood when it was opened without locks, as what nobody changes
        self.wait = wait
        self.dry_run = dry_run
        self.changed = self.in_doubt = False
        self._connection: sqlite3.Connection
        super().__init__(f"{path.absolute().as_uri()}?mode={mode}", timeout=wait, uri=True, pragmas=PRAGMAS)

    def begin(self, lock_type: str | None = None) -> None:
        """Begin; for the write lock, wait one's turn, and for who has it, up to the timeout. Raises Busy."""
        if lock_type is None:
            return super().begin()
        if self._unlocked:
            raise ReadOnly(self.name, self.so_far)
        cursor = self._connection.cursor()
        deadline = time.monotonic() + self.wait
        with self._turn(deadline):
            cursor.execute("PRAGMA busy_timeout = 0")
            try:
                self._begin(lock_type, deadline)
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {int(self.wait * 1000)}")
        return None

    def _begin(self, lock_type: str, deadline: float) -> None:
        """Begin as soon as whoever writes has ended. Nobody else waits like this: they are in the queue behind us."""
        while True:
            try:
                return super().begin(lock_type)
            except peewee.OperationalError as error:
                if not name_of(error).startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                    raise
                with stoppable():
                    time.sleep(_RETRY[0] + (_RETRY[1] - _RETRY[0]) * os.urandom(1)[0] / 255)

    def commit(self) -> None:
        """Commit. Where the sync fails all of it is in the -wal, and may be found there after a crash."""
        try:
            super().commit()
        except peewee.PeeweeException as error:
            self.in_doubt = name_of(error) == "SQLITE_IOERR_FSYNC"
            raise

    def rollback(self) -> None:
        """Roll back, unless SQLite has done so by itself (it does when the disk is full)."""
        if self._connection.in_transaction:
            super().rollback()

    @contextmanager
    def writing(self, *, alone: bool) -> Iterator[None]:
        """Immediate, so that what is read in it is still so when it writes; there is one writer either way."""
        with self._enlivened(), self.atomic("IMMEDIATE"):
            yield
            if not self.live:
                self.pragma("application_id", APPLICATION_ID)

    @contextmanager
    def _enlivened(self) -> Iterator[None]:
        """Around the first change of a backup, which makes a database to work in of it: in WAL mode from then on."""
        if self.live:
            yield
            return
        self.pragma("synchronous", EXTRA)  # in rollback mode nothing less lasts
        yield
        with suppress(peewee.OperationalError):  # while others read it; the next change tries again
            self.pragma("busy_timeout", 0)
            self.live = self.pragma("journal_mode", "wal") == "wal"
        self.pragma("busy_timeout", int(self.wait * 1000))
        self.pragma("synchronous", PRAGMAS["synchronous"] if self.live else EXTRA)

    @contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Among those who write. Raises Busy at the deadline."""
        try:
            with queue.turn(self.path.with_name(f"{self.path.name}-wal"), deadline):
                yield
        except queue.TooLong:
            raise Busy(self.wait, self.so_far) from None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent view for several reads."""
        with self.atomic():
            yield

    def lock_member(self, user: int) -> None:
        """Nothing to do: whoever writes is alone."""

    def runs(self, error: peewee.PeeweeException, *, alone: bool) -> int:
        """Once: nobody can come in between."""
        return 1

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

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert many rows of stored values; how many. Raises RowRefused."""
        names = ", ".join(f'"{column}"' for column in columns)
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})'
        last: Sequence[Any] = ()
        count = 0

        def seen() -> Iterator[Sequence[Any]]:
            nonlocal last, count
            for row in rows:
                last, count = row, count + 1
                yield row

        try:
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                self._connection.executemany(statement, seen())
        except peewee.IntegrityError as error:
            raise RowRefused(last, self.violated(error) or str(error)) from None
        return count

    def stream(self, query: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query as they come."""
        yield from self.execute(query)  # type: ignore[no-untyped-call]

    def days_between(self, first: Any, last: Any) -> Any:
        """Expression: how many days from one day to another."""
        return (fn.JULIANDAY(last) - fn.JULIANDAY(first)).cast("INTEGER")

    def seconds(self, instant: Any) -> Any:
        """Expression: an instant as whole seconds since 1970."""
        return fn.STRFTIME("%s", instant).cast("INTEGER")

    def joined(self, ids: Any) -> Any:
        """Expression: the ids of an ordered query, with a space between."""
        each = ids.alias("each")
        return Select((each,), (fn.GROUP_CONCAT(each.c.id, " "),))

    def _connect(self) -> sqlite3.Connection:
        """Connect, and read for the first time: only then does SQLite find out what it may do.

        Raises CannotOpen where there are changes in the log, and no right to read them.
        """
        try:
            self._connection = self._read(0)
        except sqlite3.OperationalError as error:
            self._connection = self._connect_otherwise(error)
        self._connection.execute(f"PRAGMA busy_timeout = {int(self.wait * 1000)}")
        return self._connection

    def _read(self, wait: float) -> sqlite3.Connection:
        self.timeout = wait
        connection: sqlite3.Connection = super()._connect()  # type: ignore[misc]
        connection.execute("PRAGMA user_version").fetchone()
        return connection

    def _connect_otherwise(self, error: sqlite3.OperationalError) -> sqlite3.Connection:
        """Wait for the lock, or do without, or say why neither can be."""
        name = name_of(error).removeprefix("SQLITE_")
        if name.startswith("BUSY") or name in NO_LOCK:
            if why := files.without_locks(self.path):  # SQLite calls that busy, and would wait for it
                raise CannotOpen.because(self.name, why) from error
            return self._read(self.wait)
        if name.startswith(("CANTOPEN", "READONLY")) and not files.no_more():
            return self._connect_unlocked(error)
        raise error

    def _connect_unlocked(self, error: sqlite3.Error) -> sqlite3.Connection:
        """Connect to a file that was closed in order, and can't be written, nor anything beside it."""
        self._unlocked = self._standing()
        logs = [files.beside(self.path, end) for end in ("-wal", "-journal")]
        if left := [log for log in logs if log.exists() and log.stat().st_size]:
            raise CannotOpen(
                self.name,
                f"what is in {quoted_path(str(left[0]))} belongs into it, and may not be put there by this user",
                f"Let somebody who may write there run: streamctl --db {shell_quoted(self.name)} db info",
            ) from error
        self.database = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        return super()._connect()  # type: ignore[misc,no-any-return]

    def _standing(self) -> object:
        """What tells that somebody has written: the file and its logs, as they stand."""
        return [_stamp(files.beside(self.path, end)) for end in ("", "-wal", "-journal")]

    def check_unchanged(self) -> None:
        """Raises ChangedWhileRead where the file was opened without locks, and somebody has written to it since."""
        if self._unlocked and self._unlocked != self._standing():
            raise ChangedWhileRead(self.name)

    @contextmanager
    def founding(self) -> Iterator[None]:
        """The file says whose it is before anything is in it."""
        self.pragma("application_id", APPLICATION_ID)
        yield
        # Last, so that the header is in the file itself and not in its -wal.
        self.pragma("journal_mode", "wal")

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """One process at a time in the folder, all that is pending in one transaction.

        The history table is made here, for it is to be STRICT.
        """
        with files.folder_locked(self.path.parent, self.wait):
            self.pragma("foreign_keys", 0)  # a table that is made again would take its children with it
            try:
                with self.writing(alone=True):
                    self.run(_HISTORY_DDL)
                    yield
            finally:
                self.pragma("foreign_keys", PRAGMAS["foreign_keys"])
            if self.pragma("journal_mode") == "wal":
                with suppress(peewee.PeeweeException):  # it is done, and lasts, without
                    self.run("PRAGMA wal_checkpoint(TRUNCATE)")

    def reached(self, schema: int) -> None:
        """In a migration's transaction: the schema that it makes."""
        self.pragma("user_version", schema)

    def schema(self) -> int:
        """The schema version in the file."""
        return int(self.run("PRAGMA user_version")[0][0])

    def history(self) -> list[str]:
        """The names of the migrations that were applied."""
        return [name for (name,) in self.run(f"SELECT name FROM {HISTORY} ORDER BY name")]

    def check_ours(self) -> None:
        """Raises DatabaseUnusable when SQLite ignored a setting that money depends on (it does so in silence).

        Whether the file is ours is read from its header before it is opened.
        """
        for name in ("foreign_keys", "synchronous"):
            if self.pragma(name) != PRAGMAS[name]:
                raise DatabaseUnusable(f"This SQLite does not honour PRAGMA {name}.")

    def use_large_cache(self) -> None:
        """Let pages wait in memory instead of going to the disk and back within a transaction."""
        self.pragma("cache_size", -(_LARGE_CACHE >> 10))

    def written(self) -> Callable[[], int]:
        """Tells, whenever it is called, how many rows this connection has changed so far."""
        connection = self._connection
        return lambda: connection.total_changes

    def last_ids(self, *, readable: bool = False) -> dict[str, int]:
        """The highest id that each table ever gave."""
        return {str(table): int(last) for table, last in self.run("SELECT name, seq FROM sqlite_sequence")}

    def continue_ids(self, last: Mapping[str, int]) -> None:
        """Go on giving ids where another database stopped, so that none is given twice."""
        for table, number in last.items():
            self.run("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table))
            self.run(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? WHERE NOT EXISTS "
                "(SELECT * FROM sqlite_sequence WHERE name = ?)",
                (table, number, table),
            )

    def lowered(self, table: str) -> str:
        """SQL that lets the table go on after the highest id in it."""
        return f"UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM \"{table}\") WHERE name = '{table}'"

    @contextmanager
    def copying(self) -> Iterator[None]:
        """Without the triggers of the lines, which are made again."""
        triggers = self.run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'invoice_line'")
        for name, _ in triggers:
            self.run(f'DROP TRIGGER "{name}"')
        yield
        for _, ddl in triggers:
            self.run(ddl)

    def identity(self) -> object:
        """The file, by whichever name or link."""
        found = self.path.stat()
        return found.st_dev, found.st_ino

    def fingerprint(self) -> object:
        """SQLite's own count of what other connections have committed."""
        return self.version()

    def inspector(self) -> Inspector:
        """Who looks at the database from outside its rows."""
        from streamctl.store.sqlite_inspection import SqliteInspector

        return SqliteInspector(self)

    def shell(self, sql: str) -> str:
        """A command to paste that runs this statement with SQLite's own shell."""
        return f"sqlite3 {shell_quoted(self.name)} {shell_quoted(sql)}"

    def only_read(self) -> None:
        """From here on this connection can't write."""
        self.pragma("query_only", 1)

    def version(self) -> object:
        """A number that is another one once others have written. Raises ChangedWhileRead."""
        self.check_unchanged()
        return self.pragma("data_version")

    def violated(self, error: peewee.IntegrityError) -> str:
        """A constraint's name (`amount`) or the columns of an index (`user.email_key`)."""
        return str(error).rsplit("constraint failed:", 1)[-1].strip()

    def translate(self, error: BaseException) -> StreamctlError | None:
        """Busy, damaged, read-only, a failing disk; None for anything else."""
        if isinstance(error, UnicodeDecodeError):  # what SQLite complains of is itself in the complaint
            return Damaged(self.name, "it has text that is no UTF-8")
        if not isinstance(error, (peewee.PeeweeException, sqlite3.Error)):
            return None
        match name_of(error).removeprefix("SQLITE_").split("_")[0]:
            case "BUSY" | "LOCKED":
                return Busy(self.wait, self.so_far)
            case "READONLY":
                return ReadOnly(self.name, self.so_far)
            case "CANTOPEN":
                return CannotOpen(self.name, "SQLite can't open it or make its -wal file beside it")
            case "CORRUPT" | "NOTADB":
                return Damaged(self.name, str(error))
            case "FULL":
                return self._full()
            case "IOERR":
                return StorageFailed(self.name, "it can't be read or written", self.so_far)
            case _ if any(sign in str(error) for sign in DAMAGE):
                return Damaged(self.name, str(error))
        return None

    def _full(self) -> StreamctlError:
        """A full disk, or a table that has given its last id: SQLite calls both the same."""
        with suppress(sqlite3.Error):
            for (table,) in self._connection.execute(f"SELECT name FROM sqlite_sequence WHERE seq = {2**63 - 1}"):
                return IdsUsedUp(self.name, table, self.so_far)
        return StorageFailed(self.name, "it is full", self.so_far)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_file_of(database: Path, path: Path) -> bool:
    """Whether the path is the database or one of SQLite's files beside it, by name or by another link to it."""
    own = [database.with_name(database.name + end) for end in ("", *files.BESIDE)]
    return path in own or any(_same(path, file) for file in own)


def _same(one: Path, other: Path) -> bool:
    """Whether both are there and one file; what can't be looked at is not."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def name_of(error: BaseException) -> str:
    """SQLite's own name of an error, such as SQLITE_BUSY_SNAPSHOT; Peewee keeps the driver's error as `orig`."""
    return getattr(getattr(error, "orig", error), "sqlite_errorname", "")
