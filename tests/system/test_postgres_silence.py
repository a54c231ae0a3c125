"""A server that is frozen, a network gone silent, a clock that is wrong: nobody waits for ever, and no lock stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from freezegun import freeze_time
from inside import Inside
from network import MOST, PASSWORD, Network, network
from program import Answer, Program

pytestmark = pytest.mark.postgresql("a file answers or fails")
IN_PROCESS = True
BOUND = 40.0  # seconds; only what makes a hang a failure
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('advisory', 'PgSleep') AND query LIKE %s"
SLOW = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {}; RETURN NEW; END$$"
LOCKED = "PERFORM pg_advisory_xact_lock_shared(7)"


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as found:
        yield found


@pytest.fixture
def books(net: Network, tmp_path: Path) -> Iterator[Program]:
    """The program on a database of its own on that server, with member 1."""
    program = Program(f"postgresql://clerk:{quote(PASSWORD, safe='')}@127.0.0.1:{net.port}/streamctl", tmp_path)
    inside = Inside(program.db, tmp_path)
    inside.ok("db", "init", "--timezone", "UTC")
    inside.ok("members", "add", "bob@example.com", "--credits", 9, "--start", "2026-11-01", "--end", "2026-12-01")
    yield program
    with net.admin() as admin:
        admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION clerk")


def processes(net: Network) -> list[int]:
    """The server's own first, and those that it has started."""
    (postmaster, *_) = (net.folder / "data" / "postmaster.pid").read_text().split()
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", postmaster], capture_output=True, text=True, check=True)
    return [int(postmaster), *map(int, listed.stdout.split())]


@contextmanager
def frozen(net: Network) -> Iterator[None]:
    """The server does nothing at all, and its connections stay."""
    stopped = processes(net)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


