"""`streamctl db load`: its own dump row for row, a Django fixture with its ids, and everything else refused whole."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from author import AUTHOR
from books import LOGS, dumped
from program import Program

COUNTS = "members memberships invoices lines streams requests adjusted zero_credits lifted merged ignored".split()


IN_PROCESS = True  # a process for each of its many commands would say no more


def user(pk: int, email: Any, **more: Any) -> dict[str, Any]:
    return {"model": "core.user", "pk": pk, "fields": {"email": email, **more}}


def membership(pk: int, user: Any, **more: Any) -> dict[str, Any]:
    fields = {"user": user, "state": "ACT", "credits": 1, "start_date": "2026-11-01", "end_date": "2026-12-01", **more}
    return {"model": "core.membership", "pk": pk, "fields": fields}


def invoice(pk: int, user: Any, date: Any = "2026-11-05", amount: Any = "0.00", **more: Any) -> dict[str, Any]:
    fields = {"user": user, "date": date, "description": "", "status": "OUT", "amount": amount, **more}
    return {"model": "core.invoice", "pk": pk, "fields": fields}


def line(pk: int, invoice: Any, amount: Any, description: Any = "x") -> dict[str, Any]:
    return {
        "model": "core.invoiceline",
        "pk": pk,
        "fields": {"invoice": invoice, "amount": amount, "description": description},
    }


FIXTURE = [
    {"model": "auth.group", "pk": 1, "fields": {"name": "staff"}},
    user(7, "Ann@Example.com", password="pbkdf2_sha256$SECRET", first_name="Ann", last_name="Lee", is_staff=False),
    user(9, "bob@example.com", password="!SECRET", date_joined="2025-03-04T05:06:07.891Z"),
    user(11, "no@membership"),
    membership(70, 7, credits=4),
    membership(90, 9, credits=0, state="CANC"),
    invoice(700, 7, amount="10.50"),
    invoice(701, 7, date="2026-10-01", amount="5.00", status="PAID", description="October"),
    invoice(900, 9, amount="3.00", status="VOID"),
    line(1, 700, "10.00"),
    line(2, 700, "0.50"),
    line(3, 701, "7.00"),
    line(5, 900, 3),
]


def load(program: Program, document: Any, *words: str) -> Any:
    return program.ok("db", "load", "-", *words, stdin=json.dumps(document))


def refused(program: Program, document: Any, *words: str) -> dict[str, Any]:
    text = document if isinstance(document, (str, bytes)) else json.dumps(document)
    error = program.refused("db", "load", "-", *words, stdin=text)
    assert error["status"] == 4, error
    return error


@pytest.mark.parametrize(
    "joined",
    [
        "2025-03-04T05:06:07.891Z",
        "2025-03-04T06:06:07+0100",
        "2025-03-04T05:06:07,8",
        "2025-03-04 05:06:07",
        "2025-03-04",
    ],
)
def test_the_day_a_user_joined_is_read_as_django_writes_it(program: Program, joined: str) -> None:
    load(program, [user(1, "a@b", date_joined=joined)])
    (found,) = program.ok("members", "list", "--columns", "created_at")
    assert found["created_at"] == ("2025-03-04T05:06:07Z" if "06:07" in joined else "2025-03-04T00:00:00Z")


@pytest.mark.parametrize("joined", ["yesterday", "2016-12-31T23:59:60Z", "1999-01-01T00:00:00Z", 5])
def test_a_day_a_user_cannot_have_joined_is_refused_by_its_row(program: Program, joined: object) -> None:
    assert refused(program, [user(3, "a@b", date_joined=joined)])["message"].startswith("core.user 3: its date_joined ")


@pytest.fixture
def busy(member: Program) -> Program:
    """Books with something in every table and every column that can hold something."""
    member.ok("members", "add", "zoë@example.com", "--no-membership", "--name", "Zoë \u202e\x1b[31m😀")
    member.ok("stream", "checkin", 1, "--ref", "k1", "--device", "tv", "--lease", "2h")
    member.ok("stream", "checkin", 1)
    member.ok("stream", "checkout", 1, "--ref", "k1")
    member.ok("invoices", "create", 1, "--date", "2026-10-01", "--amount", "20", "--status", "PAID")
    member.ok("invoices", "create", 1, "--date", "2026-09-01", "--amount", "5")
    member.ok("lines", "add", 3, "--discount", "4.99", "--key", "k2")
    member.ok("invoices", "void", 3, "--reason", 'why, "so"\n')
    member.ok("members", "cancel", 1)
    member.ok("db", "set", "payment_days", "30")
    return member


def rows(program: Program) -> dict[str, list[tuple[Any, ...]]]:
    aside = ("schema_migration", "sqlite_sequence", *LOGS)
    return {name: rows for name, rows in program.books().items() if name not in aside}


def test_a_dump_loads_row_for_row_from_a_file_and_from_a_pipe(busy: Program, elsewhere: Callable[[], Program]) -> None:
    text = busy("db", "dump").out
    (busy.home / "dump.json").write_text(text)
    for source in ("-", busy.home / "dump.json"):
        copy = elsewhere()
        copy.ok("db", "init", "--timezone", "Europe/Berlin", "--currency", "EUR")
        done = copy.ok("db", "load", source, stdin=text)
        assert list(done) == COUNTS
        assert (done["members"], done["invoices"], done["streams"], done["requests"]) == (2, 3, 2, 3)
        assert rows(copy) == rows(busy)
        assert dumped(copy) == dumped(busy)
        assert copy.ok("db", "check") == []
    first = busy.ok("stream", "checkin", 1, "--ref", "k1", "--device", "tv", "--lease", "2h")
    assert copy.ok("stream", "checkin", 1, "--ref", "k1", "--device", "tv", "--lease", "2h") == first, "keys hold on"


def test_an_id_that_was_given_once_is_not_given_again_after_a_load(
    member: Program, elsewhere: Callable[[], Program]
) -> None:
    member.ok("invoices", "create", 1, "--date", "2026-10-01")
    member.ok("invoices", "create", 1, "--date", "2026-09-01")
    member.ok("invoices", "delete", 2, "--yes")
    text = member("db", "dump").out
    copy = elsewhere()
    copy.ok("db", "init", "--timezone", "UTC")
    copy.ok("db", "load", "-", stdin=text)
    assert copy.ok("invoices", "create", 1)["id"] == member.ok("invoices", "create", 1)["id"] == 3


def test_a_django_fixture_moves_over_with_its_ids(program: Program) -> None:
    done = load(program, FIXTURE)
    assert {name: done[name] for name in COUNTS[:-1]} == {
        "members": 3,
        "memberships": 2,
        "invoices": 3,
        "lines": 5,
        "streams": 0,
        "requests": 0,
        "adjusted": 1,
        "zero_credits": 1,
        "lifted": 0,
        "merged": 0,
    }
    assert done["ignored"] == {"auth.group": 1, "core.user.password": 2, "core.user.is_staff": 1}
    ann, bob, nobody = program.ok("members", "list", "--columns", "+created_at")
    assert (ann["id"], ann["email"], ann["name"], ann["credit_limit"]) == (7, "Ann@Example.com", "Ann Lee", 4)
    assert (bob["id"], bob["state"], bob["credit_limit"], bob["created_at"]) == (9, "CANC", 0, "2025-03-04T05:06:07Z")
    assert (nobody["id"], nobody["state"]) == (11, None)
    invoices = program.ok("invoices", "list")
    assert [(row["id"], row["amount"], row["status"]) for row in invoices] == [
        (700, 10.50, "OUT"),
        (701, 5, "PAID"),
        (900, 3, "VOID"),
    ]
    assert [row["description"] for row in invoices] == ["Invoice for 2026-11", "October", "Invoice for 2026-11"]
    (mended,) = program.ok("lines", "list", "--kind", "adjustment")
    assert (mended["invoice"], mended["amount"]) == (701, -2)
    assert [row["id"] for row in program.ok("lines", "list", "--kind", "manual")] == [1, 2, 3, 5]
    assert program.ok("db", "check") == []
    assert program.ok("members", "add", "next@example.com")["id"] == 12
    for file in program.home.iterdir():
        assert b"SECRET" not in file.read_bytes(), "no password is stored anywhere"


def test_the_fee_of_a_membership_is_read_and_billed(program: Program) -> None:
    fees: dict[int, Any] = {1: "9.90", 2: 15, 3: "0.00", 4: None, 5: 7.5}
    people = [user(pk, f"u{pk}@x.io") for pk in (*fees, 6)]
    done = load(program, [*people, *(membership(pk, pk, fee=fee) for pk, fee in fees.items()), membership(6, 6)])
    assert done["ignored"] == {}
    rows = program.ok("members", "list", "--columns", "id,fee")
    assert {row["id"]: row["fee"] for row in rows} == {1: 9.9, 2: 15, 3: 0, 4: 0, 5: 7.5, 6: 0}
    billed = program.at("2026-11-30T12:00:00Z").ok("invoices", "generate", "--month", "2026-11")
    assert (billed["created"], billed["total"]) == (3, 32.4)
    assert program.ok("db", "check") == []


def test_a_fee_has_the_digits_of_the_databases_currency(elsewhere: Callable[[], Program]) -> None:
    program = elsewhere()
    program.ok("db", "init", "--timezone", "UTC", "--currency", "JPY")
    people = [user(1, "a@b")]
    assert "core.membership 3: its fee" in refused(program, [*people, membership(3, 1, fee="9.90")])["message"]
    load(program, [*people, membership(3, 1, fee="990")])
    assert program.ok("members", "show", 1)["fee"] == 990


def test_what_is_null_counts_as_not_given(program: Program) -> None:
    nothing = {"name": None, "first_name": None, "last_name": None, "date_joined": None}
    load(
        program,
        [
            user(1, "a@b", **nothing),
            membership(1, 1, credits=None, fee=None),
            invoice(5, 1, amount=None, description=None),
            invoice(6, 1, date="2026-10-01", amount=None),
            line(1, 5, "2.00", None),
            line(2, 5, "0.50"),
            line(3, 5, None),
        ],
    )
    (member,) = program.ok("members", "list", "--columns", "+created_at")
    assert (member["name"], member["credit_limit"], member["fee"]) == (None, 0, 0)
    assert member["created_at"] == "2026-11-22T12:00:00Z"
    first, second = program.ok("invoices", "list", "--sort", "id")
    assert (first["amount"], first["description"], second["amount"]) == (2.5, "Invoice for 2026-11", 0)
    assert [one["amount"] for one in program.ok("lines", "list")] == [2, 0.5, 0]
    assert program.ok("db", "check") == []


def test_what_must_be_there_is_called_missing_with_its_row(program: Program) -> None:
    books = [user(1, "a@b")]
    for objects, message in (
        ([membership(3, None)], "core.membership 3: its user is missing."),
        ([membership(3, 1, state=None)], "core.membership 3: its state is missing."),
        ([membership(3, 1, start_date=None)], "core.membership 3: its start_date is missing."),
        ([membership(3, 1, end_date=None)], "core.membership 3: its end_date is missing."),
        ([user(2, None)], "core.user 2: its email is missing."),
    ):
        assert refused(program, [*books, *objects])["message"] == message


def without_pk(*objects: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "pk"} for one in objects]


def test_a_user_is_known_by_their_natural_key_and_rows_without_a_pk_get_one(program: Program) -> None:
    ada, bob = ["ada@example.com"], ["BOB@example.com"]
    load(
        program,
        [
            user(7, "zoe@example.com"),
            *without_pk(user(0, "Ada@example.com"), user(0, "bob@example.com")),
            *without_pk(membership(0, ada, fee="9.90"), membership(0, bob)),
            {**invoice(5, bob, amount="3.00"), "pk": 5},
            *without_pk(line(0, 5, "1.00"), line(0, 5, "2.00"), invoice(0, ada, amount="1.00")),
        ],
    )
    people = {row["id"]: (row["email"], row["fee"]) for row in program.ok("members", "list")}
    assert people == {7: ("zoe@example.com", None), 8: ("Ada@example.com", 9.9), 9: ("bob@example.com", 0)}
    assert [(one["id"], one["user"], one["amount"]) for one in program.ok("invoices", "list", "--sort", "id")] == [
        *((5, 9, 3), (6, 8, 1)),
    ]
    assert program.ok("db", "check") == []


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([membership(3, ["ada"])], "core.membership 3: its user is a natural key that names nothing here: 'ada'."),
        (
            [membership(3, ["a@b", 1])],
            "core.membership 3: its user is a natural key that names nothing here: 'a@b, 1'.",
        ),
        (
            [line(8, ["2026-11", "a@b"], "1")],
            "core.invoiceline 8: its invoice is a natural key that names nothing here: '2026-11, a@b'.",
        ),
        (without_pk(membership(0, 99)), "core.membership without a pk (object 2): its user '99' is not in the file."),
    ],
)
def test_a_natural_key_that_names_nothing_is_refused_by_its_row_with_what_helps(
    program: Program, objects: list[dict[str, Any]], message: str
) -> None:
    error = refused(program, [user(1, "a@b"), *objects])
    assert error["message"] == message
    if "natural" in message:
        assert "without --natural-foreign and --natural-primary: python manage.py dumpdata" in error["hint"]


def test_a_number_never_names_a_row_that_had_no_number(program: Program) -> None:
    """The id such a row gets may be one that another row means somebody else by, who is not in the file."""
    error = refused(program, [*without_pk(user(0, "a@b")), membership(3, 1)])
    assert error["message"] == "core.membership 3: its user '1' is not in the file."


def test_min_credits_lifts_lower_limits_and_a_dry_run_stores_nothing(program: Program) -> None:
    before = program.books()
    rehearsed = load(program, FIXTURE, "--min-credits", "3", "--dry-run")
    assert (rehearsed["lifted"], rehearsed["zero_credits"], rehearsed["dry_run"]) == (1, 1, True)
    assert program.books() == before
    assert load(program, FIXTURE, "--min-credits", "5")["lifted"] == 2
    assert [row["credit_limit"] for row in program.ok("members", "list")] == [5, 5, None]


def test_open_invoices_of_one_month_are_joined_only_when_asked(program: Program) -> None:
    twice = [
        user(1, "a@b"),
        invoice(10, 1, amount="2.00"),
        invoice(11, 1, date="2026-11-30", amount="3.50"),
        invoice(12, 1, date="2026-12-01", amount="1.00"),
        invoice(13, 1, amount="9.00", status="PAID"),
        line(1, 10, "2.00"),
        line(2, 11, "3.00"),
        line(3, 12, "1.00"),
        line(4, 13, "9.00"),
    ]
    error = refused(program, twice)
    assert error["details"]["invoices"] == [10, 11]
    assert "10" in error["message"]
    assert "11" in error["message"]
    assert "--merge-months" in error["hint"]
    done = load(program, twice, "--merge-months")
    assert (done["merged"], done["invoices"], done["adjusted"]) == (1, 3, 1)
    joined = program.ok("invoices", "show", 10)
    assert joined["amount"] == 5.50
    assert [(one["id"], one["amount"]) for one in joined["invoice_lines"]] == [(1, 2), (2, 3), (5, 0.5)]
    assert program.ok("db", "check") == []


def test_emails_that_differ_by_case_alone_are_refused_naming_both(program: Program) -> None:
    for one, other in (("A@b.c", "a@B.C"), ("é@x", "É@x"), ("ﬁ@x", "fi@x")):
        error = refused(program, [user(3, one), user(4, other)])
        assert error["details"]["users"] == [3, 4]
        assert "3" in error["message"]
        assert "4" in error["message"]


BOOKS = [user(1, "a@b"), invoice(5, 1)]
BAD: tuple[tuple[str, list[dict[str, Any]]], ...] = (
    ("core.user 2", [user(2, "no address")]),
    ("core.user 2", [user(2, "")]),
    ("core.user 2", [{"model": "core.user", "pk": 2, "fields": {}}]),
    ("core.user 2", [user(2, "x@y", name="n" * 256)]),
    ("core.user 2", [user(2, "x@y", name="a\0b")]),
    ("core.user 2", [user(2, "x@y", name="\ud800")]),
    ("core.user 2", [user(2, "x@y", name=3)]),
    ("core.user 1", [user(1, "again@b")]),
    ("core.membership 3", [membership(3, 99)]),
    ("core.membership 3", [membership(3, 1, credits=-1)]),
    ("core.membership 3", [membership(3, 1, credits=1001)]),
    ("core.membership 3", [membership(3, 1, credits="1")]),
    ("core.membership 3", [membership(3, 1, credits=True)]),
    ("core.membership 3", [membership(3, 1, state="GONE")]),
    ("core.membership 3", [membership(3, 1, start_date="2026-12-01")]),
    ("core.membership 3", [membership(3, 1, end_date="2026-02-30")]),
    ("core.membership 3", [membership(3, 1, end_date="tomorrow")]),
    ("core.membership 3", [membership(3, 1), membership(4, 1)]),
    ("core.membership 3", [membership(3, 1, fee="-0.01")]),
    ("core.membership 3", [membership(3, 1, fee="9.905")]),
    ("core.membership 3", [membership(3, 1, fee="1000000000")]),
    ("core.membership 3", [membership(3, 1, fee="nine")]),
    ("core.membership 3", [membership(3, 1, fee=[9])]),
    ("core.membership 3", [membership(3, 1, state=None)]),
    ("core.membership 3", [membership(3, 1, start_date=None)]),
    ("core.membership 3", [membership(3, 1, end_date=None)]),
    ("core.membership 3", [membership(3, None)]),
    ("core.user 2", [user(2, None)]),
    ("core.invoice 6", [invoice(6, None)]),
    ("core.invoice 6", [invoice(6, 1, date=None)]),
    ("core.invoice 6", [invoice(6, 1, date="2026-10-01", status=None)]),
    ("core.invoice 6", [invoice(6, 1, date="2026-10-01", amount=None), line(8, 6, "-1.00")]),
    ("core.invoiceline 8", [line(8, None, "1.00")]),
    ("core.invoice 6", [invoice(6, 99)]),
    ("core.invoice 6", [invoice(6, 1, date="2026-10-01", status="OPEN")]),
    ("core.invoice 6", [invoice(6, 1, date="1999-10-01")]),
    ("core.invoice 6", [invoice(6, 1, date="2026-10-01", amount="-1.00")]),
    ("core.invoice 6", [invoice(6, 1, date="2026-10-01", amount="1.005")]),
    ("core.invoice 6", [invoice(6, 1, date="2026-10-01", description="d" * 256)]),
    ("core.invoiceline 8", [line(8, 99, "1")]),
    ("core.invoiceline 8", [line(8, 5, "1000000000.00")]),
    ("core.invoiceline 8", [line(8, 5, "NaN")]),
    ("core.invoiceline 8", [line(8, 5, "abc")]),
    ("core.invoiceline 8", [line(8, 5, [])]),
    ("core.invoiceline 8", [line(8, 5, "1.00", "t" * 256)]),
)


def check_all_are_refused(program: Program, bad: Any) -> None:
    from streamctl.errors import BadData
    from streamctl.services import loading
    from streamctl.store.database import opened

    before = program.books()
    with opened(program.db) as store:
        store.author = AUTHOR
        for name, objects in bad:
            with pytest.raises(BadData) as caught:
                loading.load([*BOOKS, *objects], at=datetime(2026, 11, 22, tzinfo=UTC))
            assert name in caught.value.message, (name, caught.value.message)
    assert program.books() == before, "whole or not at all"


def test_a_bad_object_is_named_and_nothing_is_loaded(program: Program) -> None:
    check_all_are_refused(program, BAD)
    error = refused(program, [*BOOKS, *BAD[0][1]])
    assert "core.user 2" in error["message"]


def test_amounts_in_a_fixture_are_read_as_strictly_as_typed_ones(program: Program) -> None:
    typed = ("1_0", "1e1", "١٢", " 5 ", "0x1", "1e999999", "9" * 5000)
    check_all_are_refused(program, [("core.invoiceline 8", [line(8, 5, amount)]) for amount in typed])


def test_numbers_that_no_amount_can_be_are_refused(program: Program) -> None:
    for number in ("1e999999", "1e99999999999", "9" * 400, "0.001", "1e-400", "1e400"):
        text = json.dumps([*BOOKS, line(8, 5, 0)]).replace('"amount": 0,', f'"amount": {number},')
        assert number in text
        assert "core.invoiceline 8" in refused(program, text)["message"]


def test_what_is_no_clean_json_is_refused_with_the_place(program: Program) -> None:
    for text, part in (
        ("", "line 1"),
        ("{", "line 1"),
        ("[1,\n2,]", "line 2"),
        ("[NaN]", "NaN"),
        ("[Infinity]", "Infinity"),
        ('[{"model": "core.user", "model": "core.invoice"}]', "'model' stands twice"),
        ("[" * 100_000 + "]" * 100_000, "deep"),
        (b'["\xff"]', "UTF-8"),
        ("[]]", "line 1"),
        ("3", "neither"),
        ('"text"', "neither"),
        ("{}", "neither"),
        ("[3]", "Object 1"),
        ('[{"model": "core.user", "pk": "1", "fields": {}}]', "Object 1"),
        ('[{"model": "core.user", "pk": 0, "fields": {}}]', "Object 1"),
        ('[{"model": "core.user", "pk": 99999999999999999999, "fields": {}}]', "Object 1"),
        ('[{"model": "core.user", "pk": 1, "fields": []}]', "Object 1"),
        ('{"streamctl": "1", "schema": 999, "tables": {}}', "schema"),
        ('{"streamctl": "1", "schema": "1", "tables": {}}', "schema"),
        ('{"streamctl": "1", "schema": 1, "tables": {}}', "tables"),
    ):
        assert part in refused(program, text)["message"], text[:60]


def test_a_dump_of_an_older_schema_is_loaded_too(member: Program, elsewhere: Callable[[], Program]) -> None:
    member.ok("stream", "checkin", 1)
    old = json.loads(member("db", "dump").out)
    old["schema"] = 1
    for younger in ("counter", "journal", "journal_row", "journal_person"):
        del old["tables"][younger]
    new = elsewhere()
    new.ok("db", "init", "--timezone", "UTC")
    assert new.ok("db", "load", "-", stdin=json.dumps(old))["lines"] == 1
    assert rows(new) == rows(member)


def test_a_dump_with_a_wrong_row_is_refused_whole(member: Program, elsewhere: Callable[[], Program]) -> None:
    good = json.loads(member("db", "dump").out)
    empty = elsewhere()
    empty.ok("db", "init", "--timezone", "UTC")
    user = good["tables"]["user"]["rows"][0]
    for table, bad in (
        ("user", [[1, "x@y"]]),
        ("user", [user, [2, *user[1:]]]),
        *(("user", [[1, *user[1:4], at]]) for at in ("yesterday", "2026-11-22", "2026-11-22T12:00:60Z", "infinity")),
        ("membership", [[1, 1, "ACT", 1, 0, "1/2/2026", "2026-12-01", None]]),
        ("user", [[1.5, *user[1:]]]),
        ("user", [[1, "a\0@b", *user[2:]]]),
        ("membership", [[1, 99, "ACT", 1, 0, "2026-11-01", "2026-12-01", None]]),
        ("membership", [[1, 1, "ACT", 1, -5, "2026-11-01", "2026-12-01", None]]),
        ("invoice_line", [[1, 1, 100, "x", "manual", None]]),
        ("setting", [["currency", "XXX"]]),
        ("setting", [["nope", "1"]]),
        ("request", "no rows"),
    ):
        document = json.loads(json.dumps(good))
        document["tables"][table]["rows"] = bad
        answer = empty("db", "load", "-", "--format", "json", stdin=json.dumps(document))
        assert (answer.status, answer.out) == (4, ""), (table, bad, answer)


def test_the_row_that_the_database_refuses_is_named_among_many(
    member: Program, elsewhere: Callable[[], Program]
) -> None:
    dump = json.loads(member("db", "dump").out)
    users = [[number, f"u@{number}", f"u@{number}", None, "2026-11-01T00:00:00Z"] for number in range(1, 5001)]
    members = [[number, number, "ACT", 1, 0, "2026-11-01", "2026-12-01", None] for number in range(1, 5001)]
    empty = elsewhere()
    empty.ok("db", "init", "--timezone", "UTC")
    for table, bad, rule in (
        ("user", [4321, "u@4321", "u@1", None, "2026-11-01T00:00:00Z"], "user.email_key"),
        ("user", [4321, "no", "no", None, "2026-11-01T00:00:00Z"], "email"),
        ("user", [4321, "u@4321", None, None, "2026-11-01T00:00:00Z"], "email_key"),
        ("membership", [4321, 1, "ACT", 1, 0, "2026-11-01", "2026-12-01", None], "membership.user"),
        ("membership", [4321, 4321, "ACT", 1001, 0, "2026-11-01", "2026-12-01", None], "credit_limit"),
    ):
        dump["tables"]["user"]["rows"], dump["tables"]["membership"]["rows"] = users.copy(), members.copy()
        dump["tables"][table]["rows"][4320] = bad
        message = refused(empty, dump)["message"]
        assert message.startswith(f"{table} 4321 breaks the rule"), message
        assert rule in message
    dump["tables"]["user"]["rows"], dump["tables"]["membership"]["rows"] = users, members
    assert load(empty, dump)["members"] == 5000
    assert empty.ok("members", "add", "next@example.com")["id"] == 5001


def test_an_invoice_is_the_sum_of_its_lines_whatever_the_dump_says(
    member: Program, elsewhere: Callable[[], Program]
) -> None:
    member.ok("invoices", "create", 1, "--amount", "5")
    member.ok("lines", "add", 1, "--discount", "4")
    dump = json.loads(member("db", "dump").out)
    invoice, lines = dump["tables"]["invoice"], dump["tables"]["invoice_line"]["rows"]
    invoice["rows"][0][invoice["columns"].index("amount")] = 12345
    lines.reverse()
    copy = elsewhere()
    copy.ok("db", "init", "--timezone", "UTC")
    load(copy, dump)
    assert copy.ok("invoices", "show", 1)["amount"] == 1
    assert copy.ok("lines", "add", 1, "--amount", "2")["amount"] == 2
    assert copy.ok("invoices", "show", 1)["amount"] == 3, "and goes on to be"
    assert copy.ok("db", "check") == []
    below = elsewhere()
    below.ok("db", "init", "--timezone", "UTC")
    lines[-1][2] = 100
    assert "invoice 1 breaks the rule below_zero" in refused(below, dump)["message"]


def test_books_are_loaded_only_into_empty_ones(member: Program) -> None:
    assert refused(member, FIXTURE)["code"] == "not_empty"
    assert refused(member, member("db", "dump").out)["code"] == "not_empty"
    missing = member.refused("db", "load", "missing.json")
    assert (missing["status"], "missing.json" in missing["message"]) == (2, True)
    assert member.refused("db", "load", ".")["status"] == 2


LAST = 2**62  # as many ids are left to be given


def test_an_id_near_the_last_there_is_is_refused_in_every_table(
    member: Program, elsewhere: Callable[[], Program]
) -> None:
    """Fails when what is loaded leaves no id to be given to the next row: SQLite would call that a full disk."""
    member.ok("stream", "checkin", 1, "--ref", "k")
    good = json.loads(member("db", "dump").out)
    empty = elsewhere()
    empty.ok("db", "init", "--timezone", "UTC")
    tables = [name for name, table in good["tables"].items() if table["columns"][0] == "id"]
    assert len(tables) == 9
    for table in tables:
        for number in (LAST + 1, 2**63 - 1, 2**63, 0, -1, None) if table == "journal_row" else (LAST + 1,):
            document = json.loads(json.dumps(good))
            document["tables"][table]["rows"][0][0] = number
            assert table in refused(empty, document)["message"], (table, number)
    sequences = good | {"sequences": good["sequences"] | {"stream": LAST + 1}}
    assert "stream" in refused(empty, sequences)["message"]
    counters = json.loads(json.dumps(good))
    counters["tables"]["counter"]["rows"] = [["invoice_number", 2**63 - 1]]
    assert "invoice_number" in refused(empty, counters)["message"]


def test_after_the_highest_id_that_is_taken_rows_go_on(member: Program, elsewhere: Callable[[], Program]) -> None:
    member.ok("stream", "checkin", 1, "--ref", "k")
    high = json.loads(member("db", "dump").out)
    for name in ("invoice_line", "journal", "journal_row", "journal_person"):
        high["sequences"][name] = LAST
    high["tables"]["user"]["rows"].append([LAST, "z@z", "z@z", None, "2026-11-01T00:00:00Z"])
    there = elsewhere()
    there.ok("db", "init", "--timezone", "UTC")
    load(there, high)
    assert there.ok("lines", "add", 1, "--amount", "1")["id"] == LAST + 1
    assert there.ok("members", "add", "next@example.com")["id"] == LAST + 1


def test_a_fixture_with_an_id_near_the_last_there_is_is_refused(program: Program) -> None:
    for pk in (LAST + 1, 2**63 - 1, 2**63):
        assert "core.invoiceline" in refused(program, [*BOOKS, line(pk, 5, "1.00")])["message"]
    load(program, [user(LAST, "a@b"), invoice(LAST, LAST, amount="3.00"), line(LAST - 1, LAST, "1.00")])
    assert [row["id"] for row in program.ok("lines", "list")] == [LAST - 1, LAST]
    assert program.ok("members", "add", "next@example.com")["id"] == LAST + 1


def test_a_text_too_long_for_an_index_is_bad_data_or_taken(member: Program, elsewhere: Callable[[], Program]) -> None:
    """Fails when what a server can't put into an index ends the command as something unexpected."""
    luck = random.Random(7)
    long = "".join(luck.choice(string.ascii_letters) for _ in range(20_000))
    good = json.loads(member("db", "dump").out)
    good["tables"]["invoice"]["rows"] = [
        [1, 1, "2026-11-01", "2026-11", "d", "PAID", 0, long, None, None, "2026-11-02", None, None]
    ]
    there = elsewhere()
    there.ok("db", "init", "--timezone", "UTC")
    answer = there("db", "load", "-", "--format", "json", stdin=json.dumps(good))
    assert answer.status in (0, 4), answer
    assert answer.status == 0 or "invoice 1 breaks the rule" in answer.error["message"]
