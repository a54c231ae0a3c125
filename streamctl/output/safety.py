"""The sanitiser: what stored text may do to a terminal, which is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

# C0 and C1 controls, DEL, line and paragraph separators, interlinear annotations, lone surrogates; and what nobody sees
# (Unicode's Default_Ignorable_Code_Point): soft hyphen, joiners, fillers, zero-width and bidirectional controls,
# invisible operators, variation selectors, BOM, tags.
UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


# Of these, what is let through where it changes how a letter or an emoji beside it is drawn.
_JOINING = "[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe02\ufe0e\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef]"


def escaped(text: str, escape: Callable[[re.Match[str]], str]) -> str:
    """The text with every unsafe character written by `escape`. The pattern is compiled when it is first used."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(UNSAFE, lambda found: found[0] if _is_seen(found) else escape(found), text)


def _is_seen(found: re.Match[str]) -> bool:
    if not re.match(_JOINING, found[0]):
        return False
    from streamctl.output.joiners import means_something

    return means_something(found.string, found.start())


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    number = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def safe(text: str) -> str:
    """The text with everything that could move, hide or command shown as an escape."""
    return escaped(text, _escaped)
