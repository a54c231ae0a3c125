"""Where an answer is to go: standard output, another descriptor of ours, something to write into, or a file."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from streamctl.errors import BadValue, quoted_path

STANDARD_OUTPUT = 1
_MOST_LINKS = 40  # as many as the kernel follows


class Destination(NamedTuple):
    """What `--output` names: a descriptor of this process, or a path.

    `before` is what is at the path. Only a regular file, there or to be made, is replaced; all else is written into.
    """

    written: str
    descriptor: int | None = None
    path: Path = Path()
    before: os.stat_result | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, there or to be made."""
        return self.descriptor is None and (self.before is None or stat.S_ISREG(self.before.st_mode))

    @property
    def ending(self) -> str:
        """The last dot of the file's name and what follows, in small letters; empty where there is none."""
        if self.descriptor is not None:
            return ""
        _, dot, end = Path(self.written).name.rpartition(".")
        return f"{dot}{end.lower()}" if dot else ""


def destination(output: str | None, own_files: Callable[[Path], bool]) -> Destination:
    """Where `--output` leads; standard output where there is none, or `-`.

    Called before the database is opened, whose own descriptors are thus never meant. Raises BadValue for what can't be
    written, and for one of `own_files`.
    """
    if output in (None, "-"):
        return _descriptor(STANDARD_OUTPUT, "-", own_files)
    try:
        path = Path(output).expanduser()
        if (number := _own_descriptor(path)) is not None:
            return _descriptor(number, output, own_files)
        before = path.stat() if path.exists() else None
        if before is None or stat.S_ISREG(before.st_mode):  # a pipe or a device may have no other name
            path = path.resolve()
        if own_files(path):
            raise BadValue(f"{quoted_path(output)} is the database itself; the answer can't be written over it.")
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise cannot_be_written(output, getattr(error, "strerror", None) or str(error).rstrip(".")) from None
    if output.endswith("/") or (before is not None and stat.S_ISDIR(before.st_mode)):
        raise BadValue(f"{quoted_path(output)} is a folder; name a file in it.")
    return Destination(output, None, path, before)


def cannot_be_written(output: str, why: str) -> BadValue:
    """The refusal of a destination."""
    return BadValue(f"{quoted_path(output)} can't be written: {why}.")


def _descriptor(number: int, written: str, own_files: Callable[[Path], bool]) -> Destination:
    """The destination that is this descriptor. Raises BadValue, OSError."""
    if number == STANDARD_OUTPUT:
        if (open_as := _number(sys.stdout)) is not None and _is_owned(open_as, own_files):
            raise BadValue("Standard output is the database itself; the answer can't be written into it.")
        return Destination(written, number)
    import fcntl

    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise cannot_be_written(written, "it is open for reading only")
    if _is_owned(number, own_files):
        raise BadValue(f"{quoted_path(written)} is the database itself; the answer can't be written into it.")
    return Destination(written, number)


def _number(file: IO[str] | None) -> int | None:
    """The descriptor of the file; None where it is closed or has none."""
    with suppress(OSError, ValueError):
        return None if file is None else file.fileno()
    return None


def _is_owned(number: int, own_files: Callable[[Path], bool]) -> bool:
    return stat.S_ISREG(os.fstat(number).st_mode) and own_files(Path(f"/dev/fd/{number}"))


def _own_descriptor(path: Path) -> int | None:
    """The number of the descriptor of this process that the path names, or leads to by links. Raises BadValue, OSError.

    The links of `/proc/…/fd` are not followed: what they show is the file, which is not what they stand for.
    """
    own = [Path(folder).resolve() for folder in ("/proc/self/fd", "/proc/thread-self/fd")] + [Path("/dev/fd")]
    for _ in range(_MOST_LINKS):
        path = path.parent.resolve() / path.name
        if path.name.isdecimal() and path.parent in own:
            return int(path.name)
        if re.fullmatch("/proc/[0-9]+(/task/[0-9]+)?/fd/[0-9]+", str(path)) and path.is_file():
            raise cannot_be_written(str(path), "it is a file that another process has open")
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None
