"""A Django fixture (`manage.py dumpdata`) of the four entities, turned into rows of ours. Ids are kept.

A field that is null counts as one that is not there. A user may be named by e-mail, which is the natural key of one;
an object without a pk gets an id behind those of its kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
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
    "core.membership": {"user", "state", "credits", "fee", "start_date", "end_date"},
    "core.invoice": {"user", "date", "description", "status", "amount"},
    "core.invoiceline": {"invoice", "amount", "description"},
}


WITHOUT_NATURAL_KEYS = "Make it without --natural-foreign and --natural-primary: python manage.py dumpdata core"


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

    def __init__(self, model: str, number: int, pk: int | None, fields: dict[str, Any]) -> None:
        self.model, self.fields = model, fields
        self.named = pk is not None
        self.pk = pk or 0  # until it gets one
        self.name = f"{model} {pk}" if self.named else f"{model} without a pk (object {number})"

    def fail(self, why: str, hint: str = "") -> BadData:
        return BadData(f"{self.name}: {why}", hint, model=self.model, pk=self.pk if self.named else None)

    def has(self, name: str) -> bool:
        return self.fields.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        value = self.fields[name] if self.has(name) else default
        if value is None:
            raise self.fail(f"its {name} is missing.")
        if not isinstance(value, str):
            raise self.fail(f"its {name} is no text.")
        try:
            return text.stored(value, name)
        except BadValue as error:
            raise self.fail(error.message) from None

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, None if name in self.fields else choices[0])  # nobody knows what null would mean
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
        value: Any = self.fields[name] if self.has(name) else 0
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

    def parent(self, name: str, there: set[int], by_email: Mapping[str, int] | None = None) -> int:
        """The id of the object that a foreign key names, a user by its natural key too."""
        if not self.has(name):
            raise self.fail(f"its {name} is missing.")
        value = self.fields[name]
        if type(value) is int and value in there:
            return value
        natural = value[0] if isinstance(value, list) and len(value) == 1 else value
        if by_email and isinstance(natural, str) and (found := by_email.get(text.email_key(natural))):
            return found
        if isinstance(value, (list, str)):
            key = value if isinstance(value, str) else ", ".join(map(str, value))
            raise self.fail(
                f"its {name} is a natural key that names nothing here: {quoted(key)}.", WITHOUT_NATURAL_KEYS
            )
        raise self.fail(f"its {name} {quoted(value)} is not in the file.")


People = tuple[set[int], dict[str, int]]  # ids that the fixture gives to users, and all by the keys of their e-mails
Part = tuple[Entry, int, int]  # a line, its invoice's id as the fixture has it, and its amount


def read(document: list[Any], terms: Terms, at: datetime, *, min_credits: int | None, merge_months: bool) -> Books:
    """The fixture as rows. Raises BadData naming the object, or both of a pair that can't stand together."""
    books = Books()
    entries = _entries(document, books)
    users = _users(entries["core.user"], at)
    people = _named(entries["core.user"]), {row[2]: row[0] for row in users}
    memberships = _memberships(entries["core.membership"], people, terms, min_credits, books)
    there = _named(entries["core.invoice"])
    parts = [(one, one.parent("invoice", there), one.minor("amount", terms)) for one in entries["core.invoiceline"]]
    owed, moved = _invoices(entries["core.invoice"], people, _sums(parts), terms, merge_months, books)
    lines = _lines(parts, owed, moved, books)
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
    """The objects of our models, by model, ordered by id."""
    found: dict[str, dict[int, Entry]] = {model: {} for model in MODELS}
    unnamed: list[Entry] = []
    for number, item in enumerate(document, 1):
        model = item.get("model") if isinstance(item, dict) else None
        if not isinstance(model, str):
            raise BadData(f"Object {number} of the fixture has no model.")
        model = model.lower()
        if model not in MODELS:
            books.ignored[model] += 1
            continue
        pk, fields = item.get("pk"), item.get("fields")
        if (pk is not None and (type(pk) is not int or not 0 < pk <= ID_LAST)) or not isinstance(fields, dict):
            raise BadData(
                f"Object {number} of the fixture ({model}) has no fields, or a pk that is not 1 to {ID_LAST}."
            )
        entry = Entry(model, number, pk, fields)
        if pk in found[model]:
            raise BadData(f"{entry.name} stands twice in the fixture.")
        if pk is None:
            unnamed.append(entry)
        else:
            found[model][pk] = entry
        books.ignored.update(f"{model}.{name}" for name in fields.keys() - KNOWN[model])
    last = {model: max(entries, default=0) for model, entries in found.items()}
    for entry in unnamed:
        entry.pk = last[entry.model] = last[entry.model] + 1
        if entry.pk > ID_LAST:
            raise entry.fail("there is no id left for it.")
        found[entry.model][entry.pk] = entry
    return {model: [entries[pk] for pk in sorted(entries)] for model, entries in found.items()}


