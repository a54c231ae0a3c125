"""`streamctl db sandbox`: a private copy to rehearse in, which touches nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from books import everything, timeless
from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more


def test_what_is_rehearsed_there_would_come_of_it_here_and_nothing_has(member: Program, tmp_path: Path) -> None:
    """Fails when the sandbox has other rows, ids or settings than the database, or when the two share anything."""
    everything(member)
    file = tmp_path / "deep" / "s.db"
    umask = os.umask(0)
    try:
        made = member.ok("db", "sandbox", file)
    finally:
        os.umask(umask)
    there, before = replace(member, db=file), member.books()
    assert list(made) == "path bytes members memberships invoices lines streams requests entries".split()
    assert [made["path"], made["bytes"]] == [str(file), file.stat().st_size]
    assert [path.name for path in file.parent.iterdir()] == ["s.db"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert there("db", "dump").out == member("db", "dump").out
    done = [there.ok(*words) for words in REHEARSED]
    assert there.ok("db", "check") == []
    assert member.books() == before
    assert [member.ok(*words) for words in REHEARSED] == done
    assert timeless(there) == timeless(member)


REHEARSED = (
    ("members", "reactivate", 1),
    ("stream", "checkin", 1, "--ref", "k9"),
    ("invoices", "generate"),
    ("invoices", "issue", "--month", "2026-10"),
)


def test_a_sandbox_is_worked_in_as_durably_as_the_database(member: Program, tmp_path: Path) -> None:
    """Fails when it is left in the form of a backup, which readers and writers hold each other up in."""
    member.ok("db", "sandbox", tmp_path / "s.db")
    assert (tmp_path / "s.db").read_bytes()[18:20] == b"\x02\x02"


def test_nothing_that_is_there_is_written_over(member: Program, tmp_path: Path) -> None:
    """Fails when a sandbox takes the place of anything, a backup of ours too."""
    member.ok("db", "backup", tmp_path / "x.db")
    (tmp_path / "text").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "log-wal").touch()
    for name in ("x.db", "text", "log", "."):
        refused = member.refused("db", "sandbox", tmp_path / name)
        assert (refused["code"], refused["status"]) == ("database_exists", 4), name
    assert (tmp_path / "text").read_text() == "mine"
    if isinstance(member.db, Path):
        assert member.refused("db", "sandbox", member.db)["status"] == 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".streamctl")]


def test_a_person_is_told_the_command_that_uses_it(member: Program, tmp_path: Path) -> None:
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "streamctl", "db", "sandbox", "my s.db"]
    done = subprocess.run(command, env=member.environment, cwd=tmp_path, stdout=follower, stderr=follower, check=False)
    os.close(follower)
    said = os.read(leader, 4096).decode()
    os.close(leader)
    assert done.returncode == 0, said
    assert f"streamctl --db '{tmp_path}/my s.db' …" in said
    assert f"streamctl db diff '{tmp_path}/my s.db'" in said
