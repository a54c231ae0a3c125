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
    ReadOnly,
    StorageFailed,
    StreamctlError,
    Unreachable,
)
from streamctl.store.url import command

PASSWORD = "Give the right one in ~/.pgpass (of mode 0600), in PGPASSWORD or in the URL."  # noqa: S105
TLS = "Look at sslmode and sslrootcert in the URL."
# What waiting does not mend, and what does.
LASTING = {
    "password": PASSWORD,
    "authentication": PASSWORD,
    "pg_hba.conf": "Let this machine in with a line in the server's pg_hba.conf.",
    "support SSL": TLS,
    "certificate": TLS,
    "permission denied": "GRANT CONNECT on the database to the role.",
    "not permitted": "Let the role in with ALTER ROLE … LOGIN.",
}
MISSING = re.compile(r'(role|database) "(.+)" does not exist')
GIVES_IDS = re.compile(r"(\w+)_id_seq")
MAKERS = {"role": "createuser", "database": "createdb"}
DISK_FULL, IO = "53100", "58"
TRANSIENT = ("08", "53", "57")  # classes: the connection, resources, the operator's doing
IDLE_TOO_LONG = "25P03"


def translated(
    error: psycopg.Error, name: str, given: Mapping[str, str], *, wait: float, connected: bool, so_far: str
) -> StreamctlError | None:
    """Busy, lost, not reachable, not allowed, damaged; None for anything else."""
    why = reason(error)
    if not connected and error.sqlstate is None:
        return _not_opened(name, given, why)
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
        case psycopg.OperationalError() | psycopg.InternalError():
            return _failed(name, error.sqlstate or "", why, so_far)
    return None


def reason(error: psycopg.Error) -> str:
    """The server's or the driver's own words, on one line and without what it was asked."""
    said = " ".join((error.diag.message_primary or str(error)).split("\n")[0].split())
    told = said.rpartition("FATAL: ")[2]
    return told.removeprefix("connection failed: ").removeprefix("connection is bad: ").rstrip(".")


def _failed(name: str, state: str, why: str, so_far: str) -> StreamctlError | None:
    """What befell an open connection, or the server behind it."""
    if state == DISK_FULL or state.startswith(IO):
        return StorageFailed(name, why, so_far)
    if not state or state.startswith(TRANSIENT) or state == IDLE_TOO_LONG:
        return Unreachable(name, why, under_way=True, in_doubt=so_far == UNKNOWN)
    return None


def _not_opened(name: str, given: Mapping[str, str], why: str) -> StreamctlError:
    """Why there is no connection. Before there is one no SQLSTATE is told, only words."""
    if "invalid " in why or "bad value" in why:
        return BadValue(f"The URL of the database can't be used: {why}.")
    missing = MISSING.search(why)
    if missing:
        what, its_name = missing.groups()
        whose = {key: value for key, value in given.items() if what != "role" or key != "user"}
        return CannotOpen(name, why, f"Make it with: {command(MAKERS[what], whose, its_name)}")
    for sign, hint in LASTING.items():
        if sign in why:
            return CannotOpen(name, why, hint)
    return Unreachable(name, why)


def rule(error: BaseException | None) -> str:
    """The constraint that an error is about, named as SQLite names it: a unique index by its columns."""
    if not isinstance(error, psycopg.Error):
        return ""
    diag = error.diag
    if isinstance(error, errors.UniqueViolation) and diag.message_detail:
        columns = diag.message_detail.partition("(")[2].partition(")=")[0].replace('"', "").split(", ")
        return ", ".join(f"{diag.table_name}.{column}" for column in columns)
    return diag.constraint_name or diag.column_name or reason(error)
