"""Events from a file or a pipe, a line at a time, without ever waiting when asked not to."""

import os
import select
from collections import deque
from collections.abc import Callable

from streamctl.domain import events
from streamctl.domain.events import Event
from streamctl.errors import BadData, StreamctlError, UsageError
from streamctl.services.batch import Line

AT_ONCE = 1 << 16
LONGEST = 1 << 16  # bytes of a line


class Feed:
    """The lines behind a file descriptor. JSON Lines or CSV: the first line that is not empty tells."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._ended = False
        self._number = 0
        self._reader: Callable[[bytes], Event] | None = None

    def take(self, most: int, *, wait: bool) -> list[Line]:
        """At most so many of the lines that are there; with `wait` at least one, except at the end. Raises BadData."""
        found: list[Line] = []
        while len(found) < most and (self._lines or self._filled(wait=wait and not found)):
            line = self._lines.popleft()
            self._number += 1
            if not line.strip():
                continue
            if self._reader is None:
                header = events.csv_header(line)
                self._reader = events.csv_reader(header) if header else events.from_json
                if header:
                    continue
            found.append(Line(self._number, self._read(line)))
        return found

    def _read(self, line: bytes) -> Event | StreamctlError:
        if len(line) > LONGEST:
            return BadData(f"The line is longer than {LONGEST} bytes.")
        try:
            return self._reader(line) if self._reader else BadData("The line can't be read.")
        except StreamctlError as error:
            return error

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
                self._rest = self._rest[: LONGEST + 1]  # of an endless line this much is enough to refuse it
        return bool(self._lines)
