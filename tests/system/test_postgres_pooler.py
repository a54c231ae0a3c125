"""Behind a pooler in transaction mode: every command works, and leaves nothing on a connection that others get."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import peewee
import pytest
from inside import Inside
from pooler import Pooler, pooler
from program import ROOT, Program
from shell import Shell

from streamctl.store.database import Store

pytestmark = pytest.mark.postgresql("a file has no pooler")
IN_PROCESS = True
EVENTS = 12


@pytest.fixture
def pool(nothing: Program) -> Iterator[Pooler]:
    with pooler(str(nothing.db)) as found:
        yield found
    assert found.left == []


@contextmanager
def process(program: Program, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """The program as a process that goes on beside us."""
    command = [sys.executable, "-m", "streamctl", *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=program.environment, stdin=pipe, stdout=pipe, stderr=pipe) as running:
        try:
            yield running
        finally:
            running.kill()


def pooled(program: Program, pool: Pooler) -> Inside:
    return Inside(pool.url, program.home)


def test_every_kind_of_command_works_and_leaves_nothing(nothing: Program, pool: Pooler) -> None:
    one = pooled(nothing, pool)
    one.ok("db", "init", "--timezone", "UTC")
    for words in (
        "members add bob@example.com --credits 3 --fee 9.90 --start 2026-11-01 --end 2026-12-01",
        "members add ann@example.com --start 2026-11-01 --end 2026-12-01",
        "stream checkin 1 --ref one --lease 30m",
        "stream checkin 1 --dry-run",
        "stream heartbeat 1",
        "stream takeover 1 --oldest",
        "stream checkout 1",
        "stream expire",
        "stream why 1",
        "invoices create 2 --amount 5",
        "lines add 2 --amount 2 --key k",
        "invoices generate --month 2026-11",
        "invoices issue --month 2026-11 --force",
        "invoices pay 1",
        "invoices list",
        "lines list",
        "report revenue",
        "report ageing",
        "report usage",
        "log list",
        "log show 1",
        "db set seller_note Cheers",
        "db info",
        "db migrate",
        "db check",
        "db check --repair",
    ):
        one.ok(*words.split())
    newest = one.ok("log", "list", "--sort", "-id", "--limit", 1)[0]["id"]
    one.ok("log", "undo", newest)
    assert one("db", "dump", "--output", "all.json").status == 0
    assert one("invoices", "render", 1).status == 0
    one.ok("db", "backup", "kept.db")
    one.ok("members", "add", "new@example.com")
    one.ok("db", "restore", "kept.db", "--force", "--yes")
    assert [row["email"] for row in one.ok("members", "list")] == ["bob@example.com", "ann@example.com"]
    one.ok("db", "move", "--to", nothing.home / "file.db")
    assert one("stream", "checkin", 99).status == 3
    assert pool.passed > 100


def test_a_database_is_moved_and_loaded_through_it(nothing: Program, pool: Pooler) -> None:
    file = Inside(nothing.home / "file.db", nothing.home)
    file.ok("db", "init", "--timezone", "UTC")
    file.ok("db", "load", ROOT / "data" / "init_db.json")
    file.ok("db", "move", "--to", pool.url)
    other = pooled(nothing, pool)
    assert other("db", "dump").out == file("db", "dump").out
    assert other("db", "check").status == file("db", "check").status


def test_who_watches_leaves_others_free_to_write(nothing: Program, pool: Pooler) -> None:
    """Fails when a connection that a watch has had refuses the writes of whoever has it next."""
    one = pooled(nothing, pool)
    one.ok("db", "init", "--timezone", "UTC")
    one.ok("members", "add", "bob@example.com", "--credits", 9, "--start", "2026-11-01", "--end", "2026-12-01")
    watching = Program(pool.url, nothing.home)
    with process(watching, "stream", "watch", "--every", "1s") as watch:
        assert watch.stdout
        for number in range(1, 6):
            one.ok("stream", "checkin", 1)
            assert json.loads(watch.stdout.readline())["id"] == number


def test_two_batches_take_turns_on_its_connections(nothing: Program, pool: Pooler) -> None:
    """Fails when a statement is prepared on one connection and run on the other."""
    one = pooled(nothing, pool)
    one.ok("db", "init", "--timezone", "UTC")
    for member in ("ann", "bob"):
        period = ("--start", "2026-11-01", "--end", "2026-12-01")
        one.ok("members", "add", f"{member}@example.com", "--credits", 2 * EVENTS, *period)
    through = Program(pool.url, nothing.home)
    with process(through, "stream", "batch", "-") as ann, process(through, "stream", "batch", "-") as bob:
        for number in range(EVENTS):
            for member, batch in ((1, ann), (2, bob)):
                assert batch.stdin
                assert batch.stdout
                batch.stdin.write(b'{"action": "checkin", "member": %d, "ref": "%d-%d"}\n' % (member, member, number))
                batch.stdin.flush()
                assert json.loads(batch.stdout.readline())["ok"] is True
            one.ok("lines", "list", "--limit", 1)
    assert len(one.ok("stream", "list")) == 2 * EVENTS
    assert one("db", "check").status == 0


def test_a_pooler_that_can_not_be_told_and_mixes_statements_up_is_one_line_with_the_mend(member: Program) -> None:
    """It passes the server's own keys on, so that it looks like the server itself."""
    file = member.home / "events.jsonl"
    member.ok("members", "update", 1, "--credits", 40)
    file.write_text("".join(f'{{"action": "checkin", "member": 1, "ref": "{n}"}}\n' for n in range(40)))
    with pooler(str(member.db), own_keys=False) as pool:
        answer = pooled(member, pool)("stream", "batch", file, "--commit-every", 1)
    error, hint = answer.err.splitlines()
    assert answer.status == 6, answer
    assert error.startswith("Error: The pooler at postgresql://postgres@/streamctl?host=/tmp/pg-")
    assert error.endswith("; nothing more was changed.")
    assert "max_prepared_statements" in hint
    assert member("stream", "batch", file).status == 0
    assert len(member.ok("stream", "list")) == 40