def _named(entries: list[Entry]) -> set[int]:
    """The ids by which other objects may name these: those that the fixture itself gives."""
    return {entry.pk for entry in entries if entry.named}


def _users(entries: list[Entry], at: datetime) -> list[tuple[Any, ...]]:
    owners: dict[str, Entry] = {}
    rows = []
    for entry in entries:
        try:
            email = text.email(entry.text("email"))
        except BadValue as error:
            raise entry.fail(error.message) from None
        key = text.email_key(email)
        if key in owners:
            raise BadData(
                f"{owners[key].name} and {entry.name} have e-mails that differ by case alone: {quoted(email)}.",
                "Change one of them where the fixture comes from.",
                users=[owners[key].pk, entry.pk],
            )
        owners[key] = entry
        full = " ".join(filter(None, (entry.text("first_name", ""), entry.text("last_name", ""))))
        name = entry.text("name", "") or full or None
        rows.append((entry.pk, email, key, name, _joined(entry, at)))
    return rows


def _joined(entry: Entry, at: datetime) -> str:
    """When Django says the user joined, in UTC where it names no offset; now, where it does not say."""
    if not entry.has("date_joined"):
        return written(at)
    text, refusals = entry.text("date_joined"), []
    for form in (text, f"{text}Z", f"{text}T00:00Z"):  # the second without USE_TZ, the third of a DateField
        try:
            return written(typed_instant(form))
        except BadValue as error:
            refusals.append(error.message)
    raise entry.fail(f"its date_joined {refusals[0]}")


def _memberships(
    entries: list[Entry], people: People, terms: Terms, min_credits: int | None, books: Books
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    owners: dict[int, Entry] = {}
    for entry in entries:
        user = entry.parent("user", *people)
        if user in owners:
            raise BadData(f"{owners[user].name} and {entry.name} are both of user {user}; one is the most.")
        owners[user] = entry
        credits = entry.fields["credits"] if entry.has("credits") else 0
        if type(credits) is not int or not 0 <= credits <= membership.MOST_CREDITS:
            raise entry.fail(f"its credits {quoted(credits)} are no number from 0 to {membership.MOST_CREDITS}.")
        books.zero_credits += credits == 0
        if min_credits is not None and credits < min_credits:
            credits, books.lifted = min_credits, books.lifted + 1
        state = entry.one_of("state", membership.STATES)
        if (fee := entry.minor("fee", terms)) < 0:
            raise entry.fail("its fee is below 0.")
        if not entry.has("end_date"):
            raise entry.fail(
                "its end_date is missing.", "Give it one where the fixture comes from, such as 2999-12-31."
            )
        start, end = entry.day("start_date"), entry.day("end_date")
        if end <= start:
            raise entry.fail(f"its end {end} is not after its start {start}.")
        rows.append((entry.pk, user, state, credits, fee, start.isoformat(), end.isoformat()))
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
    entries: list[Entry], people: People, sums: Mapping[int, int], terms: Terms, merge_months: bool, books: Books
) -> tuple[dict[int, Owed], dict[int, int]]:
    """The invoices by id, and for each merged one the invoice its lines go to.

    One without an amount has the sum of its lines.
    """
    owed: dict[int, Owed] = {}
    moved: dict[int, int] = {}
    open_of: dict[tuple[int, str], int] = {}
    for entry in entries:
        user, day = entry.parent("user", *people), entry.day("date")
        status = entry.one_of("status", invoices.STATUSES)
        amount = entry.minor("amount", terms) if entry.has("amount") else sums.get(entry.pk, 0)
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
                f"{owed[first].entry.name} and {entry.name} are both outstanding of user {user} in {slot[1]}.",
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


def _sums(parts: list[Part]) -> dict[int, int]:
    """What the lines of each invoice come to."""
    sums: defaultdict[int, int] = defaultdict(int)
    for _, invoice, amount in parts:
        sums[invoice] += amount
    return sums


def _lines(parts: list[Part], owed: dict[int, Owed], moved: dict[int, int], books: Books) -> list[tuple[Any, ...]]:
    """The lines, and an adjustment for each invoice whose amount was not their sum."""
    there = [(entry, moved.get(invoice, invoice), amount) for entry, invoice, amount in parts]
    rows: list[tuple[Any, ...]] = [
        (
            *(entry.pk, invoice, amount, entry.text("description", "")),
            invoices.MANUAL if amount >= 0 else invoices.ADJUSTMENT,
        )
        for entry, invoice, amount in there
    ]
    rows.extend(_adjustments(owed, _sums(there), max((row[0] for row in rows), default=0) + 1, books))
    return rows


def _adjustments(owed: dict[int, Owed], sums: dict[int, int], first_id: int, books: Books) -> Iterator[tuple[Any, ...]]:
    for pk, one in owed.items():
        if difference := one.amount - sums.get(pk, 0):
            yield (first_id + books.adjusted, pk, difference, invoices.ADJUSTMENT_TEXT, invoices.ADJUSTMENT)
            books.adjusted += 1
