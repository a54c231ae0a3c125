"""Flat objects as JSON: what is written fast is what the library writes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as some

from streamctl.domain.flatjson import flat

NAMES = some.sampled_from(["ok", "line", "member", "device", "replayed", "ref"])
VALUES = some.integers() | some.text() | some.none() | some.booleans()


@given(some.dictionaries(NAMES, VALUES))
def test_a_flat_object_is_what_the_library_writes(values: dict[str, int | str | None]) -> None:
    assert flat(values) == json.dumps(values, ensure_ascii=False)
