"""Looking at a database from outside its rows: what its engine tells of it, and what its schema is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

from streamctl.store.engine import Store

REPAIR = "streamctl db check --repair"


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


def identifier(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"{}"'.format(name.replace('"', '""'))


class Inspector(ABC):
    """What `db info`, `db check` and its repair ask of an engine; imported for them alone."""

    @abstractmethod
    def facts(self) -> Facts:
        """The engine, its version, and how large the database is."""

    @abstractmethod
    def faults(self) -> Iterator[Fault]:
        """What the engine itself finds wrong with the database. Raises Damaged."""

    @abstractmethod
    def notes(self) -> Iterator[str]:
        """What should be known of this version of the engine."""

    @abstractmethod
    def rebuild(self) -> None:
        """Make every index anew from its rows, where the engine's own checks say that one has come apart."""

    @abstractmethod
    def pieces(self) -> list[Piece]:
        """What the schema is made of."""

    @abstractmethod
    def blank(self) -> AbstractContextManager[Store | None]:
        """A place for a schema to compare with, which is gone afterwards; None without the rights to make one."""

    @abstractmethod
    def removal(self, trigger: Piece) -> str:
        """SQL that takes the trigger away."""

    @abstractmethod
    def remake(self, piece: Piece) -> None:
        """Make this piece as it says, instead of what has its name. Raises Peewee's errors."""
