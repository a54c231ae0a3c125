"""An answer that can't be written after the commit: the change is there, and one line says so and how to see it."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from inside import Inside
from places import empty, put
from program import ROOT, Program
from tree import READS, command, commands
from versions import to_the_first

from streamctl.store.database import SCHEMA

pytestmark = pytest.mark.sqlite("what is said after a commit does not come from the engine")
IN_PROCESS = True  # test_streams_of_output has the processes

CLOSED = "Error: The answer can't be written: standard output is closed."
LATER = "2026-11-22T12:30:00Z"
EVENT = b'{"action": "checkin", "member": 1, "device": "Zebra"}\n'
OUT_OF_SEVERAL = ("members add x@example.com --no-membership", "invoices create 1 --date 2026-12-01 --amount 1")


class Change(NamedTuple):
    """A command with values that change something; what its change leaves to be seen, or takes away."""

    values: Mapping[str, str] = MappingProxyType({})
    seen: str = ""
    gone: str = ""
    before: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    on: str = "books"  # or an old schema, an empty database, none


CHANGES = {
    "members add": Change(seen="new@example.com"),
    "members update": Change({"name": "Zebra"}, "Zebra"),
    "members enroll": Change({"member": "2"}, '"state": "ACT"', before=OUT_OF_SEVERAL),
    "members cancel": Change(seen="CANC"),
    "members reactivate": Change(seen='"state": "ACT"', before=("members cancel 1",)),
    "members renew": Change(seen="2027-01-01"),
    "members delete": Change({"members": "x@example.com"}, gone="x@example.com", before=OUT_OF_SEVERAL),
    "members erase": Change(seen="erased-1@erased.invalid", before=("members cancel 1",)),
    "invoices create": Change({"date": "2026-12-01", "description": "Zebra"}, "Zebra"),
    "invoices update": Change({"description": "Zebra"}, "Zebra"),
    "invoices delete": Change({"ids": "2"}, gone='"id": 2', before=OUT_OF_SEVERAL),
    "invoices pay": Change(seen="PAID"),
    "invoices void": Change(seen="VOID"),
    "invoices reopen": Change(seen="OUT", before=("invoices pay 1",)),
    "invoices generate": Change(seen='"kind": "fee"'),
    "invoices issue": Change({"month": "this"}, "2026-11-00001", more=("--force",)),
    "invoices render": Change({"output": "papers of mine/"}, "invoice-1.txt"),
    "lines add": Change({"description": "Zebra"}, "Zebra"),
    "lines update": Change({"description": "Zebra"}, "Zebra"),
    "lines delete": Change(gone="Cable"),
    "stream checkin": Change({"member": "o'bob@example.com", "device": "Zebra"}, "Zebra"),
    "stream checkout": Change({"member": "o'bob@example.com"}, '"close_reason": "checkout"'),
    "stream heartbeat": Change(seen=LATER),
    "stream expire": Change({"idle": "60s"}, "expired"),
    "stream takeover": Change({"device": "Zebra"}, "Zebra"),
    "stream batch": Change({"file": "events.jsonl"}, "Zebra"),
    "log undo": Change({"entry": "3"}, '"undone_by": 5'),
    "db backup": Change({"file": "a backup.db"}, "a backup.db"),
    "db sandbox": Change({"file": "a sandbox.db"}, "a sandbox.db"),
    "db restore": Change({"file": "kept.db"}, '"members": 1', before=("db backup kept.db", *OUT_OF_SEVERAL)),
    "db init": Change({"currency": "EUR"}, "EUR", on="nothing"),
    "db migrate": Change(seen=f'"schema": {SCHEMA}', on="old"),
    "db set": Change({"value": "Zebra"}, "Zebra"),
    "db load": Change({"file": str(ROOT / "data" / "init_db.json")}, '"members": 24', on="empty"),
    "db move": Change({"to": "other books.db"}, "other books.db"),
}
BOOKS = (
    "members add o'bob@example.com --credits 3 --fee 9.90 --start 2026-11-01 --end 2026-12-01",
    "invoices create 1",
    "lines add 1 --amount 5 --description Cable",
    "stream checkin 1",
)


NAMED = "my books.db"


@pytest.fixture
def told(nothing: Program, tmp_path: Path) -> Inside:
    """The program in a folder where only `--db 'my books.db'` leads to the database: what it names must say so."""
    return Inside(tmp_path / "nowhere.db", tmp_path)


@pytest.fixture
def there(nothing: Program, tmp_path: Path) -> Inside:
    """The program on that database, to be looked at: still none."""
    return Inside(tmp_path / NAMED, tmp_path)


def begun(there: Inside, change: Change) -> None:
    """Make the database that the change begins with."""
    if change.on == "nothing":
        return
    put(empty("sqlite"), there.db)
    if change.on == "empty":
        return
    for line in (*BOOKS, *change.before):
        there.ok(*line.split())
    if change.on == "old":
        to_the_first(there)
    (there.home / "events.jsonl").write_bytes(EVENT)


def words(name: str) -> tuple[str, ...]:
    """The command line of the change, a little later than its database was made."""
    change = CHANGES[name]
    return ("--db", NAMED, "--as-of", LATER, *command(name).words(*change.more, **change.values))


@contextmanager
def full_disk() -> Iterator[io.TextIOWrapper]:
    with Path("/dev/full").open("w") as full:
        yield full


@contextmanager
def gone_reader() -> Iterator[io.TextIOWrapper]:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        yield pipe


def named(err: str) -> str:
    """The one command that is named."""
    found = re.findall("Read it again with: (.+)\n", err)
    assert len(found) == 1, err
    return str(found[0])


def shown(told: Inside, named: str) -> str:
    """What a shell shows when the named command is pasted into it."""
    name, *arguments = shlex.split(named)
    if name == "streamctl":
        answer = told(*arguments, STREAMCTL_FORMAT="json")
        assert answer.status == 0, (named, answer.err)
        return answer.out
    return subprocess.run(["/bin/sh", "-c", named], cwd=told.home, capture_output=True, text=True, check=True).stdout


def test_every_command_that_changes_something_is_here() -> None:
    """A new command is either here or known to read alone."""
    assert sorted(CHANGES) == sorted(one.name for one in commands() if one.changes)
    assert sorted(READS) == sorted(one.name for one in commands() if not one.changes)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(("out", "status"), [(full_disk, 1), (gone_reader, 141)], ids=["full", "closed"])
def test_a_change_whose_answer_is_lost_is_there_and_says_how_to_see_it(
    told: Inside, there: Inside, name: str, out: Callable[[], AbstractContextManager[io.TextIOWrapper]], status: int
) -> None:
    """Catches a command that names nothing, a row that is not there any more, or another database than --db's."""
    change = CHANGES[name]
    begun(there, change)
    before = contents(there)
    with out() as file:
        answered, err = told.into(file, *words(name))
    assert answered == status, err
    assert "the change is done" in err.lower()
    assert "Traceback" not in err
    assert contents(there) != before
    seen = shown(told, named(err))
    assert change.seen in seen
    assert not change.gone or change.gone not in seen


