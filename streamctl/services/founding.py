"""A database made, or brought up to date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamctl.domain.records import Column, Record
from streamctl.domain.terms import DEFAULTS
from streamctl.errors import DatabaseExists, quoted_path, shell_quoted
from streamctl.store import schema
from streamctl.store.database import SCHEMA, current, opened, settings

FOUNDED = (Column("path"), Column("created", "bool"), Column("currency"), Column("timezone"))
MIGRATED = (Column("path"), Column("schema", "int"), Column("applied"))


def found(path: Path, asked: Mapping[str, str], *, wait: float) -> Record:
    """Make a database with these settings and defaults for the rest; what it is.

    One of ours that is there already with what was asked stays as it is. Raises DatabaseExists when it has other
    settings, NotOurs when something else is there, CannotOpen.
    """
    if not path.exists():
        chosen = {**DEFAULTS, "timezone": asked.get("timezone") or _machines_zone(), **asked}
        schema.create(path, chosen)
        return Record(FOUNDED, (str(path), True, chosen["currency"], chosen["timezone"]))
    with opened(path, wait=wait):
        there = settings()
    for key, value in asked.items():
        if there[key] != value:
            raise DatabaseExists(
                f"{quoted_path(str(path))} is there already, with {key} {there[key]}.",
                f"Change it with: streamctl --db {shell_quoted(str(path))} db set {key} {value}",
                path=str(path),
            )
    return Record(FOUNDED, (str(path), False, there["currency"], there["timezone"]))


def migrate(path: Path, *, wait: float) -> Record:
    """Bring the schema up to date; the migrations applied. Raises NoDatabase, NotOurs, SchemaNew, Busy."""
    with opened(path, wait=wait, any_schema=True) as store:
        if store.schema() > SCHEMA:
            store.check_schema()
        applied = schema.apply(store)
        return Record(MIGRATED, (str(current().path), SCHEMA, " ".join(applied)))


def _machines_zone() -> str:
    """The machine's own time zone, or UTC where it has none."""
    from tzlocal import get_localzone_name

    from streamctl.domain.terms import read
    from streamctl.errors import BadValue

    try:
        return read("timezone", get_localzone_name() or "UTC")
    except (BadValue, LookupError, OSError, ValueError):
        return "UTC"
