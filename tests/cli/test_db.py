"""`streamctl db`: init, info, set, migrate, dump."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import tzlocal
from inside import Inside
from program import Program
from versions import to_the_first

from streamctl.store.database import SCHEMA

INFO = (
    "path engine engine_version migrations schema bytes members memberships invoices lines streams open_streams "
    "currency timezone checkin_amount checkout_amount payment_days number_format lease "
    "seller_name seller_address seller_email seller_tax_id seller_note"
).split()


IN_PROCESS = True  # a process for each of its many commands would say no more


def test_init_makes_an_empty_database_and_again_is_a_no_op(nothing: Program) -> None:
    made = nothing.ok("db", "init", "--timezone", "Europe/Berlin", "--currency", "eur")
    assert made == {"path": str(nothing.db), "created": True, "currency": "EUR", "timezone": "Europe/Berlin"}
    nothing.ok("members", "add", "bob@example.com")
    before = nothing.books()
    assert nothing.ok("db", "init") == {**made, "created": False}
    assert nothing.ok("db", "init", "--currency", "EUR", "--timezone", "Europe/Berlin")["created"] is False
    assert nothing.books() == before
    other = nothing.refused("db", "init", "--currency", "USD")
    assert (other["status"], other["code"]) == (4, "database_exists")
    assert "db set currency USD" in other["hint"]
    assert nothing.refused("db", "init", "--timezone", "UTC")["status"] == 4


def test_init_refuses_what_it_cannot_keep_and_makes_nothing(nothing: Program) -> None:
    for words in (("--currency", "XXX"), ("--currency", ""), ("--timezone", "Mars/Base"), ("--timezone", "../UTC")):
        refused = nothing("db", "init", *words)
        assert (refused.status, refused.out) == (2, ""), refused.err
        assert nothing.books() == {}


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "EST5EDT", ":Asia/Kolkata"])
def test_init_takes_the_machines_own_time_zone(nothing: Program, zone: str) -> None:
    made = Program(nothing.db, nothing.home)("db", "init", "--format", "json", TZ=zone)
    assert (made.json["timezone"], made.err) == (zone.removeprefix(":"), "")
    assert nothing.ok("db", "info")["timezone"] == zone.removeprefix(":")


@pytest.mark.parametrize(
    "zone",
    ["Nowhere/Foo", "CET-1CEST", "EST5EDT,M3.2.0,M11.1.0", "UTC0", "localtime", "right/UTC", "/etc/passwd"],
)
def test_a_time_zone_without_a_name_is_refused_and_nothing_is_made(nothing: Program, zone: str) -> None:
    """Catches UTC, in silence, on a machine that is told to be elsewhere."""
    refused = nothing("db", "init", TZ=zone)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith(f"Error: TZ, which is '{zone}', tells no IANA time zone.\nHint: Name it with: ")
    assert refused.err.endswith("db init --timezone Europe/Berlin\n")
    assert nothing.books() == {}
    assert nothing("db", "init", "--timezone", "Asia/Kolkata", TZ=zone).status == 0
    assert nothing("db", "init", TZ=zone).status == 0, "it is there, whatever the machine says"


def test_the_file_of_a_time_zone_has_its_name(nothing: Program) -> None:
    zones = nothing.home / "share" / "zoneinfo"
    (zones / "Asia").mkdir(parents=True)
    (zones / "Asia" / "Kolkata").write_bytes(b"")
    (nothing.home / "here").symlink_to(zones / "Asia" / "Kolkata")
    made = nothing("db", "init", "--format", "json", TZ=str(nothing.home / "here"))
    assert made.json["timezone"] == "Asia/Kolkata"


def test_a_machine_that_tells_no_time_zone_gets_utc_and_a_note(
    nothing: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: None)
    made = nothing("db", "init")
    assert made.status == 0
    assert made.out.endswith("\tUTC\n")
    assert made.err.startswith("Note: This machine tells no time zone, so it is UTC; change it for instance with: ")
    _, *words = shlex.split(made.err.partition(" with: ")[2])
    assert nothing(*words).status == 0
    assert nothing.ok("db", "info")["timezone"] == "Europe/Berlin"
    assert nothing("db", "init").err == ""

    def conflicting() -> None:
        raise LookupError("Multiple conflicting time zone configurations found")

    monkeypatch.setattr(tzlocal, "get_localzone_name", conflicting)
    elsewhere = Inside(nothing.home / "other.db", nothing.home)
    refused = elsewhere("db", "init")
    assert (refused.status, elsewhere.books()) == (2, {})
    assert "The machine's configuration tells no IANA time zone." in refused.err


@pytest.mark.sqlite("a log that is left of a file")
def test_a_new_database_takes_nothing_from_one_that_stood_there_before(member: Program) -> None:
    import sqlite3

    reader = sqlite3.connect(member.db)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM user").fetchall()
    member.ok("members", "update", 1, "--name", "Ghost")
    left = member.db.with_name(f"{member.db.name}-wal").read_bytes()
    reader.close()
    member.db.unlink()
    member.db.with_name(f"{member.db.name}-wal").write_bytes(left)  # as `rm streamctl.db` after a crash leaves it
    again = member("db", "init", "--timezone", "UTC")
    if again.status == 0:
        assert member.ok("members", "list") == []
        assert member.ok("db", "check") == []
    else:
        assert again.status in (4, 6)
        assert "-wal" in again.err
        assert not member.db.exists()


def size(program: Program) -> int:
    """The bytes of the file, or of a server's tables with their indexes."""
    if isinstance(program.db, Path):
        return program.db.stat().st_size
    tables = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    return sum(size for (size,) in program.sql(f"SELECT pg_total_relation_size(oid) FROM ({tables}) AS ours"))


