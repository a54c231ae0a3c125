"""What stands between the program and its server, and cuts the line after so many messages of the program."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import psycopg
import server


class Front:
    """A socket of its own in front of the server's. `cut` is the message that is the last, counted from 1 after the
    program has introduced itself; it is `passed` on to the server, whose answer is lost, or gets lost itself.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut: int | None = None
        self.passed = True
        self.kinds: list[str] = []
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.bind(str(folder / ".s.PGSQL.5432"))
        self._ear.listen()
        self._connections: list[Thread] = []
        Thread(target=self._serve, daemon=True).start()

    def url(self, url: str) -> str:
        """The same place, by way of here."""
        return url.replace(f"host={psycopg.conninfo.conninfo_to_dict(url)['host']}", f"host={self.folder}")

    def settle(self) -> None:
        """Wait until the server has done what it was sent, and forget what was."""
        for thread in self._connections:
            thread.join(30)
        self._connections.clear()

    def close(self) -> None:
        """Take no one any more."""
        self._ear.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._ear.accept()
                thread = Thread(target=self._between, args=(here,), daemon=True)
                self._connections.append(thread)
                thread.start()

    def _between(self, here: socket.socket) -> None:
        there = socket.socket(socket.AF_UNIX)
        there.connect(str(psycopg.conninfo.conninfo_to_dict(server.base())["host"]) + "/.s.PGSQL.5432")
        self.kinds = []
        answers = Thread(target=_copied, args=(there, here), daemon=True)
        answers.start()
        with suppress(OSError, EOFError):
            there.sendall(_sized(here, b""))  # how it introduces itself
            while self.cut is None or len(self.kinds) < self.cut:
                kind = _exactly(here, 1)
                message = _sized(here, kind)
                self.kinds.append(kind.decode())
                last = len(self.kinds) == self.cut
                if last:  # nothing that is answered from here on arrives
                    here.shutdown(socket.SHUT_RDWR)
                if self.passed or not last:
                    there.sendall(message)
        with suppress(OSError):
            there.shutdown(socket.SHUT_WR)
        answers.join(30)  # until the server has gone, and with it whatever it was doing
        here.close()
        there.close()


def _sized(source: socket.socket, kind: bytes) -> bytes:
    size = _exactly(source, 4)
    return kind + size + _exactly(source, int.from_bytes(size, "big") - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = source.recv(count - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _copied(one: socket.socket, other: socket.socket) -> None:
    gone = False
    with suppress(OSError):
        while data := one.recv(65536):
            try:
                if not gone:
                    other.sendall(data)
            except OSError:  # read it all the same: the server is not to be held up
                gone = True


@contextmanager
def front() -> Iterator[Front]:
    """Stand in front of the tests' server."""
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        found = Front(Path(name))
        try:
            yield found
        finally:
            found.close()
