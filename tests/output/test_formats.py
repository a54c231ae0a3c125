"""Every format of a record, a listing and nothing at all; what money and text look like in each."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program import Program

from streamctl.domain.records import Column, Listing
from streamctl.output import delimited

Command = Callable[..., Any]
LISTED = "id,date,status,description,amount,invoice_lines"
KEYS = {
    "members": "id email name state credits credit_limit open_streams fee start_date end_date",
    "invoices": "id user date status description amount invoice_lines month number issued_at due_date paid_on",
    "lines": "id invoice amount description kind key",
    "stream": "id user email ref device opened_at seen_at expires_at closed_at close_reason",
}


@pytest.fixture
def books(member: Program, inside: Command) -> Command:
    """Two invoices of 15 and 9.90, the second with a line more and with a comma and quotes in its text."""
    assert inside("invoices", "create", 1, "--date", "2026-11-05", "--amount", "15").status == 0
    text = 'Late, "very"'
    assert inside("invoices", "create", 1, "--date", "2026-10-03", "--amount", 9, "--description", text).status == 0
    assert inside("lines", "add", 2, "--amount", "0.90", "--description", "Tip").status == 0
    return inside


def test_a_listing_looks_the_same_in_every_format(books: Command) -> None:
    def listed(format: str) -> str:
        answer = books("invoices", "list", "--columns", LISTED, "--format", format)
        assert (answer.status, answer.err) == (0, "")
        return str(answer.out)

    first = (
        '{"id": 1, "date": "2026-11-05", "status": "OUT", "description": "Invoice for 2026-11", '
        '"amount": 15, "invoice_lines": [1]}'
    )
    second = (
        '{"id": 2, "date": "2026-10-03", "status": "OUT", "description": "Late, \\"very\\"", '
        '"amount": 9.90, "invoice_lines": [2, 3]}'
    )
    assert listed("json") == f"[\n{first},\n{second}\n]\n"
    assert listed("jsonl") == f"{first}\n{second}\n"
    assert listed("csv") == (
        f'{LISTED}\n1,2026-11-05,OUT,Invoice for 2026-11,15.00,1\n2,2026-10-03,OUT,"Late, ""very""",9.90,2 3\n'
    )
    assert listed("tsv") == (
        "id\tdate\tstatus\tdescription\tamount\tinvoice_lines\n"
        "1\t2026-11-05\tOUT\tInvoice for 2026-11\t15.00\t1\n"
        '2\t2026-10-03\tOUT\tLate, "very"\t9.90\t2 3\n'
    )
    assert listed("ids") == "1\n2\n"
    rows = [line.split("  ") for line in listed("table").splitlines() if re.match(r"\s+\d", line)]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["1", "2026-11-05", "OUT", "Invoice for 2026-11", "15.00 USD", "1"],
        ["2", "2026-10-03", "OUT", 'Late, "very"', "9.90 USD", "2 3"],
    ]


def test_one_thing_is_an_object_in_json_and_a_row_elsewhere(books: Command) -> None:
    shown = {
        format: books("invoices", "show", 2, "--format", format).out
        for format in ("json", "jsonl", "csv", "tsv", "ids", "table")
    }
    record = json.loads(shown["json"])
    assert isinstance(record, dict)
    assert record["invoice_lines"] == [
        {"id": 2, "invoice": 2, "amount": 9, "description": "", "kind": "manual"},
        {"id": 3, "invoice": 2, "amount": 0.9, "description": "Tip", "kind": "manual"},
    ]
    assert shown["jsonl"] == shown["json"]
    assert shown["json"].count("\n") == 1
    (row,) = csv.DictReader(io.StringIO(shown["csv"]))
    assert list(row) == KEYS["invoices"].split()
    assert (row["invoice_lines"], row["amount"], row["number"]) == ("2 3", "9.90", "")
    assert [line.count("\t") for line in shown["tsv"].splitlines()] == [11, 11]
    assert shown["ids"] == "2\n"
    assert re.search(r"^amount +9\.90 USD *$", shown["table"], re.MULTILINE)
    assert re.search(r"^ +3 +0\.90 USD +Tip +manual *$", shown["table"], re.MULTILINE)


