"""What an engine tells of itself and of the database in it; only those who look ask."""

from __future__ import annotations

from typing import NamedTuple


class Facts(NamedTuple):
    """What an engine says of itself and of the database."""

    engine: str
    version: str
    bytes: int


class Fault(NamedTuple):
    """Something the engine itself finds wrong: the row, what it is, and the command that mends it."""

    check: str
    row: str
    finding: str
    mend: str


class Piece(NamedTuple):
    """A part of the schema: a table, index, trigger, function or constraint, and the statement that makes it."""

    kind: str
    table: str
    name: str
    ddl: str
