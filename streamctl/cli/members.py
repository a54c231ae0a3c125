"""`streamctl members …`"""

from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamctl.cli.command import Group
from streamctl.cli.desk import Desk
from streamctl.cli.options import (
    ANY_OF,
    Member,
    Yes,
    amount_option,
    day_option,
    number,
    reading,
    something_of,
    text_option,
)
from streamctl.cli.outcome import Row, already, parted
from streamctl.domain import text
from streamctl.domain.calendar import TypedDay
from streamctl.domain.records import Answer, Listing, Record
from streamctl.errors import UsageError, counted, listed

if TYPE_CHECKING:
    from streamctl.views.losses import Loss

group = Group("members", "Members: users and what they may stream.")

Members = Annotated[
    list[str],
    typer.Argument(help="Ids or e-mail addresses; - reads them from standard input, one a line.", metavar="MEMBER..."),
]
Name = Annotated[str | None, text_option("--name", what="name", help="The member's name.")]
Credits = Annotated[
    int | None,
    typer.Option(
        "--credits",
        "--credit-limit",
        help="How many streams they may have open at once.",
        **reading(number(0, 1000, "number of credits"), "N"),
    ),
]
Fee = Annotated[Decimal | None, amount_option("--fee", help="What the membership costs a month.")]
Start = Annotated[TypedDay | None, day_option("--start", help="The first day.")]
End = Annotated[TypedDay | None, day_option("--end", help="The day it ends, not included.")]
Months = Annotated[
    int | None,
    typer.Option("--months", help="For so many months.", **reading(number(1, 1200, "number of months"), "N")),
]
Email = Annotated[str, typer.Argument(help="The e-mail address.", **reading(text.email, "EMAIL"))]
NewEmail = Annotated[str | None, typer.Option("--email", help="The e-mail address.", **reading(text.email, "EMAIL"))]
Renewed = Annotated[
    int | None,
    typer.Option(
        "--months", help="For so many months; 1 unless said.", **reading(number(1, 1200, "number of months"), "N")
    ),
]
Until = Annotated[TypedDay | None, day_option("--until", help="Until this day, not included.")]


class State(StrEnum):
    """The states of memberships."""

    ACT = "ACT"
    CANC = "CANC"


def _part_of_email(value: str) -> str:
    return text.stored(value, "e-mail")


LIST_AGAIN = "streamctl members list"


def again(record: Record) -> str:
    """The command that shows the member."""
    return f"streamctl members show {record.value('id')}"


def all_again(answer: Listing) -> str:
    """The command that shows these members."""
    first, *others = answer.rows
    return LIST_AGAIN if others else f"streamctl members show {first[0]}"


def described(record: Record) -> str:
    """A member in a sentence."""
    if record.value("state") is None:
        return f"member {record.value('id')}, {record.value('email')}, without a membership"
    period = f"{record.value('start_date')} to {record.value('end_date')}"
    credits = counted(record.value("credit_limit"), "credit")
    return f"member {record.value('id')}, {record.value('email')}, {credits}, {period}"


@group.changes("add")
def add(
    desk: Desk,
    email: Email,
    name: Name = None,
    credits: Credits = None,
    fee: Fee = None,
    start: Start = None,
    end: End = None,
    months: Months = None,
    no_membership: Annotated[bool, typer.Option("--no-membership", help="Only the user.")] = False,
) -> Answer:
    """Add a user, with a membership of one credit and one month from today unless said otherwise."""
    from streamctl.services import members

    _one_end(end, months)
    if no_membership and any(option is not None for option in (credits, fee, start, end, months)):
        raise UsageError("--no-membership goes with no other option of the membership.")
    record = members.add(
        email,
        at=desk.at,
        name=name,
        enrolled=not no_membership,
        credits=1 if credits is None else credits,
        fee=fee or Decimal(0),
        start=desk.day(start),
        end=desk.day(end),
        months=months,
    )
    return record.said(f"Added {described(record)}.", again(record))


@group.lists("list")
def list_(
    desk: Desk,
    window: Any,
    states: Annotated[
        list[State] | None,
        typer.Option("--state", help=f"ACT (active) or CANC (cancelled){ANY_OF}", case_sensitive=False),
    ] = None,
    emails: Annotated[
        list[str] | None,
        typer.Option("--email", help=f"With this in their e-mail{ANY_OF}", **reading(_part_of_email, "TEXT")),
    ] = None,
) -> Answer:
    """List the members."""
    from streamctl.views import members

    return members.members(window, at=desk.at, states=[state.value for state in states or ()], emails=emails or ())


@group.shows("show")
def show(desk: Desk, member: Member) -> Answer:
    """Show one member."""
    from streamctl.views import members

    return members.member(member, at=desk.at)


@group.changes("update")
def update(
    desk: Desk,
    member: Member,
    email: NewEmail = None,
    name: Name = None,
    credits: Credits = None,
    fee: Fee = None,
    start: Start = None,
    end: End = None,
) -> Answer:
    """Change what is given of a member; an empty --name takes the name away."""
    from streamctl.services import members

    something_of(email=email, name=name, credits=credits, fee=fee, start=start, end=end)
    record = members.update(
        member, at=desk.at, email=email, name=name, credits=credits, fee=fee, start=desk.day(start), end=desk.day(end)
    )
    if not record.value("changed"):
        return record.said(f"Nothing to change: member {record.value('id')} is so already.", again(record))
    return record.said(f"Updated {described(record)}.", again(record))