def test_an_empty_listing_is_valid_in_every_format(inside: Command) -> None:
    for group, keys in KEYS.items():
        names = keys.split()
        shown = {f: inside(group, "list", "--format", f) for f in ("json", "jsonl", "csv", "tsv", "ids", "table")}
        assert {answer.status for answer in shown.values()} == {0}
        assert json.loads(shown["json"].out) == []
        assert shown["jsonl"].out == shown["ids"].out == ""
        assert shown["csv"].out == ",".join(names) + "\n"
        assert shown["tsv"].out == "\t".join(names) + "\n"
        assert "id" in shown["table"].out.split()


def test_the_documented_keys_are_there_in_their_order(books: Command) -> None:
    assert books("stream", "checkin", 1).status == 0
    for group, keys in KEYS.items():
        row = json.loads(books(group, "list", "--format", "json").out)[0]
        assert list(row) == keys.split()
    receipt = json.loads(books("stream", "checkin", 1, "--format", "json").out)
    assert list(receipt) == "invoice_id invoice_line_id stream_id credits replayed".split()
    user = json.loads(books("members", "add", "x@y", "--no-membership", "--format", "json").out)
    assert {user[key] for key in KEYS["members"].split() if key not in ("id", "email", "open_streams")} == {None}


@pytest.mark.parametrize(
    ("currency", "typed", "in_json", "in_csv", "in_table"),
    [
        ("USD", "15", "15", "15.00", "15.00 USD"),
        ("USD", "9.9", "9.90", "9.90", "9.90 USD"),
        ("USD", "999999999.99", "999999999.99", "999999999.99", "999999999.99 USD"),
        ("JPY", "1500", "1500", "1500", "1500 JPY"),
        ("KWD", "15", "15", "15.000", "15.000 KWD"),
        ("KWD", "9.9", "9.900", "9.900", "9.900 KWD"),
        ("KWD", "0.005", "0.005", "0.005", "0.005 KWD"),
    ],
)
def test_money_has_the_currencys_digits(
    inside: Command, currency: str, typed: str, in_json: str, in_csv: str, in_table: str
) -> None:
    assert inside("db", "set", "currency", currency).status == 0
    assert inside("members", "add", "a@b", "--fee", typed).status == 0
    asked = ("members", "list", "--columns", "fee", "--format")
    assert inside(*asked, "json").out == f'[\n{{"fee": {in_json}}}\n]\n'
    assert inside(*asked, "csv").out == f"fee\n{in_csv}\n"
    assert inside(*asked, "tsv").out == f"fee\n{in_csv}\n"
    assert in_table in inside(*asked, "table").out
    assert inside("members", "show", 1, "--columns", "fee").status == 2
    assert re.search(
        rf"^fee +{re.escape(in_table)} *$", inside("members", "show", 1, "--format", "table").out, re.MULTILINE
    )


def test_a_discount_is_negative_in_every_format(books: Command) -> None:
    assert books("lines", "add", 1, "--discount", "0.05").status == 0
    asked = ("lines", "list", "--kind", "discount", "--columns", "amount", "--format")
    assert json.loads(books(*asked, "json").out, parse_float=Decimal) == [{"amount": Decimal("-0.05")}]
    assert books(*asked, "csv").out == "amount\n-0.05\n"
    assert "-0.05 USD" in books(*asked, "table").out


def test_a_carriage_return_survives_csv_and_tsv(member: Program, inside: Command) -> None:
    survives(inside, ["lone\rcr", "\r"])


def test_every_description_survives_csv_and_tsv(member: Program, inside: Command) -> None:
    edge = ["a,b", 'say "x"', "two\nlines", "dos\r\nline", "tab\there", "back\\slash \\n", "'", " edge ", '"']
    survives(inside, edge)


def survives(inside: Command, texts: list[str]) -> None:
    for number, text in enumerate(texts, 1):
        day = f"2026-{number:02}-01"
        assert inside("invoices", "create", 1, "--date", day, "--description", text).status == 0
    asked = ("invoices", "list", "--columns", "description,amount", "--format")
    written = inside(*asked, "csv").out
    assert list(csv.reader(io.StringIO(written, newline="")))[1:] == [[text, "0.00"] for text in texts]
    assert written.startswith("description,amount\n")
    assert written.endswith(",0.00\n")
    header, *rows = inside(*asked, "tsv").out.split("\n")[:-1]
    assert header == "description\tamount"
    assert [row.split("\t")[0] for row in rows] == [
        text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r") for text in texts
    ]


cells = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=3)