@contextmanager
def waiting(net: Network, books: Program, *words: object, at: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program in the middle of that statement, which waits for a lock of ours until the block ends."""
    command = [sys.executable, "-m", "streamctl", *map(str, words)]
    with net.admin() as holder, net.admin() as admin:
        holder.execute("BEGIN; SELECT pg_advisory_xact_lock(7)")
        with subprocess.Popen(
            command, env=books.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            try:
                deadline = time.monotonic() + BOUND
                while admin.execute(WAITS, [f"{at}%"]).fetchone() == (0,):
                    assert time.monotonic() < deadline, "it does not come so far"
                    time.sleep(0.02)
                yield running
            finally:
                running.kill()


def ended(running: subprocess.Popen[bytes]) -> Answer:
    out, err = running.communicate(timeout=BOUND)
    assert b"Traceback" not in err
    return Answer(running.returncode, out.decode(), err.decode())


def slow(net: Network, when: str, what: str = LOCKED) -> None:
    """Inserting an invoice does that, before it or at the end of its transaction."""
    with net.admin() as admin:
        admin.execute(SLOW.format(what))
        kind, moment = ("", "BEFORE") if when == "before" else ("CONSTRAINT", "AFTER")
        deferred = "DEFERRABLE INITIALLY DEFERRED" if kind else ""
        admin.execute(
            f"CREATE {kind} TRIGGER slow {moment} INSERT ON invoice {deferred} FOR EACH ROW EXECUTE FUNCTION slow()"
        )


def test_a_frozen_server_is_given_up_and_nothing_is_done(net: Network, books: Program) -> None:
    slow(net, "before")
    with waiting(net, books, "--timeout", 2, "invoices", "create", 1, at="INSERT") as running, frozen(net):
        answer = ended(running)
    assert (answer.status, answer.out) == (5, ""), answer
    assert "was lost: it answers nobody any more." in answer.err
    assert "not known" not in answer.err
    assert len(answer.err.splitlines()) == 2
    assert Inside(books.db, books.home).ok("invoices", "list") == []


def test_a_server_that_freezes_in_a_commit_is_given_up_and_nobody_claims_to_know(net: Network, books: Program) -> None:
    slow(net, "commit")
    with waiting(net, books, "--timeout", 2, "invoices", "create", 1, at="COMMIT") as running, frozen(net):
        answer = ended(running)
    assert (answer.status, answer.out) == (5, ""), answer
    assert "whether the change was done is not known" in answer.err


def test_a_long_statement_is_not_cut_though_the_server_has_no_room_for_newcomers(net: Network, books: Program) -> None:
    slow(net, "before", "PERFORM pg_sleep(5)")
    with ExitStack() as stack, waiting(net, books, "--timeout", 1, "invoices", "create", 1, at="INSERT") as running:
        for _ in range(MOST):
            try:
                stack.enter_context(psycopg.connect(str(books.db)))
            except psycopg.OperationalError:
                break
        answer = ended(running)
    assert answer.status == 0, answer


@pytest.mark.parametrize(
    ("when", "at", "said"),
    [
        ("before", "INSERT", "Interrupted; nothing was changed."),
        ("commit", "COMMIT", "Interrupted; whether the change was done is not known."),
    ],
)
def test_a_second_signal_ends_the_wait_for_a_frozen_server(
    net: Network, books: Program, when: str, at: str, said: str
) -> None:
    """Fails when it waits for the deadline, or for a rollback, that the server does not answer either."""
    slow(net, when)
    for second in (signal.SIGINT, signal.SIGTERM):
        with waiting(net, books, "--timeout", 600, "invoices", "create", 1, at=at) as running, frozen(net):
            running.send_signal(signal.SIGINT)
            time.sleep(0.3)
            assert running.poll() is None
            running.send_signal(second)
            began = time.monotonic()
            answer = ended(running)
            assert time.monotonic() - began < 4
        assert (answer.status, answer.out) == (130, ""), answer
        assert answer.err.startswith(said)
        assert answer.err.count("\n") == 1


def test_the_server_itself_lets_go_of_a_client_that_it_hears_no_more_of(net: Network, books: Program) -> None:
    """Fails when a session of ours would keep its locks for as long as the system's own two hours."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    noted = ", ".join(f"current_setting('{name}')" for name in (*names, "client_connection_check_interval"))
    with net.admin() as admin:
        admin.execute("CREATE TABLE noted (noted text); GRANT ALL ON noted TO clerk")
    slow(net, "before", f"INSERT INTO noted VALUES (concat_ws(' ', {noted}))")
    Inside(books.db, books.home).ok("invoices", "create", 1)
    with net.admin() as admin:
        assert admin.execute("SELECT noted FROM noted").fetchall() == [("10 5 3 25000 1s",)]


@pytest.mark.parametrize("off", [timedelta(minutes=2), timedelta(minutes=-2)], ids=["ahead", "behind"])
def test_a_clock_that_is_minutes_off_is_refused_with_both_times(net: Network, books: Program, off: timedelta) -> None:
    there = Inside(books.db, books.home)
    there.ok("stream", "checkin", 1, "--lease", "30m")
    real = there.at(None)
    with freeze_time(datetime.now(UTC) + off, tick=True):
        for words in ("stream expire", "stream checkin 1", "members list", "invoices generate", "invoices render 1"):
            answer = real(*words.split(), "--format", "json") if "render" not in words else real(*words.split())
            assert (answer.status, answer.out) == (5, ""), answer
        refusal = real("stream", "expire", "--format", "json").error
        assert refusal["code"] == "clock_differs"
        here, other = (datetime.fromisoformat(refusal["details"][which]) for which in ("here", "there"))
        assert abs(here - other - off) < timedelta(seconds=30)
        assert refusal["details"]["here"] in refusal["message"]
        assert refusal["details"]["there"] in refusal["message"]
        assert there.ok("stream", "list")[0]["closed_at"] is None  # whoever says what time it is needs no clock
        assert there("stream", "expire").status == 0


@pytest.mark.parametrize("off", [timedelta(seconds=40), timedelta(seconds=-40)], ids=["ahead", "behind"])
def test_a_clock_that_is_seconds_off_does(net: Network, books: Program, off: timedelta) -> None:
    real = Inside(books.db, books.home).at(None)
    with freeze_time(datetime.now(UTC) + off, tick=True):
        assert real("stream", "expire").status == 0
