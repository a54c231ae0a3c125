"""What the tests of the output share: a real terminal, and the command line called in this process."""

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
from collections.abc import Callable
from typing import NamedTuple

import pytest
from inside import Inside
from program import Program

from streamctl.cli.boundary import run


class Said(NamedTuple):
    """What one command said."""

    status: int
    out: str
    err: str


@pytest.fixture
def nothing(nothing: Program) -> Program:
    """The same in this process."""
    return Inside(nothing.db, nothing.home)


@pytest.fixture
def inside(
    program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """The command line in this process, on the program's database, its output in a pipe."""
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("STREAMCTL_FORMAT", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def command(*words: object) -> Said:
        capsys.readouterr()
        status = run([str(word) for word in words])
        return Said(status, *capsys.readouterr())

    return command


@pytest.fixture
def terminal(program: Program) -> Callable[..., Said]:
    """The program as a process whose standard input and output are a terminal."""

    def command(*words: object, columns: int = 80, **environment: str) -> Said:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        shown = bytearray()

        def read() -> None:
            while True:
                try:
                    more = os.read(ours, 65536)
                except OSError:
                    return
                if not more:
                    return
                shown.extend(more)

        process = subprocess.Popen(
            [sys.executable, "-m", "streamctl", *map(str, words)],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=program.environment | {"TERM": "xterm"} | environment,
            cwd=program.home,
        )
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        _, err = process.communicate(timeout=60)
        reader.join(timeout=60)
        os.close(ours)
        return Said(process.returncode, shown.decode(), err.decode())

    return command
