"""Places for a database on either engine: with nothing there, or with another one as it stood."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import server
from inside import Inside
from program import Program

ENGINES = ("sqlite", "postgresql")


@contextmanager
def nowhere(engine: str, folder: Path) -> Iterator[Path | str]:
    """Where there is no database yet: the name of a file in the folder, or a schema of a server."""
    if engine == "sqlite":
        yield folder / "streamctl.db"
    else:
        with server.schema() as url:
            yield url


def keep(program: Program) -> str | bytes:
    """The database as it stands, to be put elsewhere."""
    if isinstance(program.db, Path):
        return program.db.read_bytes()
    return program("db", "dump").out if "STREAMCTL_TEST_PG" in os.environ else server.dumped(program.db)


def put(kept: str | bytes, place: Path | str) -> None:
    """Put what was kept at a place, instead of what is there."""
    match kept, place:
        case bytes(), Path():
            place.write_bytes(kept)
            place.chmod(0o600)
        case str(), str() if kept.startswith("{"):
            server.emptied(place)
            there = Inside(place, Path.cwd())
            there.ok("db", "init", "--timezone", "UTC")
            there.ok("db", "load", "-", stdin=kept)
        case str(), str():
            server.restored(kept, place)


@cache
def empty(engine: str) -> str | bytes:
    """A database without members in UTC and USD, made once by the program itself."""
    with TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
        program = Program(place, Path(folder))
        made = program("db", "init", "--timezone", "UTC")
        assert made.status == 0, made.err
        return keep(program)
