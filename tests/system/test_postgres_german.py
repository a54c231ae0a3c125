"""A server that speaks another language: what it means is told by SQLSTATE, and never by English words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from german import speaking_german
from inside import Inside
from network import MOST, PASSWORD, Network, network

pytestmark = pytest.mark.postgresql("a file says nothing")
IN_PROCESS = True


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as found:
        yield found


@pytest.fixture(scope="module")
def port(net: Network) -> Iterator[int]:
    with speaking_german(net) as found:
        yield found


@pytest.fixture
def books(net: Network, port: int, tmp_path: Path) -> Iterator[Inside]:
    """The program on a database there, with member 1."""
    program = Inside(place(port), tmp_path)
    program.ok("db", "init", "--timezone", "UTC")
    program.ok("members", "add", "bob@example.com", "--credits", 9, "--start", "2026-11-01", "--end", "2026-12-01")
    yield program
    with net.admin() as admin:
        admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION clerk")


def place(port: int, *, password: str = PASSWORD, database: str = "streamctl") -> str:
    return f"postgresql://clerk:{quote(password, safe='')}@127.0.0.1:{port}/{database}"


def refused(program: Inside, *words: object) -> tuple[int, str, str]:
    """The exit status, the code, and all that is said."""
    answer = program(*words, "--format", "json")
    assert answer.out == ""
    return answer.status, answer.error["code"], f"{answer.error['message']} {answer.error['hint']}"


def test_what_keeps_somebody_out_is_told_by_its_state(net: Network, port: int, tmp_path: Path) -> None:
    """Fails when a wrong password is something to try again later."""

    def said(url: str) -> tuple[int, str, str]:
        status, code, text = refused(Inside(url, tmp_path), "members", "list")
        assert "Das ging so nicht" in text
        assert "SCHWERWIEGEND" not in text
        assert "LOCATION" not in text
        return status, code, text

    status, code, text = said(place(port, password="wr0ng"))
    assert (status, code) == (6, "cannot_open")
    assert "~/.pgpass" in text
    status, code, text = said(place(port, database="music"))
    assert (status, code) == (6, "cannot_open")
    assert f"createdb -h 127.0.0.1 -p {port} -U clerk music" in text
    with net.admin() as admin:
        for change, back, hint in (
            ("ALTER ROLE clerk NOLOGIN", "ALTER ROLE clerk LOGIN", "LOGIN"),
            (
                "ALTER DATABASE streamctl OWNER TO postgres; REVOKE CONNECT ON DATABASE streamctl FROM public",
                "GRANT CONNECT ON DATABASE streamctl TO public; ALTER DATABASE streamctl OWNER TO clerk",
                "GRANT CONNECT",
            ),
        ):
            admin.execute(change)
            try:
                status, code, text = said(place(port))
            finally:
                admin.execute(back)
            assert (status, code) == (6, "cannot_open")
            assert hint in text


def test_a_server_that_is_full_is_worth_another_try(net: Network, port: int, tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            try:
                stack.enter_context(psycopg.connect(place(net.port)))
            except psycopg.OperationalError:
                break
        assert refused(Inside(place(port), tmp_path), "members", "list")[:2] == (5, "unreachable")


def test_what_a_statement_meets_is_told_by_its_state(net: Network, books: Inside) -> None:
    assert refused(books, "members", "add", "BOB@example.com")[:2] == (4, "duplicate_email")
    assert refused(books, "invoices", "create", 99)[:2] == (3, "not_found")
    books.ok("stream", "checkin", 1, "--ref", "k")
    assert books.ok("stream", "checkin", 1, "--ref", "k")["replayed"] is True
    with net.admin() as admin:
        admin.execute("BEGIN; LOCK TABLE stream")
        assert refused(books, "--timeout", 0.3, "stream", "checkin", 1)[:2] == (5, "busy")
        admin.execute("ROLLBACK; REVOKE ALL ON stream FROM clerk; ALTER TABLE stream OWNER TO postgres")
        assert refused(books, "stream", "checkin", 1)[:2] == (6, "not_allowed")
        admin.execute("GRANT ALL ON stream TO clerk; ALTER ROLE clerk SET default_transaction_read_only = on")
        assert refused(books, "stream", "checkin", 1)[:2] == (6, "read_only")
        admin.execute("ALTER ROLE clerk RESET ALL; DROP TABLE stream CASCADE")
        assert refused(books, "stream", "list")[:2] == (6, "damaged")


def test_the_row_that_a_copy_refuses_is_named(books: Inside) -> None:
    books.ok("members", "add", "ann@example.com")
    books.ok("members", "add", "cleo@example.com")
    dump = books("db", "dump").out
    file = books.home / "dump.json"
    with network() as other, speaking_german(other) as port:
        empty = Inside(place(port), books.home)
        empty.ok("db", "init", "--timezone", "UTC")
        for good, bad, said in (
            ("cleo@", "ann@", "user 3 breaks the rule user.email_key: id 3, email 'ann@example.com'"),
            ('"ACT"', '"XXX"', "membership 1 breaks the rule state: id 1"),
        ):
            file.write_text(dump.replace(good, bad))
            status, _, text = refused(empty, "db", "load", file)
            assert status == 4
            assert said in text
