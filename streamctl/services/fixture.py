"""A Django fixture (`manage.py dumpdata`) of the four entities, turned into rows of ours. Ids are kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from streamctl.domain import invoices, membership, money, text
from streamctl.domain.calendar import month_of, typed_day, typed_instant, written
from streamctl.domain.terms import Terms
from streamctl.errors import BadData, BadValue, listed, quoted
from streamctl.store.database import ID_LAST
from streamctl.store.models import Invoice, InvoiceLine, Membership, User

MODELS = ("core.user", "core.membership", "core.invoice", "core.invoiceline")
KNOWN = {
    "core.user": {"email", "name", "first_name", "last_name", "date_joined"},
    "core.membership": {"user", "state", "credits", "start_date", "end_date"},
    "core.invoice": {"user", "date", "description", "status", "amount"},
    "core.invoiceline": {"invoice", "amount", "description"},
}


class Table(NamedTuple):
    model: Any
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    name: str


@dataclass
class Books:
    """Rows ready to be stored, parents first, and what there is to say about them."""

    tables: list[Table] = field(default_factory=list)
    adjusted: int = 0
    zero_credits: int = 0
    lifted: int = 0
    merged: int = 0
    ignored: Counter[str] = field(default_factory=Counter)


class Entry:
    """One object of the fixture; every reader says which object it stumbled over."""

    def __init__(self, model: str, pk: int, fields: dict[str, Any]) -> None:
        self.model, self.pk, self.fields = model, pk, fields

    def fail(self, why: str) -> BadData:
        return BadData(f"{self.model} {self.pk}: {why}", model=self.model, pk=self.pk)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.fields.get(name, default)
        if not isinstance(value, str):
            raise self.fail(f"its {name} is no text.")
        try:
            return text.stored(value, name)
        except BadValue as error:
            raise self.fail(error.message) from None

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, choices[0])
        if value not in choices:
            raise self.fail(f"its {name} {quoted(value)} is none of {listed(choices)}.")
        return value

    def day(self, name: str) -> date:
        try:
            found = typed_day(self.text(name)).day
        except BadValue as error:
            raise self.fail(f"its {name} {error.message}") from None
        if found is None:
            raise self.fail(f"its {name} is no date.")
        return found

    def minor(self, name: str, terms: Terms) -> int:
        value: Any = self.fields.get(name, 0)
        try:
            if isinstance(value, str):
                amount = money.amount(value.removeprefix("-")) * (-1 if value.startswith("-") else 1)
            elif type(value) in (int, Decimal) and -money.MOST <= value <= money.MOST:
                amount = Decimal(value)
            else:
                raise BadValue(f"{quoted(value)} is no amount.")
            return terms.minor(abs(amount)) * (-1 if amount < 0 else 1)
        except BadValue as error:
            raise self.fail(f"its {name}: {error.message}") from None

    def parent(self, name: str, there: set[int]) -> int:
        value = self.fields.get(name)
        if type(value) is not int or value not in there:
            raise self.fail(f"its {name} {quoted(value)} is not in the file.")
        return value


def read(document: list[Any], terms: Terms, at: datetime, *, min_credits: int | None, merge_months: bool) -> Books:
    """The fixture as rows. Raises BadData naming the object, or both of a pair that can't stand together."""
    books = Books()
    entries = _entries(document, books)
    users = _users(entries["core.user"], at)
    there = {row[0] for row in users}
    memberships = _memberships(entries["core.membership"], there, min_credits, books)
    owed, moved = _invoices(entries["core.invoice"], there, terms, merge_months, books)
    lines = _lines(entries["core.invoiceline"], owed, moved, terms, books)
    books.tables = [
        Table(User, ("id", "email", "email_key", "name", "created_at"), users, "user"),
        Table(
            Membership,
            ("id", "user", "state", "credit_limit", "fee", "start_date", "end_date"),
            memberships,
            "membership",
        ),
        Table(Invoice, ("id", "user", "date", "month", "description", "status", "amount"), _rows(owed), "invoice"),
        Table(InvoiceLine, ("id", "invoice", "amount", "description", "kind"), lines, "line"),
    ]
    return books


def _entries(document: list[Any], books: Books) -> dict[str, list[Entry]]:
    found: dict[str, dict[int, Entry]] = {model: {} for model in MODELS}
    for number, item in enumerate(document, 1):
        model = item.get("model") if isinstance(item, dict) else None
        if not isinstance(model, str):
            raise BadData(f"Object {number} of the fixture has no model.")
        model = model.lower()
        if model not in MODELS:
            books.ignored[model] += 1
            continue
        pk, fields = item.get("pk"), item.get("fields")
        if type(pk) is not int or not 0 < pk <= ID_LAST or not isinstance(fields, dict):
            raise BadData(f"Object {number} of the fixture ({model}) has no fields, or no pk from 1 to {ID_LAST}.")
        if pk in found[model]:
            raise BadData(f"{model} {pk} stands twice in the fixture.")
        found[model][pk] = Entry(model, pk, fields)
        books.ignored.update(f"{model}.{name}" for name in fields.keys() - KNOWN[model])
    return {model: [entries[pk] for pk in sorted(entries)] for model, entries in found.items()}


