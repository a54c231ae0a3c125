"""The program with a fault in it: its N-th call to the disk fails, or kills it, or a signal comes just then.

What SQLite asks of the system is caught at its own test hook, `xSetSystemCall` of the unix VFS, and its syncs at the
methods of the files it opens; what Python asks, in `os`. A command runs in a process that is forked for it, and no
compiler is needed.

python faults.py        reads [place, home, words, fault], JSON a line, and answers [status, stdout, stderr, calls]
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from program import NOW, Answer

ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}
SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
BEFORE, AFTER = "before", "after"
IOERR_FSYNC = 10 | 4 << 8
PATH, INT, LONG, POINTER = ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p
# What SQLite asks of the system, by SQLite's own names: the result and the arguments.
CALLS: dict[str, tuple[Any, ...]] = {
    "open": (INT, PATH, INT, INT),
    "write": (LONG, INT, POINTER, ctypes.c_size_t),
    "pwrite": (LONG, INT, POINTER, ctypes.c_size_t, LONG),
    "pwrite64": (LONG, INT, POINTER, ctypes.c_size_t, LONG),
    "ftruncate": (INT, INT, LONG),
    "fallocate": (INT, INT, LONG, LONG),
    "unlink": (INT, PATH),
    "openDirectory": (INT, PATH, POINTER),
}
OF_PYTHON = ("open", "link", "replace", "unlink", "fsync", "mkdir")
GROWS = ("open", "write", "pwrite", "pwrite64", "fallocate", "ftruncate", "link", "mkdir")  # needs room on the disk


class Fault(NamedTuple):
    """The N-th call (from 1) fails with EIO or ENOSPC (and whatever needs room after it), or `SIGKILL`, `SIGINT` or
    `SIGTERM` comes right before or after it.
    """

    number: int
    what: str
    when: str = BEFORE


class Outcome(NamedTuple):
    """What a process said, and the calls it made."""

    answer: Answer
    calls: list[str]


class Launcher:
    """The process that forks one for every command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, place: Path | str, home: Path, *words: object, fault: Fault | None = None) -> Outcome:
        """Run `streamctl` with these words on that database."""
        assert self._process.stdin
        assert self._process.stdout
        asked = [str(place), str(home), [str(word) for word in words], fault]
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status, out, err, calls = json.loads(self._process.stdout.readline())
        return Outcome(Answer(status, out, err), calls)


