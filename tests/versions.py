"""Databases of another schema than today's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import server
from program import Program

SHAPES = Path(__file__).parent / "shapes"
# What later migrations made, and how each engine says that it is there.
SECOND = {
    "sqlite": ("DROP TRIGGER invoice_kept", "PRAGMA user_version = 1"),
    "postgresql": ("DROP TRIGGER invoice_kept ON invoice", "DROP FUNCTION invoice_kept"),
}
THIRD = {
    "sqlite": (),
    "postgresql": ("DROP FUNCTION journal_kept",),
}
LATER = {
    "sqlite": "PRAGMA user_version = 999",
    "postgresql": "INSERT INTO schema_migration (name, applied) VALUES ('0999_later', '2031-01-01')",
}


def landed(engine: str) -> list[str]:
    """The names of the shapes in which databases of that engine were made, oldest first."""
    return sorted(path.stem for path in SHAPES.glob(f"{engine}-*.sql"))


def build(shape: str, place: Path | str) -> None:
    """Make a database of that shape, with the rows of its sample, where there is none yet; a file has no -wal."""
    text = (SHAPES / f"{shape}.sql").read_text()
    if isinstance(place, str):
        server.restored(text, place)
        return
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript(text)
    place.chmod(0o600)


def to_the_first(program: Program) -> None:
    """Take the database back to the first schema."""
    for statement in (
        *(f"DROP TABLE {table}" for table in ("journal_person", "journal_row", "journal")),
        *THIRD[program.engine],
        *SECOND[program.engine],
        "DROP INDEX invoice_unnumbered",
        "DROP INDEX invoice_due",
        "DROP TABLE counter",
        "DELETE FROM schema_migration WHERE name > '0002'",
    ):
        program.sql(statement)


def to_a_later(program: Program) -> None:
    """Make the database one that a newer program has migrated."""
    program.sql(LATER[program.engine])
