"""The file of a SQLite database: made whole or not at all, and locked while its schema changes."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from streamctl.errors import (
    UNKNOWN,
    Busy,
    CannotOpen,
    DatabaseExists,
    StorageFailed,
    has_no_locks,
    quoted_path,
    too_many_files,
)
from streamctl.interruption import stoppable

BESIDE = ("-wal", "-shm", "-journal")
_DRAFT = ".streamctl-draft-"  # and eight digits: a folder with a database to be and the lock of whoever makes it
# All that is ever in it: what is built, what is tried of it, what SQLite has beside them, and the lock.
DATABASE, TRIED = "database", "tried"
_UNUSED_BYTE = 0x40000000 + 1024  # behind those that SQLite locks
_AT_ONCE = 8  # more than a connection of SQLite has open
_MADE = (*(f"{name}{end}" for name in (DATABASE, TRIED) for end in ("", *BESIDE)), "lock")

Put = Callable[[Path, Path], None]


def without_locks(path: Path) -> OSError | None:
    """Why no part of the file can be locked, where that is because its file system has no locks."""
    try:
        # Never closed: that would let go of all locks of this process on the file.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _UNUSED_BYTE)
        fcntl.lockf(handle, fcntl.LOCK_UN, 1, _UNUSED_BYTE)
    except OSError as error:
        return error if has_no_locks(error) else None
    return None


def no_more() -> OSError | None:
    """Why no file can be opened, where that is because so many are: SQLite and others do not say so.

    Asked when those that failed have closed what they had.
    """
    with ExitStack() as stack:
        try:
            for _ in range(_AT_ONCE):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            return error if too_many_files(error) else None
    return None


def check_vacant(path: Path) -> None:
    """Raises DatabaseExists when a log is left there without its database: it would be mixed into another one.

    And CannotOpen for a name so long that SQLite's own files would have none.
    """
    try:
        left = [name for end in BESIDE if _is_there(name := beside(path, end))]
    except OSError as error:
        raise CannotOpen.because(str(path), error) from None
    if left:
        raise DatabaseExists(
            f"{quoted_path(str(left[0]))} is left over from another database; it would be mixed into this one.",
            "Move it away, or bring back the database it belongs to.",
        )


def _is_there(path: Path) -> bool:
    """Whether the name is taken, if only by a link to nothing. Raises OSError, as of a name that is too long."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def beside(path: Path, end: str) -> Path:
    """The file that SQLite keeps beside that one, such as its `-wal`."""
    return path.with_name(path.name + end)


def new(path: Path) -> None:
    """Make an empty file for its owner alone. Raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def copied(source: Path, path: Path) -> None:
    """Copy the file to a new one for its owner alone, and make that durable. Raises OSError."""
    from shutil import copyfileobj

    with source.open("rb") as old, open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as copy:
        copyfileobj(old, copy)
        copy.flush()
        os.fsync(copy.fileno())


def free(path: Path) -> Path:
    """The path, or the first with a number after it where there is nothing yet."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in count(2))
    return next(found for found in chain([path], numbered) if not os.path.lexists(found))


def as_new(draft: Path, path: Path) -> None:
    """Give the draft its name where nothing has it. Raises DatabaseExists."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise DatabaseExists(f"There is something at {quoted_path(str(path))} already.", "Name another path.") from None


@contextmanager
def draft(path: Path, put: Put = as_new) -> Iterator[Path]:
    """A new file to build a database in, which `put` brings to the path when the block ends well; mode 0600.

    New folders are made 0700. What a killed run has left of its draft in the folder is cleared away.
    Raises CannotOpen when the folder can't take it, StorageFailed, and what `put` does.
    """
    try:
        _make_folder(path.parent)
        _clear_left_over(path.parent)
        folder, handle, lock = _draft_folder(path.parent)
    except OSError as error:
        raise CannotOpen.because(str(path), error) from None
    try:
        found = folder / DATABASE
        new(found)
        yield found
        sync(found)
        put(found, path)
    except OSError as error:
        raise CannotOpen.because(str(path), error) from None
    finally:
        with suppress(OSError):  # which changes nothing of what has come of it
            _remove(folder, handle)
        os.close(lock)
        os.close(handle)
    try:
        sync(path.parent)
    except OSError as error:
        raise StorageFailed(str(path), f"its name can't be made to last ({error.strerror})", UNKNOWN) from None


def _draft_folder(parent: Path) -> tuple[Path, int, int]:
    """A new folder, open, with a lock in it that is held while its descriptor is open."""
    while True:
        folder = parent / f"{_DRAFT}{os.urandom(4).hex()}"
        folder.mkdir(mode=0o700)
        try:
            with ExitStack() as stack:
                handle = _opened(stack, folder, os.O_RDONLY | os.O_DIRECTORY)
                lock = _opened(stack, "lock", os.O_CREAT | os.O_EXCL | os.O_RDWR, within=handle)
                fcntl.flock(lock, fcntl.LOCK_EX)
                os.stat("lock", dir_fd=handle)
                stack.pop_all()
                return folder, handle, lock
        except FileNotFoundError:  # somebody took it for left over before the lock was held
            continue
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            raise


def _clear_left_over(parent: Path) -> None:
    """Remove what killed runs of ours have left there. Anybody may have put a link or a folder of that name there."""
    for folder in parent.glob(f"{_DRAFT}*"):
        if re.fullmatch(r"[0-9a-f]{8}", folder.name.removeprefix(_DRAFT)):
            with suppress(OSError), ExitStack() as stack:  # somebody works in it, or it is none of ours
                handle = _opened(stack, folder, os.O_RDONLY | os.O_DIRECTORY)
                if os.fstat(handle).st_uid != os.geteuid():
                    continue
                try:
                    lock = _opened(stack, "lock", os.O_RDWR, within=handle)
                except FileNotFoundError:
                    folder.rmdir()
                else:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(folder, handle)


def _opened(stack: ExitStack, name: Path | str, flags: int, *, within: int | None = None) -> int:
    """Open it, but no link; the descriptor, which the stack closes."""
    handle = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=within)
    stack.callback(os.close, handle)
    return handle


def _remove(folder: Path, handle: int) -> None:
    """Remove what we make in it, and then the folder. The lock goes last: without it the folder is empty."""
    for name in _MADE:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handle)
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def folder_locked(folder: Path, wait: float) -> Iterator[None]:
    """One at a time: the runner of migrations plans outside the transaction. A lock on the folder leaves no file.

    Raises Busy, CannotOpen.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CannotOpen.because(str(folder), error) from None
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(wait) from None
                with stoppable():
                    time.sleep(0.05)
            except OSError as error:
                raise CannotOpen.because(str(folder), error) from None
        yield
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """Make the folder and what is missing above it, each for its owner alone."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def sync(path: Path) -> None:
    """Make a file, or a new name in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
