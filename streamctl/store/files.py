"""The file of a SQLite database: made whole or not at all, and locked while its schema changes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamctl.errors import Busy, CannotOpen, DatabaseExists

BESIDE = ("-wal", "-shm", "-journal")


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A new file to build the database in, which is at the path when the block ends well; mode 0600.

    New folders are made 0700. Raises DatabaseExists when something is there, CannotOpen when the folder can't take it.
    """
    found = path.with_name(f".streamctl.{os.urandom(8).hex()}")
    try:
        left = [name for end in BESIDE if (name := path.with_name(path.name + end)).exists()]
    except OSError as error:  # a name so long that SQLite's own files would have none
        raise CannotOpen(str(path), error.strerror or str(error)) from None
    if left:
        raise DatabaseExists(
            f"{left[0]} is left over from another database; it would be mixed into this one.",
            "Move it away, or bring back the database it belongs to.",
        )
    try:
        _make_folder(path.parent)
        os.close(os.open(found, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise CannotOpen(str(path), error.strerror or str(error)) from None
    try:
        yield found
        os.link(found, path)
    except FileExistsError:
        raise DatabaseExists(f"There is something at {path} already.", "Name another path with --db.") from None
    except OSError as error:
        raise CannotOpen(str(path), error.strerror or str(error)) from None
    finally:
        for leftover in (found, *(found.with_name(found.name + end) for end in BESIDE)):
            leftover.unlink(missing_ok=True)
    _sync(path.parent)


@contextmanager
def folder_locked(folder: Path, wait: float) -> Iterator[None]:
    """One migration at a time: the runner plans outside the transaction. A lock on the folder leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(wait) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """Make the folder and what is missing above it, each for its owner alone."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _sync(folder: Path) -> None:
    """Make a new name in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
