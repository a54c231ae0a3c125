"""PostgreSQL: a server, many writers at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import peewee
import psycopg
from peewee import Cast, Select, fn
from playhouse.postgres_ext import Psycopg3Database
from psycopg import errors
from psycopg.adapt import Buffer, Loader
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from streamctl.errors import CannotOpen, NoDatabase, StreamctlError, shell_quoted
from streamctl.interruption import stoppable
from streamctl.store import copy, sqlstate, url
from streamctl.store.engine import HISTORY, Store
from streamctl.store.inspection import Inspector
from streamctl.store.logbook import ENTITIES

LOCK = 0x53_54_43_4C  # "STCL", the first half of our advisory locks; the second is the schema's
AT_ONCE = 2000  # rows fetched in one go
# A network that went silent is noticed within a minute.
ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
# The schema is the one that has our tables, whatever schemas the role has beside it: the locks are named by it.
OUR_SCHEMA = (
    "SELECT set_config('search_path', quote_ident(nspname), false) FROM pg_namespace JOIN pg_class"
    f" ON pg_class.relnamespace = pg_namespace.oid WHERE pg_class.oid = to_regclass('{HISTORY}')"
)
# Elsewhere than in READ COMMITTED what is read after a lock was waited for would be from before. CockroachDB has no
# such locks, and keeps its SERIALIZABLE.
READ_COMMITTED = (
    "SELECT set_config('default_transaction_isolation', 'read committed', false)"
    " WHERE current_setting('crdb_version', true) IS NULL"
)
# Or the statement of a killed command runs on to its end, and with it the lock of all writers.
NOTICE_WHEN_GONE = "SET client_connection_check_interval = '1s'"
RUNS, RUNS_OF_KEY = 20, 3  # of a write that others came in between of
TABLES = "pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"


class _Instant(Loader):
    """`2026-11-22 20:15:03+00` as it is written everywhere else: rows are the same from both engines."""

    def load(self, data: Buffer) -> str:
        """ISO text with T and Z."""
        return f"{bytes(data[:10]).decode()}T{bytes(data[11:19]).decode()}Z"


class PostgresStore(Store, Psycopg3Database):  # type: ignore[misc]
    """The open database of a server, in the first schema of its search path.

    Writers that must be alone take an advisory lock, others share it and lock the members they touch, so that READ
    COMMITTED is enough. Instants are TIMESTAMPTZ, in UTC in both directions; days are DATE.
    """

    field_types = {**Psycopg3Database.field_types, "DATETIME": "TIMESTAMPTZ(0)"}  # noqa: RUF012

    def __init__(self, place: str, *, wait: float = 30.0, dry_run: bool = False) -> None:
        self._given = url.read(place)
        self.name = url.without_secrets(place)
        self.wait = wait
        self.dry_run = dry_run
        self.changed = False
        self._connection: Any
        self._alone = True
        self.in_doubt = self._looks = False
        self._written = 0
        self._cursors = 0
        defaults: dict[str, Any] = {**ALIVE, "connect_timeout": max(2, int(wait))}
        unsaid = {name: value for name, value in defaults.items() if name not in self._given}
        whole = "postgresql://" + place.partition("://")[2]
        super().__init__(whole, cursor_factory=psycopg.ClientCursor, **unsaid)

    def _connect(self) -> Any:
        with stoppable():
            self._connection = connection = super()._connect()
        # Whatever the server, the database or the role would have it be.
        session = {
            "timezone": "UTC",
            "datestyle": "ISO, YMD",
            "client_encoding": "UTF8",
            "client_min_messages": "warning",
            "lock_timeout": f"{max(1, int(self.wait * 1000))}ms",
        }
        settings = (f"SET {name} = '{value}'" for name, value in session.items())
        connection.execute("; ".join([*settings, READ_COMMITTED, OUR_SCHEMA]))
        with suppress(psycopg.Error):  # of a server that can't, or is not PostgreSQL itself
            connection.execute(NOTICE_WHEN_GONE)
        connection.adapters.register_loader("date", TextLoader)
        connection.adapters.register_loader("timestamptz", _Instant)
        return connection

    def commit(self) -> None:
        """Commit. Where the connection is lost on the way, nobody on this side knows whether that was done."""
        self.in_doubt = not self._looks
        super().commit()
        self.in_doubt = False

    def rollback(self) -> None:
        """Roll back. Where the connection is lost, or closed here because it is busy still, the server does so."""
        if self._connection.info.transaction_status == TransactionStatus.ACTIVE:  # interrupted between two steps
            self._connection.cancel_safe()
            self._connection.close()
        if not self._connection.closed:
            super().rollback()

    @contextmanager
    def writing(self, *, alone: bool) -> Iterator[None]:
        """A transaction with the lock of all writers, or a share in it."""
        self._alone, shared = alone, "" if alone else "_shared"
        with self.atomic():
            with stoppable():
                self.run(f"SELECT pg_advisory_xact_lock{shared}({LOCK}, hashtext(current_schema()))")
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent view for several reads."""
        with self._looking():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """A transaction of which it does not matter how it ends."""
        self._looks = True
        try:
            with self.atomic():
                yield
        finally:
            self._looks = False

    def lock_member(self, user: int) -> None:
        """Keep other writers off this member until the transaction ends. What is read after that is up to date."""
        if not self._alone:
            self.run(
                "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' member ' || %s, 0))", (str(user),)
            )

    def runs(self, error: peewee.PeeweeException, *, alone: bool) -> int:
        """Many after a deadlock or a serialization failure. A few after a unique key that somebody else, not `alone`
        either, wrote in between: what is refused again then is the write's own doing.
        """
        match getattr(error, "orig", None):
            case errors.DeadlockDetected() | errors.SerializationFailure():
                return RUNS
            case errors.UniqueViolation() if not alone:
                return RUNS_OF_KEY
        return 1

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement by its text; its rows. Raises Peewee's errors."""
        self._written += not sql.startswith("SELECT")
        try:
            cursor = psycopg.Cursor(self._connection)  # which prepares on the server what is run often
            cursor.execute(sql, parameters or None)
        except psycopg.Error:
            self._written += 1
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                raise
        return cursor.fetchall() if cursor.description else []

    def insert(self, sql: str, parameters: Sequence[Any]) -> int:
        """Run the INSERT of one row by its text, in which Peewee asks for it; the row's id. Raises Peewee's errors."""
        ((number,),) = self.run(sql, parameters)
        return int(number)

    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert many rows of stored values by COPY; how many. Raises RowRefused."""
        return copy.copied(self._connection, table, columns, rows)

    def stream(self, query: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query as they come, from a cursor on the server."""
        complete = psycopg.ClientCursor(self._connection).mogrify(*query.sql())
        self._cursors += 1
        name = f"rows_{self._cursors}"
        # Such a cursor lives in a transaction.
        transaction = nullcontext() if self.in_transaction() else self._looking()
        with transaction, psycopg.ServerCursor(self._connection, name) as cursor:
            cursor.itersize = AT_ONCE
            yield from cursor.execute(complete)

    def days_between(self, first: Any, last: Any) -> Any:
        """Expression: how many days from one day to another."""
        return Cast(last, "DATE") - Cast(first, "DATE")

    def seconds(self, instant: Any) -> Any:
        """Expression: an instant as whole seconds since 1970."""
        return fn.DATE_PART("epoch", Cast(instant, "TIMESTAMPTZ")).cast("BIGINT")

    def joined(self, ids: Any) -> Any:
        """Expression: the ids of an ordered query, with a space between."""
        each = ids.alias("each")
        text = each.c.id.cast("TEXT")
        return Select((each,), (fn.STRING_AGG(text, " ").order_by(each.c.id),))

    def many_are_new(self, table: str) -> None:
        """Let the planner know; in a transaction nobody else would tell it.

        Never of an empty table: it would be taken for one that stays so, and be read from end to end as it grows.
        """
        if self.run(f'SELECT EXISTS (SELECT FROM "{table}")')[0][0]:
            self.run(f'ANALYZE "{table}"')

    @contextmanager
    def founding(self) -> Iterator[None]:
        """All of it in one transaction. Raises CannotOpen where not every text could be kept."""
        ((encoding,),) = self.run("SELECT current_setting('server_encoding')")
        if encoding != "UTF8":
            hint = "Make another with: createdb --template=template0 --encoding=UTF8 NAME"
            raise CannotOpen(self.name, f"its encoding is {encoding}, not UTF8", hint)
        with self.atomic():
            yield

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """One process at a time, in one transaction."""
        with self.writing(alone=True):
            yield

    def schema(self) -> int:
        """The number of the newest migration that was applied; 0 without any."""
        ((there,),) = self.run(f"SELECT to_regclass('{HISTORY}') IS NOT NULL")
        return max((int(name[:4]) for name in self.history()), default=0) if there else 0

    def history(self) -> list[str]:
        """The names of the migrations that were applied."""
        return [name for (name,) in self.run(f"SELECT name FROM {HISTORY} ORDER BY name")]

    def check_ours(self) -> None:
        """Raises NoDatabase where the schema has no tables of ours."""
        if not self.schema():
            raise NoDatabase(self.name)

    def written(self) -> Callable[[], int]:
        """Tells, whenever it is called, a number that grows when this connection may have changed rows or failed."""
        return lambda: self._written

    def last_ids(self) -> dict[str, int]:
        """The highest id that each table ever gave."""
        found = {}
        for table, sequence in self._sequences():
            ((last, called),) = self.run(f"SELECT last_value, is_called FROM {sequence}")
            if given := int(last) - (not called):
                found[table] = given
        return found

    def continue_ids(self, last: Mapping[str, int]) -> None:
        """Go on giving ids where another database stopped, and after the rows that came with theirs."""
        for table, sequence in self._sequences():
            ((highest,),) = self.run(f'SELECT coalesce(max(id), 0) FROM "{table}"')
            # Unlike setval this is taken back with the transaction.
            self.run(f"ALTER SEQUENCE {sequence} RESTART WITH {max(highest, last.get(table, 0)) + 1}")

    def lowered(self, table: str) -> str:
        """SQL that lets the table go on after the highest id in it."""
        highest = f'(SELECT coalesce(max(id), 0) + 1 FROM "{table}")'
        return f"SELECT setval(pg_get_serial_sequence('\"{table}\"', 'id'), {highest}, false)"

    def _sequences(self) -> list[tuple[Any, ...]]:
        """The tables that give ids, and where from."""
        gives_ids = "SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'id' AND attidentity <> ''"
        return self.run(
            "SELECT relname, pg_get_serial_sequence(quote_ident(relname), 'id')"
            f" FROM {TABLES} AND EXISTS ({gives_ids}) ORDER BY 1"
        )

    @contextmanager
    def copying(self) -> Iterator[None]:
        """With our triggers at rest. Only the owner of the tables may say so, as `db migrate` needs too."""
        tables = [model._meta.table_name for model in ENTITIES]
        for table in tables:
            self.run(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
        yield
        for table in tables:
            self.run(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
            self.many_are_new(table)

    def identity(self) -> object:
        """The server by the moment it started at, and the schema in it."""
        return self.run(
            "SELECT pg_postmaster_start_time(), pg_database.oid, current_schema()::regnamespace::oid"
            " FROM pg_database WHERE datname = current_database()"
        )[0]

    def fingerprint(self) -> object:
        """Of every table the number of rows, and the sum of the transactions that wrote them."""
        tables = self.run(f"SELECT quote_ident(relname) FROM {TABLES} ORDER BY 1")
        return [self.run(f"SELECT count(*), sum(xmin::text::bigint) FROM {table}") for (table,) in tables]

    def inspector(self) -> Inspector:
        """Who looks at the database from outside its rows."""
        from streamctl.store.postgres_inspection import PostgresInspector

        return PostgresInspector(self)

    def shell(self, sql: str) -> str:
        """A command to paste that runs this statement with psql."""
        return f"psql {shell_quoted(self.name)} -c {shell_quoted(sql)}"

    def only_read(self) -> None:
        """From here on this connection can't write."""
        self._connection.execute("SET default_transaction_read_only = on")

    def version(self) -> object:
        """The transactions under way and done; another once any has ended."""
        return self.run("SELECT pg_current_snapshot()::text")[0][0]

    def violated(self, error: peewee.IntegrityError) -> str:
        """A constraint's name (`amount`) or the columns of an index (`user.email_key`)."""
        return sqlstate.rule(getattr(error, "orig", None))

    def translate(self, error: BaseException) -> StreamctlError | None:
        """Busy, lost, not reachable, not allowed, damaged; None for anything else."""
        original = getattr(error, "orig", error)
        if not isinstance(original, psycopg.Error):
            return None
        return sqlstate.translated(
            original, self.name, self._given, wait=self.wait, connected=not self.is_closed(), so_far=self.so_far
        )


def others_write(store: Store) -> bool:
    """Whether somebody is in the middle of a write to that server."""
    ((free,),) = store.run(f"SELECT pg_try_advisory_xact_lock({LOCK}, hashtext(current_schema()))")
    return not free
