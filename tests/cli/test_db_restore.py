"""`streamctl db restore`: what a backup has comes back, what was there is kept aside, and nobody is run over."""

from __future__ import annotations

import os
import pty
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from books import LOGS, dumped, everything
from copies import limited, names
from flaws import plant
from freezegun import freeze_time
from killed import each_step
from load import keys, writing
from program import Program
from shell import Shell, locked
from streams import process
from terminals import on_a_terminal
from versions import to_a_later, to_the_first

from streamctl.store.postgres import LOCK

IN_PROCESS = True  # a process for each of its many commands would say no more

RESTORED = "path file safety_copy members memberships invoices lines streams requests entries".split()


@pytest.fixture
def backup(member: Program, tmp_path: Path) -> Path:
    """A backup of full books, to which member 4 and a line were added since."""
    everything(member)
    file = tmp_path / "backups" / "x.db"
    member.ok("db", "backup", file)
    member.ok("members", "add", "late@example.com")
    member.ok("lines", "add", 1, "--amount", "3")
    return file


def restored(program: Program, file: Path | str, *words: object) -> Program:
    """Restore it, expect success; the program on the safety copy."""
    done = program.ok("db", "restore", file, "--yes", *words)
    return replace(program, db=Path(done["safety_copy"]))


def unchanged(program: Program, file: Path, status: int, *words: object) -> dict[str, Any]:
    """The error of a restore that is refused and leaves the database, and the folder it is in, as they were."""
    before = contents(program)
    answer = program("db", "restore", file, "--yes", "--format", "json", *words)
    assert (answer.status, answer.out) == (status, ""), (answer.out, answer.err)
    assert contents(program) == before
    return answer.error


def contents(program: Program) -> object:
    """The bytes of every file beside the database, or all that is on the server."""
    if isinstance(program.db, str):
        return program.books()
    return {path.name: path.read_bytes() for path in program.db.parent.iterdir() if path.is_file()}


def well(program: Program) -> None:
    """Nothing is wrong in the database, and on SQLite it is in WAL mode."""
    assert program.ok("db", "check") == []
    if isinstance(program.db, Path):
        assert program.sql("PRAGMA journal_mode") == [("wal",)]
        assert not [name for name in names(program.db.parent) if name.startswith(".")], "no draft is left"


def test_all_of_it_comes_back_and_the_way_back_is_exact(member: Program, backup: Path) -> None:
    """Fails when a row, an id that was given or a setting of either side is lost on the way."""
    late = dumped(member)
    books = {name: rows for name, rows in member.books().items() if name not in (*LOGS, "sqlite_sequence")}
    early = dumped(member, backup)
    assert early != late
    file = member.db.stat().st_ino if isinstance(member.db, Path) else 0
    done = member.ok("db", "restore", backup, "--yes")
    assert list(done) == RESTORED
    assert (done["path"], done["file"], done["members"]) == (str(member.db), str(backup), 2)
    assert dumped(member) == early
    well(member)
    assert not file or member.db.stat().st_ino == file, "it is the same file, whoever has it open"
    safety = Path(done["safety_copy"])
    assert stat.S_IMODE(safety.stat().st_mode) == 0o600
    assert dumped(member, safety) == late
    again = restored(member, safety)
    assert dumped(member) == late
    assert {name: rows for name, rows in member.books().items() if name not in (*LOGS, "sqlite_sequence")} == books
    assert dumped(again) == early
    well(member)
    member.ok("members", "add", "later@example.com")


def test_the_safety_copy_has_the_real_time_in_its_name_and_stands_where_it_is_found(
    member: Program, backup: Path
) -> None:
    with freeze_time("2026-11-24T14:30:00Z"):
        done = member.ok("--as-of", "2001-01-01", "db", "restore", backup, "--yes")
        where = member.home / ".local" / "share" / "streamctl" / "server"
        beside = member.db if isinstance(member.db, Path) else where
        assert done["safety_copy"] == f"{beside}.before-restore-20261124T143000Z"
        again = member.ok("db", "restore", backup, "--yes")
        assert again["safety_copy"] == f"{done['safety_copy']}-2", "the first is not written over"


