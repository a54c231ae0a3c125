"""What flags and environment say, frozen."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamctl.domain.calendar import start_of
from streamctl.domain.text import stored
from streamctl.errors import DatabaseUnusable, ExtraMissing, UsageError

DATABASE_NAME = "streamctl.db"
LONGEST_NAME = 255  # bytes
WAIT = 30.0  # seconds for the database to become free
URLS = ("postgresql://", "postgres://")


class Settings(NamedTuple):
    """The root options. `as_of` is the business clock when one was given: an instant, or the start of a day.

    `db_named` says that --db was typed, and not set by the environment.
    """

    db: str | None = None
    as_of: datetime | date | None = None
    actor: str | None = None
    timeout: float = WAIT
    quiet: bool = False
    debug: bool = False
    no_input: bool = False
    db_named: bool = False

    def why_not_ask(self) -> str | None:
        """Why nobody can be asked a question here; None where somebody sees it and can answer."""
        for name, stream in (("input", sys.stdin), ("error", sys.stderr)):
            if stream is None or not stream.isatty():
                return f"standard {name} is no terminal"
        if self.no_input:
            return "--no-input was given"
        return "CI is set" if os.environ.get("CI", "").lower() not in ("", "0", "false") else None

    @property
    def typed_db(self) -> str | None:
        """What --db said, which commands that are to be pasted must repeat."""
        return self.db if self.db_named else None

    def place(self) -> Path | str:
        """Where the database is: `--db`, `STREAMCTL_DB`, or the user's data folder; a file, or a server's URL.

        Raises UsageError, ExtraMissing; DatabaseUnusable where there is no such folder.
        """
        if self.db is None:
            return (data_folder("Name the database with --db or STREAMCTL_DB.") / DATABASE_NAME).resolve()
        return place_of(self.db, "--db")

    def now(self, zone: ZoneInfo) -> datetime:
        """The moment this command happens at, to the second: `as_of`, or the clock. Read once a command."""
        if self.as_of is None:
            return real_now()
        if isinstance(self.as_of, datetime):
            return self.as_of
        return start_of(self.as_of, zone)

    def who(self) -> str:
        """The name that the journal knows this person by: `--actor`, STREAMCTL_ACTOR, or the login name."""
        return stored(login() if self.actor is None else self.actor, "actor")

    def kept_before(self, what: str, at: datetime) -> Path:
        """Where the database as it is before that, at that moment, is kept: beside the file, or in the data folder.

        Raises as `place` does.
        """
        end = f".before-{what}-{at:%Y%m%dT%H%M%SZ}"
        place = self.place()
        if isinstance(place, Path):
            # As much of its name as leaves room for a number, and for what SQLite puts behind it.
            name = os.fsencode(place.name)[: LONGEST_NAME - len(f"{end}-999-journal")]
            return place.with_name(f"{name.decode(errors='ignore')}{end}")
        folder = data_folder("It keeps a copy of the server's database there; name it with HOME or XDG_DATA_HOME.")
        return folder / f"server{end}"


def real_now() -> datetime:
    """The clock, to the second, whatever the business clock says."""
    return datetime.now(UTC).replace(microsecond=0)


def login() -> str:
    """The login name; behind `sudo` that of the person who typed it."""
    import pwd

    user = os.getuid()
    if user == 0 and (person := os.environ.get("SUDO_USER")):
        return person
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user may have none
        return str(user)


def data_folder(mend: str) -> Path:
    """The user's data folder. Raises DatabaseUnusable, with the mend, for a user who has none."""
    from platformdirs import user_data_path

    with suppress(RuntimeError):  # so newer ones say that neither HOME nor the system knows a home; older ones keep `~`
        found = user_data_path("streamctl", appauthor=False)
        if found.is_absolute():
            return found
    raise DatabaseUnusable("There is no home folder, so there is no data folder in it.", mend)


def place_of(written: str, option: str) -> Path | str:
    """The file or the server's URL that was given with that option. Raises UsageError, ExtraMissing.

    Called before the store is imported, for Peewee uses what drivers it finds then.
    """
    if written.startswith(URLS):
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise ExtraMissing("A PostgreSQL server", "psycopg", "postgres") from None
        return written
    scheme, mark, _ = written.partition(":/")
    if (mark and scheme.isalnum()) or "password=" in written.replace(" ", "").lower():
        # Without repeating it, for a password may be in it.
        raise UsageError(f"{option} takes the path of a file, or a URL that begins with {URLS[0]}.")
    try:
        return Path(written or "\0").expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # RuntimeError: of `~` there is no home
        raise UsageError(f"{option} needs the path of a file.") from None


def default_format() -> str | None:
    """The output format the environment asks for."""
    return os.environ.get("STREAMCTL_FORMAT") or None
