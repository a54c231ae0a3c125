"""A customer's document as text: 72 columns, as in a letter or a mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamctl.output.sheet import Item, Sheet

WIDTH = 72
NAMES = 11  # columns that the names of facts take
GAP = "   "
FIRST_MARK = "\u0300"  # below it every character takes one column, and Rich is not needed
RULE = "─" * WIDTH


def text(sheet: Sheet) -> Iterator[str]:
    """The lines of a document."""
    for line in _lines(sheet):
        yield f"{line.rstrip()}\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    for part in (*sheet.seller, *([""] if sheet.seller else []), f"Invoice {sheet.reference}", ""):
        yield from _folded(part, WIDTH)
    status = f"{sheet.status.word}{sheet.status.rest}"
    subject = [("For", sheet.subject)] if sheet.subject else []
    for name, *values in (("Status", status), *sheet.facts, ("To", *sheet.recipient), *subject):
        yield from _beside(name, values)
    yield ""
    yield from _table(sheet)
    for part in (*([""] if sheet.note else []), *sheet.note):
        yield from _folded(part, WIDTH)


def _beside(name: str, values: Iterable[str]) -> Iterator[str]:
    for line in (line for value in values for line in _folded(value, WIDTH - NAMES)):
        yield f"{name:<{NAMES}}{line}"
        name = ""


def _table(sheet: Sheet) -> Iterator[str]:
    head, total = Item("Item", "", "Unit price", "Amount"), Item(sheet.total[0], "", "", sheet.total[1])
    every = (head, *sheet.items, total)
    units, amounts = max(len(item.unit) for item in every), max(len(item.amount) for item in every)
    left = WIDTH - units - amounts - 2 * len(GAP)

    def row(item: Item) -> Iterator[str]:
        first, *below = _folded(f"{item.text}{item.times}", left)
        yield f"{first}{' ' * (left - _columns(first))}{GAP}{item.unit:>{units}}{GAP}{item.amount:>{amounts}}"
        yield from (f"  {line}" for line in below)

    yield from row(head)
    yield RULE
    for item in sheet.items:
        yield from row(item)
    yield RULE
    yield from row(total)


def _folded(text: str, width: int) -> list[str]:
    """The text in lines of so many columns, broken at a space where there is one."""
    lines = []
    while _columns(text) > width:
        from rich.cells import chop_cells

        end = len(chop_cells(text, width)[0])
        space = text.rfind(" ", 1, end + 1)
        cut = space if space > 0 else end
        lines.append(text[:cut])
        text = text[cut:].lstrip(" ")
    return [*lines, text]


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes, as tables have it too."""
    if max(text, default="") < FIRST_MARK:
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