@group.changes("enroll")
def enroll(
    desk: Desk,
    member: Member,
    credits: Credits = None,
    fee: Fee = None,
    start: Start = None,
    end: End = None,
    months: Months = None,
) -> Answer:
    """Give a user who has none a membership."""
    from streamctl.services import members

    _one_end(end, months)
    record = members.enroll(
        member,
        at=desk.at,
        credits=1 if credits is None else credits,
        fee=fee or Decimal(0),
        start=desk.day(start),
        end=desk.day(end),
        months=months,
    )
    return record.said(f"Enrolled {described(record)}.", again(record))


@group.changes("cancel")
def cancel(desk: Desk, members: Members) -> Answer:
    """Cancel memberships as of today; open streams go on until they are checked out."""
    from streamctl.services import members as verbs

    answer = verbs.cancel(desk.words(members), at=desk.at)
    return _all_said("Cancelled", answer)


@group.changes("reactivate")
def reactivate(desk: Desk, members: Members) -> Answer:
    """Take cancelled memberships up again."""
    from streamctl.services import members as verbs

    answer = verbs.reactivate(desk.words(members), at=desk.at)
    return _all_said("Reactivated", answer)


@group.changes("renew")
def renew(desk: Desk, members: Members, months: Renewed = None, until: Until = None) -> Answer:
    """Prolong memberships by months, or until a day; a lapsed one begins again today."""
    from streamctl.services import members as verbs

    if months is not None and until is not None:
        raise UsageError("Give --months or --until, not both.")
    answer = verbs.renew(desk.words(members), at=desk.at, months=months or 1, until=desk.day(until))
    return answer.said(f"Renewed {_named(answer, 'end_date')}.", all_again(answer))


@group.changes("delete")
def delete(
    desk: Desk,
    members: Members,
    force: Annotated[
        bool, typer.Option("--force", help="Their streams and invoices too, if nothing was issued or paid.")
    ] = False,
    yes: Yes = False,
) -> Answer:
    """Delete users who have neither invoices nor streams."""
    from streamctl.services import members as verbs
    from streamctl.views import losses

    names = desk.words(members)

    def question() -> str:
        loss = losses.of_members(names)
        also = f" with {_holdings(loss)}, {desk.money(loss.total)}" if loss.invoices or loss.streams else ""
        return f"Delete member{'s' if len(loss.members) > 1 else ''} {listed(map(_person, loss.members))}{also}?"

    answer = desk.confirmed(partial(verbs.delete, names, at=desk.at, force=force), question, yes)
    return answer.said(f"Deleted {_named(answer)}.", LIST_AGAIN)


@group.changes("erase")
def erase(desk: Desk, member: Member, yes: Yes = False) -> Answer:
    """Take name and e-mail out of a member for ever, and keep the books."""
    from streamctl.services import members
    from streamctl.views import losses

    def question() -> str:
        loss = losses.of_erasing(member)
        if not loss.members:
            return f"Erase what member {member}, who was deleted, is called in the log, for ever?"
        (person,) = loss.members
        return f"Erase name and e-mail of member {_person(person)} for ever? Their {_holdings(loss)} stay."

    record = desk.confirmed(partial(members.erase, member, at=desk.at), question, yes)
    whose = f"name and e-mail of member {record.value('id')}"
    if not record.value("changed"):
        return record.said(f"Nothing to change: {whose} are erased already.", again(record))
    return record.said(f"Erased {whose}.", again(record))


def _person(member: tuple[int, str | None, str]) -> str:
    number, name, email = member
    return f"{number} ({', '.join(filter(None, (name, email)))})"


def _holdings(loss: "Loss") -> str:
    return f"{counted(loss.invoices, 'invoice')} and {counted(loss.streams, 'stream')}"


def _one_end(end: TypedDay | None, months: int | None) -> None:
    if end is not None and months is not None:
        raise UsageError("Give --end or --months, not both.")


def _all_said(verb: str, answer: Listing) -> Listing:
    done, others = parted(answer)
    sentences = already((_state(row), _name(row)) for row in others)
    if done:
        sentences.insert(0, f"{verb} member{'s' if len(done) > 1 else ''} {listed(map(_name, done))}.")
    return answer.said(" ".join(sentences), all_again(answer))


def _state(row: Row) -> str:
    """What a membership is, and since when where that is known."""
    if row["state"] == "ACT":
        return "active"
    return f"cancelled on {row['cancelled_on']}" if row["cancelled_on"] else "cancelled"


def _name(row: Row) -> str:
    return f"{row['id']} ({row['email']})"


def _named(answer: Listing, also: str = "") -> str:
    names = [column.name for column in answer.columns]
    extra = names.index(also) if also else None
    found = [f"{row[0]} ({row[1]})" + (f" until {row[extra]}" if extra else "") for row in answer.rows]
    return f"member{'s' if len(found) > 1 else ''} {listed(found)}"
