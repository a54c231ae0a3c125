"""The journal: every command's entry says exactly what it changed, no more and no less, and stays."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest
from program import Program
from shell import REFUSALS

from streamctl.cli import GROUPS

IN_PROCESS = True  # a process for each of its many commands would say no more

JOURNAL = ("journal", "journal_row", "journal_person")
APART = (*JOURNAL, "request", "counter", "schema_migration", "sqlite_sequence")  # logs themselves, and numbers given
BATCH = """{"action": "checkin", "member": 2, "ref": "b1", "lease": "1h"}
{"action": "checkin", "member": 2, "ref": "b2"}
{"action": "heartbeat", "ref": "b1"}
{"action": "checkin", "member": 404}
{"action": "checkout", "member": 2, "ref": "b1"}
{"action": "takeover", "member": 2, "ref": "b3"}
"""

# One after the other; together they are every command that changes rows, and each changes some.
COMMANDS = (
    "members add bob@example.com --name Bob --credits 3 --fee 9.90 --start 2026-11-01 --end 2026-12-15",
    "members add zoë@example.com --credits 5 --fee 5 --start 2026-11-01",
    "members add gone@example.com --no-membership",
    "members enroll 3 --fee 1",
    "members update 1 --email bob2@example.com --name Robert --credits 4 --fee 8 --end 2027-01-01",
    "members update 1 --name Rob",
    "members update 2 --fee 6",
    "members cancel 2 3",
    "members reactivate 2",
    "members renew 1 2 --months 2",
    "stream checkin 1 --ref k --device tv --lease 10m",
    "stream checkin 1",
    "stream checkout 1 --stream 2",
    "--as-of 2026-11-22T13:00:00Z stream checkin 1",
    "--as-of 2026-11-22T13:00:00Z stream takeover 1 --device phone",
    "--as-of 2026-11-22T13:00:00Z stream checkin 1 --lease 1m",
    "--as-of 2026-11-22T14:00:00Z stream expire",
    "--as-of 2026-11-22T14:00:00Z stream checkout 1 --all",
    "stream batch events.jsonl",
    "stream batch more.jsonl --commit-every 1",
    "invoices create 1 --date 2026-10-01 --amount 20",
    "invoices create 1 --date 2026-09-01 --status PAID --amount 1 --description old",
    "invoices update 3 --amount 15 --description changed --date 2026-08-01",
    "invoices update 3 --member 2 --status PAID",
    "invoices reopen 3 4",
    "invoices void 4 --reason 'by mistake'",
    "lines add 3 --amount 5 --key l1",
    "lines add 3 --discount 2.50",
    "lines update 8 --amount 0 --description free",
    "invoices create 2 --date 2026-07-01",
    "lines update {manual} --invoice 5",
    "lines delete {manual} --yes",
    "invoices generate",
    "invoices generate --month 2026-12 --prorate",
    "invoices issue --month 2026-10",
    "invoices pay 3 --on 2026-11-20 --note cash",
    "db set payment_days 30",
    "db set seller_name 'A Shop'",
    "invoices create 1 --date 2027-02-01 --amount 3",
    "invoices delete {last} --yes",
    "members delete 3 --yes",
    "members add force@example.com --credits 2",
    "stream checkin 4",
    "members delete 4 --force --yes",
    "members cancel 1",
    "members erase 1 --yes",
    "log undo {note}",
)


def rows(program: Program) -> dict[tuple[str, Any], dict[str, Any]]:
    """Every row that the journal is about, by its table and key, with its columns by name."""
    found = {}
    for table, kept in program.books().items():
        if table not in APART:
            for row in kept:
                found[table, row[0]] = dict(zip(columns(program, table), row, strict=True))
    return found


def columns(program: Program, table: str) -> list[str]:
    """The names of a table's columns, in order."""
    if program.engine == "sqlite":
        return [name for _, name, *_ in program.sql(f'PRAGMA table_info("{table}")')]
    names = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    return [name for (name,) in program.sql(f"{names} AND table_name = ? ORDER BY ordinal_position", table)]


def entries(program: Program) -> int:
    """How many there are."""
    ((count,),) = program.sql("SELECT count(*) FROM journal")
    return int(count)


def played(program: Program, before: dict[tuple[str, Any], dict[str, Any]], first: int) -> set[tuple[str, Any]]:
    """Play the entries from that one on upon what was there before; which rows are of a set, and not played."""
    of_set: set[tuple[str, Any]] = set()
    persons = {
        (entry, member): [json.loads(image) if image else {} for image in images]
        for entry, member, *images in program.sql('SELECT entry, member, "before", "after" FROM journal_person')
    }
    for entry, table, low, high, old, new in program.sql(
        'SELECT entry, entity, "first", "last", "before", "after" FROM journal_row WHERE entry >= ? ORDER BY id', first
    ):
        if old is None and new is None:
            of_set |= {(table, key) for key in range(low, high + 1)}
            continue
        images = [json.loads(image) if image else None for image in (old, new)]
        key = (table, low if low is not None else (images[0] or images[1])["key"])
        for image, person in zip(images, persons.get((entry, low), [{}, {}]), strict=True):
            if image is not None and image.pop("personal", None):
                image.update(person)
        was, now = images
        there = before.get(key, {})
        assert was is None or there.items() >= was.items(), (entry, key, there, was)
        assert (was is None) == (key not in before), (entry, key)
        if now is None:
            assert was == {name: value for name, value in there.items() if value is not None}
            del before[key]
        else:
            before[key] = {**(there or dict.fromkeys(columns(program, table))), **now}
    return of_set


