"""A schema of a PostgreSQL server looked at from outside its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peewee
from psycopg import errors

from streamctl.store.engine import Store
from streamctl.store.inspection import Facts, Fault, Inspector, Piece, identifier
from streamctl.store.postgres import NAMESPACE, OURS, TABLES, PostgresStore

BLANK = "streamctl_blank"
SCHEMA = "{schema}."  # in the statement of a piece, which may be of another one
NOT_ALLOWED = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)
PIECES = f"""
    WITH ours AS (SELECT oid, relname FROM pg_catalog.pg_class WHERE relnamespace = {NAMESPACE})
    SELECT 'index', t.relname, i.relname, pg_catalog.pg_get_indexdef(i.oid) FROM pg_catalog.pg_index
    JOIN ours t ON t.oid = indrelid JOIN ours i ON i.oid = indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conindid = i.oid AND contype IN ('p', 'u'))
    UNION ALL
    SELECT 'constraint', relname, conname, '' FROM ours
    JOIN pg_catalog.pg_constraint ON conrelid = ours.oid WHERE contype <> 'n'
    UNION ALL
    SELECT 'trigger', relname, tgname,
        pg_catalog.pg_get_triggerdef(t.oid) || CASE tgenabled WHEN 'O' THEN '' ELSE ' DISABLED' END
    FROM ours JOIN pg_catalog.pg_trigger t ON tgrelid = ours.oid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function', '', proname, pg_catalog.pg_get_functiondef(oid) FROM pg_catalog.pg_proc
    WHERE pronamespace = {NAMESPACE} AND prokind = 'f'
    ORDER BY 1, 2, 3
"""


class PostgresInspector(Inspector):
    """Of the open database."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def facts(self) -> Facts:
        """PostgreSQL, its version, and the size of our tables."""
        ((version, size),) = self._store.run(
            "SELECT pg_catalog.current_setting('server_version'),"
            " coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(oid)), 0)::bigint"
            f" FROM {TABLES}"
        )
        return Facts("postgresql", version.split()[0], size)

    def faults(self) -> Iterator[Fault]:
        """None: the server keeps its own constraints, and pg_amcheck looks at its files."""
        return iter(())

    def rebuild(self) -> None:
        """Nothing: a server's indexes don't come apart from their rows unseen."""

    def pieces(self) -> list[Piece]:
        """What the schema is made of. Constraints are names alone: pg_dump writes some in other words."""
        schema = self._schema()
        pieces = (Piece(*row) for row in self._store.run(PIECES))
        return [piece._replace(ddl=piece.ddl.replace(f"{schema}.", SCHEMA)) for piece in pieces]

    def _schema(self) -> str:
        ((schema,),) = self._store.run(f"SELECT pg_catalog.quote_ident({OURS})")
        return str(schema)

    @contextmanager
    def blank(self) -> Iterator[Store | None]:
        """A schema beside ours, in a part of the transaction that is taken back."""
        with self._store.atomic() as part:
            try:
                self._store.run(f"CREATE SCHEMA {BLANK}")
            except peewee.PeeweeException as error:
                part.rollback()
                if not isinstance(getattr(error, "orig", None), NOT_ALLOWED):
                    raise
                yield None
                return
            with self._store.beside(BLANK):
                try:
                    yield self._store
                finally:
                    part.rollback()

    def removal(self, trigger: Piece) -> str:
        """SQL that takes the trigger away."""
        return f"DROP TRIGGER {identifier(trigger.name)} ON {identifier(trigger.table)}"

    def remake(self, piece: Piece) -> None:
        """Make this piece as it says, instead of what has its name. Raises Peewee's errors."""
        if piece.kind == "index":
            self._store.run(f'DROP INDEX IF EXISTS "{piece.name}"')
        elif piece.kind == "trigger":
            self._store.run(f'DROP TRIGGER IF EXISTS "{piece.name}" ON "{piece.table}"')
        self._store.run(piece.ddl.replace(SCHEMA, f"{self._schema()}."))

    def notes(self) -> Iterator[str]:
        """None."""
        return iter(())
