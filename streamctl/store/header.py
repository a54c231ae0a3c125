"""What a file says it is, read before SQLite touches it: merely opening another program's WAL database changes it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from streamctl.errors import CannotOpen, Damaged, NoDatabase, NotOurs

APPLICATION_ID = 0x53_54_43_4C  # "STCL"
_MAGIC = b"SQLite format 3\x00"
_WITHOUT_LOG = b"\x01\x01"  # in WAL mode it is 2, 2


def check(path: Path, hint: str = "") -> None:
    """Raises NoDatabase, CannotOpen, NotOurs or Damaged unless the file is a database of ours.

    `hint` is what to do where there is none, unless that is to make one.
    """
    name = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CannotOpen(name, "it is no file")
        with path.open("rb") as file:
            header = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise NoDatabase(name, hint) from None
    except OSError as error:
        raise CannotOpen(name, error.strerror or str(error)) from None
    if not header:
        raise NotOurs(name, "an empty file")
    if header[:16] != _MAGIC[: len(header)]:
        raise NotOurs(name, "no SQLite database")
    if len(header) < 100:
        raise Damaged(name, "it is cut off")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise NotOurs(name, "another program's SQLite database")
    page = int.from_bytes(header[16:18], "big")
    if size % (65536 if page == 1 else page or 512):
        raise Damaged(name, "it is cut off")


def is_backup(path: Path) -> bool:
    """Whether the file is a backup of ours: a database that is kept without a log beside it, as none in use is."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return False
    ours = header[:16] == _MAGIC and int.from_bytes(header[68:72], "big") == APPLICATION_ID
    return ours and header[18:20] == _WITHOUT_LOG
