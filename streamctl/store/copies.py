"""A whole database as one SQLite file of its own: made beside whoever writes, checked, brought up to date."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from streamctl.errors import BadData, Damaged, OthersWrite, SchemaNew
from streamctl.store import pages, schema
from streamctl.store.database import SCHEMA, Place, Store, opened, settings, use
from streamctl.store.sqlite import SqliteStore
from streamctl.store.transfer import check_balanced, transfer


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


def unbalanced(copy: Store) -> BadData | None:
    """The first invoice of the copy that is not the sum of its lines, as a refusal."""
    try:
        check_balanced(copy, copy.name)
    except BadData as found:
        return found
    return None


def check_unused(place: Place, *, wait: float) -> None:
    """Raises OthersWrite while others have the file open, or are in the middle of a write to the server."""
    if isinstance(place, Path):
        with pages.held(place):
            return
    from streamctl.store.postgres import others_write

    with opened(place, wait=wait, any_schema=True) as store:
        if others_write(store):
            raise OthersWrite(store.name)