def words(program: Program, command: str) -> list[str]:
    import shlex

    def newest(what: str) -> object:
        return program.sql(what)[0][0]

    text = command
    if "{manual}" in text:
        text = text.replace("{manual}", str(newest("SELECT min(id) FROM invoice_line WHERE key = 'l1'")))
    if "{last}" in text:
        text = text.replace("{last}", str(newest("SELECT max(id) FROM invoice")))
    if "{note}" in text:
        text = text.replace("{note}", str(newest("SELECT max(id) FROM journal WHERE command = 'db set'")))
    return shlex.split(text)


def test_the_journal_replays_to_the_very_rows_and_misses_no_command(program: Program) -> None:
    """Fails when a verb forgets to tell the journal of a row, or tells of one that it did not change."""
    (program.home / "events.jsonl").write_text(BATCH)
    (program.home / "more.jsonl").write_text(BATCH.replace('"b', '"c'))
    for command in COMMANDS:
        before, last = rows(program), entries(program)
        ((seen,),) = program.sql("SELECT coalesce(max(id), 0) + 1 FROM journal")
        answer = program(*words(program, command))
        assert answer.status in (0, 4 if "batch" in command else 0), (command, answer.err)
        after = rows(program)
        of_set = played(program, before, seen)
        assert entries(program) > last, f"{command} has no entry"
        erased = command.startswith("members erase")
        for key in before.keys() | after.keys():
            now = after.get(key)
            if now != before.get(key):
                assert key in of_set or implied(key, now, of_set) or (erased and key[0] == "user"), (command, key)
        for table, key in of_set:
            assert (table, key) in after, f"{command} tells of {table} {key}"
        if "every" not in command:
            assert entries(program) == last + 1, f"{command} has {entries(program) - last} entries"


def implied(key: tuple[str, Any], now: dict[str, Any] | None, of_set: set[tuple[str, Any]]) -> bool:
    """Whether a line of the set tells of the change: its invoice's amount, the end of its stream, its sign of life."""
    if key[0] == "invoice":
        return any(table == "invoice_line" for table, _ in of_set)
    return key[0] == "stream" and now is not None and (("invoice_line", now["checkout_line"]) in of_set)


def test_every_command_that_changes_rows_is_among_these() -> None:
    changing = {
        f"{group} {name}"
        for group in GROUPS
        for name, command in import_module(f"streamctl.cli.{group}").group.commands.items()
        if any(parameter.name == "dry_run" for parameter in command.params)
    }
    parts = [command.split() for command in COMMANDS]
    here = {" ".join(part[2:4] if part[0] == "--as-of" else part[:2]) for part in parts}
    # Signs of life are not written down; a load has tests of its own.
    assert changing - here == {"stream heartbeat", "db load"}


def test_what_changes_nothing_has_no_entry(member: Program) -> None:
    """Fails when a replay, a refusal, a rehearsal or a sign of life is written down as a change."""
    member.ok("stream", "checkin", 1, "--ref", "k", "--lease", "1h")
    member.ok("invoices", "create", 1, "--date", "2026-10-01", "--status", "PAID")
    before = entries(member)
    member.ok("stream", "checkin", 1, "--ref", "k", "--lease", "1h")
    member.ok("stream", "heartbeat", 1)
    member.ok("stream", "expire")
    member.ok("invoices", "pay", 2)
    member.ok("invoices", "update", 2, "--status", "PAID")
    member.ok("invoices", "issue", "--month", "2026-09")
    member.ok("members", "update", 1, "--name", "Bob")
    member.ok("members", "reactivate", 1)
    member.ok("db", "set", "payment_days", 14)
    member.ok("stream", "checkin", 1, "--dry-run")
    member.ok("invoices", "generate", "--dry-run")
    member.refused("stream", "checkin", 404)
    member.refused("invoices", "delete", 2, "--yes")
    member("stream", "batch", "-", stdin='{"action": "heartbeat", "stream": 1}\n')
    assert entries(member) == before


@pytest.mark.parametrize("table", JOURNAL)
def test_the_database_itself_keeps_the_journal(member: Program, table: str) -> None:
    """Fails when a trigger is missing: whoever has the database's own shell can't rewrite what was done."""
    member.ok("members", "update", 1, "--name", "Robert")
    before = member.books()
    told = {"journal": "actor", "journal_row": "entity", "journal_person": "before"}[table]
    statements = [f"UPDATE {table} SET \"{told}\" = 'x'"]
    if table != "journal_person":  # from which `members erase` takes out
        statements += [f"DELETE FROM {table}", f"DELETE FROM {table} WHERE id = 1"]
    if table != "journal_person" and member.engine == "postgresql":
        statements += [f"TRUNCATE {table} CASCADE"]
    if member.engine == "sqlite":
        names = ", ".join(f'"{name}"' for name in columns(member, table))
        statements += [f"INSERT OR REPLACE INTO {table} ({names}) SELECT {names} FROM {table} WHERE id = 1"]
    for statement in statements:
        with pytest.raises(REFUSALS):
            member.sql(statement)
        assert member.books() == before, statement
