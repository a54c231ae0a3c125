"""Text written to a descriptor: all of it leaves, or an error says so, whatever the descriptor is."""

from __future__ import annotations

import io
import sys
from typing import Any


class Descriptor(io.FileIO):
    """A descriptor of whoever opened it. Where it does not block, a write waits until some of it is taken."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)

    def write(self, data: Any, /) -> int:
        """Write some of the data; how many bytes. Raises OSError."""
        while (written := super().write(data)) is None:
            import select

            waiting = select.poll()
            waiting.register(self.fileno(), select.POLLOUT)
            waiting.poll()  # Ctrl-C and SIGTERM end it wherever they may stop the program
        return written


def text(number: int, encoding: str, errors: str, *, line_buffering: bool = False) -> io.TextIOWrapper:
    """Text for that descriptor. The buffer goes on where a write was short, which text without one does not."""
    buffer = io.BufferedWriter(Descriptor(number))
    return io.TextIOWrapper(buffer, encoding, errors, newline="\n", line_buffering=line_buffering)


def replace_standard_streams() -> None:
    """Make `sys.stdout` and `sys.stderr` such text, `python -u` and PYTHONUNBUFFERED or not; a closed one stays None.

    Python's own unbuffered streams drop what a short write leaves over.
    """
    out, err = sys.stdout, sys.stderr
    if out is not None:
        sys.stdout = text(out.fileno(), out.encoding, out.errors or "strict", line_buffering=out.isatty())
    if err is not None:
        sys.stderr = text(err.fileno(), err.encoding, err.errors or "backslashreplace", line_buffering=True)