def test_without_a_terminal_a_restore_needs_yes(member: Program, backup: Path) -> None:
    """Fails when cron, or a pipe, is taken for somebody who said yes."""
    refused = member.refused("db", "restore", backup)
    assert (refused["code"], refused["status"]) == ("needs_yes", 2)
    assert "--yes" in refused["hint"]


def test_on_a_terminal_a_restore_asks_and_only_a_yes_restores(member: Program, backup: Path) -> None:
    late, early = dumped(member), dumped(member, backup)
    for typed, status, left in (("n\n", 130, late), ("\n", 130, late), ("y\n", 0, early)):
        command = ["-m", "streamctl", "db", "restore", str(backup)]
        ended, got = on_a_terminal(member, command, typed=typed.encode())
        assert (ended, dumped(member)) == (status, left), got
        there = "3 members, 2 memberships, 4 invoices, 10 lines, 3 streams, 3 requests"
        assert f"Replace all that is in the database ({there}) with what is in {backup}, which is of 20" in got


def test_what_is_no_whole_backup_is_refused_and_nothing_is_touched(member: Program, backup: Path) -> None:
    """Fails when the file is only looked at after its pages are in the database."""
    whole = backup.read_bytes()
    pages = len(whole) // 4096
    bad = backup.with_name("bad.db")
    for length in (0, 50, 4096, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        bad.write_bytes(whole[:length])
        unchanged(member, bad, 6)
    for page in range(pages):
        broken = bytearray(whole)
        broken[page * 4096 + (100 if page == 0 else 0)] ^= 0x40  # what kind of page it is
        bad.write_bytes(broken)
        unchanged(member, bad, 6, "--force")
        assert bad.read_bytes() == broken
    assert names(backup.parent) == ["bad.db", "x.db"]


@pytest.mark.sqlite("the file is looked at in the same way, wherever it goes")
def test_a_flipped_bit_is_refused_or_does_no_harm(member: Program, backup: Path) -> None:
    """A bit inside a text may pass, for no constraint knows it; what passes leaves a database that is well."""
    whole, bad = backup.read_bytes(), backup.with_name("bad.db")
    for place in range(0, len(whole), len(whole) // 40 + 7):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        bad.write_bytes(broken)
        before = member.books()
        answer = member("db", "restore", bad, "--yes", "--format", "json")
        if answer.status == 0:
            assert member.ok("db", "check") == []
            Path(answer.json["safety_copy"]).unlink()
        else:
            assert answer.status in (4, 6), answer
            assert member.books() == before


def test_a_backup_with_a_wrong_total_is_refused_with_what_mends_it(member: Program, backup: Path) -> None:
    """Fails when SQLite's own check is all that is asked: it knows nothing of amounts."""
    there = replace(member, db=backup)
    there.sql("UPDATE invoice SET amount = amount + 1 WHERE id = 1")
    error = unchanged(member, backup, 4)
    assert error["code"] == "bad_data"
    assert f"streamctl --db {backup} db check" in error["hint"]
    there.ok("invoices", "update", 1, "--amount", there.ok("invoices", "show", 1)["amount"] - 0.01)
    mended = there("db", "check", "--format", "json")
    assert mended.status in (0, 4)


FAULTS = {
    "the trigger of somebody else": (
        'CREATE TABLE "audit" (invoice INTEGER)',
        'CREATE TRIGGER "it""s" AFTER UPDATE ON invoice BEGIN INSERT INTO audit VALUES (NEW.id); END',
    ),
    "a missing trigger": ("DROP TRIGGER invoice_kept",),
    "another trigger": (
        "DROP TRIGGER invoice_line_added",
        "CREATE TRIGGER invoice_line_added AFTER INSERT ON invoice_line BEGIN SELECT 1; END",
    ),
    "a missing index": ("DROP INDEX user_email_key",),
    "another index": ("DROP INDEX stream_open", 'CREATE INDEX stream_open ON stream ("user")'),
    "a wrong total": ("UPDATE invoice SET amount = amount + 1 WHERE id = 1",),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backup_with_a_fault_is_refused_and_taken_by_force(member: Program, backup: Path, fault: str) -> None:
    """Fails when there is a backup that nobody can get at, or somebody else's code comes along in silence."""
    early, there = dumped(member, backup), replace(member, db=backup)
    for statement in FAULTS[fault]:
        there.sql(statement)
    error = unchanged(member, backup, 4)
    assert error["code"] == "bad_data"
    name = re.search('user_email_key|stream_open|invoice_line_added|invoice_kept|Invoice 1 |it"s', error["message"])
    assert name, error
    assert f"db restore {backup} --force" in error["hint"]
    done = member("db", "restore", backup, "--yes", "--force")
    assert done.status == 0, done.err
    (note,) = done.err.splitlines()
    assert name[0] in note
    assert ("left out" if "else" in fault else "mended") in note
    assert dumped(member) == early
    well(member)
    if fault == "a wrong total":  # what it was before is in the log
        (entry,) = [row for row in member.ok("log", "list") if row["command"] == "db restore"]
        rows = member.ok("log", "show", entry["id"])["changes"]
        assert [row["before"] for row in rows if row["before"]] == [{"amount": early_amount(early) + 0.01}]


def early_amount(dump: dict[str, Any]) -> float:
    """The amount of invoice 1 in that dump."""
    table = dump["tables"]["invoice"]
    return dict(zip(table["columns"], table["rows"][0], strict=True))["amount"] / 100


def test_what_can_not_be_mended_comes_back_as_it_is_and_is_said(member: Program, backup: Path) -> None:
    there = replace(member, db=backup)
    plant(
        there,
        "INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (1, -5000000, 'x', 'discount')",
    )
    unchanged(member, backup, 4)
    done = member("db", "restore", backup, "--yes", "--force")
    assert done.status == 0, done.err
    assert "Invoice 1 is not the sum of its lines, as in the backup" in done.err
    assert [row["row"] for row in member("db", "check", "--format", "json").json] == ["invoice 1"]


@pytest.mark.parametrize("fault", ["an id", "a sequence", "a column"])
def test_what_would_leave_no_database_to_work_in_is_refused_with_force_too(
    member: Program, backup: Path, fault: str
) -> None:
    there, last = replace(member, db=backup), 2**63 - 1
    match fault:
        case "an id":
            there.sql("UPDATE user SET id = ? WHERE id = 2", last)
        case "a sequence":
            there.sql("UPDATE sqlite_sequence SET seq = ? WHERE name = 'journal_row'", last)
        case _:
            there.sql("ALTER TABLE user ADD COLUMN theirs TEXT")
    assert unchanged(member, backup, 4, "--force")["code"] == "bad_data"
    assert "does not take it" in there("db", "backup", backup.with_name("again.db")).err


def test_other_files_and_schemas(member: Program, backup: Path, tmp_path: Path) -> None:
    """An older backup is brought up to date on the way and stays what it is; a newer one is refused."""
    early = dumped(member, backup)
    sqlite3.connect(tmp_path / "theirs.db").execute("CREATE TABLE t (x)").connection.close()
    (tmp_path / "text").write_text("mine")
    for name, status in (("theirs.db", 6), ("text", 6), ("none.db", 6), (".", 6)):
        unchanged(member, tmp_path / name, status)
    assert "db backup" in unchanged(member, tmp_path / "none.db", 6)["hint"]
    old = replace(member, db=backup.with_name("old.db"))
    shutil.copyfile(backup, old.db)
    to_the_first(old)
    before = old.content()
    restored(member, old.db)
    assert old.content() == before
    found, wanted = dumped(member)["tables"], early["tables"]
    for younger in ("counter", *LOGS):  # which were not known then
        del found[younger], wanted[younger]
    assert found == wanted
    well(member)
    to_a_later(old)
    assert unchanged(member, old.db, 6)["code"] == "schema_new"


@pytest.mark.sqlite("a server has no file")
def test_never_from_itself(member: Program, backup: Path, tmp_path: Path) -> None:
    """Fails when a link hides that both are one file."""
    (tmp_path / "link").symlink_to(member.db)
    (tmp_path / "hard").hardlink_to(member.db)
    for path in (member.db, tmp_path / "link", tmp_path / "hard"):
        assert unchanged(member, path, 2)["code"] == "usage"


@contextmanager
def in_the_middle_of_a_write(program: Program) -> Iterator[None]:
    """Another process, as far as the database can tell, that has begun a write and not ended it."""
    with Shell(program.db) as other:
        if other.server:
            other.execute(f"BEGIN; SELECT pg_advisory_xact_lock_shared({LOCK}, hashtext(current_schema()))")
        else:
            other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE user SET name = 'in the middle' WHERE id = 1")
        yield


def test_while_others_write_a_restore_is_refused_and_forced_it_waits(member: Program, backup: Path) -> None:
    """Fails when the lock is not asked for before anything is done, or waited for without --force."""
    late = dumped(member)
    with in_the_middle_of_a_write(member):
        refused = process(member)("--timeout", "60", "db", "restore", backup, "--yes", "--format", "json")
        assert (refused.status, refused.error["code"]) == (5, "others_write")
        assert "--force" in refused.error["hint"]
        forced = process(member)("--timeout", "0.2", "db", "restore", backup, "--yes", "--force", "--format", "json")
        assert (forced.status, forced.error["code"]) == (5, "busy")
    assert dumped(member) == late
    with locked(member.db):
        assert process(member)("--timeout", "0.2", "db", "restore", backup, "--yes").status == 5
    assert dumped(member) == late


@pytest.mark.sqlite("a server knows who writes, a file only who has it open")
def test_whoever_has_the_file_open_may_write_next(member: Program, backup: Path) -> None:
    """Fails when a co-process that waits for its next event is not seen."""
    before = dumped(member)
    command = [sys.executable, "-m", "streamctl", "stream", "batch", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=member.environment, stdin=pipe, stdout=pipe) as waiting:
        assert waiting.stdin
        assert waiting.stdout
        waiting.stdin.write(b'{"action": "checkin", "member": 9}\n')
        waiting.stdin.flush()
        assert b"not_found" in waiting.stdout.readline()
        refused = process(member)("db", "restore", backup, "--yes", "--format", "json")
        assert (refused.status, refused.error["code"]) == (5, "others_write")
        waiting.stdin.close()
    assert dumped(member) == before
    restored(member, backup)


def test_forced_under_load_nothing_is_lost_between_the_safety_copy_and_what_follows(
    member: Program, tmp_path: Path
) -> None:
    """Fails when somebody may write after the safety copy and before the restore, or a writer's next step corrupts."""
    member.ok("members", "add", "ann@example.com", "--credits", 1000)
    file = tmp_path / "x.db"
    member.ok("db", "backup", file)
    safe: set[str] = set()
    with writing(member) as writers:
        for _ in range(3):
            answer = process(member)("db", "restore", file, "--yes", "--force", "--format", "json")
            assert answer.status == 0, answer.err
            kept = Path(answer.json["safety_copy"])
            assert member("--db", kept, "db", "check").status == 0
            safe |= keys(replace(member, db=kept))
            kept.unlink()
            assert member("db", "check").status == 0
    assert writers.trouble == []
    assert writers.done() <= safe | keys(member)
    well(member)


@pytest.mark.sqlite("a server takes back what a killed command did")
def test_killed_at_any_step_the_database_is_the_old_or_the_new_one(member: Program, backup: Path) -> None:
    """Fails when there is a moment in which it is neither, or litter that nobody clears."""
    late, early, whole = dumped(member), dumped(member, backup), member.db.read_bytes()
    seen = []
    for _ in each_step(member, "db", "restore", backup, "--yes"):
        seen.append(dumped(member))
        assert member.ok("db", "check") == []
        assert len([name for name in names(member.home) if name.startswith(".streamctl")]) <= 2
        kept = [*member.home.glob("*.before-restore-*")]
        assert len(kept) == 1 or seen[-1] == late
        for left in kept:
            assert dumped(member, left) == late
            left.unlink()
        assert not [name for name in names(member.home) if name.startswith("streamctl.db-")]
        member.db.write_bytes(whole)
    assert seen[0] == late
    assert seen[-1] == early
    assert all(found in (late, early) for found in seen)
    assert dumped(member) == early
    well(member)


@pytest.mark.postgresql("a file is left as it was too, but that takes no kill to see")
def test_killed_in_the_middle_a_server_has_what_it_had(member: Program, backup: Path) -> None:
    """Fails when anything of a restore stays that was not committed, such as the ids that come next."""
    late = dumped(member)
    script = (
        "import os, signal, sys\n"
        "from streamctl.cli.boundary import run\n"
        "from streamctl.settings import place_of\n"
        "place_of(sys.argv[1], '')\n"
        "from streamctl.store import transfer\n"
        "seen = []\n"  # the safety copy is compared first
        "transfer._compare = lambda *_: seen.append(0) or len(seen) < 2 or os.kill(os.getpid(), signal.SIGKILL)\n"
        "run(['db', 'restore', sys.argv[2], '--yes'])\n"
    )
    command = [sys.executable, "-c", script, str(member.db), str(backup)]
    killed = subprocess.run(command, env=member.environment, check=False)
    assert killed.returncode == -9
    assert dumped(member) == late
    restored(member, backup)
    member.ok("members", "add", "next@example.com")
    well(member)


@pytest.mark.sqlite("whose disk is full")
def test_on_a_full_disk_the_database_stays_as_it_was(member: Program, backup: Path) -> None:
    """Fails when pages go into the database before there is room for all of them."""
    late, size = dumped(member), backup.stat().st_size
    with Shell(member.db) as shell:
        shell.execute("SELECT id FROM user")
        for most in (0, 5000, size // 2, size + 100):
            answer = limited(member, most, "db", "restore", backup, "--yes", "--force")
            assert (answer.returncode, answer.stdout) == (6, ""), (most, answer.stderr)
            assert answer.stderr.startswith("Error: The disk under ")
            assert len(answer.stderr.splitlines()) == 2
            assert dumped(member) == late
            for left in member.home.glob("*.before-restore-*"):
                left.unlink()
    well(member)


@pytest.mark.sqlite("what SQLite calls damage")
def test_a_damaged_database_can_be_restored_and_is_kept_as_it_is(member: Program, backup: Path) -> None:
    """Fails when what is damaged must be opened to be kept, or its log is left for the new database."""
    early, whole = dumped(member, backup), member.db.read_bytes()
    log = member.db.with_name("streamctl.db-wal")
    with Shell(member.db) as shell:
        shell.execute("UPDATE user SET name = 'in the log'")
        logged = log.read_bytes()  # as a crash leaves it
    garbage = b"\xa5" * 4096
    for broken, readable in (
        (whole[:-1], False),
        (whole[:5000], False),
        (whole[:100] + garbage[100:] + whole[4096:], False),
        (whole[:-4096], True),
        *((whole[: page * 4096] + garbage + whole[(page + 1) * 4096 :], True) for page in (9, 15, 20)),
    ):
        member.db.write_bytes(broken)
        log.write_bytes(logged)
        done = member.ok("db", "restore", backup, "--yes")
        assert dumped(member) == early
        well(member)
        safety = Path(done["safety_copy"])
        kept = safety.read_bytes()
        if readable:  # its pages, with those from the log
            assert b"in the log" in kept
            assert (garbage in kept) == (garbage in broken)
        else:
            assert (kept, Path(f"{safety}-wal").read_bytes()) == (broken, logged)
        for left in member.home.glob("*.before-restore-*"):
            assert stat.S_IMODE(left.stat().st_mode) == 0o600
            left.unlink()
        assert [name for name in names(member.home) if "streamctl.db" in name] == ["streamctl.db"]


@pytest.mark.sqlite("what SQLite calls damage")
def test_a_damaged_database_that_others_have_open_is_not_replaced(member: Program, backup: Path) -> None:
    """Fails when --force pulls a file away from under a process that may write to it still."""
    holder = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1])\n"
        "connection.execute('SELECT * FROM user').fetchall()\n"
        "print(flush=True)\n"
        "input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(member.db)], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    ) as other:
        assert other.stdout
        other.stdout.readline()
        with member.db.open("r+b") as file:
            file.truncate(member.db.stat().st_size - 1)
        assert unchanged(member, backup, 5, "--force")["code"] == "others_write"
        other.communicate(b"\n")


@pytest.mark.sqlite("a file that is lost")
def test_a_lost_database_comes_back_where_it_was(member: Program, backup: Path, tmp_path: Path) -> None:
    """Fails when the log of the lost one is mixed into it, or others may read what was made."""
    early = dumped(member, backup)
    umask = os.umask(0)
    try:
        for place in (member.db, tmp_path / "new" / "deep" / "x.db"):
            place.unlink(missing_ok=True)
            lost = replace(member, db=place)
            done = lost.ok("db", "restore", backup)  # there is nothing to ask about
            assert done["safety_copy"] is None
            assert stat.S_IMODE(place.stat().st_mode) == 0o600
            assert dumped(lost) == early
            assert lost.db.read_bytes()[18:20] == b"\x02\x02"
            well(lost)
    finally:
        os.umask(umask)
    member.db.unlink()
    member.db.with_name("streamctl.db-wal").write_bytes(b"of the lost one")
    assert unchanged(member, backup, 4)["code"] == "database_exists"


@pytest.mark.postgresql("an empty place of a server")
def test_a_server_without_a_database_gets_one(member: Program, backup: Path, elsewhere: Any) -> None:
    there = elsewhere()
    assert there.ok("db", "restore", backup, "--yes")["safety_copy"] is None
    assert dumped(there) == dumped(member, backup)
    well(there)


@pytest.mark.sqlite("pages")
def test_a_backup_with_pages_of_another_size_fits_too(member: Program, backup: Path) -> None:
    """Fails when pages are put into a log that holds those of another size."""
    early = dumped(member, backup)
    with Shell(backup) as shell:
        shell.execute("PRAGMA page_size = 8192")
        shell.execute("VACUUM")
    restored(member, backup)
    assert dumped(member) == early
    assert member.sql("PRAGMA page_size") == [(4096,)]
    well(member)


@pytest.mark.sqlite("a file in the form of a backup")
def test_a_database_that_was_put_back_by_hand_is_in_wal_mode_afterwards(member: Program, backup: Path) -> None:
    shutil.copyfile(backup, member.db)
    assert member.sql("PRAGMA journal_mode") == [("delete",)]
    restored(member, backup)
    well(member)


def test_a_person_is_told_the_command_that_goes_back(member: Program, backup: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "streamctl", "db", "restore", str(backup), "--yes"]
    done = subprocess.run(command, env=member.environment, stdout=follower, stderr=follower, check=False)
    os.close(follower)
    said = os.read(leader, 4096).decode()
    os.close(leader)
    assert done.returncode == 0, said
    assert "What was in it before is in" in said
    assert " db restore " in said


@pytest.mark.sqlite("the name of a file")
@pytest.mark.parametrize("name", ["d" * 240 + ".db", "é" * 121 + ".db"])
def test_a_database_of_a_long_name_is_kept_before_it_is_replaced(nothing: Program, name: str) -> None:
    """Catches the name of a copy that is longer than a name can be."""
    there = replace(nothing, db=nothing.home / name)
    there.ok("db", "init", "--timezone", "UTC")
    there.ok("db", "backup", "kept.db")
    there.ok("members", "add", "bob@example.com")
    kept = there.ok("db", "restore", "kept.db", "--yes")["safety_copy"]
    assert there.ok("members", "list") == []
    there.ok("db", "restore", kept, "--yes")
    assert len(there.ok("members", "list")) == 1
