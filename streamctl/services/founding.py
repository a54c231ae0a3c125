"""A database made, or brought up to date."""

from __future__ import annotations

from collections.abc import Mapping

from streamctl.domain.records import Column, Record
from streamctl.domain.terms import DEFAULTS
from streamctl.errors import DatabaseExists, quoted_path, shell_quoted
from streamctl.interruption import held
from streamctl.store import schema
from streamctl.store.database import SCHEMA, Place, opened, settings

FOUNDED = (Column("path"), Column("created", "bool"), Column("currency"), Column("timezone"))
MIGRATED = (Column("path"), Column("schema", "int"), Column("applied"))


def found(place: Place, asked: Mapping[str, str], *, wait: float) -> Record:
    """Make a database with these settings and defaults for the rest; what it is.

    One of ours that is there already with what was asked stays as it is. Raises DatabaseExists when it has other
    settings, NotOurs when something else is there, CannotOpen.
    """
    if not schema.is_there(place, wait=wait):
        chosen = {**DEFAULTS, "timezone": asked.get("timezone") or _machines_zone(), **asked}
        try:
            made = schema.create(place, chosen, wait=wait)
        except DatabaseExists:
            if not schema.is_there(place, wait=wait):
                raise
        else:
            return Record(FOUNDED, (made, True, chosen["currency"], chosen["timezone"]))
    with opened(place, wait=wait) as store:
        there, name = settings(), store.name
    for key, value in asked.items():
        if there[key] != value:
            raise DatabaseExists(
                f"{quoted_path(name)} is there already, with {key} {there[key]}.",
                f"Change it with: streamctl --db {shell_quoted(name)} db set {key} {value}",
                path=name,
            )
    return Record(FOUNDED, (name, False, there["currency"], there["timezone"]))


def migrate(place: Place, *, wait: float) -> Record:
    """Bring the schema up to date; the migrations applied. Raises NoDatabase, NotOurs, SchemaNew, Busy."""
    with opened(place, wait=wait, any_schema=True) as store, held():
        if store.schema() > SCHEMA:
            store.check_schema()
        applied = schema.apply(store)
        store.changed = bool(applied)
        return Record(MIGRATED, (store.name, SCHEMA, " ".join(applied)))


def _machines_zone() -> str:
    """The machine's own time zone, or UTC where it has none."""
    from tzlocal import get_localzone_name

    from streamctl.domain.terms import read
    from streamctl.errors import BadValue

    try:
        return read("timezone", get_localzone_name() or "UTC")
    except (BadValue, LookupError, OSError, ValueError):
        return "UTC"
