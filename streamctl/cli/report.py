"""`streamctl report …`"""

from typing import Annotated, Literal

import typer

from streamctl.cli.command import Group
from streamctl.cli.desk import Desk
from streamctl.cli.options import day_option, month_option
from streamctl.domain.calendar import THIS, TypedDay, TypedMonth
from streamctl.domain.records import Answer

group = Group("report", "Reports: what was earned, what is owed, what was streamed.")

From = Annotated[TypedDay | None, day_option("--from", help="Of invoices dated this day or later.")]
To = Annotated[TypedDay | None, day_option("--to", help="Of invoices dated this day or earlier.")]
On = Annotated[TypedDay | None, day_option("--on", help="At the end of this day; today unless said.")]
OfMonth = Annotated[TypedMonth, month_option("--month", help="The month; this one unless said.")]


@group.shows("revenue")
def revenue(
    desk: Desk,
    from_: From = None,
    to: To = None,
    by: Annotated[Literal["month", "kind", "status"], typer.Option("--by", help="What to sum them by.")] = "month",
) -> Answer:
    """Sum the lines of all invoices but the void ones."""
    from streamctl.views import reports

    with desk.working("Summing"):
        return reports.revenue(by, first=desk.day(from_), last=desk.day(to))


@group.shows("ageing")
def ageing(desk: Desk, on: On = None) -> Answer:
    """Sum what was owed on a day by days past due: issued, and at its end neither paid nor void."""
    from streamctl.views import reports

    with desk.working("Summing"):
        return reports.ageing(desk.terms, on=desk.day(on) or desk.today)


@group.shows("usage")
def usage(desk: Desk, month: OfMonth = THIS) -> Answer:
    """Count the streams of each day of a month.

    Hours are those of all streams together, peak is the most at one moment, and at_limit the members who at some moment
    held as many as their credit limit, as it is now.
    """
    from streamctl.views import usage

    with desk.working("Counting"):
        return usage.usage(month.on(desk.today), desk.terms, at=desk.at)
