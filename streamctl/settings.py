"""What flags and environment say, frozen."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamctl.domain.calendar import start_of
from streamctl.errors import UsageError

DATABASE_NAME = "streamctl.db"
WAIT = 30.0  # seconds for the database to become free
URLS = ("postgresql://", "postgres://")


class Settings(NamedTuple):
    """The root options. `as_of` is the business clock when one was given: an instant, or the start of a day."""

    db: str | None = None
    as_of: datetime | date | None = None
    timeout: float = WAIT
    quiet: bool = False
    debug: bool = False

    def path(self) -> Path:
        """Where the database is: `--db`, `STREAMCTL_DB`, or the user's data folder. Raises UsageError."""
        if self.db is None:
            from platformdirs import user_data_path

            return user_data_path("streamctl", appauthor=False) / DATABASE_NAME
        if self.db.startswith(URLS):
            raise UsageError("This streamctl keeps its data in a SQLite file.", "Give --db the path of a file.")
        try:
            return Path(self.db or "\0").expanduser().resolve()
        except (OSError, RuntimeError, ValueError):
            raise UsageError("--db needs the path of a file.") from None

    def now(self, zone: ZoneInfo) -> datetime:
        """The moment this command happens at, to the second: `as_of`, or the clock. Read once a command."""
        if self.as_of is None:
            return datetime.now(UTC).replace(microsecond=0)
        if isinstance(self.as_of, datetime):
            return self.as_of
        return start_of(self.as_of, zone)


def default_format() -> str | None:
    """The output format the environment asks for."""
    return os.environ.get("STREAMCTL_FORMAT") or None
