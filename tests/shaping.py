"""What nobody sees in a text, and whether it changes how something visible is drawn; by the names Unicode gives."""

from __future__ import annotations

import re
import unicodedata

# Default_Ignorable_Code_Point of Unicode.
INVISIBLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
ENGLAND, SCOTLAND, WALES = (
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
SELECTORS = "\ufe00\ufe01\ufe02"
# As people write them, with the columns that they take on a terminal.
NAMES = {
    "می\u200cخواهم": 7,  # noqa: RUF001
    "نیم\u200cشب": 5,
    "क्\u200cष": 2,
    "👩\u200d👩\u200d👧": 2,
    "👩🏽\u200d⚕\ufe0f": 2,
    "🏳\ufe0f\u200d🌈": 2,
    "❤\ufe0f": 2,
    "1\ufe0f\u20e3": 2,
    ENGLAND: 2,
    "葛\U000e0100城": 4,
}
# Drawn in one column or two, as the terminal has it.
CONJUNCT = "क्\u200dष"


def hidden(text: str) -> list[str]:
    """Every invisible character that changes nothing of what is seen beside it."""
    return [found[0] for found in INVISIBLE.finditer(text) if not _shapes(text, found.start())]


def _shapes(text: str, at: int) -> bool:
    character, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if character in "\u200c\u200d" and before and unicodedata.combining(before) == 9:
        return True
    if character == "\u200c":
        return all(map(_cursive, (_letter(text[at - 1 :: -1] if at else ""), _letter(text[at + 1 :]))))
    if character == "\u200d":
        return _picture(re.sub("[\ufe0f🏻-🏿]$", "", text[:at])[-1:]) and _picture(after)
    if "\u180b" <= character <= "\u180f":
        return _named(before).startswith("MONGOLIAN LETTER")
    if character in SELECTORS or character >= "\U000e0100":
        return _named(before).startswith("CJK UNIFIED IDEOGRAPH")
    if character in "\ufe0e\ufe0f":
        return _picture(before) or (before in "0123456789#*" and after == "\u20e3")
    return any(at in range(flag.start() + 1, flag.end()) for flag in re.finditer(f"{ENGLAND}|{SCOTLAND}|{WALES}", text))


def _letter(text: str) -> str:
    """The first character that is no mark."""
    return next((c for c in text if unicodedata.category(c) not in ("Mn", "Me")), "")


def _cursive(letter: str) -> bool:
    return letter != "" and (
        unicodedata.bidirectional(letter) in ("AL", "R") or _named(letter).startswith(("MONG", "PHAGS"))
    )


def _picture(character: str) -> bool:
    """Whether it may be an emoji: a sign, or one that this Python does not know yet."""
    return character == "\u2139" or (character > "\xa0" and unicodedata.category(character)[0] in "SPC")


def _named(character: str) -> str:
    return unicodedata.name(character, "") if character else ""
