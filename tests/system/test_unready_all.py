"""Every command at a database that is not there, not ours, not whole, not ours to touch, or changing under it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import unready
from program import Program
from shell import locked
from versions import to_a_later, to_the_first

IN_PROCESS = True  # a process for each of its many commands would say no more
PATIENCE = 30.0  # seconds; only what makes a hang a failure
EVENT = '{"action": "checkin", "member": 1, "ref": "%s"}\n'


@pytest.mark.sqlite("files")
def test_no_command_touches_what_is_no_database_of_ours(member: Program, tmp_path: Path) -> None:
    """Fails when any command opens the database by a way of its own."""
    (tmp_path / "strange").mkdir()
    places = unready.strangers(tmp_path / "strange", member.db.read_bytes())
    assert [wrong for place in places for wrong in unready.refused(place, tmp_path)] == []


@pytest.mark.sqlite("files")
def test_a_bit_turned_round_anywhere_is_no_more_than_a_refusal_for_any_command(member: Program) -> None:
    """Fails when damage inside SQLite's own words about damage gets past as a failure to decode. More bits, and every
    command at each, are `nox -s torture`.
    """
    member.ok("stream", "checkin", 1)
    member.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    commands = [words for words in unready.every(member.home) if words[:2] != unready.ENDLESS]
    wrong = unready.flipped(member, 90, lambda number: commands[number % 4 :: len(commands) // 3], seed=5)
    assert wrong == []


@pytest.mark.sqlite("what SQLite says of a schema")
def test_damage_in_the_words_of_the_schema_is_damage(member: Program) -> None:
    """Fails when what SQLite says of it, being damaged itself, is a failure to decode."""
    whole = bytearray(member.db.read_bytes())
    found = [place for place in range(len(whole)) if whole[place : place + 12] == b"CREATE TABLE"]
    whole[found[0] + 2] ^= 128
    member.db.write_bytes(whole)
    for words in (("members", "list"), ("db", "check"), ("stream", "checkin", 1)):
        answer = member(*words)
        assert answer.status == 6, answer
        assert unready.one_line(answer)


@pytest.mark.sqlite("files")
@pytest.mark.parametrize(("file", "folder"), [(0o400, 0o700), (0o600, 0o500), (0o400, 0o500), (0o000, 0o700)])
def test_what_may_not_be_written_or_read_is_one_line_from_every_command(
    member: Program, tmp_path: Path, file: int, folder: int
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "streamctl.db").write_bytes(member.db.read_bytes())
    before = member.db.read_bytes()
    (closed / "streamctl.db").chmod(file)
    closed.chmod(folder)
    answers = unready.powerless(closed / "streamctl.db", tmp_path)
    closed.chmod(0o700)
    assert (closed / "streamctl.db").read_bytes() == before
    assert len(answers) > 30
    for words, answer in answers:
        # A file that can't be written looks to `db move` as if somebody else had written to it.
        assert answer.status in (unready.SOUND if words[1] != "move" else (0, 5, 6)), (words, answer)
        assert "Traceback" not in answer.err, (words, answer)
        if answer.status == 6:
            assert unready.one_line(answer), (words, answer)
    said = {" ".join(words[:2]): answer.status for words, answer in answers}
    for name in ("stream checkin", "invoices generate", "db migrate", "db set", "stream batch"):
        assert said[name] == 6, name
    assert {path.name for path in closed.iterdir()} <= {"streamctl.db", "streamctl.db-wal", "streamctl.db-shm"}


@pytest.mark.sqlite("a disk")
def test_a_disk_that_is_full_is_one_line_and_leaves_it_as_it_was(member: Program) -> None:
    """No file may grow past so many bytes, which is a small disk as far as SQLite can tell."""
    before, statuses = member.books(), []
    for limit in range(0, 180_000, 30_000):

        def small(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = subprocess.run(
            [sys.executable, "-m", "streamctl", "stream", "checkin", "1", "--ref", "one"],
            env=member.environment,
            preexec_fn=small,
            capture_output=True,
            text=True,
            check=False,
        )
        statuses.append(done.returncode)
        if done.returncode:
            assert done.stderr.startswith("Error: "), done
            assert "nothing was changed" in done.stderr
            assert member.books() == before
    assert statuses[0] == 6
    assert set(statuses) == {0, 6}, "at last there was room"
    assert member.ok("stream", "checkin", 1, "--ref", "one")["replayed"] is True
    assert member("db", "check").status == 0


def test_an_older_program_that_runs_while_a_newer_one_migrates_writes_no_more(member: Program) -> None:
    """Fails when the schema is only looked at when the database is opened."""
    with unready.running(member, "stream", "batch", "-") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(EVENT % "before")
        process.stdin.flush()
        assert '"ok": true' in process.stdout.readline()
        to_a_later(member)
        before = member.books()
        out, err = process.communicate(EVENT % "after", timeout=PATIENCE)
    assert (process.returncode, out) == (6, ""), err
    assert "this streamctl knows" in err
    assert err.count("\n") == 2, "an error and a hint"
    assert member.books() == before


def test_an_older_program_that_watches_while_a_newer_one_migrates_ends_with_a_word(member: Program) -> None:
    """Fails when a watch goes on reading tables that may mean something else by now."""
    with unready.running(member, "stream", "watch", "--every", "1s") as process:
        assert process.stdout
        member.ok("stream", "checkin", 1)
        assert '"ref"' in process.stdout.readline()
        to_a_later(member)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (6, ""), err
    assert "this streamctl knows" in err


def test_a_migration_waits_for_a_writer_and_says_busy_when_it_takes_too_long(member: Program) -> None:
    """Fails when a migration begins before those who write have ended, or gives up before its time."""
    to_the_first(member)
    before = member.books()
    with locked(member.db):
        busy = member("--timeout", 0.3, "db", "migrate")
        assert (busy.status, busy.out) == (5, ""), busy
        assert "nothing was changed" in busy.err
        process = unready.running(member, "db", "migrate")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        assert member.books() == before
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert member("stream", "checkin", 1).status == 0
