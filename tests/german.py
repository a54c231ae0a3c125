"""What stands between the program and a server on 127.0.0.1, and turns all that it says into another language."""

from __future__ import annotations

import socket
import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from network import Network
from pooler import GSS, SSL

# Details and contexts have values in them, which stay.
WORDS = {
    "Key ": "Schlüssel »",
    " already exists": " existiert bereits",
    " is not present in table": " kommt nicht vor in",
    "line ": "Zeile ",
    "column ": "Spalte ",
}


@contextmanager
def speaking_german(net: Network) -> Iterator[int]:
    """The port of the same server, whose messages have no English word."""

    class Ear(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, struct.error), socket.create_connection(("127.0.0.1", net.port)) as there:
                there.sendall(_introduction(self.request))
                answers = Thread(target=_said, args=(there, self.request))
                answers.start()
                while data := self.request.recv(65536):
                    there.sendall(data)
                there.shutdown(socket.SHUT_WR)
                answers.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ear) as listening:
        listening.daemon_threads = True
        Thread(target=listening.serve_forever, args=(0.01,)).start()
        try:
            yield listening.server_address[1]
        finally:
            listening.shutdown()


def _introduction(here: socket.socket) -> bytes:
    """How a client introduces itself, which it does without TLS here."""
    while True:
        head = here.recv(8, socket.MSG_WAITALL)
        size, code = struct.unpack("!ii", head)
        if code not in (SSL, GSS):
            return head + here.recv(size - 8, socket.MSG_WAITALL)
        here.sendall(b"N")


def _said(there: socket.socket, here: socket.socket) -> None:
    with suppress(OSError, struct.error), there.makefile("rb") as coming:
        while head := coming.read(1):
            (size,) = struct.unpack("!i", coming.read(4))
            body = coming.read(size - 4)
            if head in b"EN":
                body = _translated(body)
            here.sendall(head + struct.pack("!i", len(body) + 4) + body)
        here.shutdown(socket.SHUT_WR)


def _translated(body: bytes) -> bytes:
    fields = {field[:1].decode(): field[1:].decode() for field in body.split(b"\0") if field}
    own = fields.get("n") == fields["M"]  # what our own triggers raise is not translated
    fields |= {"S": "SCHWERWIEGEND" if fields.get("V") == "FATAL" else "FEHLER"}
    fields |= {} if own else {"M": "Das ging so nicht"}
    for kind in "DW":
        if kind in fields:
            for word, german in WORDS.items():
                fields[kind] = fields[kind].replace(word, german)
    return b"".join(f"{kind}{text}\0".encode() for kind, text in fields.items()) + b"\0"
