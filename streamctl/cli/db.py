"""`streamctl db …`"""

import sys
from collections.abc import Sequence
from os import fstat
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from streamctl.cli import copies
from streamctl.cli.command import Group
from streamctl.cli.copies import spoken
from streamctl.cli.desk import Desk
from streamctl.cli.hints import with_database
from streamctl.cli.options import number, reading
from streamctl.domain import money
from streamctl.domain.records import Answer, Document, Listing
from streamctl.domain.terms import read
from streamctl.errors import BadData, FoundWrong, UsageError, counted, quoted_path
from streamctl.output.writer import say
from streamctl.settings import Settings, real_now

AT_ONCE = 1 << 16
MOST = 4 << 30  # bytes of a file to load

group = Group("db", "The database: made, looked at, filled, checked.")

Currency = Annotated[
    str | None,
    typer.Option("--currency", help="ISO 4217 code; USD unless said.", **reading(money.currency, "CODE")),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        "--timezone",
        help="IANA name, such as Europe/Berlin; the machine's own unless said.",
        **reading(lambda value: read("timezone", value), "ZONE"),
    ),
]


@group.founds("init")
def init(settings: Settings, currency: Currency = None, timezone: Timezone = None) -> Answer:
    """Make a new, empty database; one that is there stays as it is."""
    from streamctl.services import founding

    asked = {"currency": currency, "timezone": timezone}
    given = {name: value for name, value in asked.items() if value is not None}
    made, guessed = founding.found(settings.place(), given, wait=settings.timeout)
    if guessed and not settings.quiet:
        change = with_database("streamctl db set timezone Europe/Berlin", settings.typed_db)
        say(f"Note: This machine tells no time zone, so it is UTC; change it for instance with: {change}")
    terms = f"{made.value('currency')}, {made.value('timezone')}"
    done = "Made the database" if made.value("created") else "Nothing to do, the database is there:"
    return made.said(f"{done} {made.value('path')} ({terms}).", "streamctl db info")


@group.founds("migrate")
def migrate(settings: Settings) -> Answer:
    """Bring the database's schema up to date."""
    from streamctl.services import founding

    done = founding.migrate(settings.place(), wait=settings.timeout)
    said = f"applied {done.value('applied')}" if done.value("applied") else "nothing to do"
    return done.said(f"The database has schema {done.value('schema')}: {said}.", "streamctl db info")


@group.shows("info")
def info(desk: Desk) -> Answer:
    """Show where the database is, its settings, and how much is in it."""
    from streamctl.views import database

    return database.info()


@group.changes("set")
def set_(
    desk: Desk,
    key: Annotated[
        str,
        typer.Argument(
            help="currency, timezone, checkin_amount, checkout_amount, payment_days, number_format, lease, "
            "seller_name, seller_address, seller_email, seller_tax_id or seller_note.",
            metavar="KEY",
        ),
    ],
    value: Annotated[
        str, typer.Argument(help="The new value; lines of an address or note with ; between.", metavar="VALUE")
    ],
) -> Answer:
    """Change one setting."""
    from streamctl.services import settings

    setting = settings.change(key, value)
    said = setting.value("value")
    if not setting.value("changed"):
        return setting.said(f"Nothing to change: {key} is {said or 'empty'} already.", "streamctl db info")
    return setting.said(f"Set {key} to {said or 'nothing'}.", "streamctl db info")


@group.changes("load")
def load(
    desk: Desk,
    file: Annotated[str, typer.Argument(help="A dump or a Django fixture; - is standard input.", metavar="FILE")],
    min_credits: Annotated[
        int | None,
        typer.Option(
            "--min-credits",
            help="Of a fixture: lift lower limits to this.",
            **reading(number(0, 1000, "number of credits"), "N"),
        ),
    ] = None,
    merge_months: Annotated[
        bool, typer.Option("--merge-months", help="Of a fixture: join two outstanding invoices of one month.")
    ] = False,
) -> Answer:
    """Fill an empty database from `db dump`, or from a Django fixture.

    A fixture has core.user (email, name or first_name and last_name, date_joined), core.membership (user, state,
    credits, fee, start_date, end_date), core.invoice (user, date, description, status, amount) and core.invoiceline
    (invoice, amount, description); what is null counts as not given, and other models and fields are left out.
    """
    from streamctl.services import loading

    done = loading.load(_document(file), at=desk.at, min_credits=min_credits, merge_months=merge_months)
    return done.said(f"Loaded {', '.join(spoken(done.columns, done.row))}.", "streamctl db info")


