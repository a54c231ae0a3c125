"""The journal: what a write transaction does, gathered while it runs and written down in it before it commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from streamctl.domain.calendar import written
from streamctl.domain.flatjson import flat
from streamctl.store.engine import Store
from streamctl.store.models import Invoice, InvoiceLine, Membership, Setting, Stream, User

PERSONAL = ("email", "email_key", "name")
NOT_SAID = "personal"  # stands among a member's columns for those of a person, which are kept apart
AT_ONCE = 500
EVERYTHING = (User, Membership, Invoice, InvoiceLine, Stream)
_ENTRY = ("at", "as_of", "actor", "command", "count", "sum", "selection", "undoes")
_ROW = ("entry", "entity", "first", "last", "member", "invoice", "before", "after")
_PERSON = ("entry", "member", "before", "after")

Image = dict[str, Any]  # a row by its columns, as stored
Key = tuple[Any, Any]  # a model and the key of its row


class Author(NamedTuple):
    """Who does what: the name, the command, and the real time, whatever the business clock (`as_of`) says."""

    actor: str
    command: str
    clock: Callable[[], datetime]
    as_of: datetime | None = None


class Journal:
    """One entry in the making. Services tell it which rows they are about to change; it looks at them before and after.

    A command on a set is `coarse`: then it notes which rows they are, and not what was in them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.coarse = False
        self.of_invoices = False  # it is about invoices, and tells how many of them have changed, and their sum
        self.undoes: int | None = None
        self._before: dict[Key, Image | None] = {}
        self._many: defaultdict[Any, list[int]] = defaultdict(list)
        self._runs: list[tuple[str, int, int]] = []
        self._selection: str | None = None
        self._count: int | None = None
        self._sum: int | None = None
        self._amounts: list[int] = []
        self._erased: set[int] = set()
        self._remade: list[tuple[str, str]] = []

    def changing(self, model: Any, keys: Iterable[Any], *, implied: bool = False) -> None:
        """These rows are about to be changed or deleted. `implied` ones need no note in a set: a line in it tells."""
        if self.coarse and model is not Setting:
            if not implied:
                self._many[model].extend(keys)
            return
        new = [key for key in dict.fromkeys(keys) if (model, key) not in self._before]
        found = dict(self.images(model, new)) if new else {}
        self._before.update(((model, key), found.get(key)) for key in new)

    def added(self, model: Any, key: Any) -> None:
        """This row has been made."""
        if self.coarse:
            self._many[model].append(key)
        else:
            self._before.setdefault((model, key), None)

    def remade(self, kind: str, name: str) -> None:
        """This part of the schema has been made again."""
        self._remade.append((kind, name))

    @contextmanager
    def adding(self, *models: Any) -> Iterator[None]:
        """Around statements that make rows by the set; nobody else makes any meanwhile."""
        tables = [model._meta.table_name for model in models]
        before = self._store.last_ids()
        yield
        after = self._store.last_ids()
        for table in tables:
            if after.get(table, 0) > before.get(table, 0):
                self._runs.append((table, before.get(table, 0) + 1, after[table]))

    def all_of(self, model: Any, first: int, last: int) -> None:
        """The rows from one id to another have been made or changed."""
        self._runs.append((model._meta.table_name, first, last))

    def everything(self) -> int:
        """Every row there is has been made; how many that are."""
        count = 0
        for model in EVERYTHING:
            key = model._meta.primary_key
            query = model.select(fn.COUNT(key), fn.MIN(key), fn.MAX(key))
            ((rows, first, last),) = self._store.execute(query)  # type: ignore[no-untyped-call]
            if rows:
                self._runs.append((model._meta.table_name, first, last))
            count += rows
        return count

    def noted(self, model: Any) -> list[int]:
        """The ids of the set's rows that have been noted so far, in their order."""
        return self._many[model]

    def noted_so_far(self) -> Mapping[Any, int]:
        """How much has been noted of a set, for `forget_since`."""
        return {model: len(ids) for model, ids in self._many.items()}

    def forget_since(self, noted: Mapping[Any, int]) -> None:
        """What was noted since then has been rolled back."""
        for model, ids in self._many.items():
            del ids[noted.get(model, 0) :]

    def told(self, *, count: int, sum: int | None = None, selection: Mapping[str, Any] | None = None) -> None:
        """How many things the command was about, their sum in minor units, and how they were chosen."""
        self._count, self._sum = count, sum
        self._selection = None if selection is None else flat(selection)

    def erase(self, member: int) -> None:
        """Take what the member was called out of the journal, and don't write it down now."""
        self._store.run(f"DELETE FROM journal_person WHERE member = {self._store.param}", (member,))
        self._erased.add(member)

    def write(self, author: Author) -> None:
        """Write the entry down, unless nothing has changed."""
        rows, persons = self._changes()
        rows += [(table, first, last, None, None, None, None) for table, first, last in self._sets()]
        rows += [
            (kind, None, None, None, None, None, flat({"key": name, "made": "again"})) for kind, name in self._remade
        ]
        if not rows:
            return
        count = len(rows) if self._count is None else self._count
        if self.of_invoices:
            count, self._sum = len(self._amounts), sum(self._amounts)
        at, as_of = written(author.clock()), author.as_of and written(author.as_of)
        about = (author.actor, author.command, count, self._sum, self._selection, self.undoes)
        names, slots = ", ".join(map(_quoted, _ENTRY)), ", ".join([self._store.param] * len(_ENTRY))
        insert = f"INSERT INTO journal ({names}) VALUES ({slots}) RETURNING id"
        ((entry,),) = self._store.run(insert, (at, as_of, *about))
        self._store.fill("journal_row", _ROW, ((entry, *row) for row in rows))
        if persons:
            self._store.fill("journal_person", _PERSON, ((entry, *person) for person in persons))

    def _sets(self) -> Iterator[tuple[str, int, int]]:
        yield from self._runs
        for model, ids in self._many.items():
            for first, last in runs(ids):
                yield model._meta.table_name, first, last

    def _changes(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """What is another thing now than it was: rows, and what members were called."""
        rows: list[tuple[Any, ...]] = []
        persons: list[tuple[Any, ...]] = []
        after = self._now()
        owners = {key: image["user"] for (model, key), image in (*self._both(after),) if model is Invoice}
        for (model, key), old in self._before.items():
            new = after.get((model, key))
            if old == new:
                continue
            before, now = _difference(old, new)
            if model is Invoice:
                self._amounts.append((new or old or {})["amount"])
            if model is User:
                if key not in self._erased:
                    persons.append((key, _person(before), _person(now)))
                before, now = _impersonal(before), _impersonal(now)
            if model is Setting:
                before, now = (image and {"key": key, **image} for image in (before, now))
            place = None if model is Setting else key
            about = _about(model, key, new or old or {}, owners)
            rows.append((model._meta.table_name, place, place, *about, before and flat(before), now and flat(now)))
        return rows, persons

    def _now(self) -> dict[Key, Image]:
        keys: defaultdict[Any, list[Any]] = defaultdict(list)
        for model, key in self._before:
            keys[model].append(key)
        return {(model, key): image for model in keys for key, image in self.images(model, keys[model])}

    def _both(self, after: Mapping[Key, Image]) -> Iterator[tuple[Key, Image]]:
        for key, image in self._before.items():
            if image is not None:
                yield key, image
        yield from after.items()

    def images(self, model: Any, keys: list[Any]) -> Iterator[tuple[Any, Image]]:
        """The rows with these keys as they stand, by their keys."""
        meta = model._meta
        names = [field.column_name for field in meta.sorted_fields]
        key = meta.primary_key.column_name
        place = names.index(key)
        select = f'SELECT {", ".join(map(_quoted, names))} FROM "{meta.table_name}" WHERE "{key}" IN '
        for start in range(0, len(keys), AT_ONCE):
            chunk = keys[start : start + AT_ONCE]
            slots = ", ".join([self._store.param] * len(chunk))
            for row in self._store.run(f"{select}({slots})", chunk):
                yield row[place], dict(zip(names, row, strict=True))


def runs(ids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The ids as stretches without a gap, ascending."""
    first = last = None
    for number in sorted(set(ids)):
        if last is None or number != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def _difference(old: Image | None, new: Image | None) -> tuple[Image | None, Image | None]:
    """The columns that differ; of a row that was not there, or is no more, those that hold something."""
    if old is None or new is None:
        whole = [image and {name: value for name, value in image.items() if value is not None} for image in (old, new)]
        return whole[0], whole[1]
    names = [name for name in old if old[name] != new[name]]
    return {name: old[name] for name in names}, {name: new[name] for name in names}


def _person(image: Image | None) -> str | None:
    found = {name: image[name] for name in PERSONAL if name in image} if image else None
    return flat(found) if found else None


def _impersonal(image: Image | None) -> Image | None:
    if image is None:
        return None
    said = {name: value for name, value in image.items() if name not in PERSONAL}
    named = [name for name in PERSONAL if name in image]
    return {**said, NOT_SAID: " ".join(named)} if named else said


def _about(model: Any, key: Any, image: Image, owners: Mapping[int, int]) -> tuple[int | None, int | None]:
    """The member and the invoice that a row is about."""
    if model is User:
        return key, None
    if model is Invoice:
        return image["user"], key
    if model is InvoiceLine:
        return owners.get(image["invoice"]), image["invoice"]
    return image.get("user"), None


def _quoted(name: str) -> str:
    return f'"{name}"'
