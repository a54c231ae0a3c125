"""Peewee, without the drivers this run does not need: importing psycopg costs more than a whole check-in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNWANTED = ("psycopg", "psycopg2", "pymysql", "MySQLdb", "pysqlite3", "psycopg2cffi")


@contextmanager
def hidden() -> Iterator[None]:
    """For what is imported in the block there is no driver but `sqlite3` and those that are imported already."""
    names = [name for name in _UNWANTED if name not in sys.modules]
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def import_peewee() -> None:
    """Import Peewee, which imports what drivers it finds, unless it is imported already."""
    if "peewee" not in sys.modules:
        with hidden():
            import peewee  # noqa: F401
