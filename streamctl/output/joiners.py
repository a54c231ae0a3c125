"""Characters that nobody sees but that change how their neighbours are drawn: where they mean something.

Persian and Hindi names need joiners, emoji need joiners, variation selectors and tags. Everywhere else such a character
draws nothing, so that it could hide text. https://www.rfc-editor.org/rfc/rfc5892#appendix-A,
https://www.unicode.org/reports/tr51/
"""

from __future__ import annotations

import re
from contextlib import suppress

from idna import valid_contextj

from streamctl.output.safety import UNSAFE

_ZWNJ, ZWJ, TEXT_STYLE, EMOJI_STYLE, KEYCAP = "\u200c", "\u200d", "\ufe0e", "\ufe0f", "\u20e3"
# Extended_Pictographic of Unicode's emoji data, by the block where most of a block is, without the letters of flags and
# the skin tones.
_PICTOGRAPH = (
    "[\xa9\xae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u24c2\u25aa\u25ab"
    "\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
)
_EMOJI_BEFORE = f"{_PICTOGRAPH}[{EMOJI_STYLE}\U0001f3fb-\U0001f3ff]?$"
_IDEOGRAPH = "[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
_MONGOLIAN = "[\u1820-\u1878\u1880-\u18aa]"
# The flags of England, Scotland and Wales, which are all that Unicode recommends.
_FLAGS = tuple(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_NEAR = 8  # characters on either side in which a joiner's letters are looked for: a letter with its marks


def means_something(text: str, at: int) -> bool:
    """Whether the invisible character there changes how what is visible beside it is drawn."""
    character, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if character in (_ZWNJ, ZWJ):
        return _between_letters(text, at) or (character == ZWJ and _between_emoji(text, at))
    if character == EMOJI_STYLE and after == KEYCAP and before.isascii():
        return before.isdigit() or before in ("#", "*")
    if character in (TEXT_STYLE, EMOJI_STYLE):
        return bool(re.match(_PICTOGRAPH, before))
    if "\ufe00" <= character <= "\ufe02" or "\U000e0100" <= character <= "\U000e01ef":
        return bool(re.match(_IDEOGRAPH, before))
    if character in "\u180b\u180c\u180d\u180f":
        return bool(re.match(_MONGOLIAN, before))
    return any(text.startswith(flag, at - place) for flag in _FLAGS for place in range(1, min(at + 1, len(flag))))


def _between_letters(text: str, at: int) -> bool:
    """As RFC 5892 A.1 and A.2 have it: after a virama, or between letters that would be joined."""
    # What is escaped itself is no neighbour, so that there is never a run of what nobody sees.
    before = re.split(UNSAFE, text[max(0, at - _NEAR) : at])[-1]
    after = re.split(UNSAFE, text[at + 1 : at + 1 + _NEAR])[0]
    with suppress(ValueError):  # an unassigned character
        return valid_contextj(f"{before}{text[at]}{after}", len(before))
    return False


def _between_emoji(text: str, at: int) -> bool:
    return bool(re.search(_EMOJI_BEFORE, text[max(0, at - 2) : at]) and re.match(_PICTOGRAPH, text[at + 1 : at + 2]))
