"""A server that conflicts, is held up, goes away or may not be written: one line, and nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from program import Answer, Program
from shell import Shell

pytestmark = pytest.mark.postgresql("a file has no connection to lose")
IN_PROCESS = True
JSON = ("--format", "json")
EVENT = b'{"action": "checkin", "member": 1, "ref": "%d"}\n'
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


def conflicting(program: Program, table: str, state: str, times: int) -> None:
    """The first so many inserts into the table fail with that SQLSTATE."""
    program.sql("CREATE SEQUENCE planted")
    program.sql(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        f" IF nextval('planted') <= {times} THEN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END IF;"
        " RETURN NEW; END$$"
    )
    program.sql(f'CREATE TRIGGER planted BEFORE INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION planted()')


def events(program: Program, count: int) -> Path:
    """A file of so many check-ins with a key."""
    file = program.home / "events.jsonl"
    file.write_bytes(b"".join(EVENT % number for number in range(count)))
    return file


def runs(program: Program) -> int:
    return int(program.sql("SELECT last_value FROM planted")[0][0])


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


def ended(running: subprocess.Popen[bytes], stdin: bytes = b"") -> Answer:
    out, err = running.communicate(stdin, timeout=20)
    return Answer(running.returncode, out.decode(), err.decode())


def awaited(program: Program, query: str) -> int:
    """What the query finds, once it does."""
    deadline = time.monotonic() + 20
    while not (found := program.sql(query)):
        assert time.monotonic() < deadline, query
        time.sleep(0.01)
    return int(found[0][0])


def one_line(answer: Answer, status: int) -> None:
    error, *hints = answer.err.splitlines()
    assert answer.status == status, answer
    assert error.startswith("Error: ")
    assert all(hint.startswith("Hint: ") for hint in hints)
    assert len(hints) <= 1


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_conflict_is_answered_by_running_the_verb_again(member: Program, state: str) -> None:
    conflicting(member, "stream", state, 5)
    assert member.ok("stream", "checkin", 1, "--ref", "one")["credits"] == 2
    assert (runs(member), len(member.ok("lines", "list"))) == (6, 1)


@pytest.mark.parametrize(
    ("table", "words"), [("stream", ("stream", "checkin", 1)), ("invoice", ("invoices", "create", 1))]
)
def test_a_conflict_without_end_is_given_up_and_nothing_is_done(
    member: Program, table: str, words: tuple[object, ...]
) -> None:
    conflicting(member, table, "40001", 1000)
    assert member.refused(*words)["status"] == 5
    assert runs(member) == 20


@pytest.mark.parametrize(
    ("table", "words", "most"),
    [("user", ("members", "add", "ann@example.com"), 1), ("stream", ("stream", "checkin", 1), 3)],
)
def test_a_unique_key_that_is_the_verbs_own_doing_is_not_tried_again_and_again(
    member: Program, table: str, words: tuple[object, ...], most: int
) -> None:
    conflicting(member, table, "23505", 1000)
    assert member(*words).status != 0
    assert runs(member) == most


def test_a_conflict_in_a_batch_runs_the_same_lines_again(member: Program) -> None:
    conflicting(member, "stream", "40001", 3)
    answer = member("stream", "batch", events(member, 3))
    assert (answer.status, len(answer.out.splitlines())) == (0, 3), answer
    assert len(member.ok("lines", "list")) == 3


def test_the_victim_of_a_deadlock_while_it_waits_for_its_member_goes_on(member: Program) -> None:
    url = f"{member.db}%20-cdeadlock_timeout%3D200ms"
    with Shell(member.db) as other, process(Program(url, member.home), "stream", "checkin", 1) as running:
        other.execute("SET deadlock_timeout = '10s'")
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' member 1', 0))")
        awaited(member, WAITING)
        # It waits for us; now we wait for the share that it has in the lock of all writers.
        other.execute("SELECT pg_advisory_xact_lock(1398031180, hashtext(current_schema()))")
        other.execute("COMMIT")
        answer = ended(running)
    assert answer.status == 0, answer


def test_a_server_that_is_stricter_by_default_sells_nothing_twice(member: Program) -> None:
    for level in ("repeatable read", "serializable"):
        url = f"{member.db}%20-cdefault_transaction_isolation%3D{level.replace(' ', '%5C%20')}"
        strict = Program(url, member.home)
        with Shell(member.db) as other, process(strict, "stream", "checkin", 1) as one:
            other.execute("BEGIN")
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' member 1', 0))")
            awaited(member, WAITING)
            other.execute("UPDATE membership SET credit_limit = 0")
            other.execute("COMMIT")
            assert ended(one).status == 4, level
        member.sql("UPDATE membership SET credit_limit = 3")


def test_a_connection_lost_while_waiting_is_one_line_and_the_key_does_no_harm(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    words = ("stream", "checkin", 1, "--ref", "one")
    with Shell(member.db) as holder, process(member, "--debug", *words) as running:
        holder.execute("BEGIN")
        holder.execute("SELECT * FROM invoice FOR UPDATE")
        holder.execute("SELECT pg_terminate_backend(?)", [awaited(member, WAITING)])
        answer = ended(running)
    assert answer.status == 5, answer
    said = answer.err[answer.err.index("\nError: ") + 1 :].splitlines()
    assert said[0] == (f"Error: {member.db} was lost: terminating connection due to administrator command.")
    assert len(said) == 2
    assert member.ok(*words)["replayed"] is False
    assert member.ok(*words)["replayed"] is True
    assert len(member.ok("lines", "list")) == 2


def test_a_connection_lost_while_a_batch_waits_for_input_keeps_what_was_answered(member: Program) -> None:
    with process(member, "stream", "batch", "-") as running:
        assert running.stdin
        assert running.stdout
        running.stdin.write(EVENT % 1)
        running.stdin.flush()
        assert b'"ok": true' in running.stdout.readline()
        idle = "SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND query = 'COMMIT'"
        member.sql("SELECT pg_terminate_backend(?)", awaited(member, idle))
        answer = ended(running, EVENT % 2)
    one_line(answer, 5)
    assert "was lost" in answer.err
    assert member("stream", "batch", events(member, 3)).status == 0
    assert [stream["ref"] for stream in member.ok("stream", "list")] == ["1", "0", "2"]


def test_a_connection_lost_in_an_export_is_one_line(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    member.sql("ALTER TABLE invoice_line DISABLE TRIGGER USER")
    member.sql(
        "INSERT INTO invoice_line (invoice, amount, description, kind)"
        " SELECT 1, 1, repeat('x', 200), 'manual' FROM generate_series(1, 5000)"
    )
    with process(member, "lines", "list", "--format", "csv") as running:
        assert running.stdout
        running.stdout.readline()
        reading = "query LIKE '%FETCH%' AND pid <> pg_backend_pid()"
        member.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {reading}")
        answer = ended(running)
    one_line(answer, 5)


def test_a_lock_that_somebody_holds_is_waited_for_as_long_as_asked(member: Program) -> None:
    with Shell(member.db) as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE stream")
        for words in (("stream", "checkin", 1), ("stream", "list")):
            began = time.monotonic()
            with process(member, "--timeout", 0.5, *words) as running:
                answer = ended(running)
            assert 0.5 < time.monotonic() - began < 5
            one_line(answer, 5)
            assert "stayed busy for 0.5 s" in answer.err
        holder.execute("ROLLBACK")
    assert member.ok("invoices", "list") == []


def test_a_killed_commands_lock_goes_with_it_though_its_statement_was_long(member: Program) -> None:
    """Fails when the server is left to end the statement first, which holds everybody up."""
    member.sql(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF NEW.description = 'slow' THEN PERFORM pg_sleep(15); END IF; RETURN NEW; END$$"
    )
    member.sql("CREATE TRIGGER planted BEFORE INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION planted()")
    with process(member, "invoices", "create", 1, "--description", "slow") as running:
        awaited(member, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        running.kill()
        running.wait()
        start = time.monotonic()
        member.ok("--timeout", 10, "invoices", "create", 1)
        assert time.monotonic() - start < 8
    assert [invoice["description"] for invoice in member.ok("invoices", "list")] == ["Invoice for 2026-11"]


def test_an_interrupt_while_waiting_stops_and_nothing_is_done(member: Program) -> None:
    with Shell(member.db) as holder, process(member, "stream", "checkin", 1) as running:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE stream")
        awaited(member, WAITING)
        os.kill(running.pid, signal.SIGINT)
        answer = ended(running)
        holder.execute("ROLLBACK")
    assert (answer.status, answer.out) == (130, ""), answer
    assert "Traceback" not in answer.err
    assert member.ok("invoices", "list") == []


def test_a_server_that_can_only_be_read_is_read_and_says_so_to_a_write(member: Program) -> None:
    standby = Program(f"{member.db}%20-cdefault_transaction_read_only%3Don", member.home)
    for words in (("members", "list"), ("lines", "list"), ("db", "info"), ("db", "check"), ("db", "dump")):
        assert standby(*words).status == 0
    for words in (("stream", "checkin", 1), ("invoices", "generate"), ("stream", "checkin", 1, "--dry-run")):
        refusal = standby.refused(*words)
        assert (refusal["code"], refusal["status"]) == ("read_only", 6)
        assert "target_session_attrs" in refusal["hint"]


def test_a_role_without_rights_is_told_which(member: Program) -> None:
    (schema,) = member.sql("SELECT current_schema()")[0]
    role = f"reader_{schema}"
    member.sql(f"CREATE ROLE {role} LOGIN")
    try:
        member.sql(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        member.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        reader = Program(str(member.db).replace("//postgres@", f"//{role}@"), member.home)
        assert reader.ok("members", "list")
        refusal = reader.refused("stream", "checkin", 1)
        assert (refusal["code"], refusal["status"]) == ("not_allowed", 6)
        assert "permission denied for table" in refusal["message"]
    finally:
        member.sql(f"DROP OWNED BY {role}")
        member.sql(f"DROP ROLE {role}")


def test_a_role_that_is_not_there_is_told_how_to_make_it(member: Program) -> None:
    stranger = Program(str(member.db).replace("//postgres@", "//nobody_at_all@"), member.home)
    answer = stranger("members", "list")
    one_line(answer, 6)
    assert 'role "nobody_at_all" does not exist.' in answer.err
    assert " nobody_at_all" in answer.err.partition("createuser")[2]
    assert "-U" not in answer.err


def test_everybody_locks_the_same_whatever_schemas_they_have(member: Program) -> None:
    """The owner's search path begins with a schema of their own, as "$user" does for who has one."""
    (schema,) = member.sql("SELECT current_schema()")[0]
    own = f"{schema}_own"
    member.sql(f"CREATE SCHEMA {own}")
    try:
        owner = Program(str(member.db).replace(f"%3D{schema}", f"%3D{own},{schema}"), member.home)
        with Shell(member.db) as other, process(owner, "--timeout", 0.5, "stream", "checkin", 1) as running:
            other.execute("BEGIN")
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' member 1', 0))")
            assert ended(running).status == 5
        assert owner.ok("db", "info")["bytes"] > 0
        assert owner.ok("db", "init")["created"] is False
    finally:
        member.sql(f"DROP SCHEMA {own}")