@contextmanager
def launcher() -> Iterator[Launcher]:
    """The launcher, which ends with the block."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Launcher(process)
        assert process.stdin
        process.stdin.close()


class _Hooks:
    """Counts calls and lets one of them go wrong."""

    def __init__(self, fault: Fault | None, log: int) -> None:
        self._fault, self._log = fault, log
        self._count = 0
        self._kept: list[Any] = []  # what C holds on to

    def call(self, name: str, real: Callable[[], Any], failed: Callable[[int], Any]) -> Any:
        """Count it; do it, or let it go wrong."""
        self._count += 1
        os.write(self._log, f"{name}\n".encode())
        hit = self._fault is not None and self._count == self._fault.number
        if self._fault is not None and (number := ERRORS.get(self._fault.what)):
            lasting = self._fault.what == "ENOSPC" and self._count > self._fault.number and name in GROWS
            return failed(number) if hit or lasting else real()
        if hit and self._fault and self._fault.when == BEFORE:
            self._signal(self._fault.what)
        try:
            return real()
        finally:
            if hit and self._fault and self._fault.when == AFTER:
                self._signal(self._fault.what)

    def _signal(self, name: str) -> None:
        from streamctl import interruption

        # As to the rest of the program it comes while C is at work: an exception in here would be nobody's.
        before, interruption._state.stoppable = interruption._state.stoppable, False
        os.kill(os.getpid(), SIGNALS.get(name, signal.SIGKILL))
        interruption._state.stoppable = before

    def into_python(self) -> None:
        """Hook what Python asks of the system."""
        for name in OF_PYTHON:
            setattr(os, name, self._python(name, getattr(os, name)))

    def _python(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def failed(number: int) -> None:
            raise OSError(number, os.strerror(number))

        def hooked(*args: Any, **more: Any) -> Any:
            return self.call(name, lambda: real(*args, **more), failed)

        return hooked

    def into_sqlite(self) -> None:
        """Hook what SQLite asks of the system, and the syncs of the files it opens."""
        import _sqlite3

        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        vfs = library.sqlite3_vfs_find(None)
        assert vfs.contents.zName == b"unix", vfs.contents.zName
        found = 0
        for name, signature in CALLS.items():
            kind = ctypes.CFUNCTYPE(*signature, use_errno=True)
            address = vfs.contents.xGetSystemCall(vfs, name.encode())
            if address:  # or this SQLite was built without it
                hook = kind(self._system(name, kind(address)))
                self._kept.append(hook)
                assert vfs.contents.xSetSystemCall(vfs, name.encode(), ctypes.cast(hook, POINTER)) == 0
                found += 1
        assert found >= 5, "SQLite does not let itself be hooked"
        really = ctypes.cast(vfs.contents.xOpen, ctypes.c_void_p).value
        opens = _OPEN(really)

        def opened(vfs_: Any, name: Any, file: Any, flags: int, out: Any) -> int:
            status = int(opens(vfs_, name, file, flags, out))
            if status == 0:
                self._hook_sync(file)
            return status

        hook = _OPEN(opened)
        self._kept.append(hook)
        vfs.contents.xOpen = hook

    def _system(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def failed(number: int) -> int:
            ctypes.set_errno(number)
            return number if name == "fallocate" else 14 if name == "openDirectory" else -1

        return lambda *args: self.call(name, lambda: real(*args), failed)

    def _hook_sync(self, file: int) -> None:
        """Give the file that SQLite has opened a copy of its methods, with another xSync."""
        methods = ctypes.cast(file, ctypes.POINTER(ctypes.POINTER(_Methods)))
        mine = _Methods.from_buffer_copy(methods.contents.contents)
        real = _SYNC(mine.xSync)
        hook = _SYNC(lambda it, flags: self.call("sync", lambda: real(it, flags), lambda _: IOERR_FSYNC))
        mine.xSync = ctypes.cast(hook, POINTER)
        self._kept += [mine, hook]
        methods[0] = ctypes.pointer(mine)


_OPEN = ctypes.CFUNCTYPE(INT, POINTER, POINTER, POINTER, INT, POINTER)
_SYNC = ctypes.CFUNCTYPE(INT, POINTER, INT)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""


_Vfs._fields_ = [
    *((name, INT) for name in ("iVersion", "szOsFile", "mxPathname")),
    ("pNext", POINTER),
    ("zName", PATH),
    ("pAppData", POINTER),
    ("xOpen", _OPEN),
    *((f"x{n}", POINTER) for n in range(12)),
    ("xSetSystemCall", ctypes.CFUNCTYPE(INT, ctypes.POINTER(_Vfs), PATH, POINTER)),
    ("xGetSystemCall", ctypes.CFUNCTYPE(POINTER, ctypes.POINTER(_Vfs), PATH)),
    ("xNextSystemCall", POINTER),
]


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("iVersion", INT),
        *((name, POINTER) for name in ("xClose", "xRead", "xWrite", "xTruncate", "xSync")),
        *((f"x{n}", POINTER) for n in range(13)),
    )


def _forked(place: str, home: str, words: Sequence[str], fault: Fault | None) -> tuple[int, str, str, list[str]]:
    """Run it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        names = {name: f"{folder}/{name}" for name in ("out", "err", "log")}
        process = os.fork()
        if process == 0:
            try:
                _become(place, home, words, fault, names)
            finally:  # which it does not come to unless something is wrong in here
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(99)
        _, waited = os.waitpid(process, 0)
        out, err, log = (Path(name).read_text() for name in names.values())
    return os.waitstatus_to_exitcode(waited), out, err, log.splitlines()


def _become(place: str, home: str, words: Sequence[str], fault: Fault | None, names: dict[str, str]) -> None:
    """Be that process, to its end."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    out, err, log = (os.open(name, flags, 0o600) for name in names.values())
    for descriptor, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(descriptor, number)
    for number in (0, 1, 2):
        name = ("stdin", "stdout", "stderr")[number]
        setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "STREAMCTL_TEST_PG")}
    os.environ.clear()
    os.environ |= kept | {"HOME": home, "STREAMCTL_DB": place, "STREAMCTL_AS_OF": NOW}
    os.chdir(home)
    from streamctl import interruption
    from streamctl.cli.boundary import run

    interruption.listen()
    hooks = _Hooks(fault, log)
    if "://" not in place:
        hooks.into_sqlite()
    hooks.into_python()
    status = 1
    try:
        status = run(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Import what the commands need, and serve."""
    from inside import Inside

    with tempfile.TemporaryDirectory() as name:
        Inside(Path(name) / "streamctl.db", Path(name))("db", "init", "--timezone", "UTC")
    for line in sys.stdin:
        place, home, words, fault = json.loads(line)
        print(json.dumps(_forked(place, home, words, Fault(*fault) if fault else None)), flush=True)


if __name__ == "__main__":
    main()
