"""The terms a database does business on: its currency, its time zone and its prices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamctl.domain import money
from streamctl.domain.calendar import in_range, local_day, month_of, typed_duration, written
from streamctl.domain.text import email, stored
from streamctl.errors import BadValue, quoted


def _zone(text: str) -> str:
    # Beside IANA's names a system keeps its own zone, and all zones once more with leap seconds.
    if not re.fullmatch("localtime|posixrules|(posix|right)/.*", text):
        with suppress(LookupError, OSError, ValueError):
            return ZoneInfo(text).key
    raise BadValue(f"{quoted(text)} is no IANA time zone, such as Europe/Berlin or UTC.")


def _days(text: str) -> str:
    if not re.fullmatch("[0-9]{1,3}", text):
        raise BadValue(f"{quoted(text)} is no number of days from 0 to 999.")
    return str(int(text))


def _number_format(text: str) -> str:
    if len(text) <= 64 and re.fullmatch(r"([^{}\x00]|{month}|{seq(:0?[0-9])?})*", text) and "{seq" in text:
        return stored(text, "number format")
    raise BadValue(f"{quoted(text)} is no number format; write it like {{month}}-{{seq:05}}, with {{seq}} in it.")


def _price(text: str) -> str:
    return f"{money.amount(text):f}"


def _lease(text: str) -> str:
    if text != NO_LEASE:
        typed_duration(text)
    return text


def _line(text: str) -> str:
    return stored(text.replace("\n", " ").strip())


def _lines(text: str) -> str:
    return stored("; ".join(lines_of(text)), most=MOST_LINES)


def _email(text: str) -> str:
    return email(text) if text else ""


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a setting that has several: `;` ends one, as a line end does."""
    return tuple(filter(None, (line.strip() for line in text.replace("\n", ";").split(";"))))


NO_LEASE = "none"
MOST_LINES = 1000  # characters
READERS: Mapping[str, Callable[[str], str]] = {
    "currency": money.currency,
    "timezone": _zone,
    "checkin_amount": _price,
    "checkout_amount": _price,
    "payment_days": _days,
    "number_format": _number_format,
    "lease": _lease,
    "seller_name": _line,
    "seller_address": _lines,
    "seller_email": _email,
    "seller_tax_id": _line,
    "seller_note": _lines,
}
DEFAULTS: Mapping[str, str] = {
    "currency": "USD",
    "timezone": "UTC",
    "checkin_amount": "1.00",
    "checkout_amount": "0.00",
    "payment_days": "14",
    "number_format": "{month}-{seq:05}",
    "lease": NO_LEASE,
    "seller_name": "",
    "seller_address": "",
    "seller_email": "",
    "seller_tax_id": "",
    "seller_note": "",
}


class Terms(NamedTuple):
    """The settings, read: amounts are decimals of the currency; without a lease a stream lives until checked out."""

    currency: str
    zone: ZoneInfo
    checkin_amount: Decimal
    checkout_amount: Decimal
    payment_days: int
    number_format: str
    lease: timedelta | None

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Terms:
        """The terms that these stored settings make."""
        return cls(
            currency=settings["currency"],
            zone=ZoneInfo(settings["timezone"]),
            checkin_amount=Decimal(settings["checkin_amount"]),
            checkout_amount=Decimal(settings["checkout_amount"]),
            payment_days=int(settings["payment_days"]),
            number_format=settings["number_format"],
            lease=None if settings["lease"] == NO_LEASE else typed_duration(settings["lease"]),
        )

    def minor(self, amount: Decimal) -> int:
        """The amount of a line or a fee in minor units. Raises BadValue."""
        return money.minor_units(amount, self.currency)

    def minor_total(self, amount: Decimal) -> int:
        """The total of an invoice in minor units: it may be more than a line can be. Raises BadValue."""
        return money.total_units(amount, self.currency)

    def today(self, at: datetime) -> date:
        """The day it is at that instant, in the database's time zone. Raises BadValue outside 2000 to 2999."""
        return _today(at, self.zone)

    def month(self, at: datetime) -> str:
        """The billing month of that instant."""
        return month_of(self.today(at))


@lru_cache(128)  # a batch asks it of every event
def _today(at: datetime, zone: ZoneInfo) -> date:
    try:
        return in_range(local_day(at, zone))
    except (ValueError, OverflowError):
        raise BadValue(f"{written(at)} is beyond the years 2000 to 2999 in {zone.key}.") from None


def read(name: str, text: str) -> str:
    """A setting's value in the form it is stored. Raises BadValue for a name or value that can't be."""
    if name not in READERS:
        from difflib import get_close_matches

        close = get_close_matches(name, READERS, n=1)
        raise BadValue(
            f"There is no setting {quoted(name)}.",
            f"Did you mean {close[0]}?" if close else f"The settings are {', '.join(READERS)}.",
        )
    return READERS[name](text)
