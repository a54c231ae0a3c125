"""`invoices render`: an invoice as the document a customer is sent."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import paper
import psycopg
import pytest
from paper import JSON, SEEN, TEXT, Page, rendered
from program import Program
from rich.cells import cell_len
from shaping import NAMES, hidden

from streamctl.domain.documents import KINDS
from streamctl.output.safety import safe
from streamctl.store.database import Store, terms
from streamctl.views import documents

IN_PROCESS = True  # a process for each of its many commands would say no more

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\" onload='alert(1)' x=\"",
    "entity": "&lt;b&gt; &amp; &#x202e; &",
    "closing": "</td></tr></table></style><!-- ]]>",
    "template": "{{ 7*7 }} {% raw %} ${HOME} %s {0}",
    "markup": "[/b] [red]x[/red]",
    "escapes": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "bidi": "user\u202egnp.exe\u2066\u2069\u200f",
    "lines": "one\ntwo\r\nTotal in USD 0.00\tx\f",
    "hebrew": "שלום עולם",
    "unbroken": "x" * 255,
    "words": "a very long description " * 10,
    "wide": "配信" * 60,
    "joined": " ".join(NAMES),
    "smuggled": "😀\U000e0159\U000e0155 a\u200db 1\ufe0f",
}


@pytest.fixture
def issued(member: Program) -> Program:
    """Invoice 1 of member 1, issued, with lines of every kind."""
    return paper.issued(member)


def test_a_json_document_has_exactly_the_promised_keys_and_values(issued: Program) -> None:
    assert rendered(issued, 1, "--to", "json") == JSON


def test_a_line_without_a_description_is_called_by_its_kind_on_what_a_customer_reads(issued: Program) -> None:
    issued.sql("UPDATE invoice_line SET description = '' WHERE kind <> 'adjustment'")
    issued.sql("UPDATE invoice_line SET description = ' ' WHERE kind = 'adjustment'")
    names = ["Membership", "Check-in", "Check-out", "Charge", "Discount", "Adjustment"]
    lines = rendered(issued, 1, "--to", "text").splitlines()
    assert [line.split()[0] for line in lines if line.endswith("0") and line[:1].isalpha()][-7:-1] == names
    seen = Page(rendered(issued, 1, "--to", "html")).lines
    assert [name for name in names if any(line.split("\N{NO-BREAK SPACE}")[0] == name for line in seen)] == names
    groups = json.loads(rendered(issued, 1, "--to", "json"))["groups"]
    assert [group["description"].strip() for group in groups] == [""] * 6, "what is stored"


def test_the_picture_of_a_text_document(issued: Program) -> None:
    assert rendered(issued, 1, "--to", "text") == TEXT


def test_html_shows_these_words_and_needs_nothing_from_outside(issued: Program) -> None:
    html = rendered(issued, 1)
    page = Page(html)
    assert page.lines == SEEN, "the title names the file that a browser prints to"
    assert not {"script", "img", "link", "iframe", "object", "a", "form", "base"} & set(page.tags)
    assert not {"src", "href", "style", "onload"} & {name for name, _ in page.attributes}
    for outside in ("http://", "https://", "url(", "@import", "//"):
        assert outside not in html
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_html_keeps_rows_whole_repeats_the_header_and_never_leaves_the_total_alone(issued: Program) -> None:
    html = rendered(issued, 1)
    last = html.partition('<tbody class="last">')[2].partition("</tbody>")[0]
    assert [last.count(words) for words in ("<tr>", "Adjustment", "Sorry", "HDMI", "Total in", "Thank you")] == [
        *(2, 1, 1, 0, 1, 1)
    ]
    style = Page(html).style
    assert "tr, .last, header, .about, .status, .subject { break-inside: avoid; }" in style
    assert "thead { display: table-header-group; }" in style
    assert "tabular-nums" in style
    assert "size" not in style.partition("@page")[2].partition("}")[0], "the printer's paper, A4 or Letter"


@pytest.mark.parametrize(
    ("statement", "said", "pays"),
    [
        ("issued_at = NULL, due_date = NULL, number = NULL", "Draft: not issued yet", True),
        ("status = 'OUT'", "OUTSTANDING, due 15 December 2026", True),
        ("due_date = NULL", "OUTSTANDING", True),
        ("status = 'PAID', paid_on = '2026-12-02'", "PAID on 2 December 2026", False),
        ("status = 'PAID'", "PAID", False),
        ("status = 'VOID'", "VOID: nothing is owed", False),
    ],
)
def test_a_document_is_honest_about_its_status(issued: Program, statement: str, said: str, pays: bool) -> None:
    issued.sql(f"UPDATE invoice SET {statement}")
    text = rendered(issued, 1, "--to", "text")
    assert f"\nStatus     {said}\n" in text
    assert ("Thank you." in text) == pays, "nobody is asked to pay what is paid or void"
    lines = Page(rendered(issued, 1)).lines
    assert (said if "VOID" in said else f"{said}58.00 USD") in lines
    assert ("Thank you." in lines) == pays


def test_an_invoice_without_number_or_lines_is_a_document_too(member: Program) -> None:
    member.ok("invoices", "create", 1, "--description", "First of all")
    text = rendered(member, 1, "--to", "text")
    assert text.startswith("Invoice with reference 1\n\nStatus     Draft: not issued yet\nReference  1\n")
    assert "For        First of all\n" in text
    assert "No items" in text
    page = Page(rendered(member, 1))
    assert page.lines[0] == "Invoice with reference 1"
    assert {"First of all", "No items", "0.00", "Draft: not issued yet0.00 USD"} <= set(page.lines)


def test_the_internal_note_of_an_invoice_is_on_no_document(issued: Program) -> None:
    issued.ok("invoices", "pay", 1, "--note", "SECRET")
    assert all("SECRET" not in rendered(issued, 1, "--to", form) for form in ("html", "text", "json"))


def test_a_seller_who_has_no_name_is_told_how_to_have_one(member: Program) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    told = member("invoices", "render", 1, "--to", "json")
    assert told.status == 0
    assert told.json["seller"] == {"name": None, "address": [], "email": None, "tax_id": None, "note": []}
    assert told.err == "Note: The documents name no seller; see how to name yourself with: streamctl db set --help\n"
    assert member("--quiet", "invoices", "render", 1).err == ""
    member.ok("db", "set", "seller_name", "Me")
    assert member("invoices", "render", 1).err == ""


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=list(HOSTILE))
def test_no_text_can_garble_a_document(issued: Program, hostile: str) -> None:
    clean = Counter(Page(rendered(issued, 1)).tags)
    issued.sql("UPDATE user SET name = ?, email = ?", hostile, f"{hostile[:200]}@x")
    issued.sql("UPDATE invoice SET description = ?, number = ?", hostile, hostile)
    issued.sql("UPDATE invoice_line SET description = ?", hostile)
    issued.sql("UPDATE setting SET value = ? WHERE key IN ('seller_name', 'seller_tax_id')", hostile)
    line = hostile.replace(";", "").replace("\n", "").strip()
    issued.sql("UPDATE setting SET value = ? WHERE key IN ('seller_address', 'seller_note')", line)
    html, text = rendered(issued, 1), rendered(issued, 1, "--to", "text")
    page = Page(html)
    assert Counter(page.tags) == clean - Counter(div=2, bdi=2) + Counter(p=1, bdi=1), "two lines less, and a subject"
    shown = safe(hostile)
    assert [line.count(shown) for line in page.lines].count(1) >= 12
    assert safe(line) in page.lines
    assert hidden(html + text) == []
    joined = {c for name in NAMES for c in name} if hostile == HOSTILE["joined"] else set()
    assert all(c.isprintable() or c in "\n\N{NO-BREAK SPACE}" or c in joined for c in html + text)
    assert text.count("\nTotal in USD ") == 1
    assert max(map(cell_len, text.splitlines())) == 72
    squeezed, whole = re.sub(r"\s", "", text), re.sub(r"\s", "", shown)
    assert squeezed.count(whole) >= 4, "nothing of it is cut off"
    found = json.loads(rendered(issued, 1, "--to", "json"))
    assert found["member"]["name"] == found["invoice"]["number"] == found["seller"]["tax_id"] == hostile
    assert {group["description"] for group in found["groups"]} == {hostile}


def test_lines_of_one_kind_text_and_amount_are_one_group_and_the_groups_make_the_total(
    member: Program, store: Store
) -> None:
    chance = random.Random(7)  # the same ones every time
    amounts = {
        "manual": (0, 5, 450),
        "discount": (-150, -1, 0),
        "adjustment": (-7, 7),
        "checkin": (100,),
        "fee": (990,),
    }
    paper.invoices(member, 60)
    made: dict[int, list[tuple[str, str, int]]] = {}
    for number in range(1, 61):
        kinds = chance.choices(list(amounts), k=chance.randrange(40))
        lines = [(kind, chance.choice("abc"), chance.choice(amounts[kind])) for kind in kinds]
        made[number] = [("manual", "a", 10000), *lines]
    paper.add(member, ((number, *line) for number, lines in made.items() for line in lines))
    papers = {paper.invoice.id: paper for paper in documents.of_month("2026-10", terms()).each}
    assert papers.keys() == made.keys()
    for number, total in member.sql("SELECT id, amount FROM invoice"):
        groups = papers[number].groups
        assert {(g.kind, g.description, g.unit): g.times for g in groups} == Counter(made[number])
        assert [g.amount for g in groups] == [g.unit * g.times for g in groups]
        assert sum(g.amount for g in groups) == papers[number].total == total
        assert sorted((g.kind for g in groups), key=KINDS.index) == [g.kind for g in groups]


@contextmanager
def listened(store: Store) -> Iterator[list[object]]:
    """The statements that the store runs meanwhile."""
    said: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(store.connection(), sqlite3.Connection):
            store.connection().set_trace_callback(said.append)
            yield said
            store.connection().set_trace_callback(None)
        else:
            for kind in (psycopg.Cursor, psycopg.ServerCursor):
                execute = kind.execute
                patch.setattr(kind, "execute", lambda *a, execute=execute, **k: said.append(a[1]) or execute(*a, **k))
            yield said


def test_many_documents_take_no_more_statements_than_one(member: Program, store: Store) -> None:
    paper.invoices(member, 400)
    counts = []
    for number in (1, 400):
        with listened(store) as said:
            assert len(list(documents.named(range(1, number + 1), terms()).each)) == number
        counts.append(len(said))
    assert 0 < counts[0] == counts[1] < 10


def test_several_ids_are_one_document_after_the_other_in_their_order(issued: Program) -> None:
    issued.ok("invoices", "create", 1, "--date", "2026-10-05", "--amount", 5)
    html = rendered(issued, 2, 1, 2)
    page = Page(html)
    assert (page.tags.count("article"), page.lines[0]) == (2, "2 invoices")
    assert html.index("with reference 2") < html.index("2026-11-00001")
    assert "break-before: page" in page.style
    assert "counter(page)" not in page.style, "the pages of several are not counted through"
    assert "counter(page)" in Page(rendered(issued, 1)).style
    first, second = rendered(issued, 2, 1, "--to", "text").split("\f")
    assert second == TEXT
    assert "with reference 2" in first
    many = rendered(issued, "-", "--to", "json", stdin="1\n2\n")
    assert [paper["invoice"]["id"] for paper in json.loads(many)] == [1, 2]
    assert many.splitlines()[1] == JSON.rstrip("\n") + ",", "a document a line"
    assert isinstance(json.loads(rendered(issued, "-", "--to", "json", stdin="1\n")), list), "what is read is many"
    assert isinstance(json.loads(rendered(issued, 1, 1, "--to", "json")), list)


def test_a_month_is_all_that_is_not_void_by_number_and_what_has_none_last(member: Program) -> None:
    for number, (day, status) in enumerate(
        [("2026-11-01", "PAID"), ("2026-11-02", "VOID"), ("2026-11-03", "PAID"), ("2026-12-01", "OUT")], 1
    ):
        member.ok("invoices", "create", 1, "--date", day, "--status", status, "--extra")
        if number in (1, 3):
            member.sql("UPDATE invoice SET number = ? WHERE id = ?", f"2026-11-0000{9 - number}", number)
    member.ok("invoices", "create", 1, "--date", "2026-11-09", "--extra")
    papers = json.loads(rendered(member, "--month", "this", "--to", "json"))
    assert [paper["invoice"]["id"] for paper in papers] == [3, 1, 5]
    assert Page(rendered(member, "--month", "2026-11")).lines[0] == "Invoices 2026-11"
    one = rendered(member, "--month", "next", "--to", "json")
    assert [paper["invoice"]["id"] for paper in json.loads(one)] == [4], "a month is an array, of however many"
    assert json.loads(rendered(member, 2, "--to", "json"))["invoice"]["status"] == "VOID", "by its id a void one too"


def test_a_month_without_invoices_says_so_and_writes_nothing(member: Program) -> None:
    said = "Note: There is no invoice to render in 2026-11.\n"
    before = sorted(member.home.iterdir())
    for words, out in (
        ((), ""),
        (("--to", "text"), ""),
        (("--to", "json"), "[]\n"),
        (("--output", "november.html"), ""),
        (("--output", "november/"), "id\tfile\n"),
    ):
        answer = member("invoices", "render", "--month", "this", *words)
        assert (answer.status, answer.out, answer.err) == (0, out, said), words
    assert sorted(member.home.iterdir()) == before