@settings(deadline=None, database=None, max_examples=300)
@given(cells)
def test_csv_and_tsv_give_back_any_text(row: list[str]) -> None:
    columns = tuple(Column(f"c{number}") for number in range(len(row)))
    written = "".join(delimited.csv_lines(Listing(columns, [tuple(row)]), "USD", for_terminal=False, excel_safe=False))
    assert list(csv.reader(io.StringIO(written, newline=""), strict=True))[1:] == [row]
    lines = list(delimited.tsv_lines(Listing(columns, [tuple(row)]), "USD", for_terminal=False, excel_safe=False))
    assert lines[1].count("\n") == 1
    unescape = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
    got = [re.sub(r"\\.", lambda found: unescape[found[0]], cell) for cell in lines[1][:-1].split("\t")]
    assert got == row


def test_excel_safe_guards_formulas_and_nothing_else(member: Program, inside: Command) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
    for number, text in enumerate([*formulas, "plain", "a=b"], 1):
        day = f"2026-{number:02}-01"
        assert inside("invoices", "create", 1, "--date", day, "--description", text).status == 0
    assert inside("invoices", "update", 1, "--amount", "2").status == 0
    assert inside("invoices", "update", 1, "--amount", "1").status == 0
    asked = ("invoices", "list", "--columns", "description", "--format", "tsv")
    assert inside(*asked, "--excel-safe").out.splitlines()[1:] == [
        *(f"'{text}".replace("\t", "\\t").replace("\r", "\\r") for text in formulas),
        "plain",
        "a=b",
    ]
    assert "'" not in inside(*asked).out
    amounts = inside("lines", "list", "--columns", "amount,kind", "--format", "csv", "--excel-safe").out
    assert "-1.00,adjustment" in amounts, "a number stays a number"
    assert "'=1+1" in inside("invoices", "list", "--format", "csv", "--excel-safe").out


def test_ids_are_what_the_next_command_takes(books: Command) -> None:
    assert books("members", "list", "--format", "ids").out == "1\n"
    assert books("invoices", "list", "--sort", "-id", "--format", "ids").out == "2\n1\n"
    assert books("lines", "list", "--format", "ids").out == "1\n2\n3\n"
    assert books("stream", "checkin", 1, "--format", "ids").out == "1\n"
    assert books("invoices", "list", "--columns", "amount,id", "--format", "ids").out == "1\n2\n"


def test_a_limit_says_how_many_there_are(books: Command) -> None:
    for number in range(3, 24):
        assert books("members", "add", f"m{number}@example.com").status == 0
    limited = books("members", "list", "--limit", 20, "--format", "ids")
    assert (limited.status, limited.err) == (0, "20 of 22\n")
    assert limited.out.count("\n") == 20
    assert books("members", "list", "--limit", 22).err == ""
    assert books("--quiet", "members", "list", "--limit", 20).err == ""
    nothing = books("members", "list", "--limit", 0, "--format", "json")
    assert (json.loads(nothing.out), nothing.err) == ([], "0 of 22\n")
    assert books("members", "list").out.count("\n") == 23, "nothing is cut off unless --limit asks"


def test_the_format_is_the_flags_then_the_environments_then_tsv(
    books: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("invoices", "list", "--columns", "id,amount")
    assert books(*asked).out == "id\tamount\n1\t15.00\n2\t9.90\n"
    assert books("members", "update", 1, "--name", "Bo").out.startswith("id\temail\t"), "a write in a pipe is data too"
    monkeypatch.setenv("STREAMCTL_FORMAT", "csv")
    assert books(*asked).out == "id,amount\n1,15.00\n2,9.90\n"
    assert books(*asked, "--format", "ids").out == "1\n2\n"
    monkeypatch.setenv("STREAMCTL_FORMAT", "")
    assert books(*asked).out.startswith("id\t")
    monkeypatch.setenv("STREAMCTL_FORMAT", "xml")
    refused = books(*asked)
    assert (refused.status, refused.out) == (2, "")
    assert "xml" in refused.err
    assert "jsonl" in refused.err


def test_a_dry_run_is_marked_in_the_data(books: Command) -> None:
    answer = json.loads(books("invoices", "pay", 1, "--dry-run", "--format", "json").out)
    assert [row["dry_run"] for row in answer] == [True]
    one = json.loads(books("members", "update", 1, "--name", "X", "--dry-run", "--format", "json").out)
    assert (one["name"], one["dry_run"]) == ("X", True)
    assert json.loads(books("members", "show", 1, "--format", "json").out)["name"] == "Bob"
    assert "dry_run" not in books("invoices", "pay", 1, "--format", "json").out
