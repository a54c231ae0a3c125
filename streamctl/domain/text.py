"""Text that people give us: names, descriptions, keys and e-mail addresses."""

from __future__ import annotations

import re
import unicodedata

from streamctl.errors import BadValue, quoted

MOST = 255
MOST_EMAIL = 254
MOST_KEY = 200
RESERVED = ("fee:", "refused:")  # a month's fee, and an event of a batch that was refused

_UNSTORABLE = "[\x00\ud800-\udfff]"
_IN_NO_EMAIL = r"[\x00-\x20\x7f-\xa0\ud800-\udfff]|\s"


def stored(text: str, what: str = "text", most: int = MOST) -> str:
    """The text, when it can be kept: no NUL, no lone surrogate, at most `most` characters. Raises BadValue."""
    if not text.isprintable() and re.search(_UNSTORABLE, text):
        raise BadValue(f"The {what} {quoted(text)} has a NUL or a broken character in it.")
    if len(text) > most:
        raise BadValue(f"The {what} has {len(text)} characters; {most} is the most.")
    return text


def key(text: str) -> str:
    """A caller's key: one character to 200, and none of the system's own. Raises BadValue."""
    if not stored(text, "key", MOST_KEY).strip():
        raise BadValue("A key can't be empty.")
    if text.startswith(RESERVED):
        raise BadValue(f"The key {quoted(text)} begins as the system's own do; take another.")
    return text


def email(text: str) -> str:
    """An e-mail address as typed, outer spaces off. Raises BadValue."""
    address = text.strip(" ")
    if len(address) > MOST_EMAIL:
        raise BadValue(f"The e-mail has {len(address)} characters; {MOST_EMAIL} is the most.")
    local, at, domain = address.partition("@")
    if not (at and local and domain) or "@" in domain or re.search(_IN_NO_EMAIL, address):
        raise BadValue(f"{quoted(text)} is no e-mail address.")
    if email_key(address).count("@") != 1:
        raise BadValue(f"{quoted(text)} has more than one @ in it.")
    return address


def email_key(address: str) -> str:
    """What makes two addresses one member's: NFKC, casefolded, trimmed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address).casefold()).strip()
