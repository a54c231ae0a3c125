"""`db check`: everything that is wrong with a database, each with its row and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from peewee import JOIN, fn

from streamctl.domain import money
from streamctl.domain.invoices import CHECKIN, CHECKOUT, MANUAL, OUTSTANDING, is_final
from streamctl.domain.records import Column
from streamctl.store import bulk, schema, shape
from streamctl.store.database import ID_LAST, SCHEMA, current, snapshot, terms, tuples
from streamctl.store.inspection import REPAIR
from streamctl.store.models import Invoice, InvoiceLine, Membership, Stream
from streamctl.store.records import open_streams

FINDING = (Column("check"), Column("row"), Column("finding"), Column("mend", "command"))
REPAIRED = (*FINDING, Column("mended", "bool"))


class Finding(NamedTuple):
    check: str
    row: str
    finding: str
    mend: str


def findings() -> Iterator[Finding]:
    """All that is wrong, file first. An older or newer schema is a finding; its rows are not looked at then."""
    with snapshot():
        yield from map(Finding._make, current().inspector().faults())
        if (wrong := list(_schema())) or current().schema() != SCHEMA:
            yield from wrong
            return
        yield from _pieces()
        yield from _ids()
        yield from _amounts()
        yield from _stream_lines()


def notes(at: datetime) -> Iterator[str]:
    """What is no fault of the data, but should be known."""
    yield from current().inspector().notes()
    if current().schema() == SCHEMA:
        with current().inspector().blank() as blank:
            if blank is None:
                yield "The indexes and triggers were not compared: that needs the right to make a schema."
        yield from _over_limit(at)


def _schema() -> Iterator[Finding]:
    found = current().schema()
    if found != SCHEMA:
        mend = "streamctl db migrate" if found < SCHEMA else "use the newer streamctl that wrote it"
        yield Finding("schema", "", f"schema {found}; this streamctl has {SCHEMA}", mend)
    elif schema.history() != schema.shipped():
        missing = ", ".join(sorted(set(schema.history()) ^ set(schema.shipped())))
        yield Finding("schema", "", f"the migrations differ: {missing}", "streamctl db migrate")


def _pieces() -> Iterator[Finding]:
    for flaw in shape.flaws(current()) or ():
        kind, table, name, _ = flaw.piece
        if not flaw.wanted:
            mend = current().shell(current().inspector().removal(flaw.piece))
            yield Finding(kind, name, f"it is none of streamctl's, and works on {table}", mend)
        else:
            mend = REPAIR if flaw.remade else "streamctl db dump, and load it into a new database"
            where = name if kind in shape.REMADE else f"{table} {name}".removesuffix(f" {table}")
            yield Finding(kind, where, "it is missing" if flaw.missing else "it is another than it was made as", mend)


def _ids() -> Iterator[Finding]:
    for table, number, there in bulk.out_of_range(current()):
        if there:
            mend = "streamctl db dump, give it another id there, and load it into a new database"
            yield Finding("id", f"{table} {number}", f"ids go from 1 to {ID_LAST}", mend)
        else:
            mend = current().shell(current().lowered(table))
            yield Finding("id", table, f"the next id is after {number}; they go from 1 to {ID_LAST}", mend)


def _amounts() -> Iterator[Finding]:
    total = fn.COALESCE(fn.SUM(InvoiceLine.amount), 0)
    query = (
        Invoice.select(Invoice.id, Invoice.amount, total)
        .join(InvoiceLine, JOIN.LEFT_OUTER, on=(InvoiceLine.invoice == Invoice.id))
        .group_by(Invoice.id)
        .having(total != Invoice.amount)
        .order_by(Invoice.id)
    )
    currency = terms().currency
    for invoice, amount, lines in tuples(query):
        says, sums = money.plain(amount, currency), money.plain(lines, currency)
        yield Finding(
            "amount",
            f"invoice {invoice}",
            f"amount {says}, but its lines make {sums}",
            f"streamctl invoices update {invoice} --amount {sums if lines >= 0 else '0'}",
        )


def _stream_lines() -> Iterator[Finding]:
    """A stream has one column for each of its lines, so a second one shows as a line of no stream."""
    for kind, column in ((CHECKIN, Stream.checkin_line), (CHECKOUT, Stream.checkout_line)):
        orphans = (
            InvoiceLine.select(InvoiceLine.id, InvoiceLine.invoice, Invoice.status, Invoice.number, Invoice.issued_at)
            .join(Stream, JOIN.LEFT_OUTER, on=(column == InvoiceLine.id))
            .switch(InvoiceLine)
            .join(Invoice)
            .where((InvoiceLine.kind == kind) & Stream.id.is_null())
            .order_by(InvoiceLine.id)
        )
        for line, invoice, status, number, issued in tuples(orphans):
            first = "" if status == OUTSTANDING else f"streamctl invoices reopen {invoice} && "
            mend = f"{first}streamctl lines delete {line} --yes"
            if is_final(number, issued):  # it keeps its lines, and what they charge
                mend = current().shell(f"UPDATE invoice_line SET kind = '{MANUAL}' WHERE id = {line}")
            yield Finding(
                "stream_line", f"line {line}", f"a {kind} line on invoice {invoice} that is no stream's", mend
            )
        wrong = (
            Stream.select(Stream.id, InvoiceLine.id, InvoiceLine.kind)
            .join(InvoiceLine, on=(column == InvoiceLine.id))
            .where(InvoiceLine.kind != kind)
            .order_by(Stream.id)
        )
        for stream, line, other in tuples(wrong):
            yield Finding(
                "stream_line",
                f"stream {stream}",
                f"its {kind} line {line} is a {other} line",
                current().shell(f"UPDATE stream SET {column.column_name} = NULL WHERE id = {stream}"),
            )


def _over_limit(at: datetime) -> Iterator[str]:
    held = open_streams(Membership.user, at)
    over = (
        Membership.select(Membership.user, Membership.credit_limit, held)
        .where(held > Membership.credit_limit)
        .order_by(Membership.user)
    )
    for user, limit, count in tuples(over):
        yield f"Member {user} has {count} streams open and a limit of {limit}; it falls as they check out."
