"""`streamctl db backup`: a file that can be relied on, made beside whoever writes, and so many of them kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from books import dumped, everything
from copies import limited, names
from killed import each_step
from load import keys, writing
from program import Program
from shell import Shell
from streams import process
from versions import build, to_a_later, to_the_first

IN_PROCESS = True  # a process for each of its many commands would say no more

COPIED = "path bytes members memberships invoices lines streams requests entries".split()


def well(program: Program, db: Path) -> None:
    """The database in that file is a single file, its owner's alone, in which nothing is wrong."""
    assert names(db.parent) == [name for name in names(db.parent) if not name.startswith(".")], "no draft is left"
    assert not [name for name in names(db.parent) if name.endswith(("-wal", "-shm", "-journal"))]
    assert stat.S_IMODE(db.stat().st_mode) == 0o600
    answer = program("--db", db, "db", "check", "--format", "json")
    assert (answer.status, answer.json) == (0, []), answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    found = tmp_path / "backups"
    found.mkdir()
    return found


def test_a_backup_has_all_of_it_in_one_file_of_its_owners(member: Program, folder: Path) -> None:
    """Fails when a table is left out, the header says that there is a log, or the umask decides who may read."""
    before, file = dumped(everything(member)), folder / "deep" / "x.db"
    umask = os.umask(0)
    try:
        made = member.ok("db", "backup", file)
    finally:
        os.umask(umask)
    books = member.books()
    counts = [
        len(books[name]) for name in ("user", "membership", "invoice", "invoice_line", "stream", "request", "journal")
    ]
    assert list(made) == COPIED
    assert [*made.values()] == [str(file), file.stat().st_size, *counts]
    assert dumped(member, file) == before
    assert file.read_bytes()[18:20] == b"\x01\x01", "it needs no log beside it to be read"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert member.books() == books
    well(member, file)


def test_every_backup_under_load_is_well_and_has_what_was_acknowledged_before_it(member: Program, folder: Path) -> None:
    """Fails when the file is copied as it lies, or without what is still in the log."""
    member.ok("members", "add", "ann@example.com", "--credits", 1000)
    file = folder / "x.db"
    with writing(member) as writers:
        for _ in range(5):
            before = writers.done()
            answer = process(member)("db", "backup", file)
            assert (answer.status, answer.err) == (0, "")
            well(member, file)
            assert before <= keys(replace(member, db=file))
    assert writers.trouble == []
    assert len(before) > 1


def test_so_many_are_kept_and_older_ones_are_numbered(program: Program, folder: Path) -> None:
    """Fails when a backup is lost on its way up, or one more or less is kept."""
    file = folder / "x.db"

    def backed_up(day: int, *words: object) -> list[tuple[str, int]]:
        """The names in the folder, each with the number of members in it."""
        program.ok("members", "add", f"u{day}@example.com")
        program.ok("db", "backup", file, *words)
        inside = ((name, replace(program, db=folder / name)) for name in names(folder))
        return [(name, len(other.books()["user"])) for name, other in inside]

    assert backed_up(1, "--keep", 3) == [("x.db", 1)]
    assert backed_up(2, "--keep", 3) == [("x.db", 2), ("x.db.1", 1)]
    assert backed_up(3, "--keep", 3) == [("x.db", 3), ("x.db.1", 2), ("x.db.2", 1)]
    assert backed_up(4, "--keep", 3) == [("x.db", 4), ("x.db.1", 3), ("x.db.2", 2)]
    assert backed_up(5, "--keep", 5) == [("x.db", 5), ("x.db.1", 4), ("x.db.2", 3), ("x.db.3", 2)]
    (folder / "x.db.1").unlink()
    assert backed_up(6, "--keep", 5) == [("x.db", 6), ("x.db.1", 5), ("x.db.2", 3), ("x.db.3", 2)], "a gap is filled"
    assert backed_up(7, "--keep", 2) == [("x.db", 7), ("x.db.1", 6)]
    assert backed_up(8) == [("x.db", 8)], "one, unless more are asked for"
    (folder / "x.db.1").hardlink_to(file)  # as a run that was killed between the two leaves it
    assert backed_up(9, "--keep", 3) == [("x.db", 9), ("x.db.1", 8)]


