"""The schema on a server: its types, the same rules as in a file by the same names, and made by one of two at once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import at_once, crowd
from program import Program
from versions import to_the_first

from streamctl.services import founding

pytestmark = pytest.mark.postgresql("about the types of a server")
IN_PROCESS = True
OURS = "table_schema = current_schema() AND table_name <> 'schema_migration'"
KINDS = {
    "bigint": """counter.value invoice.amount invoice.id invoice.user invoice_line.amount invoice_line.id
        invoice_line.invoice journal.count journal.id journal.sum journal.undoes journal_person.entry
        journal_person.id journal_person.member journal_row.entry journal_row.first journal_row.id
        journal_row.invoice journal_row.last journal_row.member membership.fee membership.id membership.user
        request.id request.member stream.checkin_line stream.checkout_line stream.id stream.user user.id""",
    "date": """invoice.date invoice.due_date invoice.paid_on membership.cancelled_on membership.end_date
        membership.start_date""",
    "integer": "membership.credit_limit",
    "text": """counter.name invoice.description invoice.month invoice.note invoice.number invoice.status
        invoice_line.description invoice_line.key invoice_line.kind journal.actor journal.command
        journal.selection journal_person.after journal_person.before journal_row.after journal_row.before
        journal_row.entity membership.state request.action request.key request.parameters request.receipt
        setting.key setting.value stream.close_reason stream.device stream.ref user.email user.email_key
        user.name""",
    "timestamp with time zone": """invoice.issued_at invoice.voided_at journal.as_of journal.at request.at
        stream.closed_at stream.expires_at stream.opened_at stream.seen_at user.created_at""",
}


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The same schema in a file."""
    founding.found(tmp_path / "same.db", {}, wait=1)
    connection = sqlite3.connect(tmp_path / "same.db")
    yield connection
    connection.close()


def test_every_column_has_the_type_of_what_is_in_it(program: Program) -> None:
    columns = program.sql(
        "SELECT data_type, table_name || '.' || column_name, datetime_precision FROM information_schema.columns"
        f" WHERE {OURS} ORDER BY 1, 2"
    )
    found: dict[str, list[str]] = {}
    for kind, column, precision in columns:
        found.setdefault(kind, []).append(column)
        assert precision in (None, 0), column  # to the second
    assert found == {kind: columns.split() for kind, columns in KINDS.items()}


def test_ids_are_identities_that_a_load_may_give(program: Program) -> None:
    ids = program.sql(
        f"SELECT table_name, identity_generation FROM information_schema.columns WHERE {OURS} AND column_name = 'id'"
    )
    assert len(ids) == 9
    assert {how for _, how in ids} == {"BY DEFAULT"}


def test_each_rule_of_a_file_is_one_of_the_server_by_the_same_name(program: Program, file: sqlite3.Connection) -> None:
    tables = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    wanted = {(table, name) for table, ddl in tables for name in re.findall(r'CONSTRAINT "?(\w+)"? CHECK', ddl)}
    there = program.sql(
        "SELECT relname, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        " WHERE contype = 'c' AND connamespace = current_schema()::regnamespace"
    )
    assert set(there) == wanted
    assert len(wanted) > 25


def test_each_index_and_foreign_key_of_a_file_is_there_on_the_server(
    program: Program, file: sqlite3.Connection
) -> None:
    partial = (
        "SELECT name, sql LIKE '%UNIQUE%', sql LIKE '%WHERE%' FROM sqlite_master WHERE type = 'index' AND sql <> ''"
    )
    wanted = {row for row in file.execute(partial) if not row[0].startswith("schema_migration")}
    there = program.sql(
        "SELECT relname, indisunique, indpred IS NOT NULL FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND NOT indisprimary AND relname NOT LIKE 'schema_migr%'"
    )
    assert set(there) == wanted
    assert {"invoice_open", "stream_open", "stream_lease", "invoice_unnumbered", "invoice_due"} <= {
        name for name, _, is_partial in there if is_partial
    }
    keys = {
        (table, column, parent, action)
        for (table,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for _, _, parent, column, _, _, action, _ in file.execute(f'PRAGMA foreign_key_list("{table}")')
    }
    actions = "CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'a' THEN 'NO ACTION' END"
    assert keys == set(
        program.sql(
            f"SELECT child.relname, attname, parent.relname, {actions} FROM pg_constraint"
            " JOIN pg_class AS child ON child.oid = conrelid JOIN pg_class AS parent ON parent.oid = confrelid"
            " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
            " WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
        )
    )


def test_two_that_make_a_database_at_once_make_one(nothing: Program) -> None:
    with crowd(nothing, 3) as three:
        inits = at_once(three, *[("db", "init", "--timezone", "UTC", "--format", "json")] * 3)
        assert [answer.status for answer in inits] == [0] * 3, inits
        assert sorted(answer.json["created"] for answer in inits) == [False, False, True]
        migrated = at_once(three, *[("db", "migrate", "--format", "json")] * 3)
    assert [answer.json["applied"] for answer in migrated] == [""] * 3
    assert nothing("db", "check").status == 0


def test_one_of_two_with_another_currency_is_told_which_there_is(nothing: Program) -> None:
    with crowd(nothing, 2) as both:
        answers = at_once(both, *(("db", "init", "--currency", c, "--timezone", "UTC") for c in ("EUR", "USD")))
    assert sorted(answer.status for answer in answers) == [0, 4], answers
    assert "is there already, with currency" in "".join(answer.err for answer in answers)


def test_two_that_migrate_an_old_database_at_once_migrate_it_once(program: Program) -> None:
    to_the_first(program)
    assert program("members", "list").status == 6
    with crowd(program, 3) as three:
        answers = at_once(three, *[("db", "migrate", "--format", "json")] * 3)
    assert [answer.status for answer in answers] == [0] * 3, answers
    assert sorted(answer.json["applied"] for answer in answers) == [
        "",
        "",
        "0002_month_end 0003_journal 0004_one_shape",
    ]
    assert program("members", "list").status == 0
