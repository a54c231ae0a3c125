"""Watching until somebody stops it: as lines for a program, as a screen for a person."""

import os
import select
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from streamctl.cli.desk import Desk
from streamctl.interruption import stoppable

STOPS = (signal.SIGINT, signal.SIGTERM)
WATCHED = (*STOPS, signal.SIGTSTP, signal.SIGWINCH)
LONGEST_WAIT = 86400.0  # seconds; looking once too often does no harm


def on_a_screen(desk: Desk) -> bool:
    """Whether a person is there to see a screen, on a terminal that has one."""
    return desk.brief and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


def lines(desk: Desk, every: timedelta, members: Collection[str]) -> Iterator[str]:
    """The changes as JSON Lines, what is found at one look as one part. Raises BrokenPipeError."""
    from streamctl.output import jsontext
    from streamctl.views.watch import Watch

    _live_long()
    watch = Watch(members)
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)  # errors alone: that whoever read us has gone
    while True:
        yield "".join(jsontext.lines(watch.look(desk.clock()), desk.terms.currency))
        with stoppable():
            gone = reader.poll(_seconds(every) * 1000)
        if gone:
            raise BrokenPipeError


def screens(desk: Desk, every: timedelta, members: Collection[str]) -> Iterator[str]:
    """Draw the screen again and again; a part, empty, each time. Ends by the signal that it was stopped with."""
    from streamctl.output.screen import shown
    from streamctl.views.watch import Watch

    _live_long()
    watch = Watch(members)
    watch.look_back(desk.clock())
    stop = None
    with _signals() as mailbox, shown(sys.stdout) as screen:
        while stop is None:
            at = desk.clock()
            watch.look(at)
            screen.draw(at, watch.open(), watch.events())
            yield ""
            came = _wait(mailbox, _seconds(every))
            stop = next((number for number in STOPS if number in came), None)
            if stop is None and signal.SIGTSTP in came:
                with screen.left():
                    os.kill(os.getpid(), signal.SIGSTOP)
    signal.raise_signal(stop)


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor from which the signals of the block are read, a byte each: none comes while the screen is drawn."""
    mailbox, slot = os.pipe()
    os.set_blocking(slot, False)
    before = {number: signal.signal(number, lambda *_: None) for number in WATCHED}
    other = signal.set_wakeup_fd(slot, warn_on_full_buffer=False)
    try:
        yield mailbox
    finally:
        signal.set_wakeup_fd(other)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(mailbox)
        os.close(slot)


def _wait(mailbox: int, seconds: float) -> bytes:
    """The signals that came, at the latest after so many seconds."""
    ready, _, _ = select.select([mailbox], [], [], seconds)
    return os.read(mailbox, 4096) if ready else b""


def _seconds(every: timedelta) -> float:
    return min(every.total_seconds(), LONGEST_WAIT)


def _live_long() -> None:
    import gc

    gc.freeze()  # what start-up made is there to stay
    gc.enable()
