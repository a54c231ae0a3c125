"""Statements built once: their values reach the places they are meant for."""

from __future__ import annotations

from streamctl.store.database import Store
from streamctl.store.models import Setting
from streamctl.store.prepared import Prepared

both = Prepared(lambda value, key: Setting.select(Setting.key).where((Setting.key == key) & (Setting.value == value)))
twice = Prepared(lambda key: Setting.select(Setting.key).where((Setting.key == key) | (Setting.value == key)))
mixed = Prepared(lambda key: Setting.select(Setting.key).where((Setting.value == "USD") & (Setting.key == key)))
in_order = Prepared(lambda key, value: Setting.insert({Setting.key: key, Setting.value: value}))


def test_values_find_their_places_whatever_the_order_and_beside_constants(store: Store) -> None:
    assert both("USD", "currency") == [("currency",)]
    assert both("currency", "USD") == []
    assert twice("currency") == [("currency",)]
    assert mixed("currency") == [("currency",)]
    assert mixed("timezone") == []


def test_an_insert_tells_the_id_of_its_row(store: Store) -> None:
    with store.atomic("IMMEDIATE"):
        first, second = in_order.id("one", "1"), in_order.id("two", "2")
    assert second == first + 1
    assert store.run("SELECT value FROM setting WHERE rowid = ?", (second,)) == [("2",)]
