"""`db restore`: the database as a backup has it, and what was in it before kept aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from streamctl.domain.records import Column, Record
from streamctl.domain.terms import Terms
from streamctl.errors import BadData, Damaged, UsageError, quoted_path, shell_quoted
from streamctl.interruption import held, stoppable
from streamctl.services import repairing
from streamctl.store import copies, files, header, pages, schema
from streamctl.store.database import (
    SCHEMA,
    Author,
    Place,
    is_part_of,
    journal,
    now_changed,
    opened,
    settings,
    write,
)
from streamctl.store.inspection import identifier
from streamctl.store.transfer import COUNTS, counts, transfer

RESTORED = (Column("path"), Column("file"), Column("safety_copy"), *COUNTS)


def restore(
    place: Place, path: Path, *, author: Author, safety: Path, force: bool, wait: float
) -> tuple[Record, list[str]]:
    """Put what the backup has into the database, all of it or nothing; a count of everything.

    What is there before is in the file `safety` then, or in one with a number after that name. Others who have it open
    go on with what the backup has, if `force` lets them. A backup of an older schema is brought up to date on the way.
    Where no database is, one is made. The log is the backup's, and tells of this. What is wrong in the backup is a
    refusal, unless `force` takes it; what became of it is what comes second, a sentence each.
    Raises UsageError, OthersWrite, BadData, and what opening and copying do.
    """
    must_be_another(place, path)
    safety = files.free(safety)
    if isinstance(place, Path):
        return _into_file(place, path, author, safety, force, wait)
    return _into_server(place, path, author, safety, force, wait)


def must_be_another(place: Place, path: Path) -> None:
    """Raises UsageError where the file is the database itself, NoDatabase and NotOurs where it is none of ours."""
    if is_part_of(place, path):
        raise UsageError("A database can't be restored from itself.", "Name a backup of it.")
    header.check(path, "Name a backup. See how one is made with: streamctl db backup --help")


def _into_file(
    place: Path, path: Path, author: Author, safety: Path, force: bool, wait: float
) -> tuple[Record, list[str]]:
    there = place.exists()
    if there:
        with suppress(Damaged):
            header.check(place)
        if not force:
            copies.check_unused(place, wait=wait)
    else:
        files.check_vacant(place)
    put = partial(_put, safety=safety, wait=wait) if there else files.as_new
    with held():
        with files.draft(place, put) as draft, stoppable():
            numbers, notes = _stage(path, draft, author, force, wait)
        now_changed()
    return Record(RESTORED, (str(place), str(path), str(safety) if there else None, *numbers)), notes


def _stage(path: Path, draft: Path, author: Author, force: bool, wait: float) -> tuple[tuple[int, ...], list[str]]:
    """Copy the backup into the draft, check the very copy, bring it up to date and let its log tell of it.

    How much is in it, and what became of what is wrong in it. Raises BadData.
    """
    pages.saved(path, draft, name=str(draft.parent.parent), wait=wait, log=True)
    with opened(draft, wait=wait, any_schema=True, name=str(path)) as copy:
        copies.check(copy, "Nothing was restored. Take another backup.")
        if copy.schema() < SCHEMA:
            schema.apply(copy)
        wrong = list(copies.objections(copy))
        _check_taken(wrong, path, force)
        for objection in wrong:
            if objection.trigger:
                copy.run(f"DROP TRIGGER {identifier(objection.trigger)}")
        copy.author = author

        def tell(_: Terms) -> None:
            if wrong:
                repairing.mend()
            journal().told(count=journal().everything(), selection={"file": str(path)})

        write(tell)
        left = list(copies.objections(copy)) if wrong else []
        copy.changed = False  # nobody has it yet
        return counts(), list(_outcome(wrong, left))


def _check_taken(wrong: list[copies.Objection], path: Path, force: bool) -> None:
    """Raises BadData for what is wrong in a backup and not taken."""
    for objection in wrong:
        if not (objection.forced and force):
            name = shell_quoted(str(path))
            check = f"See what mends it with: streamctl --db {name} db check"
            raise BadData(
                f"{objection.what} in {quoted_path(str(path))}; nothing was restored.",
                f"{check}; or take it all the same with: streamctl db restore {name} --force"
                if objection.forced
                else check,
            )


def _outcome(wrong: list[copies.Objection], left: list[copies.Objection]) -> Iterator[str]:
    for objection in wrong:
        if objection.trigger:
            yield f"{objection.what} in the backup: it was left out."
        elif objection not in left:
            yield f"{objection.what} in the backup: that is mended."
    for objection in left:
        yield f"{objection.what}, as in the backup. See what mends it with: streamctl db check"


def _put(draft: Path, place: Path, safety: Path, wait: float) -> None:
    """Write the draft's pages into the database, which stays the same file; where it is no database, take its place."""

    def keep() -> None:
        with files.draft(safety) as kept:
            pages.saved(place, kept, name=str(safety), wait=wait)

    try:
        header.check(place)
        pages.check_readable(place, wait=wait)
        pages.overwritten(draft, place, wait=wait, before=keep)
    except Damaged:
        safety.unlink(missing_ok=True)
        _put_instead(draft, place, safety, wait)


def _put_instead(draft: Path, place: Path, safety: Path, wait: float) -> None:
    """Put the draft in the place of a database that SQLite can't read, while nobody has it open."""
    with pages.held(place):
        pages.copied_as_they_are(place, safety)
        pages.replaced(draft, place)


def _into_server(
    place: str, path: Path, author: Author, safety: Path, force: bool, wait: float
) -> tuple[Record, list[str]]:
    there = schema.is_there(place, wait=wait)
    if there and not force:
        copies.check_unused(place, wait=wait)
    with files.draft(safety, put=lambda *_: None) as draft:
        _, notes = _stage(path, draft, author, force, wait)
        with opened(draft, wait=wait, name=str(path)) as old, schema.filled(place, settings(), wait=wait) as new:
            if there:
                with files.draft(safety) as kept:
                    copies.write(new, kept, name=str(safety))
            numbers = transfer(old, new)
            name = new.name
    return Record(RESTORED, (name, str(path), str(safety) if there else None, *numbers)), notes
