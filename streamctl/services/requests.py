"""Keys: the same request twice is one request, and its first receipt is the answer for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from streamctl.domain.calendar import written
from streamctl.domain.events import Event
from streamctl.errors import KeyConflict, RefusedBefore, StreamctlError
from streamctl.store.models import Request
from streamctl.store.prepared import Prepared, slot
from streamctl.store.streams import request_key

Action = Literal["checkin", "checkout", "takeover", "line"]


_first = Prepared(
    lambda: Request.select(Request.action, Request.parameters, Request.receipt, Request.at).where(
        request_key("key", "closes")
    )
)
_remember = Prepared(
    lambda: Request.insert(
        {
            Request.key: slot("key"),
            Request.action: slot("action"),
            Request.member: slot("member"),
            Request.parameters: slot("parameters"),
            Request.receipt: slot("receipt"),
            Request.at: slot("at"),
        }
    )
)


def replay(key: str | None, action: Action, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The receipt of the first request with this key, or None when the key is new.

    A check-out shares its check-in's key; every other second use is a conflict. A member who can't be found any
    more (None) is not compared: the receipt comes before any other check. Raises KeyConflict when the first request
    was another one.
    """
    if key is None:
        return None
    for first, before_as_text, receipt, at in _first(key=key, closes=action == "checkout"):
        before = json.loads(before_as_text)
        asked = {name: value for name, value in parameters.items() if name != "member" or value is not None}
        if first != action or any(before.get(name) != value for name, value in asked.items()):
            same = ", ".join(f"{name} {value}" for name, value in before.items() if value is not None)
            raise KeyConflict(key, f"{first} with {same} at {at}")
        return dict(json.loads(receipt))
    return None


def remember(
    key: str | None,
    action: Action,
    member: int,
    parameters: Mapping[str, Any],
    receipt: Mapping[str, Any],
    at: datetime,
) -> None:
    """Write the request down in the transaction of its effect."""
    if key is not None:
        _remember(
            key=key,
            action=action,
            member=member,
            parameters=_json(parameters),
            receipt=_json(receipt),
            at=written(at),
        )


def any_refused() -> bool:
    """Whether any event of a batch was ever refused; most databases have none, and need not be asked for each."""
    first, beyond = "refused:", "refused;"
    return bool(Request.select().where((Request.key >= first) & (Request.key < beyond)).exists())


def refused_before(event: Event, at: datetime) -> RefusedBefore | None:
    """The refusal of this very event, if it was played before."""
    for _, _, receipt, _ in _first(key=_refusal_key(event, at), closes=False):
        return RefusedBefore(json.loads(receipt))
    return None


def remember_refusal(event: Event, at: datetime, refused: StreamctlError) -> None:
    """Write down that an event was refused: a file that is played again must not find a credit that was freed since."""
    words = {name: value for name, value in event._asdict().items() if isinstance(value, (str, int))}
    _remember(
        key=_refusal_key(event, at),
        action="refused",
        member=0,
        parameters=_json(words),
        receipt=_json(refused.told()),
        at=written(at),
    )


def _refusal_key(event: Event, at: datetime) -> str:
    """A key that only the same event has, word for word."""
    return "refused:" + sha256(repr((*event[:-1], written(at))).encode()).hexdigest()


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
