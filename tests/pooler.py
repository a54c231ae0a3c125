"""A pooler in transaction mode between clients and the tests' server, as PgBouncer is: a client has a connection to the
server for one transaction, and the next client has it after that. What one leaves on it the others find.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import BinaryIO

import psycopg
import server

SSL, GSS, CANCEL = 80877103, 80877104, 80877102
TAKEN = ("client_encoding", "application_name", "user", "database")  # of what a client introduces itself with
LEFT = """
    SELECT 'setting ' || name || ' = ' || setting FROM pg_settings WHERE source = 'session'
    UNION ALL SELECT 'prepared statement ' || name FROM pg_prepared_statements
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors
    UNION ALL SELECT 'listens to ' || name FROM pg_listening_channels() AS name
    UNION ALL SELECT 'advisory lock' FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
    UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
"""


class Server:
    """One connection to the server, kept for whoever comes."""

    def __init__(self, url: str) -> None:
        given = psycopg.conninfo.conninfo_to_dict(url)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}")
        self._file = self._socket.makefile("rb")
        parts = {"user": given["user"], "database": given["dbname"], "client_encoding": "UTF8"}
        parts["options"] = given["options"]
        words = b"".join(f"{name}\0{value}\0".encode() for name, value in parts.items())
        self._socket.sendall(struct.pack("!ii", len(words) + 9, 196608) + words + b"\0")
        self.greeting = b""
        self.key = b""
        while True:
            kind, message = self.receive()
            if kind == b"K":
                self.key = message
            elif kind == b"S":
                self.greeting += message
            elif kind == b"Z":
                break

    def send(self, message: bytes) -> None:
        self._socket.sendall(message)

    def receive(self) -> tuple[bytes, bytes]:
        """A message's kind, and all of it."""
        return _message(self._file)

    def left(self) -> list[str]:
        """What somebody has left on it."""
        self.send(b"Q" + struct.pack("!i", len(LEFT.encode()) + 5) + LEFT.encode() + b"\0")
        rows = []
        while True:
            kind, message = self.receive()
            if kind == b"D":
                rows.append(message[11:].decode())
            elif kind == b"E":
                raise AssertionError(message)
            elif kind == b"Z":
                return rows

    def close(self) -> None:
        self._socket.close()


class Pooler:
    """A socket of its own, with so many connections to the server behind it.

    `own_keys` says whether clients are told a number of the pooler's own for the process of the server, as PgBouncer
    does it. `left` is what was found on a connection after a transaction, `passed` how many there were.
    """

    def __init__(self, folder: Path, url: str, connections: int, *, own_keys: bool) -> None:
        self._own_keys = own_keys
        self.left: list[str] = []
        self.passed = 0
        self.url = f"postgresql://postgres@/streamctl?host={folder}"
        self._given = url
        self._free: Queue[Server] = Queue()
        for _ in range(connections):
            self._free.put(Server(url))
        self._greeting = self._free.queue[0].greeting
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.bind(str(folder / ".s.PGSQL.5432"))
        self._ear.listen()
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._ear.close()
        while not self._free.empty():
            self._free.get().close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._ear.accept()
                Thread(target=self._client, args=(client,), daemon=True).start()

    def _client(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError, struct.error), client, client.makefile("rb") as coming:
            if self._introduced(client, coming):
                while self._transaction(client, coming):
                    pass

    def _introduced(self, client: socket.socket, coming: BinaryIO) -> bool:
        while True:
            size, code = struct.unpack("!ii", coming.read(8))
            rest = coming.read(size - 8)
            if code in (SSL, GSS):
                client.sendall(b"N")
            elif code == CANCEL:
                return False
            else:
                break
        names = rest.decode().split("\0")[::2]
        if unknown := [name for name in names if name and name not in TAKEN]:
            text = f"SFATAL\0C08P01\0Munsupported startup parameter: {unknown[0]}\0\0".encode()
            client.sendall(b"E" + struct.pack("!i", len(text) + 4) + text)
            return False
        key = b"K" + struct.pack("!iii", 12, 7, 7) if self._own_keys else self._free.queue[0].key
        client.sendall(b"R" + struct.pack("!ii", 8, 0) + self._greeting + key + b"Z" + struct.pack("!i", 5) + b"I")
        return True

    def _transaction(self, client: socket.socket, coming: BinaryIO) -> bool:
        """Pass on what belongs to one transaction; whether the client is there still."""
        kind, message = _message(coming)
        if kind == b"X":
            return False
        there = self._free.get()
        try:
            while True:
                there.send(message)
                if kind in b"QScf" and self._answered(there, client):
                    break
                kind, message = _message(coming)
                if kind == b"X":
                    raise EOFError
        except (OSError, EOFError, struct.error):  # in the middle of it: the server takes it back
            there.close()
            self._free.put(Server(self._given))
            raise
        return True

    def _answered(self, there: Server, client: socket.socket) -> bool:
        """Pass on the answer; whether the transaction is over, and the connection somebody else's."""
        while True:
            kind, message = there.receive()
            over = kind == b"Z" and message[5:] == b"I"
            if over:
                self.left += there.left()
                self.passed += 1
                self._free.put(there)
                with suppress(OSError):
                    client.sendall(message)
                return True
            client.sendall(message)
            if kind in b"GZ":  # G waits for rows
                return False


def _message(source: BinaryIO) -> tuple[bytes, bytes]:
    head = source.read(5)
    if len(head) < 5:
        raise EOFError
    kind, size = head[:1], struct.unpack("!i", head[1:])[0]
    return kind, head + source.read(size - 4)


@contextmanager
def pooler(url: str, connections: int = 2, *, own_keys: bool = True) -> Iterator[Pooler]:
    """Stand before the tests' server, for the schema at the URL."""
    assert server.base()
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        found = Pooler(Path(name), url, connections, own_keys=own_keys)
        try:
            yield found
        finally:
            found.close()
