"""Every refusal: its code, its sentence, its hint and its exit status.

A message says what happened and to which row; a hint says how to mend it. Only
`cli.boundary` catches these; everybody else lets them rise.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from datetime import datetime

QUOTED_AT_MOST = 60
# What joins letters or emoji. Names need it; whoever shows a message escapes what would only hide.
_JOINERS = dict.fromkeys((0x200C, 0x200D, *range(0xE0020, 0xE0080)))
NOTHING = "nothing was changed"
NOTHING_MORE = "nothing more was changed"  # after what was committed before
MORE_FILES = "Close some, or let this shell have more open with: ulimit -n 1024"
OTHER_DISK = (
    "Its file system has no locks: put the database on a local disk, or mend the lock service of the network disk."
)
UNKNOWN = "whether the change was done is not known"
KEYED = "a request with a key (--ref, --key) does no harm when it was done already."


def quoted(value: object) -> str:
    """A user's text inside a message: in quotes, control characters escaped, never longer than a line."""
    text = str(value)
    if len(text) > QUOTED_AT_MOST:
        text = text[: QUOTED_AT_MOST - 1] + "…"
    return f"'{text}'" if is_readable(text) else ascii(text)


def is_readable(text: str) -> bool:
    """Whether nothing in the text needs an escape, what joins letters or emoji aside."""
    return text.isprintable() or text.translate(_JOINERS).isprintable()


def listed(values: Iterable[object], most: int = 10) -> str:
    """`1, 2, 3`, or the first ten of them `and N more`."""
    items = [str(value) for value in values]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def counted(number: int, noun: str) -> str:
    """`1 invoice`, `2 invoices`, `2 entries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun.removesuffix('y')}ies" if noun.endswith("ry") else f"{number} {noun}s"


def those(noun: str, ids: Iterable[int]) -> str:
    """`invoice 3`, `3 invoices (3, 4, 5)`."""
    first, *others = each = dict.fromkeys(ids)
    return f"{counted(len(each), noun)} ({listed(each)})" if others else f"{noun} {first}"


class StreamctlError(Exception):
    """Base of every refusal. `details` is what a program would want to know, as JSON values."""

    code: ClassVar[str] = "unexpected"
    status: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def told(self) -> dict[str, Any]:
        """The error as JSON values."""
        return {"code": self.code, "message": self.message, "hint": self.hint or None, "details": self.details}


# --- 1: this installation can't


class ExtraMissing(StreamctlError):
    """An optional package that the command needs is not installed."""

    code = "extra_missing"

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs {package}, which is not installed.",
            f"Install it with: {_installer()} {shell_quoted(_requirement(extra) or package)}",
            package=package,
            extra=extra,
        )


def _requirement(extra: str) -> str:
    """The package, with its versions, that one of our extras is; nothing where nobody installed us."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = requires("streamctl") or []
    except PackageNotFoundError:
        return ""
    found = (line.partition(";") for line in wanted)
    return next((name.strip() for name, _, when in found if f"'{extra}'" in when.replace('"', "'")), "")


def _installer() -> str:
    """What installs a package for the very interpreter that runs us."""
    import sys
    from importlib.util import find_spec

    python = shell_quoted(sys.executable)
    return f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"


# --- 2: wrong usage, or a value that can't be read


class UsageError(StreamctlError):
    code = "usage"
    status = 2


class BadValue(StreamctlError):
    """A value that can't be read."""

    code = "bad_value"
    status = 2


class UnknownColumn(BadValue):
    code = "unknown_column"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        from difflib import get_close_matches

        close = get_close_matches(name, known, n=1)
        super().__init__(
            f"There is no column {quoted(name)}.",
            f"Did you mean {close[0]}?" if close else f"The columns are {', '.join(known)}.",
            column=name,
            columns=list(known),
        )


