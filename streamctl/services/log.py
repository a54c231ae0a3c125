"""`log undo`: an operation reversed by a new one, row by row, where the rules still allow it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from peewee import IntegrityError

from streamctl.domain.records import Column, Record
from streamctl.domain.terms import Terms
from streamctl.errors import CannotUndo, listed
from streamctl.services.undoing import KEPT_BY_OTHERS, MODELS, Change, bring_back, take_away, turn_back
from streamctl.store.database import journal, transactional, violated
from streamctl.store.journal import NOT_SAID
from streamctl.store.logbook import Journal, JournalPerson, JournalRow
from streamctl.store.lookups import present

UNDONE = (Column("entry", "id"), Column("command"), Column("undone"), Column("count", "int"))
# Children go before their parents, and come after them.
ORDER = ("setting", "user", "membership", "invoice", "invoice_line", "stream")


@transactional
def undo(terms: Terms, entry: int, *, at: datetime, by_clock: bool = False) -> Record:
    """Reverse what that entry of the log did; which rows, and how many.

    `by_clock` says that nobody gave the time: a check-in's stream ends at its last sign of life at the earliest.
    Raises NotFound; CannotUndo for what can't be taken back: a set, what was undone before, what has changed since, a
    stream that has ended; and what the rules that stand against it raise: InvoiceClosed, LineBound, InUse,
    DuplicateEmail, BelowZero, TimeOrder.
    """
    present(Journal, [entry])
    found = Journal.get_by_id(entry)
    _must_be_one_operation(found)
    if (by := Journal.get_or_none(Journal.undoes == entry)) is not None:
        raise CannotUndo(entry, f"entry {by.id} undid it already", f"Undo that one with: streamctl log undo {by.id}")
    changes = _changes(entry)
    journal().undoes = entry
    try:
        for change in changes:
            _must_be_as_it_was_left(entry, change)
        for change in (change for change in changes if change.closed):  # before its lines
            turn_back(terms, entry, change, at)
        for change in sorted((change for change in changes if change.made), key=_children_first):
            take_away(terms, entry, change, changes, at, by_clock=by_clock)
        for change in sorted((change for change in changes if change.deleted), key=_parents_first):
            bring_back(terms, change, changes, at)
        for change in sorted(changes, key=_parents_first):
            if not (change.made or change.deleted or change.closed):
                turn_back(terms, entry, change, at)
    except IntegrityError as error:
        raise _explained(entry, error) from error
    names = listed(dict.fromkeys(change.name for change in changes))
    return Record(UNDONE, (entry, found.command, names, len(changes)))


def _must_be_one_operation(entry: Journal) -> None:
    """Raises CannotUndo for a set, and for what is meant to be final."""
    see = f"see what it made with: streamctl log show {entry.id}"
    hints = {
        "invoices generate": f"Void the invoices that should not be, or discount them; {see}",
        "invoices issue": f"Void the invoices that should not be; {see}",
        "stream batch": f"End the streams that should not be; {see}",
        "stream expire": "A stream that ended stays ended; the member may check in again.",
        "db check": "A repair changes no fact.",
        "db load": "Load into another database. See how one is begun with: streamctl db init --help",
        "db restore": "It kept what was there in a file. See how that is put back with: streamctl db restore --help",
        "members erase": "What was erased is nowhere any more.",
    }
    of_set = JournalRow.before.is_null() & JournalRow.after.is_null()
    if entry.command in hints or JournalRow.select().where((JournalRow.entry == entry.id) & of_set).exists():
        why = f"{entry.command} works on a set at once"
        if entry.command == "members erase":
            why = "an erased member stays erased"
        raise CannotUndo(entry.id, why, hints.get(entry.command, ""))


def _changes(entry: int) -> list[Change]:
    persons = {
        (person.member, end): json.loads(image) if image else {}
        for person in JournalPerson.select().where(JournalPerson.entry == entry)
        for end, image in (("before", person.before), ("after", person.after))
    }

    def image(row: JournalRow, end: str) -> dict[str, Any] | None:
        called = persons.get((row.first or 0, end))
        text = getattr(row, end)
        if text is None:
            return None
        found: dict[str, Any] = json.loads(text)
        names = found.pop(NOT_SAID, "").split()
        if names and called is None:
            raise CannotUndo(entry, f"member {row.first} was erased since")
        return {**found, **(called or {})} if names else found

    changes = []
    for row in JournalRow.select().where(JournalRow.entry == entry).order_by(JournalRow.id):
        before, after = image(row, "before"), image(row, "after")
        key = row.first if row.entity != "setting" else (before or after or {})["key"]
        changes.append(Change(row.entity, key, before, after))
    return changes


def _children_first(change: Change) -> tuple[int, int]:
    """Lines that lower an invoice go before those that it then still has something of."""
    return -ORDER.index(change.table), int((change.after or {}).get("amount", 0))


def _parents_first(change: Change) -> tuple[int, int]:
    """Lines that lower an invoice come after those that it then still has something of."""
    return ORDER.index(change.table), -int((change.before or {}).get("amount", 0))


def _now(change: Change) -> dict[str, Any] | None:
    return dict(journal().images(MODELS[change.table], [change.key])).get(change.key)


def _must_be_as_it_was_left(entry: int, change: Change) -> None:
    """Raises CannotUndo when somebody has changed the row since."""
    now = _now(change)
    if change.after is None:
        if now is not None:
            raise CannotUndo(entry, f"{change.name} is there again")
        return
    if now is None:
        raise CannotUndo(entry, f"{change.name} is not there any more")
    if change.table == "stream" and change.before is None and now["closed_at"] is not None:
        raise CannotUndo(entry, f"{change.name} has ended, and a stream that ended stays ended")
    left = change.after if change.before is not None else {**dict.fromkeys(now), **change.after}
    for column, value in left.items():
        if now[column] != value and column not in KEPT_BY_OTHERS.get(change.table, ()):
            raise CannotUndo(
                entry,
                f"the {column} of {change.name} has changed since",
                "Undo what came later first; see it with: streamctl log list",
            )


def _explained(entry: int, error: IntegrityError) -> Exception:
    """The database's own refusal in words."""
    rule = violated(error)
    if "invoice.month" in rule:
        return CannotUndo(entry, "the member has another open invoice in that month")
    return CannotUndo(entry, f"a rule of the database stands against it ({rule})")
