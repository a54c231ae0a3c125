"""What a command function works with: the open database's terms, the moment, and the person in front of it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import typer

from streamctl.cli.hints import with_database
from streamctl.cli.options import row_id
from streamctl.domain import money
from streamctl.domain.calendar import TypedDay, TypedMonth
from streamctl.domain.terms import Terms
from streamctl.domain.text import stored
from streamctl.errors import BadData, NeedsYes, UsageError
from streamctl.output.formats import Format
from streamctl.output.writer import say
from streamctl.settings import Settings

if TYPE_CHECKING:
    from streamctl.views.listings import Window

MOST_IN_A_LINE = 1000
MOST_LINES = 1_000_000

T = TypeVar("T")


class Desk(NamedTuple):
    """One command's surroundings. `at` is the moment it happens at (UTC); days and months are the database's.

    `format` is None when nobody chose one; `brief` is whether the answer becomes a table for a person.
    """

    settings: Settings
    terms: Terms
    at: datetime
    dry_run: bool = False
    format: Format | None = None
    brief: bool = False

    @property
    def today(self) -> date:
        """Today in the database's time zone."""
        return self.terms.today(self.at)

    @property
    def by_clock(self) -> bool:
        """Whether nobody gave the moment: it is the machine's clock, and other machines' may be ahead of it."""
        return self.settings.as_of is None

    def day(self, typed: TypedDay | None) -> date | None:
        """The day that was typed."""
        return None if typed is None else typed.on(self.today)

    def month(self, typed: TypedMonth | None) -> str | None:
        """The month that was typed."""
        return None if typed is None else typed.on(self.today)

    def months(self, typed: Iterable[TypedMonth] | None) -> list[str]:
        """The months that were typed."""
        return [month.on(self.today) for month in typed or ()]

    def ids(self, typed: Iterable[str]) -> list[int]:
        """Ids from the command line, `-` standing for those on standard input. Raises BadValue, BadData."""
        return [row_id(word) for word in self.words(typed)]

    def words(self, typed: Iterable[str]) -> list[str]:
        """Names from the command line, `-` standing for the lines of standard input. Raises BadData."""
        found = [word for name in typed for word in (_lines() if name == "-" else [stored(name, "name")])]
        if not found:
            raise UsageError("Standard input has no line in it; nothing was changed.")
        return found

    def window(self, columns: str | None, sort: str | None, limit: int | None) -> "Window":
        """How much of a listing was asked for."""
        from streamctl.views.listings import Window

        return Window(columns, sort, limit, self.brief)

    def confirmed(self, verb: Callable[[], T], question: Callable[[], str], yes: bool) -> T:
        """Do what was asked for, after a yes unless that was given; what it answers.

        What the verb would refuse is refused before the question. Raises NeedsYes, Abort, and what the verb raises.
        """
        if not (yes or self.dry_run):
            asking = Question(question(), self.settings)
            from streamctl.store.database import rehearsed

            rehearsed(verb)
            asking.ask()
        return verb()

    def money(self, amount: int) -> str:
        """An amount in minor units with its currency."""
        return money.spoken(amount, self.terms.currency)

    def clock(self) -> datetime:
        """The moment it is now, for a command that outlives the moment it began at."""
        return self.settings.now(self.terms.zone)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """While it lasts, a person at a terminal sees that something is being done, and for how long."""
        from streamctl.output.waiting import working

        with working(what, quiet=self.settings.quiet):
            yield

    def note(self, text: str) -> None:
        """Say something beside the answer."""
        if not self.settings.quiet:
            say(f"Note: {with_database(text, self.settings.typed_db)}")


class Question:
    """What a person has to say yes to, on standard error. Raises NeedsYes where nobody can see and answer it."""

    def __init__(self, text: str, settings: Settings) -> None:
        if why := settings.why_not_ask():
            raise NeedsYes(text, why)
        self._text = text

    def ask(self) -> None:
        """Ask, and wait for the answer. Raises Abort unless it is yes."""
        from streamctl.output.safety import safe

        print(safe(self._text), "[y/N]: ", end="", file=sys.stderr, flush=True)  # noqa: T201
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):  # the end of the input, as Ctrl-D makes it
            say("")
        if answer.strip().lower() not in ("y", "yes"):
            raise typer.Abort


def _lines() -> Iterator[str]:
    source = sys.stdin.buffer if sys.stdin else BytesIO()
    for number, line in enumerate(iter(lambda: source.readline(MOST_IN_A_LINE + 1), b""), 1):
        if number > MOST_LINES:
            raise BadData(
                f"Standard input has more than {MOST_LINES} lines; nothing was changed.", "Give them in parts."
            )
        if len(line) > MOST_IN_A_LINE:
            raise BadData(f"Line {number} of standard input is longer than {MOST_IN_A_LINE} bytes.")
        try:
            word = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise BadData(f"Line {number} of standard input is no UTF-8.") from None
        if word:
            yield stored(word, "name")
