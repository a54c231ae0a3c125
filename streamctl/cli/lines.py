"""`streamctl lines …`"""

from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from streamctl.cli.command import Group
from streamctl.cli.desk import Desk
from streamctl.cli.options import (
    ANY_OF,
    Description,
    Ids,
    InInvoices,
    InMembers,
    InMonths,
    InvoiceId,
    Yes,
    amount_option,
    reading,
    row_id,
    something_of,
)
from streamctl.domain import money, text
from streamctl.domain.records import Answer, Record
from streamctl.errors import UsageError, listed, those

group = Group("lines", "Lines: the amounts on invoices.")


class Kind(StrEnum):
    """The kinds of lines."""

    MANUAL = "manual"
    DISCOUNT = "discount"
    ADJUSTMENT = "adjustment"
    CHECKIN = "checkin"
    CHECKOUT = "checkout"
    FEE = "fee"


LineId = Annotated[int, typer.Argument(help="The line's id.", **reading(row_id, "LINE"))]
Key = Annotated[
    str | None,
    typer.Option("--key", help="Your name for this request: repeating it is harmless.", **reading(text.key, "KEY")),
]
Amount = Annotated[Decimal | None, amount_option("--amount", help="The line's amount; 0 unless said.")]
Discount = Annotated[Decimal | None, amount_option("--discount", help="An amount to take off, instead of --amount.")]
NewAmount = Annotated[
    Decimal | None, amount_option("--amount", help="The new amount; a discount's is what it takes off.")
]
ToInvoice = Annotated[int | None, typer.Option("--invoice", help="Move it there.", **reading(row_id, "ID"))]


def _said(desk: Desk, verb: str, record: Record) -> Record:
    amount = money.spoken(record.value("amount"), desk.terms.currency)
    about = ", ".join(filter(None, (amount, record.value("description"))))
    sentence = f"{verb} line {record.value('id')} of invoice {record.value('invoice')}: {about}."
    return record.said(sentence, f"streamctl lines show {record.value('id')}")


@group.changes("add")
def add(
    desk: Desk,
    invoice: InvoiceId,
    amount: Amount = None,
    discount: Discount = None,
    description: Description = None,
    key: Key = None,
) -> Answer:
    """Put a line on an open invoice."""
    from streamctl.services import lines

    if amount is not None and discount is not None:
        raise UsageError("Give --amount or --discount, not both.")
    record = lines.add(
        invoice,
        at=desk.at,
        amount=amount or discount or Decimal(0),
        kind="manual" if discount is None else "discount",
        description=description or "",
        key=key,
    )
    return _said(desk, "Already added" if record.value("replayed") else "Added", record)


@group.lists("list")
def list_(
    desk: Desk,
    window: Any,
    invoices: InInvoices = None,
    members: InMembers = None,
    months: InMonths = None,
    kinds: Annotated[
        list[Kind] | None,
        typer.Option("--kind", help=f"Of this kind{ANY_OF}"),
    ] = None,
) -> Answer:
    """List the lines."""
    from streamctl.views import lines

    return lines.lines(
        window,
        at=desk.at,
        invoices=invoices or (),
        members=members or (),
        months=desk.months(months),
        kinds=[kind.value for kind in kinds or ()],
    )


@group.shows("show")
def show(desk: Desk, line: LineId) -> Answer:
    """Show one line."""
    from streamctl.views import lines

    return lines.line(line, at=desk.at)


@group.changes("update")
def update(
    desk: Desk, line: LineId, invoice: ToInvoice = None, amount: NewAmount = None, description: Description = None
) -> Answer:
    """Change what is given of a line on an open invoice, or move it to another."""
    from streamctl.services import lines

    something_of(invoice=invoice, amount=amount, description=description)
    record = lines.update(line, at=desk.at, invoice=invoice, amount=amount, description=description)
    if not record.value("changed"):
        return record.said(f"Nothing to change: line {line} is so already.", f"streamctl lines show {line}")
    return _said(desk, "Updated", record)


@group.changes("delete")
def delete(desk: Desk, ids: Ids, yes: Yes = False) -> Answer:
    """Delete lines of open invoices."""
    from streamctl.services import lines
    from streamctl.views import losses

    numbers = desk.ids(ids)

    def question() -> str:
        owners, total = losses.of_lines(numbers)
        return f"Delete {those('line', numbers)} of {those('invoice', owners)}, {desk.money(total)}?"

    answer = desk.confirmed(partial(lines.delete, numbers, at=desk.at), question, yes)
    place = [column.name for column in answer.columns].index("invoice")
    owners = {row[place] for row in answer.rows}
    again = f"streamctl invoices show {owners.pop()}" if len(owners) == 1 else "streamctl lines list"
    return answer.said(f"Deleted line{'s' if len(numbers) > 1 else ''} {listed(numbers)}.", again)
