"""The month's end: fees and the numbers of invoices."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import NamedTuple

from streamctl.domain.calendar import month_of


class Month(NamedTuple):
    """A billing month as a half-open period: from `first` up to but not including `after`."""

    name: str
    first: date
    after: date

    @classmethod
    def of(cls, month: str) -> Month:
        """The month of that name."""
        first = date.fromisoformat(f"{month}-01")
        return cls(month, first, (first + timedelta(days=31)).replace(day=1))

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.after - self.first).days

    def nearest(self, today: date) -> date:
        """Today, when it is in the month; the day of the month that is nearest to it otherwise."""
        return min(max(today, self.first), self.after - timedelta(days=1))


def fee_text(month: str) -> str:
    """What a fee's line is called."""
    return f"Membership {month}"


def fee_key(month: str) -> tuple[str, str]:
    """What stands before and after the member's id in the key of their fee."""
    return "fee:", f":{month}"


def number_parts(format: str) -> list[tuple[str, str]]:
    """A `number_format` in its parts, in order: `("text", "INV-")`, `("month", "")`, `("seq", width)`."""
    found = re.findall(r"([^{}]+)|\{(month)\}|\{(seq)(?::0?([0-9]))?\}", format)
    return [("text", text) if text else ("month", "") if month else ("seq", width) for text, month, _, width in found]


def number(format: str, month: str, sequence: int) -> str:
    """The number of an invoice of that month with that place in the sequence."""
    return "".join(
        month if kind == "month" else f"{sequence:0{given or 1}}" if kind == "seq" else given
        for kind, given in number_parts(format)
    )


def is_over(month: str, today: date) -> bool:
    """Whether every day of the month has passed."""
    return month < month_of(today)
