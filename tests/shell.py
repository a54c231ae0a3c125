"""SQL behind the program's back, as somebody with the sqlite3 shell or psql would run it: the same on both engines."""

from __future__ import annotations

import atexit
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

Rows = list[tuple[Any, ...]]
# A row that is not taken: it breaks a rule, or has a value of another type.
REFUSALS = (sqlite3.IntegrityError, psycopg.IntegrityError, psycopg.DataError, psycopg.errors.DatatypeMismatch)
WORDS = re.compile(r"""'[^']*'|"[^"]*"|\?|%|\buser\b""")


class Instant(Loader):
    """2026-11-22T20:15:03Z."""

    def load(self, data: Any) -> str:
        return bytes(data).decode().replace(" ", "T").replace("+00", "Z")


class Truth(Loader):
    """1 or 0."""

    def load(self, data: Any) -> int:
        return int(bytes(data) == b"t")


class Number(Loader):
    """A whole number where it is one: sums are numeric."""

    def load(self, data: Any) -> int | float:
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


LOADERS = {"date": TextLoader, "timestamptz": Instant, "bool": Truth, "numeric": Number}


class Shell:
    """A connection to the database at a place, each statement a transaction of its own unless it says BEGIN.

    Statements are written as for SQLite: `?` stands for a value, and `user` needs no quotes. Values come back as
    SQLite has them: days and instants as text, truth as 1 or 0.
    """

    def __init__(self, place: Path | str, *, mode: str = "rw") -> None:
        self._connection: Any
        if isinstance(place, Path):
            uri = f"{place.absolute().as_uri()}?mode={mode}"
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        else:
            self._connection = psycopg.connect(place, autocommit=True, cursor_factory=psycopg.ClientCursor)
            self._connection.execute("SET timezone = 'UTC'; SET datestyle = 'ISO'")
            for name, loader in LOADERS.items():
                self._connection.adapters.register_loader(name, loader)
        self.server = isinstance(place, str)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def lost(self) -> bool:
        """Whether the server has ended the connection."""
        return bool(self.server and self._connection.closed)

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Rows:
        """Run the statement; its rows."""
        if not self.server:
            return self._connection.execute(statement, parameters).fetchall()  # type: ignore[no-any-return]
        cursor = self._connection.execute(translated(statement, bool(parameters)), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def repeat(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run the statement for each row of parameters, in one transaction."""
        self.execute("BEGIN")
        for row in rows:
            self.execute(statement, row)
        self.execute("COMMIT")

    def tables(self) -> list[str]:
        """The names of all tables, in order."""
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if self.server:
            names = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        return sorted(name for (name,) in self.execute(names))

    def books(self) -> dict[str, Rows]:
        """Every row of every table, by key."""
        if not self.server:
            return {name: self.execute(f'SELECT * FROM "{name}"') for name in self.tables()}
        names = self.tables()
        cursor = self._connection.execute("".join(f'SELECT * FROM "{name}";' for name in names) or "SELECT")
        books = {}
        for name in names:
            books[name] = sorted(cursor.fetchall(), key=lambda row: row[0])
            cursor.nextset()
        return books


@lru_cache
def translated(statement: str, parameters: bool) -> str:
    """The statement as psycopg takes it, with parameters or without."""

    def word(found: re.Match[str]) -> str:
        text = {"?": "%s", "user": '"user"'}.get(found[0])
        return text or (found[0].replace("%", "%%") if parameters else found[0])

    return WORDS.sub(word, statement)


@contextmanager
def locked(place: Path | str) -> Iterator[None]:
    """Somebody else in the middle of a write that others wait for."""
    with Shell(place) as other:
        if other.server:
            tables = ", ".join(f'"{name}"' for name in other.tables())
            other.execute(f"BEGIN; LOCK TABLE {tables} IN EXCLUSIVE MODE")
        else:
            other.execute("BEGIN IMMEDIATE")
        yield


_kept: dict[Path | str, Shell] = {}


def kept(url: str) -> Shell:
    """The shell on that server and schema that was used last, or a new one: to connect takes longer than a query."""
    if url not in _kept or _kept[url].lost:
        forget()
        _kept[url] = Shell(url)
    return _kept[url]


@atexit.register
def forget() -> None:
    """Close the shell that was used last."""
    for shell in _kept.values():
        shell.close()
    _kept.clear()
