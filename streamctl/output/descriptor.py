"""Text written to a descriptor: all of it leaves, or an error says so, whatever the descriptor is."""

from __future__ import annotations

import codecs
import io
import sys
from typing import Any

ESCAPED = "streamctl.escaped"  # how encoders call it


class Descriptor(io.FileIO):
    """A descriptor to write to. Where it does not block, a write waits until some of it is taken."""

    def write(self, data: Any, /) -> int:
        """Write some of the data; how many bytes. Raises OSError."""
        while (written := super().write(data)) is None:
            import select

            waiting = select.poll()
            waiting.register(self.fileno(), select.POLLOUT)
            waiting.poll()  # Ctrl-C and SIGTERM end it wherever they may stop the program
        return written


def escape(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks, as an escape that is good JSON too: a letter, or a byte of a path that is no UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


codecs.register_error(ESCAPED, escape)


def text(
    number: int, encoding: str, errors: str, *, closefd: bool = True, line_buffering: bool = False
) -> io.TextIOWrapper:
    """Text for that descriptor. The buffer goes on where a write was short, which text without one does not."""
    buffer = io.BufferedWriter(Descriptor(number, "wb", closefd=closefd))
    return io.TextIOWrapper(buffer, encoding, errors, newline="\n", line_buffering=line_buffering)


def replace_standard_streams() -> None:
    """Make `sys.stdout` and `sys.stderr` such text, `python -u` and PYTHONUNBUFFERED or not; a closed one stays None.

    Python's own unbuffered streams drop what a short write leaves over.
    """
    for name in ("stdout", "stderr"):
        if (old := getattr(sys, name)) is not None:
            lines = name == "stderr" or old.isatty()
            setattr(sys, name, text(old.fileno(), old.encoding, old.errors, closefd=False, line_buffering=lines))
