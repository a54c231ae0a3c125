"""The way to a server: passwords that nobody sees, TLS, several hosts, and every reason for not getting there."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from inside import Inside
from network import MOST, PASSWORD, Network, network, tls
from program import Answer, Program

SECRET = quote(PASSWORD, safe="")
WAYS = ("", "--debug")


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with network() as found:
        admin = Inside(url(found), found.folder)
        admin.ok("db", "init", "--timezone", "UTC")
        yield found


def url(net: Network, *, who: str = "clerk", password: str | None = SECRET, host: str = "", more: str = "") -> str:
    secret = "" if password is None else f":{password}"
    return f"postgresql://{who}{secret}@{host or f'127.0.0.1:{net.port}'}/streamctl{more}"


def at(place: str, home: Path, *words: str, **environment: str) -> Answer:
    """Run the program there, and see that what it says has no password in it."""
    for way in WAYS:
        answer = Inside(place, home)(*([way] if way else []), *words, **environment)
        said = answer.out + answer.err
        assert not [word for word in (PASSWORD, SECRET, "s3/cr", "s3%2F", "wr0ng", "0ng") if word in said], said
        if not way:
            assert "Traceback" not in said
            assert len(answer.err.splitlines()) <= 2, answer.err
            first = answer
    return first


def refused(place: str, home: Path, code: str, status: int, *words: str, **environment: str) -> str:
    """The same where it does not work; message and hint."""
    answer = at(place, home, *(words or ("members", "list")), "--format", "json", **environment)
    assert (answer.status, answer.out) == (status, ""), answer
    assert answer.error["code"] == code, answer
    for command in (("db", "init"), ("db", "info"), ("stream", "checkin", "1")):
        assert at(place, home, *command, **environment).status == status
    return f"{answer.error['message']} {answer.error['hint'] or ''}"


def test_a_password_is_taken_from_the_url_the_environment_or_a_file(net: Network, tmp_path: Path) -> None:
    info = ("db", "info", "--format", "json")
    silent = url(net, password=None)
    more = f"?application_name=x&passwor%64={SECRET}"
    for place in (url(net), url(net).replace("postgresql:", "postgres:"), url(net, password=None, more=more)):
        shown = at(place, tmp_path, *info)
        assert shown.json["path"] == silent + ("?application_name=x" if "?" in place else "")
    assert at(silent, tmp_path, *info).status == 6
    assert at(silent, tmp_path, *info, PGPASSWORD=PASSWORD).status == 0
    line = f"127.0.0.1:{net.port}:*:clerk:{PASSWORD}\n"
    for file, environment in (
        (tmp_path / ".pgpass", {}),
        (tmp_path / "other", {"PGPASSFILE": str(tmp_path / "other")}),
    ):
        file.write_text(line)
        file.chmod(0o600)
        assert at(silent, tmp_path, *info, **environment).status == 0
        file.unlink()


def test_a_url_that_is_mistyped_is_refused_without_a_word_of_it(net: Network, tmp_path: Path) -> None:
    places = [
        f"postgresql://clerk:s3%zz{SECRET}@127.0.0.1/streamctl",
        f"postgresql://clerk:{PASSWORD}@127.0.0.1/streamctl",
        "postgresql://clerk:s3/cr@127.0.0.1/streamctl",
        "postgresql://clerk:s3/cr@127.0.0.1@/streamctl",
        "postgresql://clerk:s3%00/cr@127.0.0.1/streamctl",
        "postgresql://clerk:12/wr0ng@127.0.0.1/streamctl",
        "postgresql://clerk:p@wr0ng@127.0.0.1/streamctl",
        "postgresql://clerk:s3/cr",
        "postgresql://clerk:wr0ng",
        url(net, more="?pasword=wr0ng"),
        url(net, more="?password=wr0ng&password"),
        url(net, more=f"?x={SECRET}"),
    ]
    for place in places:
        assert "can't be read" in refused(place, tmp_path, "bad_value", 2), place
    for place in (
        "postgresql:/clerk:wr0ng@host/x",
        "mysql://clerk:wr0ng@host/x",
        "host=x password=wr0ng",
        "PG://x:wr0ng",
    ):
        assert "postgresql://" in refused(place, tmp_path, "usage", 2)
    for option, value in (("sslmode", "never"), ("port", "99999"), ("connect_timeout", "soon")):
        assert value in refused(url(net, more=f"?{option}={value}"), tmp_path, "bad_value", 2)
    for words in ((url(net), "list"), ("members", url(net)), ("members", "list", url(net))):
        assert at(url(net), tmp_path, *words).status == 2


def test_who_may_not_in_is_told_why_and_what_mends_it(net: Network, tmp_path: Path) -> None:
    wrong = refused(url(net, password="wr0ng"), tmp_path, "cannot_open", 6)
    assert "password authentication failed" in wrong
    assert "~/.pgpass" in wrong
    assert "~/.pgpass" in refused(url(net, password=None), tmp_path, "cannot_open", 6)
    twice = refused(url(net, more="?password=wr0ng"), tmp_path, "cannot_open", 6)  # the last one counts
    assert "password authentication failed" in twice
    nowhere = refused(url(net).replace("/streamctl", "/music"), tmp_path, "cannot_open", 6)
    assert f"createdb -h 127.0.0.1 -p {net.port} -U clerk music" in nowhere
    nobody = refused(url(net, password="wr0ng").replace("clerk", "nobody"), tmp_path, "cannot_open", 6)
    assert "password authentication failed" in nobody  # which says no more than that
    with net.admin() as admin:
        admin.execute("ALTER ROLE clerk NOLOGIN")
        assert "LOGIN" in refused(url(net), tmp_path, "cannot_open", 6)
        admin.execute("ALTER ROLE clerk LOGIN")


def test_a_server_that_is_not_there_is_worth_another_try(net: Network, tmp_path: Path) -> None:
    for host in ("127.0.0.1:1", "nowhere.invalid", "127.0.0.1:1,127.0.0.1:2"):
        said = refused(url(net, host=host), tmp_path, "unreachable", 5)
        assert "can not be reached: " in said
        assert "connection failed" not in said


def test_a_server_that_is_full_is_worth_another_try(net: Network, tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            try:
                stack.enter_context(psycopg.connect(url(net)))
            except psycopg.OperationalError:
                break
        assert "connection" in refused(url(net), tmp_path, "unreachable", 5)


def test_a_server_that_ends_is_worth_another_try(tmp_path: Path) -> None:
    with network() as net:
        Inside(url(net), tmp_path).ok("db", "init")
        with net.admin():
            net.stop()  # it waits for us
            deadline = time.monotonic() + 10
            while "shutting down" not in at(url(net), tmp_path, "db", "info").err:
                assert time.monotonic() < deadline
            assert "shutting down" in refused(url(net), tmp_path, "unreachable", 5)


def test_the_next_of_several_hosts_is_taken_when_one_is_gone(net: Network, tmp_path: Path) -> None:
    both = f"127.0.0.1:1,127.0.0.1:{net.port}"
    place = url(net, host=both, more="?target_session_attrs=read-write")
    assert at(place, tmp_path, "db", "info", "--format", "json").json["path"] == url(
        net, password=None, host=both, more="?target_session_attrs=read-write"
    )
    with net.admin() as admin:
        admin.execute("ALTER ROLE clerk SET default_transaction_read_only = on")
        try:
            assert "read-only" in refused(place, tmp_path, "unreachable", 5)
        finally:
            admin.execute("ALTER ROLE clerk RESET default_transaction_read_only")


def test_tls_is_asked_for_as_the_url_says(net: Network, tmp_path: Path) -> None:
    assert "SSL" in refused(url(net, more="?sslmode=require"), tmp_path, "cannot_open", 6)
    with tls(net, tmp_path) as (port, certificate):

        def secured(**parameters: object) -> str:
            return url(net, host=f"127.0.0.1:{port}", more="?" + urlencode(parameters))

        for parameters in ({"sslmode": "require"}, {"sslmode": "verify-ca", "sslrootcert": certificate}):
            assert at(secured(**parameters), tmp_path, "stream", "checkin", "1").status == 3
        for root in (tmp_path / "none.pem", certificate):  # of whom we know nothing, and of another name
            distrusted = secured(sslmode="verify-full", sslrootcert=root)
            assert "sslrootcert" in refused(distrusted, tmp_path, "cannot_open", 6)


def test_a_database_that_can_not_keep_every_text_is_refused(net: Network, tmp_path: Path) -> None:
    with net.admin() as admin:
        admin.execute("CREATE DATABASE latin OWNER clerk TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    place = url(net).replace("/streamctl", "/latin")
    answer = at(place, tmp_path, "db", "init")
    assert answer.status == 6
    assert "LATIN1" in answer.err
    assert at(place, tmp_path, "members", "list").status == 6


def test_without_the_driver_a_server_is_refused_with_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from streamctl.cli.boundary import run\n"
        "sys.exit(run(['--db', 'postgresql://clerk:s3cret@host/x', 'members', 'list']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: A PostgreSQL server needs psycopg, which is not installed.\n"
        f"Hint: Install it with: {sys.executable} -m pip install 'psycopg[binary]>=3.2'\n"
    )


def test_a_file_costs_no_import_of_the_driver(tmp_path: Path) -> None:
    script = (
        "import sys; from streamctl.cli.boundary import run\n"
        "for words in sys.stdin: assert run(words.split()) == 0, words\n"
        "print([name for name in sys.modules if name.startswith('psycopg')])"
    )
    environment = Program(tmp_path / "x.db", tmp_path).environment
    words = "db init\nmembers add a@b.de\nstream checkin 1\nlines list\ninvoices generate\ndb check\n"
    done = subprocess.run(
        [sys.executable, "-c", script], input=words, capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.endswith("[]\n"), done