class NeedsYes(UsageError):
    code = "needs_yes"

    def __init__(self, question: str, why: str) -> None:
        super().__init__(f"Not asked, because {why}: {question}", "Add --yes to answer it.")


# --- 3: something named was not found


class NotFound(StreamctlError):
    code = "not_found"
    status = 3

    def __init__(self, what: str, names: Iterable[object], hint: str = "") -> None:
        missing = list(names)
        super().__init__(f"No {what} {listed(missing)}.", hint, what=what, missing=missing)


# --- 4: refused by a rule


class Refused(StreamctlError):
    code = "refused"
    status = 4


class NoMembership(Refused):
    code = "no_membership"

    def __init__(self, member: int) -> None:
        suggestion = f"streamctl members enroll {member}"
        super().__init__(
            f"Member {member} has no membership.", f"Give one with: {suggestion}", member=member, suggestion=suggestion
        )


class MembershipCancelled(Refused):
    code = "membership_cancelled"

    def __init__(self, member: int, cancelled_on: str | None) -> None:
        suggestion = f"streamctl members reactivate {member}"
        since = f" on {cancelled_on}" if cancelled_on else ""
        super().__init__(
            f"The membership of member {member} was cancelled{since}.",
            f"Take it up again with: {suggestion}",
            member=member,
            cancelled_on=cancelled_on,
            suggestion=suggestion,
        )


class MembershipActive(Refused):
    """A member who can't be erased, for their membership goes on."""

    code = "membership_active"

    def __init__(self, member: int, end_date: str) -> None:
        suggestion = f"streamctl members cancel {member}"
        super().__init__(
            f"The membership of member {member} is active until {end_date}: they would be billed under no name.",
            f"Cancel it first with: {suggestion}",
            member=member,
            end_date=end_date,
            suggestion=suggestion,
        )


class MembershipNotStarted(Refused):
    code = "membership_not_started"

    def __init__(self, member: int, start_date: str) -> None:
        suggestion = f"streamctl members update {member} --start today"
        super().__init__(
            f"The membership of member {member} begins on {start_date}.",
            f"Begin it earlier with: {suggestion}",
            member=member,
            start_date=start_date,
            suggestion=suggestion,
        )


class MembershipExpired(Refused):
    code = "membership_expired"

    def __init__(self, member: int, end_date: str) -> None:
        suggestion = f"streamctl members renew {member}"
        super().__init__(
            f"The membership of member {member} ended on {end_date} (that day is not included).",
            f"Renew it with: {suggestion}",
            member=member,
            end_date=end_date,
            suggestion=suggestion,
        )


class NoCredits(Refused):
    code = "no_credits"

    def __init__(self, member: int, limit: int, open_streams: int) -> None:
        held = f"{counted(open_streams, 'open stream')} hold{'s' if open_streams == 1 else ''}"
        raised = f"streamctl members update {member} --credits {max(limit, open_streams) + 1}"
        suggestion = f"streamctl stream takeover {member} --oldest" if 0 < open_streams <= limit else raised
        super().__init__(
            f"Member {member} has no credit free: {held} all {limit}."
            if limit
            else f"Member {member} has no credit: the limit is 0.",
            f"Look closer with: streamctl stream why {member}; mend it with: {suggestion}",
            member=member,
            credit_limit=limit,
            open_streams=open_streams,
            suggestion=suggestion,
        )


class NoOpenStream(Refused):
    code = "no_open_stream"

    def __init__(self, member: int) -> None:
        super().__init__(
            f"Member {member} has no open stream to check out.",
            f"See the closed ones with: streamctl stream list --all --member {member}",
            member=member,
        )


class StreamLost(Refused):
    """A sign of life from a stream that holds no credit any more."""

    code = "stream_lost"

    def __init__(self, stream: int, member: int, reason: str, since: str) -> None:
        words = {"checkout": "was checked out", "expired": "lost its lease", "takeover": "was taken over"}
        super().__init__(
            f"Stream {stream} of member {member} {words[reason]} at {since}: it holds no credit any more.",
            f"See whether another may be started with: streamctl stream why {member}",
            stream=stream,
            member=member,
            close_reason=reason,
            since=since,
        )