def test_info_says_where_and_how_much(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    found = member.ok("db", "info")
    assert list(found) == INFO
    assert (found["path"], found["engine"]) == (str(member.db), member.engine)
    assert found["bytes"] == size(member)
    counts = ("members", "memberships", "invoices", "lines", "streams", "open_streams")
    assert {found[name] for name in counts} == {1}
    assert found["schema"] == SCHEMA
    assert (found["currency"], found["timezone"], found["payment_days"]) == ("USD", "UTC", "14")


def test_every_setting_can_be_set_and_is_used(program: Program) -> None:
    for key, value, stored in (
        ("timezone", "America/New_York", "America/New_York"),
        ("checkin_amount", "2.5", "2.5"),
        ("checkout_amount", "0.75", "0.75"),
        ("payment_days", "030", "30"),
        ("number_format", "INV-{month}-{seq:04}", "INV-{month}-{seq:04}"),
        ("currency", "eur", "EUR"),
        ("seller_name", "Northlight", "Northlight"),
        ("seller_address", "1 Harbour Road;Dublin", "1 Harbour Road; Dublin"),
        ("seller_email", "billing@northlight.example", "billing@northlight.example"),
        ("seller_tax_id", "IE 1234567X", "IE 1234567X"),
        ("seller_note", "Pay soon", "Pay soon"),
        ("seller_note", "", ""),
    ):
        assert program.ok("db", "set", key, value) == {"key": key, "value": stored, "changed": True}
        assert program.ok("db", "info")[key] == stored
    rehearsed = program.ok("db", "set", "payment_days", "1", "--dry-run")
    assert rehearsed == {"key": "payment_days", "value": "1", "changed": True, "dry_run": True}
    assert program.ok("db", "info")["payment_days"] == "30"
    late = program.at("2026-12-01T03:00:00Z")
    late.ok("members", "add", "a@b", "--credits", 2)
    late.ok("stream", "checkin", 1)
    late.ok("stream", "checkout", 1)
    (invoice,) = late.ok("invoices", "list")
    assert (invoice["month"], invoice["amount"]) == ("2026-11", 3.25), "still November in New York"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("timezone", ["Mars/Base", "", "Europe", "../UTC", "/etc/localtime", "utc+1"]),
        ("checkin_amount", ["1.005", "1e0", "nan", "", "1000000000"]),
        ("checkout_amount", ["1-", "1,5"]),
        ("payment_days", ["1000", "1.5", "", "x"]),
        ("number_format", ["", "x", "{month}", "{seq", "{}{}", "{seq.x}", "{other}{seq}", "{seq:d}" * 20]),
        ("currency", ["XXX", "", "EURO", "€"]),
        ("seller_email", ["x", "a@b@c", " "]),
        ("seller_name", ["x" * 256]),
        ("nope", ["1"]),
    ],
)
def test_a_setting_that_cannot_be_is_refused(program: Program, key: str, values: list[str]) -> None:
    for value in values:
        assert program.refused("db", "set", key, value)["status"] == 2, value


def test_an_amount_is_stored_without_exponent(program: Program) -> None:
    stored = program.ok("db", "set", "checkin_amount", "0.000000")["value"]
    assert "E" not in stored
    assert float(stored) == 0


