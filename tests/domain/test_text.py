"""Text that people give: what is kept, what is an e-mail address, what is a key."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamctl.domain import text
from streamctl.errors import BadValue

unhurried = settings(deadline=None)
anything = st.text(st.characters(), max_size=300)  # lone surrogates and NUL too
almost_emails = st.text("ab@.ÀßİΣ \t\x00\x85\xa0\u2003\u200b\uff21", max_size=12)


@unhurried
@given(st.sampled_from([text.stored, text.key, text.email]), anything | almost_emails)
@example(text.stored, "\ud800")
@example(text.email, "a@" + "b" * 253)
def test_any_text_is_taken_or_a_bad_value_and_both_can_be_written(read: Callable[[str], str], typed: str) -> None:
    try:
        found = read(typed)
    except BadValue as error:
        found = error.message
    assert len(found) <= 255
    assert "\0" not in found
    assert found.encode().decode() == found


@unhurried
@given(anything | almost_emails)
def test_what_is_taken_as_an_email_has_one_at_and_no_space_or_control_character(typed: str) -> None:
    try:
        found = text.email(typed)
    except BadValue:
        return
    local, domain = found.split("@")
    assert local
    assert domain
    assert len(found) <= 254
    assert not any(c.isspace() or unicodedata.category(c) == "Cc" for c in found)
    assert text.email(found) == found
    assert typed.strip(" ") == found


@pytest.mark.parametrize(
    "typed",
    [
        *("", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b c", "a\t@b", "a@b\n", "a\x00@b", "a@\x7fb", "a@b\x85"),
        *("a@\xa0b", "a@\u2003b", "a@\u2028b", "a@\u3000b", "\ud800@b", "a@" + "b" * 253),
    ],
)
def test_what_is_no_email_is_refused(typed: str) -> None:
    with pytest.raises(BadValue, match="e-mail"):
        text.email(typed)


@pytest.mark.parametrize(
    "typed", ["a@b", "Bob.O'Hara+tag@Example.com", "jürgen@münchen.de", "用户@例子.公司", "a@" + "b" * 252]
)
def test_emails_are_kept_as_typed(typed: str) -> None:
    assert text.email(typed) == typed
    assert text.email(f"  {typed} ") == typed


@unhurried
@given(anything | almost_emails)
def test_the_key_of_a_key_is_the_key(typed: str) -> None:
    key = text.email_key(typed)
    assert text.email_key(key) == key
    assert key == key.strip()


@unhurried
@given(st.text("abcXYZäÖßéÅÉΣς", min_size=1, max_size=10), st.text("abcXYZäÖßéÅÉΣς", min_size=1, max_size=10))
def test_case_and_unicode_form_make_no_other_member(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    key = text.email_key(address)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert text.email_key(unicodedata.normalize(form, address)) == key
    assert text.email_key(address.upper()) == key
    assert text.email_key(f" {address} ") == key


def test_look_alikes_of_one_address_have_one_key_and_others_have_not() -> None:
    assert text.email_key("STRASSE@X.DE") == text.email_key("straße@x.de") == "strasse@x.de"
    assert text.email_key("\uff42\uff4f\uff42@x.de") == text.email_key("ﬁbob@x.de").removeprefix("fi") == "bob@x.de"
    assert text.email_key("bob+1@x.de") != text.email_key("bob@x.de")
    assert text.email_key("b.ob@x.de") != text.email_key("bob@x.de")


@pytest.mark.parametrize("typed", ["", " ", "\t\n", "fee:1:2026-11", "fee:", "a\0", "\udfff", "x" * 256])
def test_keys_are_not_empty_not_too_long_and_not_the_systems(typed: str) -> None:
    with pytest.raises(BadValue):
        text.key(typed)


def test_text_up_to_255_characters_is_kept_as_it_is() -> None:
    for kept in ("", "x" * 255, "😀" * 255, "\x1b[31m", "a\tb\nc", "\u202e"):
        assert text.stored(kept) == kept
    with pytest.raises(BadValue, match="256 characters; 255 is the most"):
        text.stored("😀" * 256)
    with pytest.raises(BadValue, match="NUL"):
        text.stored("a\0b")
