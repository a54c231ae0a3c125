"""Fields for days and instants, which SQLite keeps as text and PostgreSQL as its own types."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from peewee import Field

from streamctl.domain.calendar import as_day, as_instant, written

if TYPE_CHECKING:  # generic in Peewee's stubs alone
    AnyField = Field[Any]
else:
    AnyField = Field


class DayField(AnyField):
    """A day in the database's time zone: `2026-11-22`, a `date` in Python."""

    field_type = "DATE"

    def db_value(self, value: date | str | None) -> date | str | None:
        """ISO text, which both engines take for a day."""
        return value.isoformat() if isinstance(value, date) else value

    def is_stored(self, value: object) -> bool:
        """Whether it is the very text of a day: PostgreSQL would take `yesterday` and `1/2/26` for one."""
        try:
            return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
        except ValueError:
            return False

    def python_value(self, value: date | str | None) -> date | None:
        """A date, whichever way the driver gives it."""
        return as_day(value)


class InstantField(AnyField):
    """An instant in UTC, to the second: `2026-11-22T20:15:03Z`, an aware `datetime` in Python."""

    field_type = "DATETIME"

    def db_value(self, value: datetime | str | None) -> str | None:
        """ISO text with Z, which sorts as time does."""
        return written(value) if isinstance(value, datetime) else value

    def is_stored(self, value: object) -> bool:
        """Whether it is the very text of an instant."""
        try:
            return isinstance(value, str) and written(datetime.fromisoformat(value)) == value
        except (ValueError, OverflowError):
            return False

    def python_value(self, value: datetime | str | None) -> datetime | None:
        """An aware datetime, whichever way the driver gives it."""
        return as_instant(value)
