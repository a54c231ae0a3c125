"""`streamctl db backup | restore | sandbox | diff | move`: what is done with the database as a whole."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from streamctl.cli.desk import Desk, Question
from streamctl.cli.hints import with_database
from streamctl.cli.options import Yes, number, reading
from streamctl.domain import calendar
from streamctl.domain.records import Answer, Column, Record
from streamctl.errors import Damaged, UsageError, counted, quoted_path, shell_quoted
from streamctl.settings import Settings, place_of, real_now


def _file(written: str) -> Path:
    place = place_of(written, "FILE")
    if isinstance(place, Path):
        return place
    raise UsageError("FILE is the path of a file, not a server.")


def file_argument(help: str) -> Any:
    """A file that holds a whole database."""
    return typer.Argument(help=help, **reading(_file, "FILE"))


def backup(
    settings: Settings,
    file: Annotated[Any, file_argument("Where to; a backup that is there is replaced when the new one is whole.")],
    keep: Annotated[
        int,
        typer.Option(
            "--keep",
            help="So many are kept: FILE, and older ones as FILE.1, FILE.2 and so on.",
            **reading(number(1, 9999, "number of backups"), "N"),
        ),
    ] = 1,
) -> Answer:
    """Put the whole database into one file, checked, while others write."""
    from streamctl.services import backups

    with _long("Backing up", settings):
        done, wrong = backups.backup(settings.place(), file, keep=keep, wait=settings.timeout)
    for objection in wrong:
        taken = "`db restore` takes it with --force alone" if objection.forced else "`db restore` does not take it"
        _warn(f"{objection.what} in the backup: {taken}. See what mends it with: streamctl db check", settings)
    path = shell_quoted(done.value("path"))
    said = f"Backed up {_counts(done)} to {done.value('path')}. Restore it with: streamctl db restore {path}"
    return done.said(said, f"streamctl --db {path} db info")


def restore(
    settings: Settings,
    file: Annotated[Any, file_argument("A backup, or any other database of streamctl.")],
    force: Annotated[
        bool, typer.Option("--force", help="Do it beside others who have it open, and with faults in the backup.")
    ] = False,
    yes: Yes = False,
) -> Answer:
    """Put a backup in the place of all that is in the database, which is kept in a file beside it."""
    from streamctl.services import restoring
    from streamctl.store.database import Author

    place, safety = settings.place(), settings.kept_before("restore", real_now())
    if not yes:
        restoring.must_be_another(place, file)
        if there := _what_is_in(place, settings):
            written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            source = f"{quoted_path(str(file))}, which is of {calendar.written(written)}"
            Question(f"Replace {there} with what is in {source}?", settings).ask()
    with _long("Restoring", settings):
        author = Author(settings.who(), "db restore", real_now)
        done, notes = restoring.restore(place, file, author=author, safety=safety, force=force, wait=settings.timeout)
    for note in notes:
        _warn(note, settings)
    there = f"streamctl --db {shell_quoted(done.value('path'))} db"
    kept = done.value("safety_copy")
    said = f"Restored {done.value('path')} from {done.value('file')}: {_counts(done)}."
    back = f" What was in it before is in {kept}; go back with: {there} restore {shell_quoted(kept)}" if kept else ""
    return done.said(said + back, f"{there} info")


def _what_is_in(place: Path | str, settings: Settings) -> str:
    """What the database has in it, in words; nothing where there is none."""
    from streamctl.views import losses

    try:
        loss = losses.of_database(place, wait=settings.timeout)
    except Damaged:
        return "what is left of the damaged database"
    return f"all that is in the database ({_counts(loss)})" if loss else ""


def sandbox(settings: Settings, file: Annotated[Any, file_argument("Where to; nothing is there yet.")]) -> Answer:
    """Copy the whole database into a file of your own, to rehearse there what you are about to do."""
    from streamctl.services import backups

    with _long("Copying", settings):
        done, wrong = backups.sandbox(settings.place(), file, wait=settings.timeout)
    for objection in wrong:
        _warn(f"{objection.what} in the copy. See what mends it with: streamctl db check", settings)
    there = shell_quoted(done.value("path"))
    said = f"Copied {_counts(done)} to {done.value('path')}. Rehearse there with: streamctl --db {there} …"
    return done.said(f"{said} See what came of it with: streamctl db diff {there}", f"streamctl --db {there} db info")


def diff(desk: Desk, file: Annotated[Any, file_argument("A sandbox or a backup.")]) -> Answer:
    """Show what differs, row by row, the log aside: what is in the database comes before, what is in FILE after."""
    from streamctl.views import differences

    with _long("Comparing", desk.settings):
        return differences.between(file, wait=desk.settings.timeout)


def move(
    settings: Settings,
    to: Annotated[
        Any,
        typer.Option(
            "--to",
            help="Where to: nothing is there yet, or an empty database.",
            **reading(lambda written: place_of(written, "--to"), "URL|PATH"),
        ),
    ],
) -> Answer:
    """Copy everything to another place, to go on there: a server or a file. Stop what writes here first."""
    from streamctl.services import moving

    with _long("Moving", settings):
        done = moving.move(settings.place(), to, wait=settings.timeout)
    there = f"streamctl --db {shell_quoted(done.value('to'))}"
    return done.said(
        f"Moved {_counts(done)} to {done.value('to')}; every table was compared. "
        f"What was moved is still in {done.value('from')} too. "
        f"Go on there with: export STREAMCTL_DB={shell_quoted(done.value('to'))}",
        f"{there} db info",
    )


def _long(what: str, settings: Settings) -> AbstractContextManager[None]:
    """For a job that goes through every row: somebody who waits sees that it goes on, and its garbage is collected."""
    from streamctl.output.waiting import working

    gc.freeze()  # what start-up made is there to stay
    gc.enable()
    return working(what, quiet=settings.quiet)


def _warn(text: str, settings: Settings) -> None:
    """Say it, `--quiet` or not: a backup is no better than the database is."""
    from streamctl.output.writer import say

    say(f"Note: {with_database(text, settings.typed_db)}")


NOUNS = {
    "members": "member",
    "memberships": "membership",
    "invoices": "invoice",
    "lines": "line",
    "streams": "stream",
    "requests": "request",
    "adjusted": "adjusted invoice",
    "zero_credits": "creditless membership",
    "lifted": "lifted limit",
    "merged": "merged invoice",
}
ALWAYS = ("members", "memberships", "invoices", "lines")


def _counts(done: Record) -> str:
    return ", ".join(spoken(done.columns, done.row))


def spoken(columns: Sequence[Column], row: Sequence[Any]) -> Iterator[str]:
    """What was loaded or copied, in words: the four entities, and whatever else there was."""
    for column, value in zip(columns, row, strict=True):
        if column.name in NOUNS and (value or column.name in ALWAYS):
            yield counted(value, NOUNS[column.name])
        if column.kind == "json" and value:
            yield f"and left out {', '.join(f'{count} {name}' for name, count in value.items())}"
