"""`streamctl invoices …`"""

from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

import typer

from streamctl.cli.command import Group
from streamctl.cli.desk import Desk
from streamctl.cli.options import (
    Description,
    Ids,
    InMembers,
    InMonths,
    InStatuses,
    InvoiceId,
    Member,
    OfMember,
    OfMonth,
    SomeIds,
    Status,
    Yes,
    amount_option,
    day_option,
    month_option,
    number,
    reading,
    something_of,
    text_option,
)
from streamctl.cli.outcome import Row, already, parted
from streamctl.domain import money
from streamctl.domain.calendar import LAST, THIS, TypedDay, TypedMonth, as_instant, local_day
from streamctl.domain.records import Answer, Listing, Record
from streamctl.errors import UsageError, counted, listed, those

group = Group("invoices", "Invoices: what members owe for a month.")

Date = Annotated[TypedDay | None, day_option("--date", help="The invoice's date; its month is the billing month.")]
From = Annotated[TypedDay | None, day_option("--from", help="Dated this day or later.")]
To = Annotated[TypedDay | None, day_option("--to", help="Dated this day or earlier.")]
Least = Annotated[Decimal | None, amount_option("--min", help="Of this amount or more.")]
Most = Annotated[Decimal | None, amount_option("--max", help="Of this amount or less.")]
Amount = Annotated[Decimal | None, amount_option("--amount", help="The amount; it makes the first line.")]
NewAmount = Annotated[Decimal | None, amount_option("--amount", help="The new total; a line adjusts the difference.")]
On = Annotated[TypedDay | None, day_option("--on", help="The day it was paid; today unless said.")]
Note = Annotated[str | None, text_option("--note", what="note", help="A note to keep with it.")]
Billed = Annotated[TypedMonth, month_option("--month", help="The month to bill; this one unless said.")]
Closed = Annotated[TypedMonth, month_option("--month", help="The month to close; the last one unless said.")]
Reason = Annotated[str | None, text_option("--reason", what="reason", help="Why, kept as the invoice's note.")]


LIST_AGAIN = "streamctl invoices list"


def again(invoice: int) -> str:
    """The command that shows the invoice."""
    return f"streamctl invoices show {invoice}"


def _said(desk: Desk, verb: str, record: Record) -> Record:
    amount = money.spoken(record.value("amount"), desk.terms.currency)
    about = f"member {record.value('user')}, {record.value('month')}, {amount}, {record.value('status')}"
    return record.said(f"{verb} invoice {record.value('id')}: {about}.", again(record.value("id")))


def _all_said(desk: Desk, verb: str, answer: Listing) -> Listing:
    done, others = parted(answer)
    sentences = already((_state(desk, row), row["id"]) for row in others)
    if done:
        plural = "s" if len(done) > 1 else ""
        total = money.spoken(sum(row["amount"] for row in done), desk.terms.currency)
        sentences.insert(0, f"{verb} invoice{plural} {listed(row['id'] for row in done)}: {total}.")
    every = done + others
    return answer.said(" ".join(sentences), again(every[0]["id"]) if len(every) == 1 else LIST_AGAIN)


def _state(desk: Desk, row: Row) -> str:
    """What an invoice is, and since when where that is known."""
    if row["status"] == "PAID":
        return f"paid on {row['paid_on']}" if row["paid_on"] else "paid"
    if row["status"] == "VOID":
        voided_at = as_instant(row["voided_at"])
        return f"void since {local_day(voided_at, desk.terms.zone)}" if voided_at else "void"
    return "outstanding"


@group.changes("create")
def create(
    desk: Desk,
    member: Member,
    date: Date = None,
    status: Status = None,
    description: Description = None,
    amount: Amount = None,
    extra: Annotated[bool, typer.Option("--extra", help="Even beside a closed one of that month.")] = False,
) -> Answer:
    """Make an invoice: today's, outstanding and empty unless said otherwise."""
    from streamctl.services import invoices

    record = invoices.create(
        member,
        at=desk.at,
        day=desk.day(date),
        status=status or "OUT",
        description=description,
        amount=amount,
        extra=extra,
    )
    return _said(desk, "Created", record)


@group.lists("list")
def list_(
    desk: Desk,
    window: Any,
    members: InMembers = None,
    statuses: InStatuses = None,
    months: InMonths = None,
    from_: From = None,
    to: To = None,
    least: Least = None,
    most: Most = None,
) -> Answer:
    """List the invoices."""
    from streamctl.views import invoices

    return invoices.invoices(
        window,
        desk.terms,
        at=desk.at,
        members=members or (),
        statuses=[status.value for status in statuses or ()],
        months=desk.months(months),
        first=desk.day(from_),
        last=desk.day(to),
        least=least,
        most=most,
    )


@group.shows("show")
def show(
    desk: Desk,
    invoice: InvoiceId,
    history: Annotated[bool, typer.Option("--history", help="And what was done to it, when and by whom.")] = False,
) -> Answer:
    """Show one invoice with its lines."""
    from streamctl.views import invoices

    return invoices.invoice(invoice, at=desk.at, history=history)


