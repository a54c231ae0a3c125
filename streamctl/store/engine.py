"""What the rest of the program asks of an open database, whichever engine keeps it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peewee

from streamctl.errors import NOTHING, NOTHING_MORE, UNKNOWN, SchemaNew, SchemaOld, StreamctlError

if TYPE_CHECKING:
    from streamctl.store.inspection import Inspector
    from streamctl.store.journal import Author, Journal

Place = Path | str  # a SQLite file, or the URL of a PostgreSQL server
SCHEMA = 4  # the number of the newest migration
HISTORY = "schema_migration"
FIRST = "0001_books"  # the migration that every database of ours began with


class Store(peewee.Database):
    """An open database. `name` says in messages where it is, without a password; `changed` whether this run wrote."""

    name: str
    wait: float  # seconds, for the database to become free
    dry_run: bool
    live = True  # whether it is ready to be worked in; a backup is made so by its first change
    changed: bool
    in_doubt: bool  # whether a commit failed in a way that does not tell whether it was done
    author: Author  # set before the first write
    journal: Journal  # of the write transaction under way

    @property
    def so_far(self) -> str:
        """What a message that ends this run says of its changes."""
        return UNKNOWN if self.in_doubt else NOTHING_MORE if self.changed else NOTHING

    @abstractmethod
    def run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement by its text; its rows as the driver gives them. Raises Peewee's errors."""

    @abstractmethod
    def insert(self, sql: str, parameters: Sequence[Any]) -> int:
        """Run the INSERT of one row by its text; the row's id. Raises Peewee's errors."""

    @abstractmethod
    def fill(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert many rows of stored values; how many. Raises RowRefused with the row the database does not take."""

    @abstractmethod
    def stream(self, query: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query as they come, however many there are."""

    @abstractmethod
    def writing(self, *, alone: bool) -> AbstractContextManager[None]:
        """The outermost transaction of a write, with the lock that it needs: of everything, or (not `alone`) with
        others beside it, each on the members that it locks.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """One consistent view for several reads."""

    @abstractmethod
    def lock_member(self, user: int) -> None:
        """Keep other writers off this member until the transaction ends."""

    @abstractmethod
    def runs(self, error: peewee.PeeweeException, *, alone: bool) -> int:
        """How often a write that fails so is run in all: once, or more where somebody else may have come in between."""

    @abstractmethod
    def translate(self, error: BaseException) -> StreamctlError | None:
        """The engine's error as one of ours."""

    @abstractmethod
    def violated(self, error: peewee.IntegrityError) -> str:
        """What it is about: a constraint's name (`amount`), or the columns of an index (`user.email_key`)."""

    @abstractmethod
    def written(self) -> Callable[[], int]:
        """Tells, whenever it is called, a number that grows when this connection changes rows or fails to."""

    @abstractmethod
    def founding(self) -> AbstractContextManager[None]:
        """Around the making of a new database."""

    @abstractmethod
    def migrating(self) -> AbstractContextManager[None]:
        """Around migrations: one process at a time; the new schema is in force when it ends."""

    def reached(self, schema: int) -> None:
        """In a migration's transaction: the schema that it makes, where the history alone does not say so."""

    @abstractmethod
    def schema(self) -> int:
        """The schema version of the database."""

    @abstractmethod
    def history(self) -> list[str]:
        """The names of the migrations that were applied."""

    @abstractmethod
    def last_ids(self, *, readable: bool = False) -> dict[str, int]:
        """The highest id that each table ever gave; of those alone that one may know it of, if `readable`."""

    @abstractmethod
    def continue_ids(self, last: Mapping[str, int]) -> None:
        """Go on giving ids where another database stopped, so that none is given twice."""

    @abstractmethod
    def lowered(self, table: str) -> str:
        """SQL that lets the table go on after the highest id in it."""

    @abstractmethod
    def copying(self) -> AbstractContextManager[None]:
        """In a write transaction: while lines come in as another database has them, they don't add to the invoices,
        which come with their amounts.
        """

    @abstractmethod
    def identity(self) -> object:
        """Which database it is, however its place was written."""

    @abstractmethod
    def fingerprint(self) -> object:
        """Something that is another thing once others have changed a row of ours; only good on this connection."""

    @abstractmethod
    def inspector(self) -> Inspector:
        """Who looks at the database from outside its rows."""

    @abstractmethod
    def shell(self, sql: str) -> str:
        """A command to paste that runs this statement with the engine's own shell."""

    @abstractmethod
    def only_read(self) -> None:
        """From here on this connection can't write."""

    @abstractmethod
    def version(self) -> object:
        """Something that is another thing once others have written."""

    @abstractmethod
    def days_between(self, first: Any, last: Any) -> Any:
        """Expression: how many days from one day to another; both columns or ISO text."""

    @abstractmethod
    def seconds(self, instant: Any) -> Any:
        """Expression: an instant as whole seconds since 1970."""

    @abstractmethod
    def joined(self, ids: Any) -> Any:
        """Expression: the ids of an ordered query of one column, with a space between; null of none."""

    def leave(self) -> None:
        """Close the connection, whatever was under way on it: what is not committed is taken back."""
        while self.in_transaction():
            self.pop_transaction()  # type: ignore[no-untyped-call]
        self.close()

    def check_unchanged(self) -> None:
        """Raises ChangedWhileRead where what was read may be of two moments."""

    def use_large_cache(self) -> None:
        """For a job of many rows: let pages wait in memory where the engine lets us say so."""

    def check_clock(self) -> None:
        """Raises ClockDiffers where the clock of the machine that keeps the database is far from this machine's."""

    @abstractmethod
    def check_ours(self) -> None:
        """Raises NoDatabase, NotOurs or DatabaseUnusable unless this is a database of ours that can be relied on."""

    def many_are_new(self, table: str) -> None:
        """Say that a table has got many rows in this transaction, where the engine wants to know."""

    def check_schema(self) -> None:
        """Raises SchemaOld or SchemaNew unless the schema is this program's."""
        found = self.schema()
        if found != SCHEMA:
            raise (SchemaOld if found < SCHEMA else SchemaNew)(self.name, found, SCHEMA)


class RowRefused(Exception):
    """A row that the database does not take, and the rule it breaks."""

    def __init__(self, row: Sequence[Any], rule: str) -> None:
        super().__init__(rule)
        self.row, self.rule = row, rule