@group.dumps("dump", ".json")
def dump(desk: Desk) -> Document:
    """Write the whole database as JSON, for `db load`."""
    from streamctl.views import database

    return Document(database.dump())


@group.checks("check")
def check(
    desk: Desk,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be without losing a fact, after a backup.")
    ] = False,
) -> Answer | Document:
    """Look for anything wrong, and say what mends it."""
    from streamctl.views import check

    for note in check.notes(desk.at):
        desk.note(note)
    found = list(check.findings())
    if not found and desk.format is None:
        return Document([] if desk.settings.quiet else ["All is well.\n"])
    if found and repair:
        return _repaired(desk, found)
    return Listing(check.FINDING, found, refusal=_found_wrong(found))


def _repaired(desk: Desk, found: Sequence[tuple[str, ...]]) -> Listing:
    """Mend what can be; what was found, and whether it is mended."""
    from streamctl.services import repairing
    from streamctl.views import check

    kept = repairing.keep(desk.settings.kept_before("repair", real_now()))
    repairing.repair()
    left = list(check.findings())
    if left == found:
        kept.unlink()
    else:
        desk.note(f"The database as it was is in {kept}.")
    rows = [(*finding, finding not in left) for finding in found]
    rows += [(*finding, False) for finding in left if finding not in found]
    return Listing(check.REPAIRED, rows, refusal=_found_wrong(left))


def _found_wrong(findings: Sequence[tuple[str, ...]]) -> FoundWrong | None:
    if not findings:
        return None
    wrong = f"{counted(len(findings), 'fault')} in the database."
    hint = (
        "The column `mend` has the command for each; "
        "what loses no fact is mended, after a backup, by: streamctl db check --repair"
    )
    return FoundWrong(wrong, hint, count=len(findings))


group.founds("backup")(copies.backup)
group.founds("restore")(copies.restore)
group.founds("sandbox")(copies.sandbox)
group.shows("diff")(copies.diff)
group.founds("move")(copies.move)


def _document(file: str) -> Any:
    """The JSON in the file, or in standard input for `-`. Raises UsageError, BadData."""
    from streamctl.domain import strictjson

    name = "Standard input" if file == "-" else quoted_path(file)
    try:
        if file != "-":
            with Path(file).open("rb") as source:
                return strictjson.parse(_read(source, name), name)
        return strictjson.parse(_read(sys.stdin.buffer, name) if sys.stdin else b"", name)
    except MemoryError:
        raise BadData(f"{name} needs more memory than this machine has free.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} can't be read: {getattr(error, 'strerror', error)}.") from None


def _too_large(name: str) -> BadData:
    return BadData(f"{name} is larger than {MOST >> 30} GiB, which is the most that is loaded.")


def _read(source: BinaryIO, name: str) -> bytearray:
    """All of it, blanks before it left out. Raises BadData as soon as it is no JSON that could be loaded."""
    size, found = 0, bytearray()
    if fstat(source.fileno()).st_size > MOST:  # of a file; it is 0 of a pipe
        raise _too_large(name)
    while chunk := source.read(AT_ONCE):
        size += len(chunk)
        if size > MOST:
            raise _too_large(name)
        if not found:
            chunk = chunk.removeprefix(b"\xef\xbb\xbf").lstrip()
            if chunk and chunk[:1] not in b"{[":
                raise BadData(
                    f"{name} is no JSON: it begins with neither {{ nor [.", "Make one with: streamctl db dump"
                )
        found += chunk
    return found