class InvoiceClosed(Refused):
    code = "invoice_closed"

    def __init__(self, invoice: int, state: str, hint: str) -> None:
        super().__init__(
            f"Invoice {invoice} is {state}: it does not change any more.",
            hint,
            invoice=invoice,
            state=state,
        )


class AlreadyDone(Refused):
    """What was asked for is so already, but otherwise than it was asked for."""

    code = "already_done"


class FuturePayment(Refused):
    """A payment that would be dated after today."""

    code = "time_order"

    def __init__(self, day: str, today: str, hint: str = "") -> None:
        super().__init__(f"No payment is dated after today, {today}: {day}.", hint, paid_on=day, today=today)


class MonthTaken(Refused):
    code = "month_taken"

    def __init__(self, member: int, month: str, other: int, *, extra: bool = False) -> None:
        hint = f"Use invoice {other} (streamctl invoices show {other})"
        super().__init__(
            f"Member {member} has invoice {other} for {month} already.",
            f"{hint}, or add --extra for a second one." if extra else f"{hint}, or void it first.",
            member=member,
            month=month,
            invoice=other,
        )


class LineBound(Refused):
    code = "line_bound"


class KeyConflict(Refused):
    code = "key_conflict"

    def __init__(self, key: str, first: str) -> None:
        super().__init__(
            f"Key {quoted(key)} was used before for another request: {first}.",
            "Repeat that request exactly, or take a new key.",
            key=key,
        )


class RefusedBefore(Refused):
    """The first refusal of an event that is played again, word for word."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["message"], told["hint"] or "", **told["details"])
        self._told = told

    def told(self) -> dict[str, Any]:
        """The first refusal, marked as a replay."""
        return {**self._told, "replayed": True}


class InUse(Refused):
    code = "in_use"


class DuplicateEmail(Refused):
    code = "duplicate_email"

    def __init__(self, email: str, member: int | None) -> None:
        owner = f" member {member}" if member is not None else " another member"
        super().__init__(
            f"{quoted(email)} is the e-mail of{owner} already.",
            f"See them with: streamctl members show {member}" if member is not None else "",
            email=email,
            member=member,
        )


class BelowZero(Refused):
    code = "below_zero"

    def __init__(self, invoice: int) -> None:
        super().__init__(
            f"Invoice {invoice} would fall below 0.",
            f"See its lines with: streamctl invoices show {invoice}",
            invoice=invoice,
        )


class TooMuch(Refused):
    code = "too_much"


class TimeOrder(Refused):
    """A time that somebody gave, before what is known of the stream already; instants as they are written."""

    code = "time_order"

    def __init__(self, stream: int, opened_at: str, seen_at: str, at: str) -> None:
        known = f"opened at {opened_at}" if at < opened_at else f"seen at {seen_at}"
        super().__init__(
            f"Stream {stream} was {known}, after {at}.",
            f'The earliest time for it is its last sign of life: "at": "{seen_at}"',
            stream=stream,
            opened_at=opened_at,
            seen_at=seen_at,
        )
        self.seen_at = seen_at

    def again(self, command: str) -> str:
        """The hint for whoever gave that command, without its time, after `streamctl`."""
        return f"Do it at its last sign of life, or later: streamctl --as-of {self.seen_at} {command}"


class MonthNotOver(Refused):
    code = "month_not_over"

    def __init__(self, month: str) -> None:
        super().__init__(
            f"The month {month} is not over: what is issued does not change any more.",
            "Wait for its end, or add --force.",
            month=month,
        )


class NumberTaken(Refused):
    code = "number_taken"

    def __init__(self, format: str) -> None:
        super().__init__(
            f"The number format {quoted(format)} makes a number that an invoice has already.",
            f"Give the numbers another form, such as: streamctl db set number_format {shell_quoted(format + '-1')}",
            number_format=format,
        )


class HasMembership(Refused):
    code = "has_membership"

    def __init__(self, member: int) -> None:
        super().__init__(
            f"Member {member} has a membership already.",
            f"See it with: streamctl members show {member}",
            member=member,
        )


class SettingFixed(Refused):
    code = "setting_fixed"


class CannotUndo(Refused):
    """An entry of the log that can't be reversed (any more), and why."""

    code = "cannot_undo"

    def __init__(self, entry: int, why: str, hint: str = "", **details: Any) -> None:
        super().__init__(f"Entry {entry} can't be undone: {why}.", hint, entry=entry, **details)


