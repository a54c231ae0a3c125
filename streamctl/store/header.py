"""What a file says it is, read before SQLite touches it: merely opening another program's WAL database changes it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from streamctl.errors import CannotOpen, Damaged, NoDatabase, NotOurs

APPLICATION_ID = 0x53_54_43_4C  # "STCL", of a database that is worked in
BACKUP_ID = 0x53_54_43_42  # "STCB", of a backup until somebody works in it
MARKED_SINCE = 4  # the schema; backups of older ones have the first id, and are in rollback mode
_MAGIC = b"SQLite format 3\x00"
_ROLLBACK_MODE = b"\x01\x01"  # in WAL mode it is 2, 2


class Header(NamedTuple):
    """What the first bytes of a SQLite file say: which program's it is, its schema, and whether it is in WAL mode."""

    application_id: int
    schema: int
    wal: bool

    @property
    def live(self) -> bool:
        """Whether it is a database to work in, in the mode for that."""
        return self.wal and self.application_id == APPLICATION_ID


def _read(header: bytes) -> Header:
    number, schema = (int.from_bytes(header[place : place + 4], "big") for place in (68, 60))
    return Header(number, schema, header[18:20] != _ROLLBACK_MODE)


def _start(path: Path, flags: int = 0) -> tuple[bytes, int]:
    """The first bytes of the file and its size; nothing of what is no file. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)  # of a pipe it would wait
    try:
        found = os.fstat(handle)
        return os.read(handle, 100) if stat.S_ISREG(found.st_mode) else b"", found.st_size
    finally:
        os.close(handle)


def check(path: Path, hint: str = "") -> Header:
    """What the file says. Raises NoDatabase, CannotOpen, NotOurs or Damaged unless it is a database of ours.

    `hint` is what to do where there is none, unless that is to make one.
    """
    name = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CannotOpen(name, "it is no file")
        header, size = _start(path)
    except FileNotFoundError:
        raise NoDatabase(name, hint) from None
    except OSError as error:
        raise CannotOpen.because(name, error) from None
    if not header:
        raise NotOurs(name, "an empty file")
    if header[:16] != _MAGIC[: len(header)]:
        raise NotOurs(name, "no SQLite database")
    if len(header) < 100:
        raise Damaged(name, "it is cut off")
    found = _read(header)
    if found.application_id not in (APPLICATION_ID, BACKUP_ID):
        raise NotOurs(name, "another program's SQLite database")
    page = int.from_bytes(header[16:18], "big")
    if size % (65536 if page == 1 else page or 512):
        raise Damaged(name, "it is cut off")
    return found


def is_backup(path: Path) -> bool:
    """Whether the file is a backup of ours that nobody has worked in."""
    try:
        header, _ = _start(path, os.O_NOFOLLOW)
    except OSError:
        return False
    if header[:16] != _MAGIC:
        return False
    found = _read(header)
    old = found.application_id == APPLICATION_ID and found.schema < MARKED_SINCE
    return not found.wal and (old or found.application_id == BACKUP_ID)
