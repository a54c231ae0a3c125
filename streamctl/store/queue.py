"""The queue of those who want to write to one file: first come, first served. SQLite itself has none."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from streamctl.interruption import stoppable


class TooLong(Exception):
    """The deadline came before one's turn."""


@contextmanager
def turn(log: Path, deadline: float) -> Iterator[None]:
    """The block takes the write lock, and begins when all who came before have theirs. Raises TooLong at the deadline.

    The queue is the kernel's, of a lock on the -wal file: it is there while anybody has the database open, only who may
    read the database may hold it up, SQLite locks elsewhere, and it goes with the process that held it. It is courtesy,
    and not what keeps writers apart: where it can't be had, nobody waits in it.
    """
    try:
        handle = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _Waiting(handle).until(deadline)
    except OSError:  # of a file system that has no such locks
        pass
    try:
        yield
    finally:
        os.close(handle)


class _Waiting:
    """Somebody waits on our behalf: the kernel's queue has no deadline, and who leaves it loses their place."""

    def __init__(self, handle: int) -> None:
        from threading import Event, Lock, Thread

        self._handle = handle
        self._done, self._between = Event(), Lock()
        self._left = False
        Thread(target=self._wait, daemon=True).start()

    def until(self, deadline: float) -> None:
        """Return when it is our turn. Raises TooLong."""
        came = False
        try:
            with stoppable():
                self._done.wait(max(0.0, deadline - time.monotonic()))
            came = True
        finally:
            with self._between:
                self._left = not (came and self._done.is_set())
                if self._left and self._done.is_set():
                    os.close(self._handle)
        if self._left:
            raise TooLong

    def _wait(self) -> None:
        with suppress(OSError):
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        with self._between:
            self._done.set()
            if self._left:
                os.close(self._handle)