class NotEmpty(Refused):
    code = "not_empty"


class BadData(Refused):
    """An input file whose content can't be taken; nothing of it was."""

    code = "bad_data"


class DatabaseExists(Refused):
    code = "database_exists"


class NoBackup(Refused):
    """Something else than a backup of ours is where a backup would go."""

    code = "no_backup"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{quoted_path(path)} is no backup that streamctl made; it was left alone.",
            "Name another file, or move that one away.",
            path=path,
        )


class EventsRefused(Refused):
    """Some events of a batch were refused; their receipts have been written already."""

    code = "events_refused"

    def __init__(self, refused: int, played: int) -> None:
        super().__init__(
            f"{refused} of {counted(played, 'event')} {'was' if refused == 1 else 'were'} refused.",
            "Each has its receipt, with its line and its error.",
            refused=refused,
            events=played,
        )


class FoundWrong(Refused):
    """`db check` found something; its rows have been shown already."""

    code = "found_wrong"


# --- 5: the database is busy


class Busy(StreamctlError):
    code = "busy"
    status = 5

    def __init__(self, seconds: float, so_far: str = NOTHING) -> None:
        super().__init__(
            f"The database stayed busy for {seconds:g} s; {so_far}.",
            f"Try again, or wait longer with: streamctl --timeout {min(max(2 * seconds, 60), 86400):g} …",
            timeout=seconds,
        )


class Unreachable(StreamctlError):
    """The server can't be reached just now, or was lost on the way; `in_doubt` when that was while it committed."""

    code = "unreachable"
    status = 5

    def __init__(self, name: str, why: str, *, under_way: bool = False, in_doubt: bool = False) -> None:
        what = "was lost" if under_way else "can not be reached"
        super().__init__(
            f"{quoted_path(name)} {what}: {why}{f'; {UNKNOWN}' if in_doubt else ''}.",
            f"{'Look, or try' if in_doubt else 'Try'} again; {KEYED}"
            if under_way
            else "Try again when the server is there.",
            database=name,
        )


class ClockDiffers(StreamctlError):
    """The clock of this machine is far from the server's: leases would run out, or not, for everybody."""

    code = "clock_differs"
    status = 5

    def __init__(self, name: str, here: datetime, there: datetime) -> None:
        own, other = (f"{clock:%Y-%m-%dT%H:%M:%SZ}" for clock in (here, there))
        super().__init__(
            f"This machine's clock says {own}, that of {quoted_path(name)} says {other}; {NOTHING}.",
            "Set the wrong one right, on most systems with: timedatectl set-ntp true",
            database=name,
            here=own,
            there=other,
        )


class ChangedMeanwhile(StreamctlError):
    """Somebody wrote to the database while it was moved: that would stay behind."""

    code = "changed_meanwhile"
    status = 5

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{quoted_path(name)} was written to while it was moved; nothing was moved.",
            "Stop whatever writes to it, then give the same command again.",
            database=name,
        )


class ChangedWhileRead(StreamctlError):
    """Somebody wrote to a file that was read without locks, because it could not be written by this user."""

    code = "changed_while_read"
    status = 5

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{quoted_path(name)} was written to while it was read; what was read of it is not to be relied on.",
            "Give the same command again.",
            database=name,
        )


