"""Backups under one name: the newest has it, and older ones have a number after it, as logs do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from streamctl.errors import NoBackup
from streamctl.store import files, header


def check(path: Path, keep: int) -> None:
    """Raises NoBackup when a file that would be replaced or renamed is anything else than a backup of ours."""
    files.check_vacant(path)
    for found in (path, *_numbered(path, keep)):
        if os.path.lexists(found) and not header.is_backup(found):
            raise NoBackup(str(found))


def put(draft: Path, path: Path, keep: int, *, wait: float) -> None:
    """Give the draft the name; so many are kept, those before it as `NAME.1`, `NAME.2` and so on.

    There is a whole backup of the name at every moment. Raises NoBackup, Busy.
    """
    with ExitStack() as stack:
        with suppress(OSError):  # some network disks lock no folders
            stack.enter_context(files.folder_locked(path.parent, wait))
        check(path, keep)
        numbered = list(_numbered(path, keep))
        if numbered and path.exists():
            _shift(path, numbered)
        draft.replace(path)
        for number, found in _others(path):
            if number >= keep and header.is_backup(found):
                found.unlink()


def _numbered(path: Path, keep: int) -> Iterator[Path]:
    for number in range(1, keep):
        yield path.with_name(f"{path.name}.{number}")


def _shift(path: Path, numbered: list[Path]) -> None:
    """Let every backup go one up, as far as the first number that is free; the one of the last number is no more."""
    if numbered[0].exists() and path.samefile(numbered[0]):
        return  # a run was killed between here and its end
    free = next((place for place, found in enumerate(numbered) if not found.exists()), len(numbered) - 1)
    for place in range(free, 0, -1):
        numbered[place - 1].replace(numbered[place])
    numbered[0].unlink(missing_ok=True)
    try:
        os.link(path, numbered[0])
    except OSError:  # a disk that knows one name a file
        path.replace(numbered[0])


def _others(path: Path) -> Iterator[tuple[int, Path]]:
    for found in path.parent.iterdir():
        number = found.name.removeprefix(f"{path.name}.")
        if number != found.name and number.isascii() and number.isdigit() and number == str(int(number)):
            yield int(number), found
