"""Events from a file or a pipe, one after the other, without ever waiting when asked not to."""

import os
import select
from collections import deque
from collections.abc import Callable

from streamctl.domain import csvrecords, events
from streamctl.domain.csvrecords import Quotes
from streamctl.domain.events import Event, GoesOn
from streamctl.errors import BadData, StreamctlError, UsageError, shell_quoted
from streamctl.services.batch import Line

AT_ONCE = 1 << 16
LONGEST = 1 << 16  # bytes of a line, and of a record
MARK = b"\xef\xbb\xbf"  # of UTF-8, before the first line


class Feed:
    """The events behind a file descriptor, `file` by name. JSON Lines or CSV: the first line that is not empty tells.

    A line of JSON is a whole object. A record of CSV may have line ends inside of quotes.
    """

    def __init__(self, descriptor: int, file: str) -> None:
        self._descriptor, self._file = descriptor, file
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._ended = False
        self._number = 0  # of the line that was taken last
        self._record: list[bytes] = []  # lines of the record of CSV that goes on
        self._first = self._size = 0  # the number of its first line, and its bytes
        self._delimiter: str | None = None
        self._quotes: Quotes | None = None
        self._reader: Callable[[bytes], Event] | None = None
        self._played = False  # whether there was a line of JSON
        self._refusal: BadData | None = None  # of all that follows

    def take(self, most: int, *, wait: bool) -> list[Line]:
        """At most so many of the events that are there; with `wait` at least one, except at the end.

        Raises BadData, and only with `wait`: for an input that is no list of events, from that line on.
        """
        found: list[Line] = []
        while len(found) < most and not self._refusal and (self._lines or self._filled(wait=wait and not found)):
            line = self._lines.popleft()
            self._number += 1
            if self._quotes is not None:
                self._take_csv(line, found, self._quotes)
            elif line.strip():
                self._take_json(line, found)
        if self._quotes is not None and self._record and self._ended and not self._lines and len(found) < most:
            found.append(self._cut_off(self._quotes.opened_on))
        if self._refusal and wait and not found:
            raise self._refusal
        return found

    def _take_json(self, line: bytes, found: list[Line]) -> None:
        if self._reader is None and not self._begin(line):
            return
        try:
            found.append(Line(self._number, self._read(line)))
            self._played = True
        except GoesOn:
            self._refusal = self._no_line(line)

    def _take_csv(self, line: bytes, found: list[Line], quotes: Quotes) -> None:
        if not self._record:
            if not line.strip():
                return
            self._first, self._size = self._number, 0
        if self._size <= LONGEST:  # of a longer record this much is enough to refuse it
            self._record.append(line)
            self._size += len(line) + 1
        if not quotes.go_on_after(line, self._number):
            found.append(Line(self._first, self._read(b"\n".join(self._record).removesuffix(b"\r"))))
            self._record.clear()

    def _cut_off(self, opened_on: int) -> Line:
        """The record of CSV that the end of the input has cut off."""
        self._record.clear()
        opened = f"The quote that opens on line {opened_on} is never closed"
        return Line(self._first, BadData(f"{opened}: what follows it is one cell, and was not played."))

    def _read(self, record: bytes) -> Event | StreamctlError:
        """The event, or why there is none. Raises GoesOn."""
        if len(record) > LONGEST:
            return BadData(f"The event is longer than {LONGEST} bytes.")
        try:
            return self._reader(record) if self._reader else BadData("The event can't be read.")
        except GoesOn:
            raise
        except StreamctlError as error:
            return error

    def _begin(self, line: bytes) -> bool:
        """Tell from the first line what follows; whether it is an event itself."""
        line = line.removeprefix(MARK).strip(b" \r")
        if line.lstrip().startswith(b"["):
            self._refusal = self._no_line(line)
        elif line.lstrip().startswith(b"{"):
            self._reader = events.from_json
        elif line.strip():
            try:
                self._begin_csv(line)
            except BadData as error:
                self._refusal = error
        return self._reader is not None and self._quotes is None

    def _begin_csv(self, line: bytes) -> None:
        if self._delimiter is None and (delimiter := csvrecords.separator(line)):
            self._delimiter = delimiter  # and the header follows
            return
        delimiter = self._delimiter or csvrecords.delimiter_of(line)
        self._reader = events.csv_reader(csvrecords.cells(line, delimiter), delimiter)
        self._quotes = Quotes(delimiter)

    def _no_line(self, line: bytes) -> BadData:
        """Why nothing is played from this line on, and how it may be."""
        array = line.lstrip().startswith(b"[")
        opened = f"Line {self._number} opens {'an array' if array else 'an object that goes on in the next line'}"
        parts = ("arrays[], objects" if self._played else ".[]") if array else "."
        file = "" if self._file == "-" else f" {shell_quoted(self._file)}"
        mended = f"jq -c {shell_quoted(parts)}{file}"
        if self._played and file:
            mended = f"tail -n +{self._number}{file} | jq -c {shell_quoted(parts)}"
        return BadData(
            f"{opened}; an event is a whole object on one line. Nothing was played from there on.",
            f"Make it one a line with: {mended} | streamctl stream batch -",
            line=self._number,
        )

    def _filled(self, *, wait: bool) -> bool:
        """Whether there is a line, when more has been read."""
        while not self._lines and not self._ended:
            if not wait and not select.select([self._descriptor], [], [], 0)[0]:
                return False
            try:
                chunk = os.read(self._descriptor, AT_ONCE)
            except OSError as error:
                raise UsageError(f"The events can't be read: {error.strerror}.") from None
            self._ended = not chunk
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._lines.extend(lines)
            if self._ended and self._rest:
                self._lines.append(self._rest)
            elif len(self._rest) > LONGEST:
                self._shorten_rest()
        return bool(self._lines)

    def _shorten_rest(self) -> None:
        """Keep of an endless line what is enough to refuse it, and to find its end."""
        if self._quotes is not None:
            self._rest = self._quotes.shortened(self._rest, LONGEST)
        elif self._reader is None and not self._rest.removeprefix(MARK).lstrip().startswith(b"{"):
            self._lines.append(self._rest)  # no header is so long: there is nothing to wait for
            self._rest = b""
        else:
            self._rest = self._rest[: LONGEST + 1]
