"""A server of our own on 127.0.0.1 that asks for a password, and TLS in front of it, for tests of connecting."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import Any, NamedTuple

import psycopg
import server

PASSWORD = "s3/cr@t?%& #"
MOST = 7  # connections, two of them kept for the superuser


class Network(NamedTuple):
    """A running server: its folder and its port."""

    folder: Path
    port: int

    def admin(self, database: str = "streamctl") -> psycopg.Connection[Any]:
        """A connection as somebody who may do everything."""
        where = {"host": "127.0.0.1", "port": self.port, "dbname": database}
        return psycopg.connect(user="postgres", password=PASSWORD, autocommit=True, **where)

    def stop(self) -> None:
        """Tell it to end when those who are connected have gone."""
        os.kill(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGTERM)


@contextmanager
def network() -> Iterator[Network]:
    """Start it with the database `streamctl` of the role `clerk`, who is no superuser; stop it afterwards."""
    folder = Path(mkdtemp(prefix="pg-", dir="/tmp"))
    whose = {"cwd": "/", **server._nobody(folder)}
    where = server._within_reach(folder, whose)
    secret = folder / "password"
    secret.write_text(PASSWORD)
    how = ("-U postgres -A scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions").split()
    initdb = [where / "initdb", "-D", folder / "data", *how, "--pwfile", secret]
    subprocess.run(initdb, check=True, capture_output=True, **whose)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {**server.OPTIONS, "listen_addresses": "127.0.0.1", "port": str(port)}
    options |= {"max_connections": str(MOST), "superuser_reserved_connections": "2"}
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    command = ["/bin/sh", "-c", server.GUARD, folder, where / "postgres", "-D", folder / "data", "-k", folder, *words]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **whose)
    found = Network(folder, port)
    try:
        _fill(found)
        yield found
    finally:
        guard.communicate(timeout=server.PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _fill(found: Network) -> None:
    deadline = time.monotonic() + server.PATIENCE
    while True:
        try:
            with found.admin("postgres") as connection:
                connection.execute("CREATE ROLE clerk LOGIN PASSWORD '" + PASSWORD + "'")
                connection.execute("CREATE DATABASE streamctl OWNER clerk")
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                print((found.folder / "log").read_text())
                raise
            time.sleep(0.02)


@contextmanager
def tls(net: Network, folder: Path) -> Iterator[tuple[int, Path]]:
    """A port where the server is to be had over TLS (the packaged one is built without), and its certificate."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    how = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split()
    subprocess.run(["openssl", *how, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Ear(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(8, socket.MSG_WAITALL)  # the question for TLS
            self.request.sendall(b"S")
            with suppress(OSError):  # the other side may not trust us
                here = context.wrap_socket(self.request, server_side=True)
                with here, socket.create_connection(("127.0.0.1", net.port)) as there:
                    answers = Thread(target=_copied, args=(there, here))
                    answers.start()
                    _copied(here, there)
                    answers.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ear) as listening:
        Thread(target=listening.serve_forever, args=(0.01,)).start()
        try:
            yield listening.server_address[1], certificate
        finally:
            listening.shutdown()


def _copied(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
