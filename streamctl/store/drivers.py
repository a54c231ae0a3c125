"""Peewee, without the drivers this run does not need: importing psycopg costs more than a whole check-in."""

from __future__ import annotations

import sys

_UNWANTED = ("psycopg", "psycopg2", "pymysql", "MySQLdb", "pysqlite3", "psycopg2cffi")


def import_peewee() -> None:
    """Import Peewee with every driver but `sqlite3` hidden from it, unless it is imported already."""
    if "peewee" in sys.modules:
        return
    hidden = [name for name in _UNWANTED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import peewee  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
