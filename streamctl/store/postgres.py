"""PostgreSQL: a server, many writers at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import peewee
import psycopg
from peewee import Cast, Select, fn
from playhouse.postgres_ext import Psycopg3Database
from psycopg import errors
from psycopg.adapt import Buffer, Loader
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from streamctl.errors import CannotOpen, ClockDiffers, NoDatabase, NotOurs, StreamctlError, shell_quoted
from streamctl.interruption import breakable, stoppable
from streamctl.store import copy, sqlstate, url
from streamctl.store.engine import FIRST, HISTORY, Store
from streamctl.store.inspection import Inspector
from streamctl.store.logbook import ENTITIES
from streamctl.store.postgres_connection import Connection

LOCK = 0x53_54_43_4C  # "STCL", the first half of our advisory locks; the second is the schema's
AT_ONCE = 2000  # rows fetched in one go
CANCELLED_IN = 5  # seconds; a server that is frozen does not do that either
CLOCKS_DIFFER = 60  # seconds
# A network that went silent is noticed within half a minute, on either side.
IDLE, INTERVAL, COUNT, UNHEARD = 10, 5, 3, 25_000
ALIVE = {
    "keepalives_idle": IDLE,
    "keepalives_interval": INTERVAL,
    "keepalives_count": COUNT,
    "tcp_user_timeout": UNHEARD,
}
# Of each transaction, whatever the server, the database or the role would have it be; by the version that knows it.
# A pooler gives the connection to somebody else after it, so nothing is ever set for longer.
SETTINGS = (
    (0, "timezone", "UTC"),
    (0, "datestyle", "ISO, YMD"),
    # A long statement is long, and a batch waits for its input as long as that takes.
    (0, "statement_timeout", 0),
    (0, "idle_in_transaction_session_timeout", 0),
    (17, "transaction_timeout", 0),
    # Or a client that is gone holds its locks for hours; on a socket of the machine they are set in vain.
    (0, "tcp_keepalives_idle", IDLE),
    (0, "tcp_keepalives_interval", INTERVAL),
    (0, "tcp_keepalives_count", COUNT),
    (12, "tcp_user_timeout", UNHEARD),
)
# Or the statement of a killed command runs on to its end, and with it the lock of all writers.
NOTICE_WHEN_GONE = (14, "client_connection_check_interval", 1000)
# The schemas of the search path as the role has it, ours first: the first that has our tables or, where none has,
# the first of all, in which they would be made. Nothing that others may have made is called by its name.
OUR_SCHEMA = f"""
    SELECT pg_catalog.quote_ident(place.nspname::pg_catalog.text), history.oid IS NOT NULL, (
        SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 2 FROM pg_catalog.pg_attribute
        WHERE attrelid OPERATOR(pg_catalog.=) history.oid AND NOT attisdropped
        AND (attname OPERATOR(pg_catalog.=) 'name' OR attname OPERATOR(pg_catalog.=) 'applied')
    )
    FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (name, number)
    JOIN pg_catalog.pg_namespace AS place ON place.nspname OPERATOR(pg_catalog.=) path.name
    LEFT JOIN pg_catalog.pg_class AS history
        ON history.relnamespace OPERATOR(pg_catalog.=) place.oid AND history.relname OPERATOR(pg_catalog.=) '{HISTORY}'
    WHERE place.nspname OPERATOR(pg_catalog.!~) '^pg_'
    ORDER BY history.oid IS NULL, path.number;
    SELECT pg_catalog.pg_backend_pid(), pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
