"""What `stream batch` does between its input and its output."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamctl.cli.desk import Desk
from streamctl.cli.feed import Feed
from streamctl.domain.events import Group
from streamctl.errors import EventsRefused, UsageError, quoted_path
from streamctl.output.jsontext import anything, flat_line
from streamctl.services.batch import Receipt, play


class Receipts:
    """The receipts of a run, and how many of them are refusals."""

    def __init__(self, desk: Desk, file: str, group: Group, *, stop: bool) -> None:
        self._desk, self._file, self._group, self._stop = desk, file, group, stop
        self._played = self._refused = 0

    def lines(self) -> Iterator[str]:
        """The receipts as JSON Lines, those of a transaction at once. Raises UsageError, BadData, Busy."""
        gc.freeze()  # what start-up made is there to stay
        gc.enable()
        with _opened(self._file) as descriptor:
            desk = self._desk
            for receipts in play(
                Feed(descriptor, self._file), self._group, clock=desk.clock, by_clock=desk.by_clock, stop=self._stop
            ):
                self._played += len(receipts)
                self._refused += sum(receipt.refused for receipt in receipts)
                yield "".join([_line(receipt) for receipt in receipts])

    def refusal(self) -> EventsRefused | None:
        """How the run ends when events were refused."""
        return EventsRefused(self._refused, self._played) if self._refused else None


def _line(receipt: Receipt) -> str:
    return f"{anything(receipt.told()) if receipt.refused else flat_line(receipt.told())}\n"


@contextmanager
def _opened(file: str) -> Iterator[int]:
    """The descriptor of the file, or of standard input for `-`. Raises UsageError."""
    if file == "-":
        if sys.stdin is None:
            raise UsageError("Standard input is closed.")
        yield sys.stdin.fileno()
        return
    try:
        if Path(file).is_dir():
            raise UsageError(f"{quoted_path(file)} is a folder.")
        descriptor = os.open(file, os.O_RDONLY)
    except (OSError, ValueError) as error:
        raise UsageError(f"{quoted_path(file)} can't be read: {getattr(error, 'strerror', error)}.") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
