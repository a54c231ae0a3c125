"""Every hint that names a command: pasted in the state that it was given in, it works and helps."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from inside import Inside
from pasting import commands, sentence
from program import ROOT, Answer
from shell import locked
from versions import to_the_first

from streamctl.cli import members
from streamctl.cli.hints import with_database

IN_PROCESS = True  # a process for each of its many commands would say no more

FOUND_WRONG = (
    "The column `mend` has the command for each; "
    "what loses no fact is mended, after a backup, by: streamctl db check --repair"
)
TAKE_IT_OFF = (
    "Take it off an open invoice of the member, when one comes to {}: streamctl invoices list --member {} --status OUT"
)
LATER = "2027-01-10T12:00:00Z"


class State(NamedTuple):
    """What is done first, the command that is refused then, and whether the hint makes it succeed."""

    before: str  # a command a line
    refused: str
    mends: bool = False
    now: str | None = None


PAID = "invoices create 1 --amount 5 --status PAID"
# By the text of the hint in the source, `{}` for what is put into it.
HINTS = {
    "streamctl members enroll {}": State("members add ada@x.io --no-membership", "stream checkin 2", mends=True),
    "streamctl members reactivate {}": State("members cancel 1", "stream checkin 1", mends=True),
    "streamctl members cancel {}": State("", "members erase 1 --yes", mends=True),
    "streamctl members update {} --start today": State(
        "members add ada@x.io --start 2026-12-01", "stream checkin 2", mends=True
    ),
    "streamctl members renew {}": State("", "stream checkin 1", mends=True, now=LATER),
    "streamctl members update {} --credits {}": State("members update 1 --credits 0", "stream checkin 1", mends=True),
    "streamctl stream takeover {} --oldest": State(
        "members update 1 --credits 1\nstream checkin 1", "stream checkin 1"
    ),
    "Look closer with: streamctl stream why {}; mend it with: {}": State(
        "members update 1 --credits 0", "stream checkin 1", mends=True
    ),
    "See the closed ones with: streamctl stream list --all --member {}": State("", "stream checkout 1"),
    "See whether another may be started with: streamctl stream why {}": State(
        "members update 1 --credits 1\nstream checkin 1\nstream takeover 1 --oldest", "stream heartbeat 1"
    ),
    "See the member's streams with: streamctl stream list --all --member {}": State("", "stream checkout 1 --stream 9"),
    "See what there is with: streamctl stream list --all": State("", "stream heartbeat 9"),
    "Open it again with: streamctl invoices reopen {}": State(PAID, "lines add 1 --amount 1", mends=True),
    "Use invoice {} (streamctl invoices show {})": State("invoices create 1", "invoices create 1"),
    "See them with: streamctl members show {}": State("", "members add bob@example.com"),
    "See its lines with: streamctl invoices show {}": State("invoices create 1", "lines add 1 --discount 9"),
    "Do it at its last sign of life, or later: streamctl --as-of {} {}": State(
        "stream checkin 1", "--as-of 2026-11-22T11:00:00Z stream checkout 1"
    ),
    "Give the numbers another form, such as: streamctl db set number_format {}": State(
        "invoices create 1 --date 2026-10-01 --amount 1\n"
        "invoices issue --month 2026-10\n"
        "SQL UPDATE counter SET value = 0\n"
        "invoices create 1 --date 2026-10-01 --amount 1 --extra",
        "invoices issue --month 2026-10",
        mends=True,
    ),
    "See it with: streamctl members show {}": State("", "members enroll 1"),
    "Change it with: streamctl --db {} db set {} {}": State(
        "members update 1 --fee 0", "db init --currency EUR", mends=True
    ),
    "Do it again with: streamctl invoices reopen {} && {}": State(PAID, "invoices pay 1 --note late", mends=True),
    "Leave --on out for today: streamctl invoices pay {}": State(
        "invoices create 1 --amount 5", "invoices pay 1 --on 2026-12-24"
    ),
    "Begin with: streamctl invoices update {} --amount {}": State(
        "invoices create 1 --amount 999999999.99", "invoices update 1 --amount 2500000000"
    ),
    "Load into a new one with: streamctl --db new.db db init && streamctl --db new.db …": State(
        "db dump --output books.json", "db load books.json"
    ),
    "Make one with: streamctl db dump": State("db dump --output x.json", "db load streamctl.csv"),
    "Another currency needs another database: streamctl --db new.db db init --currency {}": State(
        "", "db init --currency EUR"
    ),
    "see what it made with: streamctl log show {}": State("stream batch events.jsonl", "log undo 2"),
    "Load into another database. See how one is begun with: streamctl db init --help": State(
        "members delete 1 --yes\ndb load books.json", "log undo 4"
    ),
    "It kept what was there in a file. See how that is put back with: streamctl db restore --help": State(
        "db backup kept.db\ndb restore kept.db --yes", "log undo 2"
    ),
    "Undo that one with: streamctl log undo {}": State("members update 1 --fee 1\nlog undo 2", "log undo 2"),
    "Undo what came later first; see it with: streamctl log list": State(
        "members update 1 --fee 1\nmembers update 1 --fee 2", "log undo 2"
    ),
    "End them first with: streamctl stream checkout {} --all": State(
        "members add ada@x.io\nstream checkin 2", "log undo 2"
    ),
    "See who added them with: streamctl invoices show {} --history": State(
        "invoices create 1\nlines add 1 --amount 1", "log undo 2"
    ),
    "streamctl members erase {}": State(f"{PAID}\nmembers cancel 1", "members delete 1 --yes"),
    "streamctl members cancel {} && {}": State(PAID, "members delete 1 --yes"),
    "Name a backup. See how one is made with: streamctl db backup --help": State("", "db restore none.db --yes"),
    "Make one with: streamctl db sandbox {}": State("", "db diff 'try it.db'", mends=True),
    "See who there is with: streamctl members list": State("", "members show 9"),
    "See what there is with: streamctl {}": State("", "lines show 9"),
    "See what there is with: streamctl invoices list": State("", "invoices show 9"),
    "Lower it with: streamctl db set payment_days 0": State(
        "invoices create 1 --date 2999-12-20 --amount 5", "invoices issue --month 2999-12 --force", mends=True,
        now="2999-12-30T12:00:00Z",
    ),
}  # fmt: skip
# Commands that are no hints, or whose state is made by another test, which pastes them there.
ELSEWHERE = {
    "streamctl {}": "the version",
    "streamctl --db {} ": "what is put before the command of a hint",
    "streamctl invoices": "a part of one that is above",
    "Try again, or wait longer with: streamctl --timeout {} …": "below",
    "See more with: streamctl --debug …": "below",
    "Bring it up to date with: streamctl --db {} db migrate": "below",
    "Make one with: streamctl --db {} db init": "below",
    "The documents name no seller; see how to name yourself with: streamctl db set --help": "below",
    **dict.fromkeys(
        (
            "Backed up {} to {}. Restore it with: streamctl db restore {}",
            "{} See what came of it with: streamctl db diff {}",
            "Copied {} to {}. Rehearse there with: streamctl --db {} …",
        ),
        "below",
    ),
    **dict.fromkeys(
        (
            "See how it is used with: streamctl {} {} --help",
            "See what there is with: streamctl {} --help",
            "See what there is with: streamctl --help",
            "{} goes before the group: streamctl {}",
            "streamctl {} {}",
            "{}: streamctl {}",
        ),
        "tests/cli/test_words.py",
    ),
    **dict.fromkeys(
        (
            *("streamctl --db {} db", "streamctl --db {}", "streamctl --db {} db info", "streamctl db info"),
            *("streamctl invoices list", "streamctl invoices show {}", "streamctl lines list --kind fee"),
            *("streamctl invoices list --sort -number", "streamctl lines show {}", "streamctl lines list"),
            "streamctl log show {}",
            *(
                "streamctl members list",
                "streamctl members show {}",
                "streamctl stream list",
                "streamctl stream list --all",
            ),
            "streamctl stream list --all --member {}",
        ),
        "what shows a change whose answer was lost: tests/system/test_answer_lost.py",
    ),
    **dict.fromkeys(
        (
            *(
                "streamctl db check --repair",
                "streamctl db migrate",
                "streamctl db dump, and load it into a new database",
            ),
            "streamctl db dump, give it another id there, and load it into a new database",
            *("streamctl invoices update {} --amount {}", "streamctl invoices reopen {} && "),
            "{}streamctl lines delete {} --yes",
            FOUND_WRONG,
            "See which row has the last one, and what mends it, with: streamctl db check",
            "See why with: streamctl db check",
        ),
        "what db check finds and what mends that: tests/cli/test_db_check.py and test_db_check_repair.py",
    ),
    **dict.fromkeys(
        (
            "{} in the backup: {}. See what mends it with: streamctl db check",
            "{} in the copy. See what mends it with: streamctl db check",
            "Nothing was copied. See all that is wrong with: streamctl db check",
            "See what mends it with: streamctl --db {} db check",
            "{}; or take it all the same with: streamctl db restore {} --force",
            "{}, as in the backup. See what mends it with: streamctl db check",
            "See all that is wrong, and what mends it, with: streamctl --db {} db check",
        ),
        "faults in backups: tests/cli/test_db_backup.py and test_db_restore.py; each names db check, or --force",
    ),
    "`sqlite3 … .recover` saves what it can. See how a backup is put back with: streamctl db restore --help": "help",
    **dict.fromkeys(
        (
            *(" && streamctl invoices delete {}", " && streamctl lines add {} --amount {}"),
            "; void it instead: streamctl invoices void {}",
            'Charge it on a new invoice: streamctl lines add "$({} --format ids)"{}',
            "Charge it on the open invoice: streamctl lines add {}{}",
            "Member {} has an open one for {}: streamctl invoices show {}",
            TAKE_IT_OFF,
            "Take it off the open invoice: streamctl lines add {}{}",
            *("streamctl invoices create {} --extra", "streamctl invoices void {}"),
            "streamctl lines update {} --amount 0",
            *("{} && streamctl invoices create {} --date {} --extra{}{}", "{} && streamctl lines add {}{}{}"),
        ),
        "how what a closed invoice does not take is billed all the same: tests/cli/test_invoice_hints.py",
    ),
    "Name it with: streamctl db init --timezone Europe/Berlin": "an example: tests/cli/test_db.py",
    "streamctl db set timezone Europe/Berlin": "an example: tests/cli/test_db.py",
    "See what would be installed with: streamctl --show-completion {}": "tests/cli/test_completion.py",
    "streamctl stream checkin {}": "what stream why suggests: tests/cli/test_stream.py",
    "Make it one a line with: {} | streamctl stream batch -": "tests/cli/test_stream_batch.py, for it needs jq",
    **dict.fromkeys(
        (
            "Name the schema that is streamctl's: streamctl --db {} db info",
            "Make a schema for streamctl: {}; then name it: streamctl --db {} db init",
        ),
        "another program's tables: tests/system/test_postgres_shared_schema.py",
    ),
    "Let somebody who may write there run: streamctl --db {} db info": "somebody else pastes it",
    "See it with: streamctl --db {} db info": "two that make the same database: tests/system/test_files.py",
}


def hints() -> Iterator[str]:
    """Every text in the source that names a command of ours, docstrings aside; `{}` for what is put into it."""
    for path in sorted((ROOT / "streamctl").rglob("*.py")):
        tree = ast.parse(path.read_text())
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) not in docs | parts and (found := text(node)) and re.search(NAMED, found):
                yield found


NAMED = r"streamctl (?:--[a-z]|\{|members\b|invoices\b|lines\b|stream |report\b|log |db )"


def text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join("{}" if isinstance(part, ast.FormattedValue) else text(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_hint_that_names_a_command_is_here() -> None:
    """Fails when there is a new hint that nobody has pasted yet, or one of these is gone."""
    assert set(hints()) == HINTS.keys() | ELSEWHERE.keys()
    assert not HINTS.keys() & ELSEWHERE.keys()
    for hint in {*HINTS, *ELSEWHERE}:
        assert not re.search(r"streamctl [^;,]*\b(?!OUT\b)[A-Z]{2,}\b", hint), hint


def paste(program: Inside, hint: str) -> list[Answer]:
    """Run every command of the hint, a yes given where it would be asked for; what they answered."""
    found = [one for line in commands(hint) for one in line.split(" && ")]
    assert found, hint
    answers = []
    for line in found:
        _, *words = shlex.split(line)
        yes = ["--yes"] if words[:2] == ["members", "erase"] else []
        answers.append(program(*words, *yes))
        assert answers[-1].status == 0, (line, answers[-1].err)
    return answers


def prepare(program: Inside, lines: str) -> None:
    for line in lines.splitlines():
        if line.startswith("SQL "):
            program.sql(line.removeprefix("SQL "))
            continue
        answer = program(*shlex.split(line))
        assert answer.status == 0, (line, answer.err)


@pytest.fixture
def files(member: Inside, elsewhere: Callable[[], Inside]) -> Inside:
    """Member 1, and files that some of the commands read: events, a dump of other books, and what is neither."""
    other = elsewhere()
    other.ok("db", "init", "--timezone", "UTC")
    other.ok("members", "add", "ann@x.io")
    (member.home / "books.json").write_text(other("db", "dump").out)
    (member.home / "events.jsonl").write_text(json.dumps({"action": "checkin", "member": 1}) + "\n")
    (member.home / "streamctl.csv").write_text("id\n1\n")
    return member


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_works_when_it_is_pasted_and_helps(files: Inside, hint: str) -> None:
    """Fails when a hint names a command that is refused in that state or not there, or leaves things as they were."""
    state = HINTS[hint]
    program = files.at(state.now) if state.now else files
    prepare(program, state.before)
    words = shlex.split(state.refused)
    refused = program(*words)
    assert refused.status not in (0, 1), refused
    given = refused.err.partition("\nHint: ")[2].removesuffix("\n")
    pattern = "(.+)".join(map(re.escape, hint.removesuffix("…").split("{}")))
    assert re.search(pattern, given), given
    paste(program, given)
    if state.mends:
        again = program(*words)
        assert again.status == 0, again.err


def test_who_waits_longer_or_tries_again_gets_through(member: Inside) -> None:
    with locked(member.db):
        busy = member("--timeout", "0.1", "members", "add", "it's@x.io", "--name", "It's me")
    assert busy.status == 5
    assert busy.err.endswith("with: streamctl --timeout 60 members add 'it'\"'\"'s@x.io' --name 'It'\"'\"'s me'\n")
    paste(member, busy.err)
    assert [one["name"] for one in member.ok("members", "list")] == ["Bob", "It's me"]


def test_an_old_schema_is_brought_up_to_date_by_its_hint(member: Inside) -> None:
    to_the_first(member)
    old = member("members", "list")
    assert old.status == 6
    paste(member, old.err)
    assert member("members", "list").status == 0


def test_where_no_database_is_the_hint_makes_one(nothing: Inside) -> None:
    missing = nothing("members", "list")
    assert missing.status == 6
    paste(nothing, missing.err)
    assert nothing("members", "list").status == 0


def test_what_is_unexpected_is_shown_closer_by_its_hint(member: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(members, "again", fail)
        failed = member("members", "update", "1", "--name", "It's")
    assert failed.status == 1
    paste(member, failed.err)
    assert member.ok("members", "show", 1)["name"] == "It's"


def test_a_note_and_what_was_done_name_commands_that_work(member: Inside) -> None:
    member.ok("invoices", "create", 1, "--amount", 5)
    paste(member, member("invoices", "render", 1, "--to", "text").err)
    backed_up, copied = sentence(member, "db backup kept.db"), sentence(member, "db sandbox try.db")
    paste(member, copied.replace("Rehearse there with: ", "").replace(" …", " members list"))
    restore = commands(backed_up)[0]
    assert member(*shlex.split(restore)[1:], "--yes").status == 0


@pytest.mark.sqlite("another database beside it is a file")
def test_what_is_to_be_pasted_goes_to_the_database_that_was_named(member: Inside) -> None:
    """Fails when a hint, a suggestion, a mend or a sentence sends somebody to the database of their environment."""
    other = Inside(member.home / "elsewhere.db", member.home)
    other.ok("db", "init", "--timezone", "UTC")
    other.ok("members", "add", "ann@x.io", "--credits", 0)
    other.ok("invoices", "create", 1, "--amount", 5)
    there = ("--db", "elsewhere.db")
    refused = member(*there, "stream", "checkin", 1, "--format", "json").error
    assert refused["details"]["suggestion"].startswith("streamctl --db elsewhere.db members update 1")
    assert refused["hint"].count("--db elsewhere.db") == 2
    why = member(*there, "stream", "why", 1, "--format", "json").json
    assert why["suggestion"] == refused["details"]["suggestion"]
    assert "with: streamctl --db elsewhere.db db restore" in sentence(member, "--db elsewhere.db db backup kept.db")
    other.sql("UPDATE invoice SET amount = 7 WHERE id = 1")
    (found,) = json.loads(member(*there, "db", "check", "--format", "json").out)
    assert found["mend"] == "streamctl --db elsewhere.db invoices update 1 --amount 5.00"
    paste(member, refused["hint"])
    assert other.ok("members", "show", 1)["credits"] == 1
    assert "--db" not in other("stream", "why", 1, "--format", "json").out


def test_no_command_that_is_to_be_pasted_has_a_password_in_it() -> None:
    pasted = with_database("See it with: streamctl db info", "postgresql://ada:s3cret@host/books?sslmode=require")
    assert pasted == "See it with: streamctl --db 'postgresql://ada@host/books?sslmode=require' db info"
