"""Events of a batch: a line of JSON or a record of CSV each, read strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from streamctl.domain import csvrecords, strictjson, text
from streamctl.domain.calendar import typed_duration, typed_instant
from streamctl.errors import BadData, BadValue, listed, quoted

ACTIONS = ("checkin", "checkout", "heartbeat", "takeover")
COLUMNS = ("action", "member", "ref", "stream", "device", "lease", "at")
ALLOWED = {
    "checkin": {"action", "at", "member", "ref", "device", "lease"},
    "checkout": {"action", "at", "member", "ref", "stream"},
    "heartbeat": {"action", "at", "member", "ref", "stream"},
    "takeover": {"action", "at", "member", "ref", "stream", "device", "lease"},
}


class Event(NamedTuple):
    """One event. `at` is None for now."""

    action: str
    member: str | None
    ref: str | None
    stream: int | None
    device: str | None
    lease: timedelta | None
    at: datetime | None


class Group(NamedTuple):
    """How much goes into one transaction: so many events, and so much time at the most."""

    most: int
    longest: timedelta


BY_COUNT = timedelta(milliseconds=500)  # other writers get their turn at least so often
EVERY_THOUSAND = Group(1000, BY_COUNT)


def group(text: str) -> Group:
    """`1000` events, or `5s` of them. Raises BadValue."""
    if text.isascii() and text.isdigit() and int(text[:10]) > 0 and len(text) < 10:
        return Group(int(text), BY_COUNT)
    try:
        return Group(10**9, typed_duration(text))
    except BadValue:
        raise BadValue(f"{quoted(text)} is neither a number of events nor a duration, such as 1000 or 5s.") from None


class GoesOn(BadData):
    """A line that opens a JSON object or array and does not close it: the lines after it are no events."""


def from_json(line: bytes) -> Event:
    """The event on a line of JSON Lines. Raises GoesOn, BadData, BadValue."""
    try:
        found = strictjson.parse(line, "The line")
    except BadData as error:
        if _goes_on(line):
            raise GoesOn(error.message) from None
        raise
    if not isinstance(found, dict):
        raise BadData("The line is no JSON object.")
    return read(found)


def _goes_on(line: bytes) -> bool:
    """Whether the line ends between the parts of an object or array, and not torn inside of one."""
    bare = re.sub(rb'"(?:[^"\\]|\\.)*+"', b"", line)
    opened = sum(map(bare.count, (b"{", b"["))) - sum(map(bare.count, (b"}", b"]")))
    return opened > 0 and b'"' not in bare and re.search(rb"[\w.+-]\s*$", bare) is None


def csv_reader(header: list[str], delimiter: str = ",") -> Callable[[bytes], Event]:
    """A reader of the records below this CSV header. Raises BadData when it is none, naming what is wrong with it."""
    names = [name.strip().lower() for name in header]
    if not set(names) & set(COLUMNS):
        raise _no_header(f"{quoted(delimiter.join(header))} is neither a JSON object nor a header of events.")
    if unknown := [name for name in header if name.strip().lower() not in COLUMNS]:
        raise _no_header(f"Events have no column {listed(map(quoted, unknown))}.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _no_header(f"The header has the column {listed(twice)} twice.")
    if "action" not in names:
        raise _no_header(f"The header {quoted(delimiter.join(header))} has no column action.")

    def from_csv(record: bytes) -> Event:
        cells = csvrecords.cells(record, delimiter)
        if len(cells) != len(names):
            raise BadData(f"The record has {len(cells)} cells; the header has {len(names)}.")
        return read({name: cell for name, cell in zip(names, cells, strict=True) if cell != ""})

    return from_csv


def _no_header(message: str) -> BadData:
    return BadData(message, f"The columns are {','.join(COLUMNS)}, in any order; action must be one of them.")


def read(values: Mapping[str, Any]) -> Event:
    """The event that these values describe. Raises BadData, BadValue."""
    action = values.get("action")
    allowed = ALLOWED.get(action) if isinstance(action, str) else None
    if action is None or action == "":
        raise BadData(f"The action is missing; it is one of {listed(ACTIONS)}.")
    if allowed is None:
        raise BadData(f"The action {quoted(action)} is none of {listed(ACTIONS)}.")
    given = {name: value for name, value in values.items() if value is not None}
    if not given.keys() <= allowed:
        wrong = [name for name in given if name not in allowed]
        raise BadData(f"A {action} has no {listed(map(quoted, wrong))}.")
    if action != "heartbeat" and "member" not in given:
        raise BadData(f"A {action} needs a member.")
    if action == "heartbeat" and ("stream" in given) == ("ref" in given):
        raise BadData("A heartbeat needs a stream or a ref.")
    if action == "checkout" and "stream" in given and "ref" in given:
        raise BadData("A checkout takes a stream or a ref, not both.")
    return Event(
        str(action),
        _member(given["member"]) if "member" in given else None,
        text.key(_text(given, "ref")) if "ref" in given else None,
        _number(given["stream"]) if "stream" in given else None,
        text.stored(_text(given, "device")) if "device" in given else None,
        typed_duration(_text(given, "lease")) if "lease" in given else None,
        _moment(given["at"]) if "at" in given else None,
    )


def _member(value: Any) -> str:
    if type(value) is int and value >= 0:
        return str(value)
    if isinstance(value, str) and value:
        return text.stored(value, "member")
    raise BadData(f"The member {quoted(value)} is no id and no e-mail address.")


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if type(value) is int and value >= 0:
        return value
    raise BadData(f"The stream {quoted(value)} is no id.")


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str):
        raise BadData(f"The {name} {quoted(value)} is no text.")
    return value


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise BadValue(f"{quoted(value)} is no instant; write it like 2026-11-22T20:15:03Z.")
    return typed_instant(value)
