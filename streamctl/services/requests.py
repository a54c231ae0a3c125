"""Keys: the same request twice is one request, and its first receipt is the answer for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from streamctl.domain.calendar import written
from streamctl.domain.events import Event
from streamctl.domain.flatjson import flat
from streamctl.errors import KeyConflict, RefusedBefore, StreamctlError
from streamctl.store.models import Request
from streamctl.store.prepared import Prepared
from streamctl.store.streams import request_key

Action = Literal["checkin", "checkout", "takeover", "line"]


_first = Prepared(
    lambda key, closes: Request.select(Request.action, Request.parameters, Request.receipt, Request.at).where(
        request_key(key, closes)
    )
)
_remember = Prepared(
    lambda key, action, member, parameters, receipt, at: Request.insert(
        {
            Request.key: key,
            Request.action: action,
            Request.member: member,
            Request.parameters: parameters,
            Request.receipt: receipt,
            Request.at: at,
        }
    )
)


def replay(key: str | None, action: Action, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The receipt of the first request with this key, or None when the key is new.

    A check-out shares its check-in's key; every other second use is a conflict. Raises KeyConflict when the first
    request was another one.
    """
    if key is None:
        return None
    for first, before_as_text, receipt, at in _first(key, action == "checkout"):
        before = json.loads(before_as_text)
        if first != action or any(before.get(name) != value for name, value in parameters.items()):
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
        _remember(key, action, member, flat(parameters), flat(receipt), written(at))


def any_refused() -> bool:
    """Whether any event of a batch was ever refused; most databases have none, and need not be asked for each."""
    first, beyond = "refused:", "refused;"
    return bool(Request.select().where((Request.key >= first) & (Request.key < beyond)).exists())


def refused_before(event: Event, at: datetime) -> RefusedBefore | None:
    """The refusal of this very event, if it was played before."""
    no_checkout = False
    for _, _, receipt, _ in _first(_refusal_key(event, at), no_checkout):
        return RefusedBefore(json.loads(receipt))
    return None


def remember_refusal(event: Event, at: datetime, refused: StreamctlError) -> None:
    """Write down that an event was refused: a file that is played again must not find a credit that was freed since."""
    words = {name: value for name, value in event._asdict().items() if isinstance(value, (str, int))}
    told = json.dumps(refused.told(), ensure_ascii=False)
    _remember(_refusal_key(event, at), "refused", 0, flat(words), told, written(at))


def _refusal_key(event: Event, at: datetime) -> str:
    """A key that only the same event has, word for word."""
    return "refused:" + sha256(repr((*event[:-1], written(at))).encode()).hexdigest()
