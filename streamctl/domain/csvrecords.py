"""CSV as RFC 4180 has it: which lines make one record, and the cells of a record."""

from __future__ import annotations

import re
from functools import lru_cache

from streamctl.errors import BadData, quoted

DELIMITERS = (",", ";", "\t")


def separator(line: bytes) -> str | None:
    """The delimiter that a first line such as `sep=;` names, as Excel writes it. Raises BadData for another one."""
    found = re.fullmatch(rb'"?sep=(.?)"?\s*', line, re.IGNORECASE)
    if found is None:
        return None
    delimiter = found[1].decode("latin-1")
    if delimiter not in DELIMITERS:
        raise BadData(f"{quoted(delimiter)} separates no columns here.", "Separate them by a comma, a ; or a tab.")
    return delimiter


def delimiter_of(header: bytes) -> str:
    """What separates the names in a header."""
    return max(DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def cells(record: bytes, delimiter: str = ",") -> list[str]:
    """The cells of one record, without its line end. Raises BadData."""
    import csv

    try:
        text = record.decode()
        if '"' not in text and "\r" not in text:
            return text.split(delimiter)
        if not _patterns(delimiter)[0].fullmatch(record):
            raise BadData("This is no CSV: a quote stands inside a cell, or is not closed.", _QUOTED)
        return next(csv.reader([text], strict=True, delimiter=delimiter))
    except UnicodeDecodeError as error:
        raise BadData(f"This is no UTF-8 at byte {error.start}.", "Write it as UTF-8.") from None
    except csv.Error as error:
        raise BadData(f"This is no CSV: {error}.") from None


class Quotes:
    """Tells of the lines of a CSV, one after the other, which of them end inside a quoted cell."""

    def __init__(self, delimiter: str) -> None:
        self._closed, self._open = _patterns(delimiter)
        self._delimiter = delimiter.encode()
        self._inside = False
        self.opened_on = 0

    def go_on_after(self, line: bytes, number: int) -> bool:
        """Whether the record goes on in the next line: a cell is open, whose quote stands on line `opened_on`."""
        if b'"' in line:
            text = b'"' + line if self._inside else line
            found = None if self._closed.fullmatch(text) else self._open.fullmatch(text)
            if found is not None and not (self._inside and found.start(1) == 0):
                self.opened_on = number
            self._inside = found is not None
        return self._inside

    def shortened(self, part: bytes, length: int) -> bytes:
        """So many bytes, or a few more, after which a line goes on as it does after this part of it."""
        text = b'"' + part if self._inside else part
        filling = b"x" * length
        if self._closed.fullmatch(text):
            if text.endswith(b'"'):  # closed, or the first half of a quote in the cell
                short = b'"' + filling + b'"'
            else:
                short = filling + (self._delimiter if text.endswith(self._delimiter) else b"")
        elif self._open.fullmatch(text):
            short = b'"' + filling
        else:  # no CSV, up to its end
            short = filling + b'"'
        return short.removeprefix(b'"') if self._inside else short


_QUOTED = 'A cell with a quote in it stands in quotes, and the quote twice: "a ""big"" tv".'


@lru_cache
def _patterns(delimiter: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Of a whole record, and of one whose last cell is in quotes that are still open."""
    mark = re.escape(delimiter.encode())
    inside = rb'[^"]*+(?:""[^"]*+)*+'
    cell = rb'(?:"' + inside + rb'"|[^"' + mark + rb"]*+)"
    return (
        re.compile(cell + rb"(?:" + mark + cell + rb")*+"),
        re.compile(rb"(?:" + cell + mark + rb')*+(")' + inside),
    )
