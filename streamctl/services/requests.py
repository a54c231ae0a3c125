"""Keys: the same request twice is one request, and its first receipt is the answer for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from streamctl.domain.calendar import written
from streamctl.errors import KeyConflict
from streamctl.store.models import Request

Action = Literal["checkin", "checkout", "takeover", "line"]


def replay(key: str | None, action: Action, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """The receipt of the first request with this key, or None when the key is new.

    A check-out shares its check-in's key; every other second use is a conflict. A member who can't be found any
    more (None) is not compared: the receipt comes before any other check. Raises KeyConflict when the first request
    was another one.
    """
    if key is None:
        return None
    closes = action == "checkout"
    first = Request.get_or_none((Request.key == key) & ((Request.action == "checkout") == closes))
    if first is None:
        return None
    before = json.loads(first.parameters)
    asked = {name: value for name, value in parameters.items() if name != "member" or value is not None}
    if first.action != action or any(before.get(name) != value for name, value in asked.items()):
        same = ", ".join(f"{name} {value}" for name, value in before.items() if value is not None)
        raise KeyConflict(key, f"{first.action} with {same} at {written(first.at)}")
    return dict(json.loads(first.receipt))


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
        Request.insert(
            key=key, action=action, member=member, parameters=_json(parameters), receipt=_json(receipt), at=at
        ).execute()


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
