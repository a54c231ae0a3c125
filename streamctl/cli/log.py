"""`streamctl log …`"""

from typing import Annotated, Any

import typer

from streamctl.cli.command import Group
from streamctl.cli.desk import Desk
from streamctl.cli.options import ANY_OF, InInvoices, InMembers, day_option, reading, row_id, text_option
from streamctl.domain.calendar import TypedDay
from streamctl.domain.records import Answer

group = Group("log", "The log: who changed what, and when.")

Entry = Annotated[int, typer.Argument(help="The entry's id.", **reading(row_id, "ENTRY"))]
By = Annotated[list[str] | None, text_option("--actor", what="actor", help=f"Done by them{ANY_OF}")]
Command = Annotated[
    list[str] | None,
    text_option("--command", what="command", help=f"Done with it, such as 'invoices pay' or invoices{ANY_OF}"),
]
From = Annotated[TypedDay | None, day_option("--from", help="Done on this day or later.")]
To = Annotated[TypedDay | None, day_option("--to", help="Done on this day or earlier.")]


@group.lists("list")
def list_(
    desk: Desk,
    window: Any,
    members: InMembers = None,
    invoices: InInvoices = None,
    actors: By = None,
    commands: Command = None,
    from_: From = None,
    to: To = None,
) -> Answer:
    """List what was done, the newest first."""
    from streamctl.views import log

    return log.entries(
        window,
        desk.terms,
        at=desk.at,
        members=members or (),
        invoices=invoices or (),
        actors=actors or (),
        commands=commands or (),
        first=desk.day(from_),
        last=desk.day(to),
    )


@group.shows("show")
def show(desk: Desk, entry: Entry) -> Answer:
    """Show one entry with every row it changed, before and after."""
    from streamctl.views import log

    return log.entry(entry, at=desk.at)


@group.changes("undo")
def undo(desk: Desk, entry: Entry) -> Answer:
    """Reverse what an entry did, where the rules allow it still."""
    from streamctl.services import log

    done = log.undo(entry, at=desk.at, by_clock=desk.by_clock)
    sentence = f"Undid entry {entry}, {done.value('command')}: {done.value('undone')}."
    return done.said(sentence, f"streamctl log show {entry}")
