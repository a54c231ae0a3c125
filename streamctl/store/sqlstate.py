"""What PostgreSQL and its driver say went wrong, as our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg
from psycopg import errors

from streamctl.errors import (
    UNKNOWN,
    BadValue,
    Busy,
    CannotOpen,
    Damaged,
    IdsUsedUp,
    NotAllowed,
    NotOurs,
    PoolerUnsuited,
    ReadOnly,
    StorageFailed,
    StreamctlError,
    Unreachable,
)
from streamctl.store.url import command

PASSWORD = "Give the right one in ~/.pgpass (of mode 0600), in PGPASSWORD or in the URL."  # noqa: S105
TLS = "Look at sslmode and sslrootcert in the URL."
PATH = "Leave `options` out of the URL behind a pooler; ALTER ROLE … SET search_path = … names the schema for it."
LET_IN = "Let the role in: CREATE ROLE … LOGIN, or ALTER ROLE … LOGIN, and a line in the server's pg_hba.conf."
# What waiting does not mend, and what does. Where no server spoke there are only libpq's words.
NO_SERVER_SPOKE = {
    "password": PASSWORD,
    "authentication": PASSWORD,
    "support SSL": TLS,
    "certificate": TLS,
}
MISSING_ROLE = re.compile(r'role "(.+)" does not exist')
GIVES_IDS = re.compile(r"(\w+)_id_seq")
DISK_FULL, IO = "53100", "58"
TRANSIENT = ("08", "53", "57")  # classes: the connection, resources, the operator's doing
IDLE_TOO_LONG = "25P03"
MIXED_UP = ("26000", "42P05")  # a statement that was prepared is not there, or is there already


def translated(error: psycopg.Error, name: str, *, wait: float, so_far: str) -> StreamctlError | None:
    """What befell a connection: busy, lost, not allowed, damaged; None for anything else."""
    why = reason(error)
    match error:
        case errors.LockNotAvailable() | errors.DeadlockDetected() | errors.SerializationFailure():
            return Busy(wait, so_far)
        case errors.ReadOnlySqlTransaction():
            return ReadOnly(
                name, so_far, "Name the server that is written to, or several with ?target_session_attrs=read-write."
            )
        case errors.SequenceGeneratorLimitExceeded():
            sequence = GIVES_IDS.search(why)
            return IdsUsedUp(name, sequence[1] if sequence else "a table", so_far)
        case errors.InsufficientPrivilege():
            return NotAllowed(name, why, so_far)
        case errors.InvalidSchemaName():
            return CannotOpen(name, why, "Make the schema that search_path names, with CREATE SCHEMA.")
        case errors.DuplicateTable() | errors.DuplicateFunction():
            return NotOurs(name, "a schema with tables of another program")
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.DataCorrupted() | errors.IndexCorrupted():
            return Damaged(name, why, "Restore the last pg_dump, or load the last `db dump` into an empty schema.")
    return _failed(name, error, why, so_far)


def reason(error: psycopg.Error) -> str:
    """The server's or the driver's own words, on one line and without what it was asked."""
    said = " ".join((error.diag.message_primary or str(error)).split("\n")[0].split())
    return said.rpartition("FATAL: ")[2].removeprefix("connection failed: ").rstrip(".")


def _failed(name: str, error: psycopg.Error, why: str, so_far: str) -> StreamctlError | None:
    """What befell the server, or the way to it."""
    state = error.sqlstate or ""
    if state in MIXED_UP:
        return PoolerUnsuited(name, so_far)
    if not isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        return None
    if state == DISK_FULL or state.startswith(IO):
        return StorageFailed(name, why, so_far)
    if not state or state.startswith(TRANSIENT) or state == IDLE_TOO_LONG:
        return Unreachable(name, why, under_way=True, in_doubt=so_far == UNKNOWN)
    return None


def not_connected(error: psycopg.Error, name: str, given: Mapping[str, str]) -> StreamctlError:
    """Why there is no connection, by the SQLSTATE with which a server refused it."""
    why = reason(error)
    match error.sqlstate:
        case None:  # no server spoke
            if "invalid " in why or "bad value" in why:
                return BadValue(f"The URL of the database can't be used: {why}.")
            for sign, hint in NO_SERVER_SPOKE.items():
                if sign in why:
                    return CannotOpen(name, why, hint)
        case "28P01":
            return CannotOpen(name, why, PASSWORD)
        case "28000":
            return CannotOpen(name, why, _let_in(given, why))
        case "3D000":
            database = given.get("dbname") or given.get("user", "NAME")
            return CannotOpen(name, why, f"Make it with: {command('createdb', given, database)}")
        case "42501":
            return CannotOpen(name, why, "GRANT CONNECT on the database to the role.")
        case "08P01" if "options" in given:  # poolers refuse it
            return CannotOpen(name, why, PATH)
    return Unreachable(name, why)


def _let_in(given: Mapping[str, str], why: str) -> str:
    """What lets a role in. The state is one for many reasons; only the best of the hints hangs on English words."""
    if "pg_hba.conf" in why:
        return "Let this machine in with a line in the server's pg_hba.conf."
    if missing := MISSING_ROLE.search(why):
        nobody = {key: value for key, value in given.items() if key != "user"}
        return f"Make it with: {command('createuser', nobody, missing[1])}"
    return PASSWORD if "authentication" in why else LET_IN


def rule(error: BaseException | None) -> str:
    """The constraint that an error is about, named as SQLite names it: a unique index by its columns."""
    if not isinstance(error, psycopg.Error):
        return ""
    diag = error.diag
    if isinstance(error, errors.UniqueViolation) and diag.message_detail:
        columns = diag.message_detail.partition("(")[2].partition(")=")[0].replace('"', "").split(", ")
        return ", ".join(f"{diag.table_name}.{column}" for column in columns)
    return diag.constraint_name or diag.column_name or reason(error)