"""
RUNS, RUNS_OF_KEY = 20, 3  # of a write that others came in between of
OURS = "pg_catalog.current_schema()::pg_catalog.text"
NAMESPACE = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = pg_catalog.current_schema())"
TABLES = f"pg_catalog.pg_class WHERE relnamespace = {NAMESPACE} AND relkind = 'r'"
WRITERS = f"{LOCK}, pg_catalog.hashtext({OURS})"
# What is written like a call of a function and is none.
SYNTAX = {"ALL", "ANY", "ARRAY", "CAST", "COALESCE", "EXISTS", "EXTRACT", "GREATEST", "LEAST", "NULLIF", "ROW", "SOME"}
OPERATORS = ("+", "-", "*", "/", "=", "<", "<=", ">", ">=", "||")


class _Context(peewee.Context):
    """Names what is built in by its whole name: who may CREATE in our schema could make a closer match."""

    def sql(self, obj: Any) -> Any:
        """Add a part of a statement."""
        if isinstance(obj, peewee.Function) and str(obj.name).upper() not in SYNTAX:
            self.literal("pg_catalog.")
        return super().sql(obj)  # type: ignore[no-untyped-call]


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
    operations = {  # noqa: RUF012
        **Psycopg3Database.operations,
        **{sign: f"OPERATOR(pg_catalog.{sign})" for sign in OPERATORS},
        "!=": "OPERATOR(pg_catalog.<>)",
    }
    context_class = _Context

    def __init__(self, place: str, *, wait: float = 30.0, dry_run: bool = False) -> None:
        self._given = url.read(place)
        self.name = url.without_secrets(place)
        self.wait = wait
        self.dry_run = dry_run
        self.changed = False
        self._connection: Any = None
        self._settings = self._isolation = ""  # of a transaction
        self._only_read = False
        self._alone = True
        self.in_doubt = self._looks = False
        self._founded = False  # whether our tables were seen
        self._others: list[str] = []  # schemas further on in the path that have such tables, too
        self._clocks = (0.0, 0.0, 0.0)
        self._written = 0
        self._cursors = 0
        defaults: dict[str, Any] = {**ALIVE, "connect_timeout": max(2, int(wait))}
        unsaid = {name: value for name, value in defaults.items() if name not in self._given}
        whole = "postgresql://" + place.partition("://")[2]
        super().__init__(whole, cursor_factory=psycopg.ClientCursor, client_encoding="UTF8", **unsaid)

    def _connect(self) -> Any:
        with stoppable():
            connection = Connection.connect(self.database, autocommit=True, **self.connect_params)
            self._connection = connection
            connection.patience = max(1.0, self.wait)
            connection.adapters.register_loader("date", TextLoader)
            connection.adapters.register_loader("timestamptz", _Instant)
            try:
                self._look_round()
            except BaseException:
                connection.close()
                raise
        return connection

    def _look_round(self) -> None:
        """In one round trip: which schema is ours, the clock, and whether a pooler stands between. Raises NotOurs."""
        pgconn = self._connection.pgconn
        settings: list[tuple[int, str, object]] = [(0, "lock_timeout", max(1, int(self.wait * 1000))), *SETTINGS]
        if pgconn.parameter_status(b"crdb_version"):  # has no locks of ours and keeps its SERIALIZABLE
            del settings[-4:]
        else:
            # Elsewhere what is read after a lock was waited for would be from before.
            self._isolation = "READ COMMITTED"
        for more in ([NOTICE_WHEN_GONE], []):
            known = (
                f"SET LOCAL {name} = '{value}'; "
                for since, name, value in [*settings, *more]
                if since * 10000 <= pgconn.server_version
            )
            self._settings = "".join(known)
            sent = time.time()
            try:
                schemas, ((backend, clock),) = self._all_rows(self._settings + OUR_SCHEMA)
            except errors.InvalidParameterValue:  # its system can't notice that
                if not more:
                    raise
            else:
                break
        self._clocks = (sent, clock, time.time())
        if backend != pgconn.backend_pid:  # statements that are prepared stay with a connection that others get
            self._connection.prepare_threshold = None
        if not schemas:
            return
        (schema, self._founded, ours), *others = schemas
        self._others = [name for name, _, its_own in others if its_own]
        if self._founded and not ours:
            raise self._foreign(schema)
        self._settings += f"SET LOCAL search_path = {schema}, pg_temp; "

    def _all_rows(self, statements: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of each of the statements that has any."""
        cursor = self._connection.execute(statements)
        more: bool | None = True
        while more:
            if cursor.description:
                yield cursor.fetchall()
            more = cursor.nextset()

    def _foreign(self, schema: str) -> NotOurs:
        first = self._others[0] if self._others else "streamctl"
        path = quote(f"-csearch_path={first}".replace(" ", "\\ "))
        better = shell_quoted(f"{self.name}{'&' if '?' in self.name else '?'}options={path}")
        hint = f"Name the schema that is streamctl's: streamctl --db {better} db info"
        if not self._others:
            make = self.shell(f"CREATE SCHEMA {first}")
            hint = f"Make a schema for streamctl: {make}; then name it: streamctl --db {better} db init"
        return NotOurs(self.name, f"a schema ({schema}) in which {HISTORY} is another program's table", hint)

    def check_clock(self) -> None:
        """Raises ClockDiffers where the server's clock is more than a minute from this machine's."""
        sent, theirs, answered = self._clocks
        if not sent - CLOCKS_DIFFER <= theirs <= answered + CLOCKS_DIFFER:
            raise ClockDiffers(self.name, *(datetime.fromtimestamp(clock, UTC) for clock in (answered, theirs)))

    def begin(self, isolation_level: str | None = None) -> None:
        """Begin a transaction with all that it needs, in one round trip."""
        level = isolation_level if isolation_level and self._isolation else self._isolation
        how = f"{f' ISOLATION LEVEL {level}' if level else ''}{' READ ONLY' if self._only_read else ''}"
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            self._connection.execute(f"BEGIN{how}; {self._settings}")

    def execute_sql(self, sql: str, params: Any = None, named_cursor: Any = None) -> Any:
        """Run a statement of Peewee's; in a transaction of its own where there is none."""
        alone = self._connection.info.transaction_status == TransactionStatus.IDLE
        before = self._preface() if alone else ""
        # Peewee lets the driver look for parameters where there are none, too.
        text = before.replace("%", "%%") + sql if params else (before + sql).replace("%", "%%")
        return _last_result(super().execute_sql(text, params, named_cursor))  # type: ignore[no-untyped-call, call-arg]

    def _preface(self) -> str:
        """What goes before a statement that is no part of a transaction, to be sent together with it: one message is
        one transaction.
        """
        return self._settings + ("SET LOCAL transaction_read_only = on; " if self._only_read else "")

    def commit(self) -> None:
        """Commit. Where the connection is lost on the way, nobody on this side knows whether that was done."""
        self.in_doubt = not self._looks
        super().commit()
        self.in_doubt = False

    def rollback(self) -> None:
        """Roll back. Where the connection is lost, or closed here because it is busy still, the server does so."""
        connection = self._connection
        if connection.info.transaction_status == TransactionStatus.ACTIVE:  # interrupted between two steps
            with breakable(connection.pgconn.finish), suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCELLED_IN)
            connection.close()
        if not connection.closed:
            super().rollback()

    @contextmanager
    def writing(self, *, alone: bool) -> Iterator[None]:
        """A transaction with the lock of all writers, or a share in it."""
        self._alone, shared = alone, "" if alone else "_shared"
        with self.atomic():
            with stoppable():
                self.run(f"SELECT pg_catalog.pg_advisory_xact_lock{shared}({WRITERS})")
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent view for several reads."""
        with self._looking("REPEATABLE READ"):
            yield

    @contextmanager
    def _looking(self, isolation_level: str | None = None) -> Iterator[None]:
        """A transaction of which it does not matter how it ends."""
        self._looks = True
        try:
            with self.atomic(isolation_level):
                yield
        finally:
            self._looks = False

    def lock_member(self, user: int) -> None:
        """Keep other writers off this member until the transaction ends. What is read after that is up to date."""
        if not self._alone:
            name = f"{OURS} || ' member ' || %s::pg_catalog.text"
            self.run(f"SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({name}, 0))", (str(user),))

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
        connection = self._connection
        try:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                before = self._preface()
                text = (before.replace("%", "%%") if parameters else before) + sql
                cursor = _last_result(psycopg.ClientCursor(connection).execute(text, parameters or None))
            else:
                cursor = psycopg.Cursor(connection)  # which prepares on the server what is run often
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
        ((encoding,),) = self.run("SELECT pg_catalog.current_setting('server_encoding')")
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
        """The number of the newest migration that was applied; 0 without any. Raises NotOurs."""
        if not self._founded:
            ((self._founded,),) = self.run(f"SELECT pg_catalog.to_regclass('{HISTORY}') IS NOT NULL")
        names = self.history() if self._founded else []
        if names and FIRST not in names:
            raise self._foreign(self.run(f"SELECT pg_catalog.quote_ident({OURS})")[0][0])
        return max((int(name[:4]) for name in names), default=0)

    def history(self) -> list[str]:
        """The names of the migrations that were applied."""
        return [name for (name,) in self.run(f"SELECT name FROM {HISTORY} ORDER BY name")]

    def check_ours(self) -> None:
        """Raises NoDatabase where the schema has no tables of ours, NotOurs where it has another program's."""
        if not self.schema():
            raise NoDatabase(self.name)

    def written(self) -> Callable[[], int]:
        """Tells, whenever it is called, a number that grows when this connection may have changed rows or failed."""
        return lambda: self._written

    def last_ids(self, *, readable: bool = False) -> dict[str, int]:
        """The highest id that each table ever gave; of those alone that this role may know it of, if `readable`."""
        found = {}
        may_read = "SELECT pg_catalog.has_sequence_privilege(%s::pg_catalog.text, 'SELECT')"
        for table, sequence in self._sequences():
            if readable and not self.run(may_read, (sequence,))[0][0]:
                continue
            ((last, called),) = self.run(f"SELECT last_value, is_called FROM {sequence}")
            if given := int(last) - (not called):
                found[table] = given
        return found

    def continue_ids(self, last: Mapping[str, int]) -> None:
        """Go on giving ids where another database stopped, and after the rows that came with theirs."""
        for table, sequence in self._sequences():
            ((highest,),) = self.run(f'SELECT coalesce(pg_catalog.max(id), 0) FROM "{table}"')
            # Unlike setval this is taken back with the transaction.
            self.run(f"ALTER SEQUENCE {sequence} RESTART WITH {max(highest, last.get(table, 0)) + 1}")

    def lowered(self, table: str) -> str:
        """SQL that lets the table go on after the highest id in it."""
        highest = f'(SELECT coalesce(pg_catalog.max(id), 0) + 1 FROM "{table}")'
        sequence = f"pg_catalog.pg_get_serial_sequence('\"{table}\"', 'id')"
        return f"SELECT pg_catalog.setval({sequence}, {highest}, false)"

    def _sequences(self) -> list[tuple[Any, ...]]:
        """The tables that give ids, and where from."""
        gives_ids = (
            "SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_class.oid AND attname = 'id' AND attidentity <> ''"
        )
        name = "pg_catalog.quote_ident(relname::pg_catalog.text)"
        return self.run(
            f"SELECT relname, pg_catalog.pg_get_serial_sequence({name}, 'id')"
            f" FROM {TABLES} AND EXISTS ({gives_ids}) ORDER BY 1"
        )

    @contextmanager
    def beside(self, schema: str) -> Iterator[None]:
        """Inside, in a transaction, that schema is ours, in which there is nothing yet."""
        founded, self._founded = self._founded, False
        self.run(f"SET LOCAL search_path = {schema}, pg_temp")
        try:
            yield
        finally:
            self._founded = founded

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
            f"SELECT pg_catalog.pg_postmaster_start_time(), pg_database.oid, {NAMESPACE}"
            " FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
        )[0]

    def fingerprint(self) -> object:
        """Of every table the number of rows, and the sum of the transactions that wrote them."""
        tables = self.run(f"SELECT pg_catalog.quote_ident(relname::pg_catalog.text) FROM {TABLES} ORDER BY 1")
        sums = "pg_catalog.count(*), pg_catalog.sum(xmin::pg_catalog.text::bigint)"
        return [self.run(f"SELECT {sums} FROM {table}") for (table,) in tables]

    def inspector(self) -> Inspector:
        """Who looks at the database from outside its rows."""
        from streamctl.store.postgres_inspection import PostgresInspector

        return PostgresInspector(self)

    def shell(self, sql: str) -> str:
        """A command to paste that runs this statement with psql."""
        return f"psql {shell_quoted(self.name)} -c {shell_quoted(sql)}"

    def only_read(self) -> None:
        """From here on this connection can't write."""
        self._only_read = True

    def version(self) -> object:
        """The transactions under way and done; another once any has ended."""
        return self.run("SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text")[0][0]

    def violated(self, error: peewee.IntegrityError) -> str:
        """A constraint's name (`amount`) or the columns of an index (`user.email_key`)."""
        return sqlstate.rule(getattr(error, "orig", None))

    def translate(self, error: BaseException) -> StreamctlError | None:
        """Busy, lost, not reachable, not allowed, damaged; None for anything else."""
        original = getattr(error, "orig", error)
        if not isinstance(original, psycopg.Error):
            return None
        if self._connection is None:
            return sqlstate.not_connected(original, self.name, self._given)
        return sqlstate.translated(original, self.name, wait=self.wait, so_far=self.so_far)


def _last_result(cursor: Any) -> Any:
    """The cursor, at the result of the last of its statements."""
    while cursor.nextset():
        pass
    return cursor


def others_write(store: Store) -> bool:
    """Whether somebody is in the middle of a write to that server."""
    ((free,),) = store.run(f"SELECT pg_catalog.pg_try_advisory_xact_lock({WRITERS})")
    return not free