def test_a_url_with_options_is_refused_with_what_to_do_instead(nothing: Program, pool: Pooler) -> None:
    answer = Inside(f"{pool.url}&options=-csearch_path%3Dbooks", nothing.home)("db", "init")
    assert answer.status == 6
    assert "unsupported startup parameter: options" in answer.err
    assert "ALTER ROLE" in answer.err


def test_what_others_left_on_a_connection_is_not_seen(nothing: Program, pool: Pooler) -> None:
    """Every transaction has a zone, and a way to write days of its own."""
    one = pooled(nothing, pool)
    one.ok("db", "init", "--timezone", "UTC")
    one.ok("members", "add", "bob@example.com", "--start", "2026-11-01", "--end", "2026-12-01")
    one.ok("stream", "checkin", 1, "--lease", "30m")
    before = {words: one(*words.split()).out for words in ("stream list", "members list", "db dump")}
    with Shell(pool.url) as other:
        for _ in range(2):  # the pooler's connections, one after the other
            other.execute(
                "SET timezone = 'Asia/Kathmandu'; SET datestyle = 'German'; SET client_min_messages = 'debug1'"
            )
    assert len([text for text in pool.left if "client_min_messages" in text]) > 1
    assert before == {words: one(*words.split()).out for words in before}
    one.ok("invoices", "generate", "--month", "2026-11")
    pool.left.clear()


def test_who_only_reads_can_not_write_in_a_transaction_or_without(store: Store) -> None:
    store.only_read()
    with pytest.raises(peewee.InternalError, match="read-only"):
        store.run("DELETE FROM setting")
    with store.reading(), pytest.raises(peewee.InternalError, match="read-only"):
        store.run("DELETE FROM setting")
    assert store.run("SELECT count(*) FROM setting")[0][0] > 0