class OthersWrite(StreamctlError):
    """Somebody else works in the database that would be restored."""

    code = "others_write"
    status = 5

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Others are using {quoted_path(name)}; nothing was restored.",
            "Stop them and try again, or restore beside them with --force: they go on with what the backup has.",
            database=name,
        )


# --- 6: no database, not ours, damaged, or of another schema version


class DatabaseUnusable(StreamctlError):
    code = "database_unusable"
    status = 6


class NoDatabase(DatabaseUnusable):
    code = "no_database"

    def __init__(self, path: str, hint: str = "") -> None:
        super().__init__(
            f"There is no database at {quoted_path(path)}.",
            hint or f"Make one with: streamctl --db {shell_quoted(path)} db init",
            path=path,
        )


class NotOurs(DatabaseUnusable):
    code = "not_ours"

    def __init__(
        self, path: str, what: str, hint: str = "Name a streamctl database with --db or STREAMCTL_DB."
    ) -> None:
        super().__init__(
            f"{quoted_path(path)} is {what}; it was left alone.",
            hint,
            path=path,
        )


class PoolerUnsuited(DatabaseUnusable):
    """What stands before the server mixes up the statements that its clients prepare."""

    code = "pooler_unsuited"

    def __init__(self, name: str, so_far: str) -> None:
        super().__init__(
            f"The pooler at {quoted_path(name)} gives one client's prepared statements to another; {so_far}.",
            "Use PgBouncer 1.21 or later with max_prepared_statements above 0, or pool_mode = session.",
            database=name,
        )


class Damaged(DatabaseUnusable):
    code = "damaged"

    def __init__(
        self,
        path: str,
        why: str,
        hint: str = "`sqlite3 … .recover` saves what it can. See how a backup is put back with: "
        "streamctl db restore --help",
    ) -> None:
        super().__init__(f"The database {quoted_path(path)} is damaged: {why}.", hint, path=path)


class SchemaOld(DatabaseUnusable):
    code = "schema_old"

    def __init__(self, path: str, found: int, wanted: int) -> None:
        super().__init__(
            f"The database {quoted_path(path)} has schema {found}; this streamctl needs {wanted}.",
            f"Bring it up to date with: streamctl --db {shell_quoted(path)} db migrate",
            path=path,
            schema=found,
            wanted=wanted,
        )


class SchemaNew(DatabaseUnusable):
    code = "schema_new"

    def __init__(self, path: str, found: int, wanted: int) -> None:
        super().__init__(
            f"The database {quoted_path(path)} has schema {found}; this streamctl knows {wanted} at most.",
            "Use the newer streamctl that wrote it.",
            path=path,
            schema=found,
            wanted=wanted,
        )


class ReadOnly(DatabaseUnusable):
    code = "read_only"

    def __init__(
        self, path: str, so_far: str, hint: str = "Look at the owner and mode of the file and of its folder."
    ) -> None:
        super().__init__(f"The database {quoted_path(path)} can't be written; {so_far}.", hint, path=path)


class CannotOpen(DatabaseUnusable):
    code = "cannot_open"

    def __init__(self, path: str, why: str, hint: str = "") -> None:
        super().__init__(f"{quoted_path(path)} can't be opened: {why}.", hint, path=path)

    @classmethod
    def because(cls, path: str, error: OSError) -> Self:
        """The same with the system's own words."""
        hint = MORE_FILES if too_many_files(error) else OTHER_DISK if has_no_locks(error) else ""
        return cls(path, error.strerror or str(error), hint)


