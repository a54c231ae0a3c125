"""An invoice as the document a customer is sent: who bills whom, for what, and what is owed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from streamctl.domain.invoices import ADJUSTMENT, CHECKIN, CHECKOUT, DISCOUNT, FEE, MANUAL
from streamctl.domain.records import Column
from streamctl.domain.terms import lines_of

KINDS = (FEE, CHECKIN, CHECKOUT, MANUAL, DISCOUNT, ADJUSTMENT)  # in the order they stand on a document

SELLER = (Column("name"), Column("address", "json"), Column("email"), Column("tax_id"), Column("note", "json"))
RECIPIENT = (Column("id", "id"), Column("name"), Column("email"))
BILL = (
    Column("id", "id"),
    Column("number"),
    Column("month"),
    Column("status"),
    Column("date", "date"),
    Column("issued_at", "instant"),
    Column("due_date", "date"),
    Column("paid_on", "date"),
    Column("description"),
)
LINE_GROUP = (Column("kind"), Column("description"), Column("count", "int"), Column("amount", "money"))


class Seller(NamedTuple):
    """Who bills, as the settings say; the note is how to pay."""

    name: str | None
    address: tuple[str, ...]
    email: str | None
    tax_id: str | None
    note: tuple[str, ...]

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Seller:
        """The seller that these stored settings make."""
        return cls(
            name=settings["seller_name"] or None,
            address=lines_of(settings["seller_address"]),
            email=settings["seller_email"] or None,
            tax_id=settings["seller_tax_id"] or None,
            note=lines_of(settings["seller_note"]),
        )


class Recipient(NamedTuple):
    """The member who is billed."""

    id: int
    name: str | None
    email: str | None


class Bill(NamedTuple):
    """What is known of the invoice itself: `day` is its date, `issued_at` is UTC."""

    id: int
    number: str | None
    month: str
    status: str
    day: date
    issued_at: datetime | None
    due_date: date | None
    paid_on: date | None
    description: str


class LineGroup(NamedTuple):
    """Lines of one kind, text and amount: how many they are, and what they come to in minor units."""

    kind: str
    description: str
    times: int
    amount: int

    @property
    def unit(self) -> int:
        """The amount of each."""
        return self.amount // self.times


class Paper(NamedTuple):
    """One invoice as a document. `issued_on` is the day of its issue in the database's time zone."""

    seller: Seller
    member: Recipient
    invoice: Bill
    issued_on: date | None
    currency: str
    groups: tuple[LineGroup, ...]
    total: int


class Papers(NamedTuple):
    """The documents that were asked for: how many, each read as it comes; `single` when one was, by its id."""

    seller: Seller
    number: int
    each: Iterable[Paper]
    single: bool = False
    month: str | None = None
