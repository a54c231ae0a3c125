"""The options that commands share, and how each is read."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

import typer

from streamctl.domain import calendar, money, text
from streamctl.domain.calendar import TypedMonth
from streamctl.errors import BadValue, UsageError, quoted

T = TypeVar("T")


def reading(read: Callable[[str], T], metavar: str) -> dict[str, Any]:
    """Typer's `parser` for one of our readers, so that its sentence comes with the option's name."""

    def parser(value: Any) -> Any:
        if not isinstance(value, str):
            return value  # a default, read already
        try:
            return read(value)
        except BadValue as error:
            raise typer.BadParameter(" ".join(filter(None, (error.message, error.hint)))) from None

    return {"parser": parser, "metavar": metavar}


def number(least: int, most: int, what: str) -> Callable[[str], int]:
    """A reader of whole numbers in ASCII digits."""

    def read(value: str) -> int:
        if value.isascii() and value.isdigit() and len(value) <= 40 and least <= int(value) <= most:
            return int(value)
        raise BadValue(f"{quoted(value)} is no {what} from {least} to {most}.")

    return read


def row_id(value: str) -> int:
    """An id as typed. One larger than any row's is read too: it is simply not there. Raises BadValue."""
    if value.isascii() and value.isdigit() and len(value) <= 40:
        return int(value)
    raise BadValue(f"{quoted(value)} is no id; an id is a whole number, such as 12.")


def seconds(value: str) -> float:
    """A number of seconds as typed: `30`, `0.5`. Raises BadValue."""
    found = money.amount(value) if len(value) < 12 else Decimal(-1)
    if 0 <= found <= 86400:
        return float(found)
    raise BadValue(f"{quoted(value)} is no number of seconds from 0 to 86400.")


def something_of(**given: object) -> None:
    """Raises UsageError when an update was given nothing to change."""
    if all(value is None for value in given.values()):
        raise UsageError("There is nothing to change.", f"Give one of {', '.join(f'--{name}' for name in given)}.")


def _member(value: str) -> str:
    return text.stored(value, "member")


def _note(what: str) -> Callable[[str], str]:
    return lambda value: text.stored(value, what)


MEMBER_HELP = "The member's id or e-mail address."

Member = Annotated[str, typer.Argument(help=MEMBER_HELP, **reading(_member, "MEMBER"))]
InvoiceId = Annotated[int, typer.Argument(help="The invoice's id.", **reading(row_id, "INVOICE"))]
Ids = Annotated[list[str], typer.Argument(help="Ids; - reads them from standard input, one a line.", metavar="ID...")]

SomeIds = Annotated[
    list[str] | None,
    typer.Argument(help="Ids; - reads them from standard input, one a line.", metavar="ID...", show_default=False),
]

OfMember = Annotated[str | None, typer.Option("--member", help=MEMBER_HELP, **reading(_member, "MEMBER"))]
OfMonth = Annotated[
    TypedMonth | None,
    typer.Option("--month", help="A month: 2026-11, this, last or next.", **reading(calendar.typed_month, "MONTH")),
]
Status = Annotated[
    Literal["OUT", "PAID", "VOID"] | None,
    typer.Option("--status", help="OUT (outstanding), PAID or VOID.", case_sensitive=False),
]

# Filters of listings may be repeated: a row passes that has any of the values.
ANY_OF = "; repeat it for any of several."


class InvoiceStatus(StrEnum):
    """The statuses of invoices; Typer takes a list of choices only as an enumeration."""

    OUT = "OUT"
    PAID = "PAID"
    VOID = "VOID"


InMembers = Annotated[
    list[str] | None,
    typer.Option("--member", help=f"Of this member, an id or e-mail address{ANY_OF}", **reading(_member, "MEMBER")),
]
InInvoices = Annotated[
    list[int] | None, typer.Option("--invoice", help=f"Of the invoice with this id{ANY_OF}", **reading(row_id, "ID"))
]
InMonths = Annotated[
    list[TypedMonth] | None,
    typer.Option(
        "--month",
        help=f"Of this month: 2026-11, this, last or next{ANY_OF}",
        **reading(calendar.typed_month, "MONTH"),
    ),
]
InStatuses = Annotated[
    list[InvoiceStatus] | None,
    typer.Option("--status", help=f"OUT (outstanding), PAID or VOID{ANY_OF}", case_sensitive=False),
]
Description = Annotated[
    str | None, typer.Option("--description", help="Up to 255 characters.", **reading(_note("description"), "TEXT"))
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def day_option(*names: str, help: str) -> Any:
    """An option that takes a day."""
    return typer.Option(*names, help=help, **reading(calendar.typed_day, "DATE"))


def month_option(*names: str, help: str) -> Any:
    """An option that takes a month and has one by default."""
    return typer.Option(*names, help=help, show_default=False, **reading(calendar.typed_month, "MONTH"))


def amount_option(*names: str, help: str) -> Any:
    """An option that takes an amount."""
    return typer.Option(*names, help=help, **reading(money.amount, "AMOUNT"))


def text_option(*names: str, what: str, help: str) -> Any:
    """An option that takes up to 255 characters of text."""
    return typer.Option(*names, help=help, **reading(_note(what), "TEXT"))
