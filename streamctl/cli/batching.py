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
from streamctl.interruption import held, stoppable
from streamctl.output.jsontext import anything, flat_line
from streamctl.services.batch import Receipt, play


class Receipts:
    """The receipts of a run, and how many of them are refusals."""

    def __init__(self, desk: Desk, file: str, group: Group, *, stop: bool) -> None:
        self._desk, self._file, self._group, self._stop = desk, file, group, stop
        self._played = self._refused = self._line = 0

    def lines(self) -> Iterator[str]:
        """The receipts as JSON Lines, those of a transaction at once; before all, nothing, when there is an input.

        Raises UsageError, BadData, Busy.
        """
        gc.freeze()  # what start-up made is there to stay
        gc.enable()
        with _opened(self._file) as descriptor:
            yield ""
            desk = self._desk
            playing = play(
                Feed(descriptor, self._file), self._group, clock=desk.clock, by_clock=desk.by_clock, stop=self._stop
            )
            while receipts := self._next(playing):
                yield "".join([_line(receipt) for receipt in receipts])

    def _next(self, playing: Iterator[list[Receipt]]) -> list[Receipt]:
        with held():  # what is done is counted before a signal ends the program
            receipts = next(playing, [])
            if receipts:
                self._played += len(receipts)
                self._refused += sum(receipt.refused for receipt in receipts)
                self._line = receipts[-1].number
        return receipts

    def done_to(self) -> int:
        """The line up to which the events are durable, or refused."""
        return self._line

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
        with stoppable():  # a pipe waits for its writer
            descriptor = os.open(file, os.O_RDONLY)
    except (OSError, ValueError) as error:
        raise UsageError(f"{quoted_path(file)} can't be read: {getattr(error, 'strerror', error)}.") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
