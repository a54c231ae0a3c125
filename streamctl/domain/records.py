"""Rows on their way up: columns with a kind, and tuples of stored values.

Every entity's columns stand here once, in the order they are shown; `brief` ones make the table a person sees
unless asked for others, `extra` ones are shown only when asked for. Small values are named tuples here as elsewhere:
each costs a tenth of a dataclass at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, Literal, NamedTuple

from streamctl.errors import StreamctlError

# fmt: off
Kind = Literal[
    "id", "int", "text", "money", "date", "instant", "bool", "hours", "key",
    "ids", "rows", "fields", "json", "raw", "command",
]
# fmt: on


class Column(NamedTuple):
    """A column: its key in JSON and CSV, and how its values are shown.

    Money is minor units, instants are UTC, hours are seconds, a key is a number or a name; raw is JSON as text; fields
    are columns, each with its value.
    """

    name: str
    kind: Kind = "text"
    brief: bool = True
    extra: bool = False


CHANGED = Column("changed", "bool", brief=False)


class Record(NamedTuple):
    """One thing, as a user sees it. `sentence` is what a person is told instead of a table."""

    columns: tuple[Column, ...]
    row: tuple[Any, ...]
    sentence: str = ""
    again: str = ""

    def value(self, name: str) -> Any:
        """The value in the column of that name."""
        return self.row[[column.name for column in self.columns].index(name)]

    def marked(self, changed: bool) -> Record:
        """The same with a column that says whether the command changed it."""
        return self._replace(columns=(*self.columns, CHANGED), row=(*self.row, changed))

    def said(self, sentence: str, again: str = "") -> Record:
        """The same with a sentence for a person, and the command that shows it again."""
        return self._replace(sentence=sentence, again=again)


class Listing(NamedTuple):
    """Many things: the rows may be an iterator that is read once. `total` counts what the limit left out too.

    A `refusal` is raised when the rows have been shown. A table alone draws `bar`, the name of the column that is shown
    as bars too, and `foot`, a row below the others.
    """

    columns: tuple[Column, ...]
    rows: Iterable[tuple[Any, ...]]
    total: int | None = None
    limit: int | None = None
    sentence: str = ""
    again: str = ""
    refusal: StreamctlError | None = None
    bar: str = ""
    foot: tuple[Any, ...] | None = None

    def marked(self, changed: Container[Any]) -> Listing:
        """The same with a column that says which rows, by their ids, the command changed."""
        return self._replace(columns=(*self.columns, CHANGED), rows=[(*row, row[0] in changed) for row in self.rows])

    def said(self, sentence: str, again: str = "") -> Listing:
        """The same with a sentence for a person, and the command that shows it again."""
        return self._replace(sentence=sentence, again=again)

    def totalled(self, *names: str) -> Listing:
        """The same with the totals of these columns at the foot of its table, if it has any rows."""
        kept = list(self.rows)
        sums = [sum(row[i] for row in kept) if c.name in names else None for i, c in enumerate(self.columns)]
        return self._replace(rows=kept, foot=("total", *sums[1:]) if kept else None)


class Document(NamedTuple):
    """Text that is its own format, in parts; `live` ones leave at once. What `refusal` returns in the end is raised.

    `done_to` tells up to which line of the input that came so far is done; 0 where there is none.
    """

    parts: Iterable[str]
    live: bool = False
    refusal: Callable[[], StreamctlError | None] = lambda: None
    again: str = ""
    done_to: Callable[[], int] = lambda: 0


Answer = Record | Listing


LINE_IN_INVOICE = (
    Column("id", "id"),
    Column("invoice", "id", brief=False),
    Column("amount", "money"),
    Column("description"),
    Column("kind"),
)

MEMBER = (
    Column("id", "id"),
    Column("email"),
    Column("name"),
    Column("state"),
    Column("credits", "int"),
    Column("credit_limit", "int", brief=False),
    Column("open_streams", "int", brief=False),
    Column("fee", "money"),
    Column("start_date", "date", brief=False),
    Column("end_date", "date"),
    Column("cancelled_on", "date", extra=True),
    Column("created_at", "instant", extra=True),
)

INVOICE = (
    Column("id", "id"),
    Column("user", "id"),
    Column("date", "date"),
    Column("status"),
    Column("description"),
    Column("amount", "money"),
    Column("invoice_lines", "ids", brief=False),
    Column("month", brief=False),
    Column("number", brief=False),
    Column("issued_at", "instant", brief=False),
    Column("due_date", "date", brief=False),
    Column("paid_on", "date", brief=False),
    Column("email", extra=True),
    Column("voided_at", "instant", extra=True),
    Column("note", extra=True),
)

OVERDUE = (
    *(column._replace(brief=column.name in ("id", "user", "number", "due_date", "amount")) for column in INVOICE[:12]),
    Column("email"),
    Column("days_overdue", "int"),
)

LINE = (
    Column("id", "id"),
    Column("invoice", "id"),
    Column("amount", "money"),
    Column("description"),
    Column("kind"),
    Column("key"),
    Column("user", "id", extra=True),
    Column("month", extra=True),
)

STREAM = (
    Column("id", "id"),
    Column("user", "id"),
    Column("email"),
    Column("ref", brief=False),
    Column("device"),
    Column("opened_at", "instant"),
    Column("seen_at", "instant", brief=False),
    Column("expires_at", "instant", brief=False),
    Column("closed_at", "instant", brief=False),
    Column("close_reason", brief=False),
    Column("checkin_line", "id", extra=True),
    Column("checkout_line", "id", extra=True),
)

ENTRY = (
    Column("id", "id"),
    Column("at", "instant"),
    Column("as_of", "instant", brief=False),
    Column("actor"),
    Column("command"),
    Column("member", "id"),
    Column("invoice", "id"),
    Column("count", "int"),
    Column("sum", "money"),
    Column("undoes", "id", brief=False),
    Column("undone_by", "id", brief=False),
    Column("selection", "raw", extra=True),
)
CHANGE = (
    Column("table"),
    Column("id", "key"),
    Column("last", "id"),
    Column("change"),
    Column("before", "fields"),
    Column("after", "fields"),
)
HISTORY = tuple(column for column in ENTRY if column.name not in ("member", "invoice", "selection"))

RECEIPT = (
    Column("invoice_id", "id"),
    Column("invoice_line_id", "id"),
    Column("stream_id", "id"),
    Column("credits", "int"),
    Column("replayed", "bool"),
)
REPLAYED_CLOSE = (*RECEIPT, Column("close_reason"))
TAKEOVER = (*RECEIPT, Column("taken_over", "id"))
HEARTBEAT = (
    Column("stream_id", "id"),
    Column("seen_at", "instant"),
    Column("expires_at", "instant"),
    Column("replayed", "bool"),
)

WHY = (
    Column("member", "id"),
    Column("email"),
    Column("allowed", "bool"),
    Column("code"),
    Column("state"),
    Column("start_date", "date"),
    Column("end_date", "date"),
    Column("credit_limit", "int"),
    Column("open_streams", "int"),
    Column("credits", "int"),
    Column("holders", "rows"),
    Column("suggestion", "command"),
)
HOLDER = (
    Column("stream", "id"),
    Column("device"),
    Column("opened_at", "instant"),
    Column("seen_at", "instant"),
    Column("expires_at", "instant"),
)
GENERATED = (
    Column("month"),
    Column("members", "int"),
    Column("created", "int"),
    Column("existing", "int"),
    Column("skipped", "json"),
    Column("total", "money"),
)
ISSUED = (
    Column("month"),
    Column("issued", "int"),
    Column("numbered", "int"),
    Column("voided", "int"),
    Column("kept", "int"),
    Column("first_number"),
    Column("last_number"),
    Column("total", "money"),
    Column("settled", "int"),
)

REVENUE = (Column("invoices", "int"), Column("lines", "int"), Column("amount", "money"))  # after what it is by
AGEING = (Column("days_past_due"), Column("invoices", "int"), Column("amount", "money"))
USAGE = (
    Column("day", "date"),
    Column("streams", "int"),
    Column("hours", "hours"),
    Column("peak", "int"),
    Column("at_limit", "int"),
)

DIFFERENCE = (
    Column("table"),
    Column("id", "key"),
    Column("change"),
    Column("before", "fields"),
    Column("after", "fields"),
)

NESTED = {"invoice_lines": LINE_IN_INVOICE, "holders": HOLDER, "changes": CHANGE, "history": HISTORY}

ENTITIES = {"member": MEMBER, "invoice": INVOICE, "line": LINE, "stream": STREAM, "entry": ENTRY}