def _users(entries: list[Entry], at: datetime) -> list[tuple[Any, ...]]:
    owners: dict[str, int] = {}
    rows = []
    for entry in entries:
        try:
            email = text.email(entry.text("email"))
        except BadValue as error:
            raise entry.fail(error.message) from None
        key = text.email_key(email)
        if key in owners:
            raise BadData(
                f"core.user {owners[key]} and {entry.pk} have e-mails that differ by case alone: {quoted(email)}.",
                "Change one of them where the fixture comes from.",
                users=[owners[key], entry.pk],
            )
        owners[key] = entry.pk
        full = " ".join(filter(None, (entry.text("first_name", ""), entry.text("last_name", ""))))
        name = entry.text("name", "") or full or None
        rows.append((entry.pk, email, key, name, _joined(entry, at)))
    return rows


def _joined(entry: Entry, at: datetime) -> str:
    """When Django says the user joined, in UTC where it names no offset; now, where it does not say."""
    if entry.fields.get("date_joined") is None:
        return written(at)
    text, refusals = entry.text("date_joined"), []
    for form in (text, f"{text}Z", f"{text}T00:00Z"):  # the second without USE_TZ, the third of a DateField
        try:
            return written(typed_instant(form))
        except BadValue as error:
            refusals.append(error.message)
    raise entry.fail(f"its date_joined {refusals[0]}")


def _memberships(entries: list[Entry], users: set[int], min_credits: int | None, books: Books) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    owners: dict[int, int] = {}
    for entry in entries:
        user = entry.parent("user", users)
        if user in owners:
            raise BadData(f"core.membership {owners[user]} and {entry.pk} are both of user {user}; one is the most.")
        owners[user] = entry.pk
        credits = entry.fields.get("credits", 0)
        if type(credits) is not int or not 0 <= credits <= membership.MOST_CREDITS:
            raise entry.fail(f"its credits {quoted(credits)} are no number from 0 to {membership.MOST_CREDITS}.")
        books.zero_credits += credits == 0
        if min_credits is not None and credits < min_credits:
            credits, books.lifted = min_credits, books.lifted + 1
        state = entry.one_of("state", membership.STATES)
        start, end = entry.day("start_date"), entry.day("end_date")
        if end <= start:
            raise entry.fail(f"its end {end} is not after its start {start}.")
        rows.append((entry.pk, user, state, credits, 0, start.isoformat(), end.isoformat()))
    return rows


@dataclass
class Owed:
    """An invoice of the fixture and the amount it says, in minor units."""

    entry: Entry
    user: int
    day: date
    status: str
    amount: int


def _invoices(
    entries: list[Entry], users: set[int], terms: Terms, merge_months: bool, books: Books
) -> tuple[dict[int, Owed], dict[int, int]]:
    """The invoices by id, and for each merged one the invoice its lines go to."""
    owed: dict[int, Owed] = {}
    moved: dict[int, int] = {}
    open_of: dict[tuple[int, str], int] = {}
    for entry in entries:
        user, day = entry.parent("user", users), entry.day("date")
        status, amount = entry.one_of("status", invoices.STATUSES), entry.minor("amount", terms)
        if amount < 0:
            raise entry.fail("its amount is below 0.")
        slot = (user, month_of(day))
        first = open_of.setdefault(slot, entry.pk) if status == invoices.OUTSTANDING else entry.pk
        if first == entry.pk:
            owed[entry.pk] = Owed(entry, user, day, status, amount)
        elif merge_months:
            owed[first].amount += amount
            moved[entry.pk] = first
            books.merged += 1
        else:
            raise BadData(
                f"core.invoice {first} and core.invoice {entry.pk} are both outstanding of user {user} in {slot[1]}.",
                "Add --merge-months to join such invoices.",
                invoices=[first, entry.pk],
            )
    return owed, moved


def _rows(owed: dict[int, Owed]) -> list[tuple[Any, ...]]:
    return [
        (pk, one.user, one.day.isoformat(), month_of(one.day), _description(one), one.status, one.amount)
        for pk, one in owed.items()
    ]


def _description(one: Owed) -> str:
    return one.entry.text("description", "") or invoices.description(month_of(one.day))


def _lines(
    entries: list[Entry], owed: dict[int, Owed], moved: dict[int, int], terms: Terms, books: Books
) -> list[tuple[Any, ...]]:
    """The lines, and an adjustment for each invoice whose amount was not their sum."""
    rows: list[tuple[Any, ...]] = []
    sums: defaultdict[int, int] = defaultdict(int)
    for entry in entries:
        named = entry.parent("invoice", owed.keys() | moved.keys())
        invoice = moved.get(named, named)
        amount = entry.minor("amount", terms)
        kind = invoices.MANUAL if amount >= 0 else invoices.ADJUSTMENT
        rows.append((entry.pk, invoice, amount, entry.text("description", ""), kind))
        sums[invoice] += amount
    rows.extend(_adjustments(owed, sums, max((row[0] for row in rows), default=0) + 1, books))
    return rows


def _adjustments(owed: dict[int, Owed], sums: dict[int, int], first_id: int, books: Books) -> Iterator[tuple[Any, ...]]:
    for pk, one in owed.items():
        if difference := one.amount - sums.get(pk, 0):
            yield (first_id + books.adjusted, pk, difference, invoices.ADJUSTMENT_TEXT, invoices.ADJUSTMENT)
            books.adjusted += 1
