"""Ctrl-C and SIGTERM: they stop a command where that leaves nothing half done, and wait a moment where it would.

The first signal raises KeyboardInterrupt as soon as the program is inside `stoppable`; inside `held`, and where nothing
is said, it waits. Those that follow add nothing: what is being taken back is taken back in peace. Only inside
`breakable`, where a server is waited for that may never answer, does the second one end that.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM)
GRACE = 0.5  # seconds after the second signal, for an answer that is on its way

# What became of the first signal. Python swallows an exception here and there, in a callback for instance.
_NONE, _WAITS, _RAISED = range(3)


class _State:
    """Of this process."""

    def __init__(self) -> None:
        self.first = _NONE
        self.stoppable = False
        self.insisted = False  # by a second signal
        self.give_up: Callable[[], object] | None = None

    def stop(self) -> None:
        """Raises KeyboardInterrupt."""
        self.first = _RAISED
        raise KeyboardInterrupt


_state = _State()


def listen() -> None:
    """From here on the signals are ours, but for one that whoever started us wants to be ignored (`nohup`, `&`)."""
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _came)


def _came(*_: Any) -> None:
    if _state.first != _NONE:
        _state.insisted = True
        _last_moment()
        return
    _state.first = _WAITS
    sys.unraisablehook = lambda _: None  # where it is swallowed Python would show a traceback
    if _state.stoppable:
        _state.stop()


def _last_moment() -> None:
    """After it nobody is waited for any more."""
    if _state.give_up is not None:
        signal.signal(signal.SIGALRM, _passed)
        signal.setitimer(signal.ITIMER_REAL, GRACE)


def _passed(*_: Any) -> None:
    if _state.give_up is not None:
        _state.give_up()
        _state.stop()


class _Region:
    """A block in which a signal stops the program at once, or waits for the end."""

    def __init__(self, *, stoppable: bool) -> None:
        self._wanted = stoppable
        self._around = False

    def __enter__(self) -> None:
        self._around, _state.stoppable = _state.stoppable, self._wanted
        if self._wanted and _state.first != _NONE:
            _state.stoppable = self._around
            _state.stop()

    def __exit__(self, kind: object, *_: object) -> None:
        _state.stoppable = self._around
        if kind is not None:  # which says more than that it was stopped, too
            return
        came = _state.first
        if (self._wanted and came != _NONE) or (self._around and came == _WAITS):
            _state.stop()


def stoppable() -> _Region:
    """Inside, and nowhere else, a signal raises KeyboardInterrupt at once."""
    return _Region(stoppable=True)


def held() -> _Region:
    """Inside, a signal waits: what was begun is ended, and known to be, before the program stops."""
    return _Region(stoppable=False)


@contextmanager
def breakable(give_up: Callable[[], object]) -> Iterator[None]:
    """Inside, a second signal calls `give_up`, so that nobody waits again, and raises KeyboardInterrupt."""
    around, _state.give_up = _state.give_up, give_up
    try:
        if _state.insisted:
            _last_moment()
        yield
    finally:
        _state.give_up = around
