"""A process whose input, output and errors are a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from program import Program

# Runs many command lines one after the other, so that a real terminal costs one process.
MANY = (
    "import json, sys\n"
    "from streamctl.cli.boundary import run\n"
    "for words in json.load(open(sys.argv[1])):\n"
    "    run(words)\n"
)


def on_a_terminal(
    program: Program,
    command: Iterable[str],
    *,
    typed: bytes = b"",
    out: IO[bytes] | None = None,
    err: IO[bytes] | None = None,
    **environment: str,
) -> tuple[int, str]:
    """Run Python with these words, its input and output a terminal of its own; the status and what that got.

    Its standard output, or error, may be redirected to a file.
    """
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    got = bytearray()

    def read() -> None:
        with suppress(OSError):  # how a terminal ends
            while more := os.read(ours, 65536):
                got.extend(more)

    process = subprocess.Popen(
        [sys.executable, *command],
        stdin=theirs,
        stdout=out or theirs,
        stderr=err or theirs,
        env=program.environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | environment,
        cwd=program.home,
    )
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    os.write(ours, typed)
    try:
        status = process.wait(timeout=120)
    except subprocess.TimeoutExpired:  # it waits for an answer that nobody types
        process.kill()
        raise
    reader.join(timeout=60)
    os.close(ours)
    return status, got.decode()