def test_nothing_but_backups_of_ours_is_replaced_renamed_or_deleted(
    member: Program, folder: Path, tmp_path: Path
) -> None:
    """Fails when a name is enough to make a file a backup."""
    file = folder / "x.db"
    other = folder / "other.db"
    assert member("--db", other, "db", "init").status == 0
    sqlite3.connect(tmp_path / "theirs.db").execute("CREATE TABLE t (x)").connection.close()
    for name in ("x.db", "x.db.1", "x.db.2"):
        for content in (b"", b"mine", other.read_bytes(), (tmp_path / "theirs.db").read_bytes()):
            (folder / name).write_bytes(content)
            refused = member.refused("db", "backup", file, "--keep", 3)
            assert (refused["code"], refused["status"]) == ("no_backup", 4)
            assert name in refused["message"]
            assert (folder / name).read_bytes() == content
            assert names(folder) == ["other.db", name]
        (folder / name).unlink()
    (folder / "x.db.1").symlink_to(other)
    assert member.refused("db", "backup", file, "--keep", 2)["code"] == "no_backup"
    (folder / "x.db.1").unlink()
    for name in ("x.db.7", "x.db.01", "x.db.old", "x.db.", "y.db.1"):
        (folder / name).write_bytes(b"mine")
    before = names(folder)
    for _ in range(3):
        member.ok("db", "backup", file, "--keep", 2)
    assert names(folder) == sorted([*before, "x.db", "x.db.1"])
    assert all((folder / name).read_bytes() == b"mine" for name in before if name != "other.db")
    refused = member.refused("db", "backup", other)
    assert (refused["code"], refused["status"]) == ("no_backup", 4), "a database that is worked in is no backup"
    (folder / "z.db-wal").touch()
    assert member.refused("db", "backup", folder / "z.db")["status"] == 4
    assert member.refused("db", "backup", folder)["status"] == 4


@pytest.mark.sqlite("a server has no file")
def test_a_backup_is_never_written_over_the_database(member: Program, folder: Path) -> None:
    """Fails when a link or a file beside the database passes for another one."""
    (folder / "soft").symlink_to(member.db)
    (folder / "hard").hardlink_to(member.db)
    ours = [member.db.with_name(f"{member.db.name}{end}") for end in ("", "-wal", "-shm", "-journal")]
    for path in (*ours, folder / "soft", folder / "hard", "streamctl.db"):
        assert member.refused("db", "backup", path)["status"] == 2, path
    (folder / "x.db.1").hardlink_to(member.db)
    assert member.refused("db", "backup", folder / "x.db", "--keep", 2)["status"] == 4


def test_a_server_is_no_place_for_a_backup(member: Program, folder: Path) -> None:
    for command in ("backup", "sandbox", "restore", "diff"):
        assert member("db", command, "postgresql://localhost/x").status == 2
    assert member("db", "backup", folder / "x.db", "--keep", "0").status == 2
    assert member("db", "backup").status == 2
    assert names(folder) == []


@pytest.mark.sqlite("the file is put in its place in the same way from a server")
def test_killed_at_any_step_there_is_the_old_backup_or_the_new_one(member: Program, folder: Path) -> None:
    """Fails when there is a moment without a whole backup of that name, or litter that nobody clears."""
    file = folder / "x.db"
    for _ in range(2):
        member.ok("db", "backup", file, "--keep", 3)
    killed = []
    for step in each_step(member, "db", "backup", file, "--keep", 3):
        killed.append(step)
        litter = [name for name in names(folder) if name.startswith(".")]
        assert len(litter) <= 1, litter
        for name in names(folder):
            if name not in litter:
                assert member("--db", folder / name, "db", "check").status == 0
        assert file.exists()
    assert len(killed) > 5
    assert names(folder) == ["x.db", "x.db.1", "x.db.2"]
    well(member, file)