def has_no_locks(error: OSError) -> bool:
    """Whether the file system has no locks, as a network disk may."""
    return error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def too_many_files(error: BaseException) -> bool:
    """Whether the system has opened no file because this process, or everybody together, has too many open."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


class NotAllowed(DatabaseUnusable):
    """The role that the server knows us as may not do that."""

    code = "not_allowed"

    def __init__(self, path: str, why: str, so_far: str) -> None:
        super().__init__(
            f"{quoted_path(path)} does not allow it: {why}; {so_far}.",
            "GRANT it to the role, or connect as the one that owns the tables.",
            path=path,
        )


class StorageFailed(DatabaseUnusable):
    code = "storage_failed"

    def __init__(self, path: str, why: str, so_far: str) -> None:
        keyed = " Look first; a request with a key (--ref, --key) does no harm when it was done already."
        super().__init__(
            f"The disk under {quoted_path(path)} failed: {why}; {so_far}.",
            f"Make room or mend the disk, then give the same command again.{keyed if so_far == UNKNOWN else ''}",
            path=path,
        )


class IdsUsedUp(DatabaseUnusable):
    """The highest id that a column can hold has been given."""

    code = "ids_used_up"

    def __init__(self, path: str, table: str, so_far: str) -> None:
        super().__init__(
            f"The database {quoted_path(path)} has no id left for another row of {table}; {so_far}.",
            "See which row has the last one, and what mends it, with: streamctl db check",
            path=path,
            table=table,
        )


class CopyDiffers(DatabaseUnusable):
    """What was read back is not what was copied."""

    code = "copy_differs"

    def __init__(self, table: str, source: str, target: str, wanted: int, found: int) -> None:
        what = f"{found} rows and not {wanted}" if found != wanted else "another content"
        super().__init__(
            f"The table {table} has {what} in {quoted_path(target)}; nothing was copied.",
            f"Look for triggers and rules of somebody else's there; {quoted_path(source)} is as it was.",
            table=table,
            rows=wanted,
            found=found,
        )


class OutputFailed(StreamctlError):
    """The answer can't be written. `done` says whether a change had been committed before.

    `line` is that of the input up to which it is done, where it comes from lines.
    """

    code = "output_failed"

    def __init__(self, why: str, *, done: bool, again: str = "", line: int = 0) -> None:
        super().__init__(
            f"The change is done{up_to(line)}, but its answer can't be written: {why}."
            if done
            else f"The answer can't be written: {why}.",
            f"Read it again with: {again}" if done and again else "",
            done=done,
            **({"line": line} if line else {}),
        )


def up_to(line: int) -> str:
    """How far something is done that comes from the lines of an input."""
    return f" up to line {line}" if line else ""


# --- 130: stopped by Ctrl-C or SIGTERM


class Interrupted(StreamctlError):
    """Stopped by somebody. `done` says whether a change had been committed, `live` whether more might have followed,
    `in_doubt` whether a server had been told to commit one and has not answered.

    `line` is that of the input up to which it is done, where it comes from lines.
    """

    code = "interrupted"
    status = 130

    def __init__(
        self, *, done: bool, live: bool = False, in_doubt: bool = False, again: str = "", line: int = 0
    ) -> None:
        if in_doubt:
            super().__init__(f"Interrupted; {UNKNOWN}.", f"Look, or try again; {KEYED}", done=None)
            return
        if live:
            so_far = "; what was committed until then stays done" if done else ""
        else:
            so_far = "; the change is done" if done else f"; {NOTHING}"
        how_far = f"It is done{up_to(line)}. " if line else ""
        super().__init__(
            f"Interrupted{so_far}.",
            f"{how_far}Read it again with: {again}" if done and again else "",
            done=done,
            **({"line": line} if line else {}),
        )


def quoted_path(path: str) -> str:
    """A path in a message: whole, and safe on a terminal."""
    return path if path and is_readable(path) else ascii(path)


def shell_quoted(path: str) -> str:
    """A path inside a command that may be pasted into a shell."""
    if path.isascii() and path.isalnum():  # an id: this is asked at every check-in
        return path
    from shlex import quote

    return quote(path)