@pytest.mark.parametrize("name", CHANGES)
def test_where_there_is_nowhere_to_answer_nothing_is_done(told: Inside, there: Inside, name: str) -> None:
    """Catches a command that changes something before it looks whether standard output is closed."""
    begun(there, CHANGES[name])
    before = contents(there)
    status, err = told.into(None, *words(name))
    assert status == 1
    assert [line for line in err.splitlines() if not line.startswith("Note: ")] == [CLOSED]
    assert contents(there) == before


def test_a_hint_leads_to_the_database_that_was_named(told: Inside, there: Inside) -> None:
    """Catches a hint that, pasted, goes to another database; and one that is wrapped twice or breaks `--help`."""
    begun(there, CHANGES["members cancel"])
    there.ok("members", "cancel", 1)
    err = told("--as-of", LATER, "--db=my books.db", "stream", "checkin", 1).err
    assert err.endswith("Hint: Take it up again with: streamctl --db 'my books.db' members reactivate 1\n")
    assert "streamctl --db 'my books.db' members list\n" in told("--db", NAMED, "members", "show", 9).err
    assert told("--db", NAMED, "members", "show").err.endswith("with: streamctl members show --help\n")
    missing = told("--db", "other.db", "members", "list").err
    assert missing.count("--db") == 1
    assert "db init\n" in missing
    assert "streamctl members list\n" in there("members", "show", 9).err


def contents(there: Inside) -> dict[str, object]:
    """Every row of the database, and every other file beside it."""
    beside = [path for path in there.home.rglob("*") if path.is_file() and not path.name.startswith(NAMED)]
    return {**there.books(), **{str(path): path.read_bytes() for path in beside}}
