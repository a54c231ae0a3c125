"""Before a delete: a question that is asked only where somebody sees it and can answer, and that says what will go."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest
from inside import Inside
from program import Program
from terminals import on_a_terminal

IN_PROCESS = True  # those before a terminal are processes


@pytest.fixture
def books(member: Inside) -> Inside:
    """Member 1 with invoices 1 (two lines) and 2 (one line), and a stream on invoice 3; member 2 with nothing."""
    for words in (
        "invoices create 1 --date 2026-10-01 --amount 5",
        "lines add 1 --amount 2.50",
        "invoices create 1 --date 2026-09-01 --amount 1",
        "stream checkin 1",
        "members add ada@example.com",
    ):
        member.ok(*words.split())
    return member


QUESTIONS = {
    "invoices delete 1": "Delete invoice 1 with 2 lines, 7.50 USD?",
    "invoices delete 2 1 2": "Delete 2 invoices (2, 1) with 3 lines, 8.50 USD?",
    "lines delete 1": "Delete line 1 of invoice 1, 5.00 USD?",
    "lines delete 1 2 3": "Delete 3 lines (1, 2, 3) of 2 invoices (1, 2), 8.50 USD?",
    "members delete 2": "Delete member 2 (ada@example.com)?",
    "members delete 2 bob@example.com --force": "Delete members 2 (ada@example.com), 1 (Bob, bob@example.com) "
    "with 3 invoices and 1 stream, 9.50 USD?",
    "members erase 1": "Erase name and e-mail of member 1 (Bob, bob@example.com) for ever? "
    "Their 3 invoices and 1 stream stay.",
}


def asked(program: Program, words: str, typed: bytes, **environment: str) -> tuple[int, str]:
    """The status and what a terminal shows of that command line when this is typed."""
    return on_a_terminal(program, ["-m", "streamctl", *words.split()], typed=typed, **environment)


def test_a_question_says_what_will_go_and_a_no_changes_nothing(books: Inside) -> None:
    books.ok("members", "cancel", 1)
    before = books.books()
    for (words, question), typed in zip(QUESTIONS.items(), cycle([b"n\n", b"\n", b"what\n"]), strict=False):
        shown = f"{question} [y/N]: Stopped; nothing was changed.\n"
        assert asked(books, words, typed) == (130, shown), words
        assert books.books() == before, words


@pytest.mark.parametrize("words", ["invoices delete 1", "lines delete 2 3", "members delete 2", "members erase 1"])
def test_a_yes_does_it(books: Inside, words: str) -> None:
    books.ok("members", "cancel", 1)
    with (books.home / "out").open("wb") as out:
        status, got = on_a_terminal(books, ["-m", "streamctl", *words.split(), "--format=ids"], typed=b"Yes\n", out=out)
    assert (status, got.endswith(" [y/N]: ")) == (0, True), got
    assert (books.home / "out").read_text().split() == words.split()[2:], "and nothing else is there"


def test_where_nobody_sees_a_question_or_can_answer_it_none_is_asked(books: Inside) -> None:
    """Fails, by waiting for ever, when a question goes into a log, or a build waits for somebody to answer."""
    before = books.books()
    for words, question in QUESTIONS.items():
        answer = books(*words.split())
        assert answer.status == 2
        assert answer.err == (
            f"Error: Not asked, because standard input is no terminal: {question}\nHint: Add --yes to answer it.\n"
        )
        told = books(*words.split(), "--format", "json").error
        assert (told["code"], told["message"].endswith(question)) == ("needs_yes", True)
    command = ["-m", "streamctl", "invoices", "delete", "1"]
    with (books.home / "err.log").open("wb") as err:
        assert on_a_terminal(books, command, err=err) == (2, "")
    assert "because standard error is no terminal" in (books.home / "err.log").read_text()
    for value in ("true", "1", "yes"):
        status, got = on_a_terminal(books, command, CI=value)
        assert (status, "because CI is set: Delete" in got) == (2, True)
    status, got = on_a_terminal(books, ["-m", "streamctl", "--no-input", *command[2:]])
    assert (status, "because --no-input was given: Delete" in got) == (2, True)
    assert books.books() == before


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_ci_may_be_set_to_say_that_it_is_none(books: Inside, value: str) -> None:
    assert asked(books, "invoices delete 1", b"y\n", CI=value)[0] == 0


def test_the_end_of_the_input_is_no_yes(books: Inside) -> None:
    script = "import os, sys\nos.dup2(os.open('/dev/null', os.O_RDONLY), 0)\n"
    more = "sys.stdin.isatty = lambda: True\nfrom streamctl.cli.boundary import run\nsys.exit(run(sys.argv[1:]))"
    status, got = on_a_terminal(books, ["-c", script + more, "invoices", "delete", "1"])
    assert (status, got.splitlines()[1]) == (130, "Stopped; nothing was changed.")


def test_what_is_not_there_or_refused_is_said_instead_of_a_question(books: Inside) -> None:
    books.ok("invoices", "pay", 2)
    before = books.books()
    for words, status, said in (
        ("invoices delete 1 9", 3, "No invoice 9."),
        ("invoices delete 2", 4, "Invoice 2 is paid"),
        ("lines delete 9", 3, "No line 9."),
        ("lines delete 4", 4, "Line 4 is a checkin"),
        ("members delete 9", 3, "No member 9."),
        ("members delete 1", 4, "Member 1 has"),
        ("members delete 1 --force", 4, "Member 1 has 1 issued or paid invoice"),
        ("members erase nobody@example.com", 3, "No member 'nobody@example.com'."),
        ("db restore nothing.db", 6, "There is no database at"),
    ):
        ended, got = asked(books, words, b"y\n")
        assert (ended, said in got, "[y/N]" in got) == (status, True, False), (words, got)
        assert books.books() == before, words


def test_a_rehearsal_and_a_yes_ask_nothing(books: Inside) -> None:
    for words in QUESTIONS:
        assert "[y/N]" not in asked(books, f"{words} --dry-run", b"")[1]
    assert asked(books, "invoices delete 1 --yes", b"") == (0, "Deleted invoice 1: 7.50 USD.\n")


def test_erasing_what_only_the_log_knows_asks_about_the_log(books: Inside) -> None:
    books.ok("members", "delete", 2, "--yes")
    status, got = asked(books, "members erase 2", b"n\n")
    assert (status, "Erase what member 2, who was deleted, is called in the log, for ever?" in got) == (130, True)


def test_a_restore_where_nothing_is_lost_is_not_asked_about(books: Inside, tmp_path: Path) -> None:
    books.ok("db", "backup", "kept.db")
    status, got = asked(Program(tmp_path / "new.db", books.home), "db restore kept.db", b"")
    assert (status, "[y/N]" in got) == (0, False), got


@pytest.mark.sqlite("a file that is damaged")
def test_a_damaged_database_may_be_replaced_after_a_yes(books: Inside) -> None:
    books.ok("db", "backup", "kept.db")
    assert isinstance(books.db, Path)
    for file in books.home.glob("streamctl.db-*"):
        file.unlink()
    books.db.write_bytes(books.db.read_bytes()[:100] + b"\xff" * 4096)
    assert "Replace what is left of the damaged database with what is in" in books("db", "restore", "kept.db").err
    assert asked(books, "db restore kept.db", b"y\n")[0] == 0
    assert len(books.ok("members", "list")) == 2
