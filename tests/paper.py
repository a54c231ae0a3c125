"""What the tests of documents share: an issued invoice, its three pictures, and HTML read as a browser would."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from program import Program
from shell import Shell

SELLER = {
    "seller_name": "Northlight Streaming",
    "seller_address": "1 Harbour Road; Dublin",
    "seller_email": "billing@northlight.example",
    "seller_tax_id": "IE 1234567X",
    "seller_note": "Pay to IBAN IE29 AIBK 9311 5212 3456 78.; Thank you.",
}
TIMES = "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
LINES = [
    ("checkout", "Check-out", 0, 41),
    ("checkin", "Check-in", 100, 41),
    ("discount", "Sorry for the outage", -150, 1),
    ("fee", "Membership 2026-11", 990, 1),
    ("manual", "HDMI cable", 450, 2),
    ("adjustment", "Adjustment", -40, 1),
]
TEXT = """\
Northlight Streaming
1 Harbour Road
Dublin
billing@northlight.example
Tax ID IE 1234567X

Invoice 2026-11-00001

Status     OUTSTANDING, due 15 December 2026
Number     2026-11-00001
Month      November 2026
Date       22 November 2026
Issued     1 December 2026
To         Bob
           bob@example.com
           Member 1

Item                                                 Unit price   Amount
────────────────────────────────────────────────────────────────────────
Membership 2026-11                                                  9.90
Check-in × 41                                              1.00    41.00
Check-out × 41                                             0.00     0.00
HDMI cable × 2                                             4.50     9.00
Sorry for the outage                                               -1.50
Adjustment                                                         -0.40
────────────────────────────────────────────────────────────────────────
Total in USD                                                       58.00

Pay to IBAN IE29 AIBK 9311 5212 3456 78.
Thank you.
"""  # noqa: RUF001
SEEN = [
    "Invoice 2026-11-00001",
    *(
        "Northlight Streaming",
        "1 Harbour Road",
        "Dublin",
        "billing@northlight.example",
        "Tax ID IE 1234567X",
        "Invoice",
    ),
    *("To", "Bob", "bob@example.com", "Member 1"),
    *("Number", "2026-11-00001", "Month", "November 2026", "Date", "22 November 2026", "Issued", "1 December 2026"),
    "OUTSTANDING, due 15 December 202658.00 USD",
    *("Items of invoice 2026-11-00001", "Unit price", "Amount"),
    *("Membership 2026-11", "9.90"),
    *(f"Check-in{TIMES}41", "1.00", "41.00"),
    *(f"Check-out{TIMES}41", "0.00", "0.00"),
    *(f"HDMI cable{TIMES}2", "4.50", "9.00"),
    *("Sorry for the outage", f"{MINUS}1.50"),
    *("Adjustment", f"{MINUS}0.40"),
    *("Total in USD", "58.00"),
    *("Pay to IBAN IE29 AIBK 9311 5212 3456 78.", "Thank you."),
]
JSON = (
    '{"seller": {"name": "Northlight Streaming", "address": ["1 Harbour Road", "Dublin"], '
    '"email": "billing@northlight.example", "tax_id": "IE 1234567X", '
    '"note": ["Pay to IBAN IE29 AIBK 9311 5212 3456 78.", "Thank you."]}, '
    '"member": {"id": 1, "name": "Bob", "email": "bob@example.com"}, '
    '"invoice": {"id": 1, "number": "2026-11-00001", "month": "2026-11", "status": "OUT", "date": "2026-11-22", '
    '"issued_at": "2026-12-01T00:00:05Z", "due_date": "2026-12-15", "paid_on": null, '
    '"description": "Invoice for 2026-11"}, "currency": "USD", "groups": ['
    '{"kind": "fee", "description": "Membership 2026-11", "count": 1, "amount": 9.90}, '
    '{"kind": "checkin", "description": "Check-in", "count": 41, "amount": 41}, '
    '{"kind": "checkout", "description": "Check-out", "count": 41, "amount": 0}, '
    '{"kind": "manual", "description": "HDMI cable", "count": 2, "amount": 9}, '
    '{"kind": "discount", "description": "Sorry for the outage", "count": 1, "amount": -1.50}, '
    '{"kind": "adjustment", "description": "Adjustment", "count": 1, "amount": -0.40}], "total": 58}\n'
)
WITHOUT_END = ("meta",)
INLINE = ("b", "bdi", "span")


class Page(HTMLParser):
    """The tags of a document with their attributes, its style, and what a reader sees, a block a line."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.lines: list[str] = [""]
        self.style = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every tag is closed"
        self.lines = [line.strip("\n") for line in self.lines if line.strip("\n")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in INLINE:
            self.lines.append("")
        if tag not in WITHOUT_END:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, "tags are closed in their order"
        if tag not in INLINE:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.lines[-1] += data


def rendered(program: Program, *words: object, stdin: str = "") -> str:
    """Render, expect success; standard output."""
    answer = program("invoices", "render", *words, stdin=stdin)
    assert answer.status == 0, answer.err
    return answer.out


def files(program: Program) -> list[Path]:
    """All files there are, but for those that SQLite has beside a database while it is read."""
    return sorted(path for path in program.home.rglob("*") if not path.name.endswith(("-wal", "-shm")))


def refused(program: Program, *words: object, stdin: str = "") -> dict[str, Any]:
    """Render, expect a refusal that wrote nothing; the error with its exit status."""
    before = files(program)
    answer = program("invoices", "render", *words, stdin=stdin, STREAMCTL_FORMAT="json")
    assert answer.out == ""
    assert files(program) == before
    return {**answer.error, "status": answer.status}


def issued(member: Program) -> Program:
    """Invoice 1 of member 1 with lines of every kind, issued, of a seller who has said everything."""
    member.ok("invoices", "create", 1)
    add(member, ((1, kind, text, amount) for kind, text, amount, times in LINES for _ in range(times)))
    member.sql(
        "UPDATE invoice SET number = '2026-11-00001', issued_at = '2026-12-01T00:00:05Z', due_date = '2026-12-15'"
    )
    for key, value in SELLER.items():
        member.sql("UPDATE setting SET value = ? WHERE key = ?", value, key)
    return member


def add(program: Program, lines: Iterable[tuple[int, str, str, int]]) -> None:
    """Put lines on invoices behind the program's back, those that add first."""
    with Shell(program.db) as shell:
        statement = "INSERT INTO invoice_line (invoice, kind, description, amount) VALUES (?, ?, ?, ?)"
        shell.repeat(statement, sorted(lines, key=lambda line: -line[3]))


def invoices(program: Program, number: int) -> None:
    """Make so many empty invoices of member 1 for October."""
    program.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO invoice (user, date, month, description, status, amount) "
        "SELECT 1, '2026-10-05', '2026-10', 'x', 'PAID', 0 FROM n",
        number,
    )
