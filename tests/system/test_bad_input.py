"""What can't be read: one clear line, a hint, the documented status, and nothing changed."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program import Program

from streamctl.cli.boundary import run

LONG = "x" * 10_000


class Said(NamedTuple):
    """What one command said."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]
Refuse = Callable[..., str]


IN_PROCESS = True  # a process for each of its many commands would say no more


@pytest.fixture
def inside(program: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process, on the program's database."""
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STREAMCTL_FORMAT", raising=False)
    monkeypatch.chdir(program.home)

    def command(*words: object, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        status = run([str(word) for word in words])
        return Said(status, *capsys.readouterr())

    return command


@pytest.fixture
def refuse(member: Program, inside: Command, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Give a command that must be refused, for a person and for a program; the message and the hint."""
    for words in (("invoices", "create", 1, "--amount", 5), ("stream", "checkin", 1, "--ref", "k")):
        assert inside(*words).status == 0
    before = member.books()

    def command(*words: object, status: int | tuple[int, ...] = 2, stdin: bytes = b"") -> str:
        allowed = (status,) if isinstance(status, int) else status
        plain = inside(*words, stdin=stdin)
        assert (plain.status in allowed, plain.out) == (True, ""), (words, plain)
        assert re.fullmatch(r"Error: [^\n]+\n(Hint: [^\n]+\n)?", plain.err), plain.err
        assert "Traceback" not in plain.err
        assert "unexpected" not in plain.err
        if any(str(word).startswith("--format") for word in words):
            return plain.err  # which is then the format that errors would have, too
        with monkeypatch.context() as patch:
            patch.setenv("STREAMCTL_FORMAT", "json")
            answer = inside(*words, stdin=stdin)
        assert (answer.status, answer.out, answer.err.count("\n")) == (plain.status, "", 1), answer.err
        error = json.loads(answer.err)["error"]
        assert list(error) == ["code", "message", "hint", "details"]
        assert plain.err.startswith("Error: ")
        assert error["message"]
        assert isinstance(error["details"], dict)
        assert error["hint"] is None or error["hint"]
        assert member.books() == before, "nothing is changed"
        return plain.err

    return command


AMOUNTS = ["-3", "1e3", "nan", "NaN", "inf", "9.999", "1_0", "", " ", "٣", "３", "9,90", "1,000.00", "+1", ".5", "5."]  # noqa: RUF001
TOO_MUCH = ["1000000000", "999999999.999", "99999999999999999999", "9" * 400, "1" + "0" * 4999, "9" * 10_000]
AMOUNT_OF = (
    ("invoices", "create", 1, "--extra", "--date=2026-01-01", "--amount="),
    ("invoices", "update", 1, "--amount="),
    ("lines", "add", 1, "--amount="),
    ("lines", "add", 1, "--discount="),
    ("lines", "update", 1, "--amount="),
    ("members", "add", "a@b", "--fee="),
    ("members", "update", 1, "--fee="),
)


@pytest.mark.parametrize("option", AMOUNT_OF, ids=lambda words: " ".join(map(str, (words[0], words[1], words[-1]))))
def test_an_amount_is_digits_and_one_point(refuse: Refuse, option: tuple[object, ...]) -> None:
    too_much = TOO_MUCH[1:] if option[:2] == ("invoices", "update") else TOO_MUCH  # a total may be more than a line
    for typed in [*AMOUNTS, *too_much, "0x10", "1 000", "5 USD", "1\n", "\u0661.00"]:
        said = refuse(*option[:-1], f"{option[-1]}{typed}")
        assert len(said) < 400, "a value that is long is not repeated in full"


def test_filters_and_settings_read_amounts_alike(refuse: Refuse) -> None:
    for typed in AMOUNTS:
        refuse("invoices", "list", f"--min={typed}")
        refuse("invoices", "list", f"--max={typed}")
        refuse("db", "set", "--", "checkin_amount", typed)


DAYS = "2026-02-30 2026-13-01 2026-1-1 20261122 2025-W01-1 2026-11-22T00:00:00Z 1999-12-31 3000-01-01 22.11.2026 soon"


def test_a_date_is_a_day_there_is(refuse: Refuse) -> None:
    for typed in [*DAYS.split(), "", " 2026-11-22", "2026-11-22\n", "２０２６-11-22", "0000-00-00", "9999-12-31", LONG]:  # noqa: RUF001
        refuse("invoices", "create", 1, f"--date={typed}")
        refuse("invoices", "list", f"--from={typed}")
        refuse("members", "update", 1, f"--end={typed}")
        assert "2026-11-22" in refuse("invoices", "pay", 1, f"--on={typed}"), "it says how a date is written"


def test_a_day_beyond_the_years_is_refused_however_it_is_named(refuse: Refuse) -> None:
    for clock, day in (("2999-12-31T12:00:00Z", "tomorrow"), ("2000-01-01T12:00:00Z", "yesterday")):
        refuse("--as-of", clock, "invoices", "create", 1, "--date", day)
        refuse("--as-of", clock, "members", "add", "a@b", "--start", day)
    refuse("--as-of", "2999-12-31", "members", "add", "a@b", "--months", "1")
    refuse("--as-of", "2999-12-31", "members", "renew", 1)
    refuse("--as-of", "2999-12-31", "invoices", "list", "--month", "next")
    refuse("--as-of", "2000-01-01", "invoices", "list", "--month", "last")


def test_the_first_moment_of_the_years_is_a_day_in_every_zone(member: Program, inside: Command) -> None:
    assert inside("db", "set", "timezone", "America/New_York").status == 0
    before = member.books()
    early = inside("--as-of", "2000-01-01T00:00:00Z", "invoices", "create", 1)
    assert early.status == 2, "in New York that is still 1999"
    assert member.books() == before


def test_months_numbers_durations_and_clocks_are_read_strictly(refuse: Refuse) -> None:
    for typed in ("2026", "2026-13", "2026-00", "2026-11-01", "11-2026", "november", "", "1999-12", "3000-01", LONG):
        assert "2026-11" in refuse("invoices", "list", f"--month={typed}")
    for typed in ("", "0s", "90", "s", "-1h", "1.5h", "1w", "1h30m", "99999999999s", "3651d", "٣h", "1 h", LONG):
        assert "30m" in refuse("stream", "checkin", 1, f"--lease={typed}")
    for typed in ("-1", "1201", "1.0", "", "x", "٣", "1_0", "9" * 5000):
        refuse("members", "update", 1, f"--credits={typed}")
        refuse("members", "renew", 1, f"--months={typed}")
        refuse("members", "list", f"--limit=x{typed}")
    for typed in ("", "x", "2026-11-22T20:15:03", "2026-11-22T25:00:00Z", "2026-02-30", "tomorrow", "1999-12-31", LONG):
        if typed:
            refuse("--as-of", typed, "members", "list")
    for typed in ("", "x", "-1", "nan", "inf", "1e3", "86401", "٣", LONG):
        refuse(f"--timeout={typed}", "members", "list")


def test_an_email_has_one_at_and_no_blank(refuse: Refuse) -> None:
    for typed in ("", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a\tb@c", "a@b\n", "\x01@b", "a\u00a0@b", LONG):
        refuse("members", "add", "--", typed)
        refuse("members", "update", 1, f"--email={typed}")
    refuse("members", "add", "x" * 250 + "@x.yz")
    assert "member 1" in refuse("members", "add", "BOB@example.com", status=4)


def test_an_id_that_is_not_there_is_not_found_however_large(refuse: Refuse) -> None:
    for number in ("0", "99", "9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 40):
        for words in (
            ("members", "show"),
            ("members", "update", "--name=x"),
            ("invoices", "show"),
            ("invoices", "update", "--amount=1"),
            ("invoices", "pay"),
            ("invoices", "delete", "--yes"),
            ("lines", "show"),
            ("lines", "add", "--amount=1"),
            ("lines", "list", "--invoice"),
            ("lines", "update", "1", "--invoice"),
            ("invoices", "list", "--member"),
            ("stream", "checkin", "--ref=new"),
            ("stream", "checkout"),
            ("stream", "checkout", "1", "--stream"),
        ):
            assert number in refuse(*words, number, status=3)
    for number in ("x", "-1", "1.0", "1e0", "0x1", "٣", "１", "", " 1", "1_0"):  # noqa: RUF001
        refuse("invoices", "show", "--", number)
        refuse("invoices", "pay", "--", number)
        refuse("lines", "delete", "--yes", "--", "1", number)
        refuse("stream", "checkout", "1", f"--stream={number}")
    refuse("invoices", "pay", 1, 99, 98, status=3)


def test_no_column_or_order_but_the_known_ones(refuse: Refuse) -> None:
    for typed in ("nope", "", ",", "id,", "id,,user", "+", "+nope", "1", "id;drop table user", "Invoice.id", "*", LONG):
        refuse("invoices", "list", f"--columns={typed}")
    for typed in ("nope", "", "-", ",", "id,", "--id", "id desc", "1", "random()", LONG):
        refuse("invoices", "list", f"--sort={typed}")
    assert "amount" in refuse("invoices", "list", "--columns", "amuont")
    assert "amount" in refuse("invoices", "list", "--sort", "-amout")
    for typed in ("paid!", "", "OPEN"):
        refuse("invoices", "list", f"--status={typed}")
        refuse("lines", "list", f"--kind={typed}")
        refuse("members", "list", f"--state={typed}")
        refuse("members", "list", f"--format=x{typed}")


def test_text_is_bounded_and_a_key_is_something(refuse: Refuse) -> None:
    for length in (256, 10_000):
        text = "é" * length
        refuse("members", "update", 1, f"--name={text}")
        refuse("invoices", "create", 1, f"--description={text}")
        refuse("invoices", "pay", 1, f"--note={text}")
        refuse("lines", "add", 1, "--amount=1", f"--description={text}")
        refuse("lines", "add", 1, "--amount=1", f"--key={text}")
        refuse("stream", "checkin", 1, f"--device={text}")
        refuse("stream", "checkin", 1, f"--ref={text}")
        refuse("members", "show", text, status=(2, 3))
        refuse("members", "list", f"--email={text}")
        refuse("db", "set", "timezone", text)
        refuse("db", "set", "number_format", text)
        refuse("db", "set", text, "x")
    refuse("db", "load", LONG)
    refuse("members", "list", "--output", LONG)
    refuse("--db", LONG, "members", "list", status=6)
    for key in ("", " ", "fee:1:2026-11"):
        refuse("stream", "checkin", 1, f"--ref={key}")
        refuse("lines", "add", 1, "--amount=1", f"--key={key}")


def test_broken_characters_are_refused_wherever_they_are_typed(refuse: Refuse, inside: Command) -> None:
    for text in ("\udcff", "a\udc80b", "\ud800"):
        for words in (
            ("members", "add", f"{text}@b"),
            ("members", "update", 1, f"--name={text}"),
            ("invoices", "create", 1, f"--description={text}"),
            ("lines", "add", 1, "--amount=1", f"--key={text}"),
            ("stream", "checkin", 1, f"--device={text}"),
            ("stream", "checkin", 1, f"--ref={text}"),
            ("members", "list", f"--email={text}"),
            ("members", "list", f"--columns={text}"),
            ("members", "list", f"--format={text}"),
            ("invoices", "show", text),
            ("db", "set", "timezone", text),
            ("db", "set", "number_format", f"{{seq}}{text}"),
            (text,),
            ("members", text),
            ("members", "list", f"--{text}"),
        ):
            refuse(*words)
        refuse("members", "show", text, status=(2, 3))


def test_standard_input_is_read_as_strictly(refuse: Refuse) -> None:
    for stdin in (b"1\x00\n", b"1\nx\n", b"1\n\xff\n", b"1\n-2\n", b"1" * 2000, b"1 2\n", b"1,2\n"):
        refuse("invoices", "pay", "-", stdin=stdin, status=(2, 4))
    for stdin in (b"", b"\n\n"):
        refuse("invoices", "pay", "-", stdin=stdin)
    refuse("invoices", "pay", "-", stdin=b"1\n99\n", status=3)
    refuse("members", "cancel", "-", stdin=b"1\nbob\x00\n", status=(2, 4))


def test_broken_bytes_of_a_real_command_line_are_refused(member: Program) -> None:
    before = member.books()
    for words in (("members", "update", "1", "--name", "\udcff\udcfe"), ("members", "add", "\udce9@example.com")):
        answer = member(*words)
        assert (answer.status, answer.out) == (2, "")
        assert answer.err.startswith("Error: ")
        assert "Traceback" not in answer.err
    assert member.books() == before


def test_a_slip_is_met_with_what_was_meant(refuse: Refuse) -> None:
    assert "Did you mean invoices?" in refuse("invoces", "list")
    assert "Did you mean list?" in refuse("invoices", "lst")
    assert "--columns" in refuse("members", "list", "--colums", "id")
    assert "bob@example.com" in refuse("members", "show", "bob@exmaple.com", status=3)
    assert "bob@example.com" in refuse("stream", "checkin", "bobb@example.com", status=3)
    assert "email" in refuse("members", "list", "--columns", "emial")
    assert "currency" in refuse("db", "set", "curency", "EUR")
    assert "--as-of goes before the group: streamctl --as-of 2026-01-01 members list" in refuse(
        "members", "list", "--as-of", "2026-01-01"
    )


def test_usage_errors_are_json_too(member: Program) -> None:
    for words in (("members", "list", "--bogus"), ("members", "lst"), ("invoices", "show"), ("invoices", "show", "x")):
        error = member.refused(*words)
        assert (error["status"], error["code"]) == (2, "usage"), words
        assert {"code", "message", "hint", "details"} <= error.keys()
    assert member.refused("members", "show", 9)["code"] == "not_found"
    lines = member("members", "show", 9, "--format=jsonl").err
    assert json.loads(lines)["error"]["details"] == {"what": "member", "missing": ["9"]}
    for words in ((), ("members",)):
        bare = member(*words)
        assert (bare.status, bare.out) == (2, "")
        assert "Usage: streamctl" in bare.err


def test_a_bad_environment_is_named(member: Program) -> None:
    clock = member.at("yesterday")("members", "list")
    assert (clock.status, clock.out) == (2, "")
    assert "STREAMCTL_AS_OF" in clock.err
    format = member("members", "list", STREAMCTL_FORMAT="yaml")
    assert (format.status, format.out) == (2, "")
    assert "STREAMCTL_FORMAT" in format.err
    before = member.books()
    assert member("stream", "checkin", 1, STREAMCTL_FORMAT="yaml").status == 2
    assert member.books() == before


def test_the_secret_of_a_url_is_never_repeated(program: Program) -> None:
    for url in ("postgresql://u:s3cret@localhost:1/x", "postgres://u:s3cret@localhost:1/x", "postgresql://u:s3cret@"):
        for more in ((), ("--debug",)):
            answer = program("--db", url, *more, "members", "list")
            assert answer.status != 0
            assert "s3cret" not in answer.out + answer.err
            assert more or "Traceback" not in answer.err


TEMPLATES = (
    ("members", "list", "--columns={}"),
    ("members", "list", "--sort={}"),
    ("members", "list", "--limit={}"),
    ("members", "list", "--email={}"),
    ("members", "show", "--", "{}"),
    ("members", "add", "--dry-run", "--", "{}"),
    ("members", "update", "1", "--dry-run", "--name={}"),
    ("members", "update", "1", "--dry-run", "--fee={}"),
    ("members", "renew", "1", "--dry-run", "--until={}"),
    ("invoices", "create", "1", "--dry-run", "--date={}"),
    ("invoices", "create", "1", "--dry-run", "--description={}"),
    ("invoices", "list", "--month={}"),
    ("invoices", "list", "--min={}"),
    ("invoices", "show", "--", "{}"),
    ("lines", "list", "--invoice={}"),
    ("stream", "checkin", "1", "--dry-run", "--ref={}"),
    ("stream", "checkin", "1", "--dry-run", "--lease={}"),
    ("db", "set", "--dry-run", "--", "timezone", "{}"),
    ("db", "set", "--dry-run", "--", "number_format", "{}"),
    ("db", "set", "--dry-run", "--", "{}", "1"),
    ("--as-of={}", "members", "list"),
    ("--timeout={}", "members", "list"),
)
likely = st.sampled_from(
    ["2026-11-22", "9.90", "1", "90s", "UTC", "{seq}", "{month.x}", "{seq!z}", "id", "../x", "a/b"]
)
typed = st.one_of(st.text(st.characters(exclude_characters="\0"), max_size=40), likely, st.from_regex(r"[0-9.:TZ+-]+"))


@settings(deadline=None, database=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(template=st.sampled_from(TEMPLATES), value=typed)
def test_whatever_is_typed_the_status_is_a_documented_one(
    member: Program, inside: Command, template: tuple[str, ...], value: str
) -> None:
    answer = inside(*(word.replace("{}", value) for word in template))
    assert answer.status in (0, 2, 3, 4), answer.err
    if answer.status:
        assert answer.out == ""
        assert re.fullmatch(r"Error: [^\n]+\n(Hint: [^\n]+\n)?", answer.err), answer.err
    assert "Traceback" not in answer.err
    assert member.sql("SELECT COUNT(*) FROM user") == [(1,)]