def test_the_currency_is_fixed_once_there_are_amounts(program: Program) -> None:
    assert program.ok("db", "set", "currency", "KWD")["value"] == "KWD"
    assert program.ok("db", "set", "currency", "USD")["value"] == "USD"
    program.ok("db", "set", "checkin_amount", "1.50")
    assert program.refused("db", "set", "currency", "JPY")["status"] == 2, "half a yen can't be charged"
    program.ok("members", "add", "a@b", "--fee", "9.90")
    fee = program.refused("db", "set", "currency", "EUR")
    assert (fee["status"], fee["code"], fee["details"]) == (4, "setting_fixed", {"currency": "USD"})
    program.ok("members", "update", 1, "--fee", "0")
    assert program.ok("db", "set", "currency", "EUR")["value"] == "EUR"
    program.ok("invoices", "create", 1, "--amount", "1")
    assert program.refused("db", "set", "currency", "USD")["code"] == "setting_fixed"
    assert program.ok("db", "set", "currency", "EUR")["value"] == "EUR", "what it is already it may be set to"


def test_migrate_has_nothing_to_do_where_all_is_of_today(member: Program, elsewhere: Callable[[], Program]) -> None:
    before = member.books()
    assert member.ok("db", "migrate") == {"path": str(member.db), "schema": SCHEMA, "applied": ""}
    assert member.books() == before
    assert elsewhere().refused("db", "migrate")["code"] == "no_database"


@pytest.mark.sqlite("a file's header says its schema besides the history")
def test_migrate_finds_out_how_far_it_came_from_the_history(member: Program) -> None:
    before = member.books()
    member.sql("PRAGMA user_version = 0")
    assert member("members", "list").status == 6
    assert member.ok("db", "migrate") == {"path": str(member.db), "schema": SCHEMA, "applied": ""}
    assert member.ok("members", "show", 1)["email"] == "bob@example.com"
    assert member.books() == before


DDL = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master ORDER BY type, name",
    "postgresql": """
        WITH ours AS (SELECT oid, relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
        SELECT relname, conname, pg_get_constraintdef(c.oid) FROM ours JOIN pg_constraint c ON c.conrelid = ours.oid
        UNION ALL
        SELECT relname, tgname, pg_get_triggerdef(t.oid) FROM ours JOIN pg_trigger t ON tgrelid = ours.oid
        WHERE NOT tgisinternal
        UNION ALL SELECT '', proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
        UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
        UNION ALL SELECT table_name, column_name, data_type || is_nullable || is_identity
        FROM information_schema.columns WHERE table_schema = current_schema()
        ORDER BY 1, 2, 3
    """,
}


def test_a_database_of_the_first_schema_is_brought_up_to_todays_with_its_books(member: Program) -> None:
    ddl = DDL[member.engine]
    today, before = member.sql(ddl), member.books()
    to_the_first(member)
    assert member.refused("members", "list")["code"] == "schema_old"
    assert member.ok("db", "migrate")["applied"] == "0002_month_end 0003_journal 0004_one_shape"
    assert member.sql(ddl) == today
    history = {"schema_migration", "sqlite_sequence", "journal", "journal_row", "journal_person"}
    assert {n: r for n, r in member.books().items() if n not in history} == {
        n: r for n, r in before.items() if n not in history
    }


def test_a_seller_is_in_the_dump_and_in_what_is_loaded_from_it(
    program: Program, elsewhere: Callable[[], Program]
) -> None:
    program.ok("db", "set", "seller_name", "Zoë & Söhne")
    other = elsewhere()
    other.ok("db", "init", "--timezone", "UTC")
    other.sql("DELETE FROM setting WHERE key LIKE 'seller%'")  # as in a database that is older than these
    assert other.ok("db", "info")["seller_name"] == ""
    other.ok("db", "load", "-", stdin=program("db", "dump").out)
    assert other.ok("db", "info")["seller_name"] == "Zoë & Söhne"


def test_a_dump_is_one_json_document_with_every_table(member: Program) -> None:
    member.ok("stream", "checkin", 1, "--ref", "k")
    said = member("db", "dump")
    assert (said.status, said.err) == (0, "")
    document = json.loads(said.out)
    assert document["schema"] == SCHEMA
    books = member.books()
    for name in ("user", "membership", "invoice", "invoice_line", "stream", "request", "setting"):
        table = document["tables"][name]
        assert [tuple(row) for row in table["rows"]] == sorted(books[name])
    kept = member.home / "dump.json"
    assert member("db", "dump", "--output", kept) == dataclasses.replace(said, out="")
    assert kept.read_text() == said.out
