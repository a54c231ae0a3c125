"""What flags and environment say: where the database is, and what time it is."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time
from program import Program
from streams import inside

from streamctl.errors import UsageError
from streamctl.settings import Settings

BERLIN = ZoneInfo("Europe/Berlin")


@freeze_time("2026-11-22T20:15:03.999999Z")
def test_the_clock_is_read_to_the_second() -> None:
    assert Settings().now(BERLIN) == datetime(2026, 11, 22, 20, 15, 3, tzinfo=UTC)


@freeze_time("2026-11-22T20:15:03Z")
def test_as_of_stands_for_the_clock() -> None:
    instant = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert Settings(as_of=instant).now(BERLIN) == instant


def test_a_day_begins_at_its_midnight_in_the_databases_zone() -> None:
    assert Settings(as_of=date(2026, 7, 1)).now(BERLIN) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert Settings(as_of=date(2026, 12, 1)).now(BERLIN) == datetime(2026, 11, 30, 23, tzinfo=UTC)
    # Midnight is skipped there on that day: it begins at one o'clock.
    assert Settings(as_of=date(2018, 11, 4)).now(ZoneInfo("America/Sao_Paulo")) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_the_frozen_clock_reaches_every_row(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when anything below the command line reads a clock of its own. A server's would be refused: it runs on."""
    if program.engine == "postgresql":
        from streamctl.store.postgres import PostgresStore

        monkeypatch.setattr(PostgresStore, "check_clock", lambda store: None)
    program = inside(program.at(None))
    with freeze_time("2031-01-31T23:59:59Z"):
        program.ok("members", "add", "bob@example.com")
        program.ok("stream", "checkin", 1, "--ref", "k")
    with freeze_time("2031-02-01T00:00:00Z"):
        program.ok("stream", "checkout", 1, "--ref", "k")
    assert program.sql("SELECT created_at FROM user") == [("2031-01-31T23:59:59Z",)]
    assert program.sql("SELECT opened_at, closed_at FROM stream") == [("2031-01-31T23:59:59Z", "2031-02-01T00:00:00Z")]
    assert program.sql("SELECT month FROM invoice ORDER BY id") == [("2031-01",), ("2031-02",)]
    assert program.sql("SELECT end_date FROM membership") == [("2031-02-28",)]
    assert {at[:4] for (at,) in program.sql("SELECT at FROM request")} == {"2031"}


def test_a_url_is_a_server_and_anything_else_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("postgresql://ada:secret@example.com/books", "postgres://localhost", "postgresql://"):
        assert Settings(db=url).place() == url
    for name in ("books.db", "postgresql", "./postgresql://x"):
        assert Settings(db=name).place() == tmp_path / name
    with pytest.raises(UsageError) as refused:
        Settings(db="mysql://ada:secret@example.com/books").place()
    assert "secret" not in refused.value.message + refused.value.hint