@group.changes("update")
def update(
    desk: Desk,
    invoice: InvoiceId,
    member: OfMember = None,
    date: Date = None,
    status: Status = None,
    description: Description = None,
    amount: NewAmount = None,
) -> Answer:
    """Change what is given of an open invoice."""
    from streamctl.services import invoices

    something_of(member=member, date=date, status=status, description=description, amount=amount)
    record = invoices.update(
        invoice,
        at=desk.at,
        member=member,
        day=desk.day(date),
        status=status,
        description=description,
        amount=amount,
    )
    if not record.value("changed"):
        return record.said(f"Nothing to change: invoice {invoice} is so already.", again(invoice))
    return _said(desk, "Updated", record)


@group.changes("delete")
def delete(desk: Desk, ids: Ids, yes: Yes = False) -> Answer:
    """Delete invoices with their lines: open or void ones that were never issued."""
    from streamctl.services import invoices
    from streamctl.views import losses

    numbers = desk.ids(ids)

    def question() -> str:
        loss = losses.of_invoices(numbers)
        return f"Delete {those('invoice', numbers)} with {counted(loss.lines, 'line')}, {desk.money(loss.total)}?"

    answer = desk.confirmed(partial(invoices.delete, numbers, at=desk.at), question, yes)
    return _all_said(desk, "Deleted", answer)._replace(again=LIST_AGAIN)


@group.changes("pay")
def pay(desk: Desk, ids: Ids, on: On = None, note: Note = None) -> Answer:
    """Mark invoices as paid."""
    from streamctl.services import invoices

    return _all_said(desk, "Paid", invoices.pay(desk.ids(ids), at=desk.at, on=desk.day(on), note=note))


@group.changes("void")
def void(desk: Desk, ids: Ids, reason: Reason = None) -> Answer:
    """Void invoices: nobody owes them any more."""
    from streamctl.services import invoices

    return _all_said(desk, "Voided", invoices.void(desk.ids(ids), at=desk.at, reason=reason))


@group.changes("reopen")
def reopen(desk: Desk, ids: Ids) -> Answer:
    """Make paid or void invoices outstanding again."""
    from streamctl.services import invoices

    return _all_said(desk, "Reopened", invoices.reopen(desk.ids(ids), at=desk.at))


@group.changes("generate")
def generate(
    desk: Desk,
    month: Billed = THIS,
    prorate: Annotated[bool, typer.Option("--prorate", help="Charge the active days' share of the month.")] = False,
    reissue: Annotated[bool, typer.Option("--reissue", help="Bill a fee again that was voided.")] = False,
) -> Answer:
    """Bill the month's fees; run again, it adds what is missing and nothing else."""
    from streamctl.services import billing

    with desk.working("Billing"):
        summary = billing.generate(at=desk.at, month=month.on(desk.today), prorate=prorate, reissue=reissue)
    skipped = summary.value("skipped")
    reasons = f", skipped {sum(skipped.values())} ({_reasons(skipped)})" if skipped else ""
    total = money.spoken(summary.value("total"), desk.terms.currency)
    said = f"created {summary.value('created')}, existing {summary.value('existing')}{reasons}"
    return summary.said(f"Fees of {summary.value('month')}: {said}, {total}.", "streamctl lines list --kind fee")


@group.changes("issue")
def issue(
    desk: Desk,
    month: Closed = LAST,
    empty: Annotated[
        Literal["void", "keep"], typer.Option("--empty", help="What becomes of invoices without a line.")
    ] = "void",
    force: Annotated[bool, typer.Option("--force", help="Even a month that is not over.")] = False,
) -> Answer:
    """Close the month and those before it: number the invoices, and make what is owed due; a total of 0 is paid."""
    from streamctl.services import billing

    with desk.working("Issuing"):
        summary = billing.issue(at=desk.at, month=month.on(desk.today), empty=empty, force=force)
    numbered, aside = summary.value("numbered"), summary.value("voided") or summary.value("kept")
    settled = summary.value("settled")
    first, last = summary.value("first_number"), summary.value("last_number")
    numbers = f", numbers {first} to {last}" if numbered > 1 else f", number {first}" if numbered else ""
    zero = f", {settled} of {money.spoken(0, desk.terms.currency)} closed as paid" if settled else ""
    left = f", {counted(aside, 'empty one')} {'voided' if summary.value('voided') else 'kept'}" if aside else ""
    total = money.spoken(summary.value("total"), desk.terms.currency)
    said = f"Issued {counted(summary.value('issued'), 'invoice')} of {summary.value('month')} and before"
    return summary.said(f"{said}: {total}{numbers}{zero}{left}.", "streamctl invoices list --sort -number")


@group.lists("overdue")
def overdue(
    desk: Desk,
    window: Any,
    days: Annotated[
        int,
        typer.Option(
            "--days",
            help="So many days past due, or more; 1 unless said.",
            show_default=False,
            **reading(number(1, 10**6, "number of days"), "N"),
        ),
    ] = 1,
) -> Answer:
    """List what was issued and is past due, the oldest first."""
    from streamctl.views import invoices

    return invoices.overdue(window, desk.terms, at=desk.at, days=days)


@group.renders("render")
def render(desk: Desk, ids: SomeIds = None, month: OfMonth = None) -> Any:
    """Make documents that can be sent: HTML that prints well, text, or JSON."""
    from streamctl.views import documents

    if bool(ids) == (month is not None):
        raise UsageError("Give the ids of invoices or --month, and not both.")
    if month is not None:
        return documents.of_month(month.on(desk.today), desk.terms)
    typed = ids or []
    return documents.named(desk.ids(typed), desk.terms, single=len(typed) == 1 and typed != ["-"])


def _reasons(skipped: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in skipped.items())
