"""A database made, or brought up to date."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from streamctl.domain.records import Column, Record
from streamctl.domain.terms import DEFAULTS, read
from streamctl.errors import BadValue, DatabaseExists, quoted, quoted_path, shell_quoted
from streamctl.interruption import held
from streamctl.services.settings import has_amounts, in_another_database
from streamctl.store import schema
from streamctl.store.database import SCHEMA, Place, opened, settings

FOUNDED = (Column("path"), Column("created", "bool"), Column("currency"), Column("timezone"))
MIGRATED = (Column("path"), Column("schema", "int"), Column("applied"))


def found(place: Place, asked: Mapping[str, str], *, wait: float) -> tuple[Record, bool]:
    """Make a database with these settings and defaults for the rest; what it is, and whether its time zone is a guess.

    One of ours that is there already with what was asked stays as it is. Raises DatabaseExists when it has other
    settings, NotOurs when something else is there, CannotOpen, and BadValue for a time zone that has no name.
    """
    if not schema.is_there(place, wait=wait):
        zone = asked.get("timezone") or machines_zone()
        chosen = {**DEFAULTS, **({"timezone": zone} if zone else {}), **asked}
        try:
            made = schema.create(place, chosen, wait=wait)
        except DatabaseExists:
            if not schema.is_there(place, wait=wait):
                raise
        else:
            return Record(FOUNDED, (made, True, chosen["currency"], chosen["timezone"])), zone is None
    with opened(place, wait=wait) as store:
        there, name, fixed = settings(), store.name, has_amounts()
    for key, value in asked.items():
        if there[key] != value:
            raise DatabaseExists(
                f"{quoted_path(name)} is there already, with {key} {there[key]}.",
                in_another_database(value)
                if key == "currency" and fixed
                else f"Change it with: streamctl --db {shell_quoted(name)} db set {key} {value}",
                path=name,
            )
    return Record(FOUNDED, (name, False, there["currency"], there["timezone"])), False


def migrate(place: Place, *, wait: float) -> Record:
    """Bring the schema up to date; the migrations applied. Raises NoDatabase, NotOurs, SchemaNew, Busy."""
    with opened(place, wait=wait, any_schema=True) as store, held():
        if store.schema() > SCHEMA:
            store.check_schema()
        applied = schema.apply(store)
        store.changed = bool(applied)
        return Record(MIGRATED, (store.name, SCHEMA, " ".join(applied)))


def machines_zone() -> str | None:
    """The machine's own time zone, by TZ or else by its configuration; None where neither tells one.

    Raises BadValue for one that has no IANA name: what is billed by it would depend on what is guessed.
    """
    from tzlocal import get_localzone_name

    told = os.environ.get("TZ", "").removeprefix(":")
    try:
        named = _zone_of_file(told) if told.startswith("/") else told or get_localzone_name()
        return read("timezone", named) if named else None
    except (BadValue, LookupError, OSError, ValueError):
        whose = f"TZ, which is {quoted(told)}," if told else "The machine's configuration"
        hint = "Name it with: streamctl db init --timezone Europe/Berlin"
        raise BadValue(f"{whose} tells no IANA time zone.", hint) from None


def _zone_of_file(path: str) -> str:
    """The IANA name of the zone in the file, which is the end of its path. Raises BadValue."""
    parts = Path(path).resolve().parts
    for start in range(1, len(parts)):
        with suppress(BadValue):
            return read("timezone", "/".join(parts[start:]))
    raise BadValue(f"{quoted_path(path)} is no IANA time zone.")
