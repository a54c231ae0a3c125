"""JSON read without mercy: exact, or refused in one sentence."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.domain.strictjson import parse
from streamctl.errors import BadData

unhurried = settings(deadline=None)
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text()
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@unhurried
@given(documents, st.booleans())
def test_what_json_can_say_is_read_as_it_is(document: object, ascii_only: bool) -> None:
    assert parse(json.dumps(document, ensure_ascii=ascii_only).encode(), "x.json") == document


@unhurried
@given(st.binary(max_size=60) | st.text('[]{}",:0123456789.eE+-NaIntrufls \\u', max_size=40).map(str.encode))
def test_any_bytes_are_a_document_or_bad_data(data: bytes) -> None:
    try:
        found = parse(data, "x.json")
    except BadData as error:
        found = error.message
    assert found is None or isinstance(found, (bool, int, str, list, dict, Decimal))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"),
        (b"[1,]", "line 1, column"),
        (b"[1]\n[2]", "line 2, column 1"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a": 1, "b": 2, "a": 1}', "'a' stands twice"),
        (b'[{"x": {"k": 1, "k": 2}}]', "'k' stands twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "can't be read"),
        (b'"\xff"', "no UTF-8 at byte 1"),
        ('"é"'.encode("utf-16"), "no UTF-8 at byte 0"),
    ],
)
def test_what_other_readers_let_through_is_refused_with_its_place(data: bytes, why: str) -> None:
    with pytest.raises(BadData, match=r"x\.json") as refused:
        parse(data, "x.json")
    assert why in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.status == 4


@pytest.mark.parametrize(
    "data", [b"1e1000000000000000000", b"[-1E-99999999999999999999]", b'{"amount": 0e10000000000000000000}']
)
def test_a_number_beyond_all_decimals_is_bad_data(data: bytes) -> None:
    with pytest.raises(BadData, match=r"x\.json"):
        parse(data, "x.json")


def test_decimals_are_exact_and_a_byte_order_mark_is_no_matter() -> None:
    assert parse(b'\xef\xbb\xbf{"amount": 9.90}', "x") == {"amount": Decimal("9.90")}
    assert str(parse(b"[0.1, 1e400, 15.00]", "x")) == "[Decimal('0.1'), Decimal('1E+400'), Decimal('15.00')]"
