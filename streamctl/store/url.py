"""The URL of a PostgreSQL server: read as libpq reads it, and shown without its passwords."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from streamctl.errors import BadValue

SECRET = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


def read(url: str) -> dict[str, str]:
    """What the URL says, by libpq's names. Raises BadValue, which repeats nothing: any part may be of a password."""
    who, at, where = url.partition("://")[2].partition("@")
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except (psycopg.ProgrammingError, UnicodeError):
        given = {"port": "unreadable"}
    # libpq takes what follows a password's own @ or / for the name of a host, and would say it in errors.
    misread = "@" in where or (at and any(mark in who for mark in "/?#"))
    if misread or not all(port.isdecimal() for port in given.get("port", "").split(",") if port):
        raise BadValue(
            "The URL of the database can't be read.",
            "Write it like postgresql://user@host:5432/database; in a password @ is %40, / is %2F, ? is %3F, % is %25.",
        )
    return given


def without_secrets(url: str) -> str:
    """The URL as it can be shown and typed again, without its passwords. Raises BadValue."""
    read(url)
    who, at, where = url.partition("://")[2].rpartition("@")
    path, _, query = where.partition("?")
    kept = [part for part in query.split("&") if part and unquote(part.partition("=")[0]) not in SECRET]
    return f"postgresql://{who.partition(':')[0]}{at}{path}{'?' if kept else ''}{'&'.join(kept)}"


def command(program: str, given: Mapping[str, str], argument: str) -> str:
    """A command to paste that runs one of PostgreSQL's own programs against the server."""
    flags = {"-h": "host", "-p": "port", "-U": "user"}
    one = {flag: given[name] for flag, name in flags.items() if name in given and "," not in given[name]}
    return shlex.join([program, *(word for option in one.items() for word in option), argument])
