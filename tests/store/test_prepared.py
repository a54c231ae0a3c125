"""Statements built once: their values reach the places they are meant for."""

from __future__ import annotations

from program import Program

from streamctl.store.database import Store
from streamctl.store.models import Setting, User
from streamctl.store.prepared import Prepared

both = Prepared(lambda value, key: Setting.select(Setting.key).where((Setting.key == key) & (Setting.value == value)))
twice = Prepared(lambda key: Setting.select(Setting.key).where((Setting.key == key) | (Setting.value == key)))
mixed = Prepared(lambda key: Setting.select(Setting.key).where((Setting.value == "USD") & (Setting.key == key)))
in_order = Prepared(
    lambda email, key: User.insert({User.email: email, User.email_key: key, User.created_at: "2026-11-22T12:00:00Z"})
)


def test_values_find_their_places_whatever_the_order_and_beside_constants(store: Store) -> None:
    assert both("USD", "currency") == [("currency",)]
    assert both("currency", "USD") == []
    assert twice("currency") == [("currency",)]
    assert mixed("currency") == [("currency",)]
    assert mixed("timezone") == []


def test_an_insert_tells_the_id_of_its_row(store: Store, program: Program) -> None:
    with store.writing(alone=True):
        first, second = in_order.id("A@one", "a@one"), in_order.id("A@two", "a@two")
    assert second == first + 1
    rows = program.sql("SELECT id, email, email_key FROM user ORDER BY id")
    assert rows == [(first, "A@one", "a@one"), (second, "A@two", "a@two")]
