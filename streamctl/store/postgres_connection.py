"""A connection to a server: why it was refused, by SQLSTATE, and a deadline for a server that answers nobody."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Generator
from functools import cache
from time import monotonic
from typing import Any, Self, TypeVar

import psycopg
from psycopg import errors, pq
from psycopg.conninfo import make_conninfo

from streamctl.interruption import breakable

T = TypeVar("T")

DEFAULT, VERBOSE = 1, 2  # libpq's PGVerbosity
PROBED_FOR = 10  # seconds at most, for any answer of a server that has kept us waiting
# What libpq makes of a server's refusal: its own words, a severity in the server's language, the state, the message.
REFUSED = re.compile(r"failed: +\S+: +([0-9A-Z]{5}): (.*)")

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # it would say on stderr what is said in a line of ours


class Connection(psycopg.Connection[Any]):
    """A connection whose waits end when the server answers nobody any more, or at a second signal.

    `patience` is how many seconds an answer may take before the server is asked whether it is there at all. A long
    statement is never cut: the server tells a newcomer that it is there, or that it has no room for them.
    """

    patience = 30.0

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Consume the generator. Raises OperationalError where the server answers nobody."""
        with breakable(self.pgconn.finish):
            return super().wait(self._watched(gen), *arguments, **options)

    def _watched(self, gen: Generator[T, Any, Any]) -> Generator[T, Any, Any]:
        try:
            state = next(gen)
            heard = monotonic()
            while True:
                ready = yield state
                if ready:
                    heard = monotonic()
                elif monotonic() - heard > self.patience:
                    self._ask_whether_it_is_there()
                    heard = monotonic()
                state = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _ask_whether_it_is_there(self) -> None:
        seconds = min(PROBED_FOR, max(2, int(self.patience)))
        place = make_conninfo(self.info.dsn, connect_timeout=seconds, target_session_attrs="any")
        if pq.PGconn.ping(place.encode()) == pq.Ping.NO_RESPONSE:
            self.pgconn.finish()
            raise psycopg.OperationalError("it answers nobody any more")

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Generator[Any, Any, Self]:
        """As psycopg has it, but for the SQLSTATE: libpq tells it only in its most verbose words."""
        pgconn = pq.PGconn.connect_start(conninfo.encode())
        _set_verbosity(pgconn, VERBOSE)
        while pgconn.status != pq.ConnStatus.BAD:
            status = pgconn.connect_poll()
            if status == pq.PollingStatus.OK:
                _set_verbosity(pgconn, DEFAULT)
                pgconn.nonblocking = 1
                return cls(pgconn)
            if status == pq.PollingStatus.FAILED:
                break
            waits_for = psycopg.waiting.Wait.R if status == pq.PollingStatus.READING else psycopg.waiting.Wait.W
            while not (yield pgconn.socket, waits_for):
                pass
        raise _refusal(pgconn.error_message.decode(errors="replace"))


def _refusal(said: str) -> psycopg.OperationalError | psycopg.Error:
    if found := REFUSED.search(said):
        state, message = found.groups()
        try:
            return errors.lookup(state)(message)
        except KeyError:
            return psycopg.OperationalError(message)
    return psycopg.OperationalError(f"connection failed: {said}")


def _set_verbosity(pgconn: Any, verbosity: int) -> None:
    if set_verbosity := _libpqs_own():
        set_verbosity(pgconn.pgconn_ptr, verbosity)


@cache
def _libpqs_own() -> Callable[[int, int], int] | None:
    """PQsetErrorVerbosity of the libpq that psycopg uses, which psycopg does not pass on; None where it is hidden."""
    import ctypes

    try:
        library = ctypes.CDLL(sys.modules[pq.PGconn.__module__].__file__)
        found = library.PQsetErrorVerbosity
    except (OSError, AttributeError, TypeError):
        return None
    found.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return found
