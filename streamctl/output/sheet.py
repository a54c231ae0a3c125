"""What stands on a customer's document, in words: the same for text and for HTML.

Everything on a sheet is safe: no text that somebody gave us can move, hide or reorder what stands beside it.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from streamctl.domain import money
from streamctl.domain.documents import LineGroup, Paper
from streamctl.domain.invoices import OUTSTANDING, PAID, TEXTS, VOID, description
from streamctl.output.safety import safe

TIMES = "\N{MULTIPLICATION SIGN}"


class Status(NamedTuple):
    """How things stand: a word, and what follows it."""

    word: str
    rest: str


class Item(NamedTuple):
    """A group of lines: its text, how many times where it is more than one, what each costs then, and what all do."""

    text: str
    times: str
    unit: str
    amount: str


class Sheet(NamedTuple):
    """A document's parts, each ready to be shown; the note, how to pay, is there while there is something to pay."""

    reference: str
    seller: list[str]
    recipient: list[str]
    facts: list[tuple[str, str]]
    status: Status
    headline: str
    subject: str
    items: list[Item]
    total: tuple[str, str]
    note: list[str]


def sheet(paper: Paper) -> Sheet:
    """The words of a document."""
    bill, seller, member = paper.invoice, paper.seller, paper.member
    reference = safe(bill.number) if bill.number else f"with reference {bill.id}"
    return Sheet(
        reference=reference,
        seller=_lines(seller.name, *seller.address, seller.email, seller.tax_id and f"Tax ID {seller.tax_id}"),
        recipient=_lines(member.name, member.email, f"Member {member.id}"),
        facts=_facts(paper),
        status=_status(paper),
        headline="" if bill.status == VOID else money.spoken(paper.total, paper.currency),
        subject="" if bill.description == description(bill.month) else safe(bill.description),
        items=[_item(group, paper.currency) for group in paper.groups] or [Item("No items", "", "", "")],
        total=(f"Total in {paper.currency}", money.plain(paper.total, paper.currency)),
        note=_lines(*seller.note) if bill.status == OUTSTANDING and paper.total else [],
    )


def _lines(*lines: str | None) -> list[str]:
    return [safe(line) for line in lines if line]


def _facts(paper: Paper) -> list[tuple[str, str]]:
    bill = paper.invoice
    month = f"{date.fromisoformat(f'{bill.month}-01'):%B %Y}"
    facts = [("Number", safe(bill.number)) if bill.number else ("Reference", str(bill.id)), ("Month", month)]
    days = (("Date", bill.day), ("Issued", paper.issued_on))
    return [*facts, *((name, _day(day)) for name, day in days if day)]


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _status(paper: Paper) -> Status:
    bill = paper.invoice
    match bill.status:
        case status if status == VOID:
            return Status("VOID", ": nothing is owed")
        case status if status == PAID:
            return Status("PAID", f" on {_day(bill.paid_on)}" if bill.paid_on else "")
        case _ if bill.issued_at is None and bill.number is None:
            return Status("Draft", ": not issued yet")
        case _ if not paper.total:
            return Status("OUTSTANDING", ": nothing is owed")
        case _:
            return Status("OUTSTANDING", f", due {_day(bill.due_date)}" if bill.due_date else "")


def _item(group: LineGroup, currency: str) -> Item:
    text = safe(group.description if group.description.strip() else TEXTS[group.kind])
    amount = money.plain(group.amount, currency)
    if group.times == 1:
        return Item(text, "", "", amount)
    return Item(text, f" {TIMES} {group.times}", money.plain(group.unit, currency), amount)