def test_on_a_full_disk_the_old_backup_stays(member: Program, folder: Path) -> None:
    """Fails when the old one makes room first, or the half that was written is left."""
    file = folder / "x.db"
    member.ok("db", "backup", file)
    before = file.read_bytes()
    member.ok("members", "add", "ann@example.com")
    with Shell(member.db) as shell:  # the disk of the database itself is not full: what SQLite needs there is there
        shell.execute("SELECT id FROM user")
        for most in (0, 5000, len(before) // 2, len(before) - 1):
            answer = limited(member, most, "db", "backup", file, "--keep", 3)
            assert (answer.returncode, answer.stdout) == (6, ""), answer.stderr
            error, hint = answer.stderr.splitlines()
            assert str(file) in error
            assert hint.startswith("Hint: ")
            assert names(folder) == ["x.db"]
            assert file.read_bytes() == before


@pytest.mark.sqlite("what SQLite calls damage")
def test_a_damaged_database_takes_no_good_backups_place(member: Program, folder: Path) -> None:
    """Fails when what was copied is not looked at before it counts."""
    file = folder / "x.db"
    member.ok("db", "backup", file)
    before, whole = file.read_bytes(), member.db.read_bytes()
    for broken in (whole[: 2 * 4096] + b"\xa5" * 4096 + whole[3 * 4096 :], whole[:-4096], whole[:-1]):
        member.db.write_bytes(broken)
        answer = member("db", "backup", file, "--keep", 3)
        assert answer.status == 6, answer
        assert "is damaged" in answer.err
        assert member.db.read_bytes() == broken
        assert (names(folder), file.read_bytes()) == (["x.db"], before)


def test_a_wrong_total_is_backed_up_and_said_even_quietly(member: Program, folder: Path) -> None:
    """Fails when nights pass without a backup for one wrong invoice, or when nobody hears of it."""
    everything(member)
    member.sql("UPDATE invoice SET amount = amount + 1 WHERE id = 2")
    answer = member("--quiet", "db", "backup", folder / "x.db")
    assert (answer.status, answer.out) == (0, "")
    assert "Invoice 2" in answer.err
    assert "db check" in answer.err
    assert dumped(member, folder / "x.db") == dumped(member)


def trigger(program: Program, name: str = "their own") -> None:
    """Somebody else's trigger, which notes every invoice that changes."""
    program.sql("CREATE TABLE audit (invoice INTEGER)")
    program.sql(f'CREATE TRIGGER "{name}" AFTER UPDATE ON invoice BEGIN INSERT INTO audit VALUES (NEW.id); END')


@pytest.mark.sqlite("the rows of a server are copied into a schema of ours")
def test_what_restore_would_refuse_is_said_even_quietly(member: Program, folder: Path) -> None:
    """Fails when nights pass with backups that nobody can restore."""
    everything(member)
    trigger(member)
    for statement in (
        "DROP TRIGGER invoice_kept",
        "DROP INDEX stream_open",
        "DROP INDEX invoice_month",
        "CREATE INDEX invoice_month ON invoice (month, date)",
        "UPDATE invoice SET amount = amount + 1 WHERE id = 2",
    ):
        member.sql(statement)
    answer = member("--quiet", "db", "backup", folder / "x.db")
    assert (answer.status, answer.out) == (0, "")
    wrong = [
        ("invoice_kept", "is missing"),
        ("stream_open", "is missing"),
        ("invoice_month", "is not as it was made"),
        ("their own", "is none of streamctl's"),
        ("Invoice 2", "is not the sum"),
    ]
    said = answer.err.splitlines()
    assert len(said) == len(wrong), said
    for what, how in wrong:
        (line,) = [line for line in said if what in line]
        assert how in line
        assert "--force" in line
    refused = member.refused("db", "restore", folder / "x.db", "--yes")
    assert (refused["status"], refused["code"]) == (4, "bad_data")
    assert member("db", "restore", folder / "x.db", "--yes", "--force").status == 0


@pytest.mark.sqlite("a file of an older schema")
def test_what_restore_would_refuse_of_an_older_schema_is_said_too(nothing: Program, folder: Path) -> None:
    """Fails when it is not tried what becomes of the backup once it is brought up to date."""
    build("sqlite-1a", nothing.db)
    answer = nothing("db", "backup", folder / "x.db")
    assert (answer.status, answer.err) == (0, ""), answer
    trigger(nothing)
    assert "'their own'" in nothing("db", "backup", folder / "x.db").err
    nothing.sql('DROP TRIGGER "their own"')
    nothing.sql("UPDATE invoice SET paid_on = '2026-02-30' WHERE id = 2")
    answer = nothing("db", "backup", folder / "x.db")
    assert answer.status == 0
    assert "invoice 2" in answer.err
    assert "does not take it" in answer.err
    assert names(folder) == ["x.db"]


@pytest.mark.sqlite("a file that is copied by hand")
def test_a_backup_that_somebody_works_in_is_a_database_from_then_on(member: Program, folder: Path) -> None:
    """Fails when `cp` of a backup stays in rollback mode, or the next backup is written over it."""
    member.ok("db", "backup", folder / "x.db")
    live = replace(member, db=folder / "live.db")
    shutil.copyfile(folder / "x.db", live.db)
    before = live.content()
    live.ok("members", "list")
    assert live.refused("members", "add", "bob@example.com")["code"] == "duplicate_email"
    live.ok("members", "add", "ann@example.com", "--dry-run")
    assert live.content() == before, "as long as nobody has changed it, it is a backup"
    assert "rollback" not in live("db", "check").err
    live.ok("members", "add", "ann@example.com")
    assert live.sql("PRAGMA journal_mode") == [("wal",)]
    refused = member.refused("db", "backup", live.db)
    assert (refused["code"], refused["status"]) == ("no_backup", 4)
    assert len(live.ok("members", "list")) == 2
    # Where others read it just then the change is made, and the next one puts it into WAL mode.
    shutil.copyfile(folder / "x.db", folder / "read.db")
    read = replace(member, db=folder / "read.db")
    with Shell(read.db) as reader:
        reader.execute("PRAGMA query_only = 1")
        reader.execute("SELECT * FROM user")
        read.ok("members", "add", "ann@example.com")
    assert member.refused("db", "backup", read.db)["code"] == "no_backup"
    sandbox = replace(member, db=folder / "sandbox.db")
    replace(member, db=folder / "x.db").ok("db", "sandbox", sandbox.db)
    assert sandbox.sql("PRAGMA journal_mode") == [("wal",)]
    assert member.refused("db", "backup", sandbox.db)["code"] == "no_backup"


@pytest.mark.sqlite("a file's header")
def test_check_names_a_database_that_is_not_in_wal_mode(member: Program) -> None:
    member.sql("PRAGMA journal_mode = delete")
    assert "rollback mode" in member("db", "check").err
    member.ok("members", "add", "ann@example.com")
    assert "rollback mode" not in member("db", "check").err


def test_backups_of_an_older_program_are_still_rotated(member: Program, folder: Path) -> None:
    """Fails when a cron job ends with the upgrade: an older program's backups have no mark of their own."""
    build("sqlite-3b", folder / "x.db")
    old = (folder / "x.db").read_bytes()
    member.ok("db", "backup", folder / "x.db", "--keep", 2)
    assert (folder / "x.db.1").read_bytes() == old
    member.ok("db", "backup", folder / "x.db", "--keep", 2)
    assert names(folder) == ["x.db", "x.db.1"]


@pytest.mark.sqlite("the rows of a server are copied, so they must be known")
def test_an_older_schema_can_be_backed_up_before_it_is_migrated(member: Program, folder: Path) -> None:
    to_the_first(member)
    member.ok("db", "backup", folder / "x.db")
    assert replace(member, db=folder / "x.db").books() == member.books()
    assert member("--db", folder / "x.db", "members", "list").status == 6
    to_a_later(member)
    assert member.refused("db", "backup", folder / "x.db")["code"] == "schema_new"


def test_quiet_says_nothing_and_a_person_is_told_how_to_go_back(member: Program, folder: Path) -> None:
    file = folder / "it's.db"
    quiet = member("--quiet", "db", "backup", file)
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "streamctl", "db", "backup", str(file)]
    done = subprocess.run(command, env=member.environment, stdout=follower, stderr=follower, check=False)
    os.close(follower)
    said = os.read(leader, 4096).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "Backed up 1 member, 1 membership, 0 invoices, 0 lines" in said
    assert """it'"'"'s.db'""" in said, "the command can be pasted"
