"""A whole database as one SQLite file of its own: made beside whoever writes, checked, brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from streamctl.errors import BadData, Damaged, OthersWrite, SchemaNew, listed, quoted
from streamctl.store import bulk, files, pages, schema, shape
from streamctl.store.database import ID_LAST, SCHEMA, Place, Store, opened, settings, use
from streamctl.store.sqlite import SqliteStore
from streamctl.store.transfer import transfer, unbalanced


def write(old: Store, draft: Path, *, name: str, log: bool = False) -> None:
    """Fill the new file with everything in the open database as it stands at one moment; writers go on meanwhile.

    It has no log beside it, as backups have none, unless it is to be worked in. `name` is what it will be called.
    Raises Busy, Damaged, StorageFailed; of a server, whose rows are copied, also SchemaOld, SchemaNew, CopyDiffers.
    """
    if isinstance(old, SqliteStore):
        pages.saved(old.path, draft, name=name, wait=old.wait, log=log)
        return
    old.check_schema()
    view = nullcontext() if old.in_transaction() else old.reading()
    try:
        with view, schema.built(draft, settings(), wait=old.wait, name=name) as new, new.writing(alone=True):
            transfer(old, new)
    finally:
        use(old)
    if not log:
        pages.without_log(draft)


def check(copy: Store, hint: str) -> None:
    """Raises SchemaNew or Damaged unless this program can read the copy, the open database, and it is whole."""
    if copy.schema() > SCHEMA:
        raise SchemaNew(copy.name, copy.schema(), SCHEMA)
    for fault in copy.inspector().faults():
        finding = fault.finding.splitlines()[-1]
        raise Damaged(copy.name, f"{fault.row}: {finding}" if fault.row else finding, hint)


class Objection(NamedTuple):
    """Why `db restore` does not take a database: what is wrong in it, and whether it is taken with `--force`."""

    what: str
    forced: bool
    trigger: str = ""  # one that is none of ours


def objections(copy: Store) -> Iterator[Objection]:
    """All that `db restore` has against the open database, which is of today's schema."""
    for flaw in shape.flaws(copy) or ():
        kind, table, name, _ = flaw.piece
        if not flaw.wanted:
            yield Objection(f"The trigger {quoted(name)} on {table} is none of streamctl's", forced=True, trigger=name)
        else:
            yield Objection(f"The {kind} {name} is {'missing' if flaw.missing else 'not as it was made'}", flaw.remade)
    for table, number, there in bulk.out_of_range(copy):
        whose = f"The id of {table} {number}" if there else f"The last id of {table}, {number},"
        yield Objection(f"{whose} is not from 1 to {ID_LAST}", forced=False)
    if wrong := unbalanced(copy):
        them = f"Invoice {wrong[0]} is" if len(wrong) == 1 else f"The invoices {listed(wrong)} are"
        yield Objection(f"{them} not the sum of {'its' if len(wrong) == 1 else 'their'} lines", forced=True)


def objections_later(copy: Path, *, wait: float) -> Iterator[Objection]:
    """The same of a backup of any schema, which is brought up to date in a file beside it to see what comes of that."""
    tried = copy.with_name(files.TRIED)
    files.new(tried)
    pages.saved(copy, tried, name=str(copy), wait=wait, log=True)
    with opened(tried, wait=wait, any_schema=True) as store:
        try:
            schema.apply(store)
        except BadData as error:
            yield Objection(error.message.rstrip("."), forced=False)
        else:
            yield from objections(store)


def check_unused(place: Place, *, wait: float) -> None:
    """Raises OthersWrite while others have the file open, or are in the middle of a write to the server."""
    if isinstance(place, Path):
        with pages.held(place):
            return
    from streamctl.store.postgres import others_write

    with opened(place, wait=wait, any_schema=True) as store:
        if others_write(store):
            raise OthersWrite(store.name)
