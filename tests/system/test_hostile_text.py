"""Hostile text through every command that takes, keeps or shows text: kept exactly or refused whole, never obeyed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from itertools import cycle

import pytest
from books import dumped
from hostile import (
    CORPUS,
    EVERYTHING,
    FORMATS,
    HOSTILE,
    MORE,
    OUR_STYLES,
    UNSTORABLE,
    everywhere,
    furnish,
    is_safe,
    keeps_its_word,
    shown,
    type_in,
    unsafe,
)
from inside import Inside
from kept import ADDRESS, KEPT, TAKEN_OTHERWISE, books_of, fill, read_back, readings, reads_back
from program import Program
from terminals import MANY, on_a_terminal
from tree import command, commands

from streamctl.output.safety import safe

IN_PROCESS = (
    True  # a process for each of its many commands would say no more; those before a real terminal are processes
)


@pytest.fixture
def books(member: Inside) -> Inside:
    """The program on a database with one of everything."""
    furnish(member)
    return member


def test_every_command_that_keeps_text_is_here() -> None:
    """Catches a new option for text whose text nobody reads back."""
    taken = {(one.name, each.name) for one in commands() if one.changes for each in one.parameters if each.free}
    assert taken == {(kept.command, option) for kept in KEPT for option in kept.options} | TAKEN_OTHERWISE


def test_every_text_is_kept_and_read_back_exactly(program: Inside) -> None:
    """Catches a command that alters text, a format that loses a character, and a sentence that repeats one raw."""
    for kept, expected in fill(program, [EVERYTHING, *list(MORE.values())[::3]]):
        reads_back(program, kept, expected)


def test_whatever_is_typed_is_met_with_one_safe_line(books: Inside) -> None:
    """Catches a crash, an undocumented status, and a message that repeats what was typed as it is."""
    before = books.books()
    texts, formats = cycle([*CORPUS.values(), *UNSTORABLE.values()]), cycle(["", "json", "", "csv"])
    for where, into in everywhere():
        for _ in range(2):
            text = next(texts)
            answer = type_in(books, where, into, text, next(formats))
            about = (where and where.name, into.name, text)
            keeps_its_word(answer, about)
            is_safe(answer, about)
    assert books.books() == before


def test_what_can_not_be_kept_is_refused_in_one_line(books: Inside) -> None:
    """Catches text that reaches the driver and crashes there, is cut off, or is kept in part."""
    before = books.books()
    for one in commands():
        for into in one.parameters:
            for text in UNSTORABLE.values() if into.free else ():
                answer = books(*one.words(**{into.name: text}))
                assert (answer.status, answer.out) == (2, ""), (one.name, into.name, text, answer)
                keeps_its_word(answer, (one.name, into.name))
    assert books.books() == before


FEW = (EVERYTHING, MORE["255 wide ones"], MORE["minus"])


def test_a_real_terminal_gets_nothing_that_it_would_obey(program: Inside) -> None:
    """Catches a format, a note, an error or a question that reaches a terminal by another way than the sanitiser."""
    books_of(program, FEW)
    lines = [*readings(), ("stream", "checkin", "--", ADDRESS), ("members", "cancel", "--", ADDRESS, EVERYTHING)]
    (program.home / "lines.json").write_text(json.dumps(lines))
    status, got = on_a_terminal(program, ["-c", MANY, "lines.json"])
    assert status == 0, got[-2000:]
    assert got.count("\n") > 3 * len(lines)
    assert unsafe(OUR_STYLES.sub("", got), "\n\t") == set()
    named = f"x{ADDRESS}"
    program.ok("members", "add", named, f"--name={EVERYTHING}")
    status, got = on_a_terminal(program, ["-m", "streamctl", "members", "delete", "--", named], typed=b"n\n")
    assert (status, f"({safe(EVERYTHING)}, {safe(named)})? [y/N]: " in got) == (130, True), got
    assert unsafe(got) == set()


def test_every_reader_keeps_its_word_on_hostile_books(program: Inside) -> None:
    """Catches a view or a format that text in the database can crash, in a pipe as before a terminal."""
    program.ok("db", "sandbox", "input")  # from which everything differs then
    books_of(program, FEW)
    for words in readings():
        answer = program(*words)
        keeps_its_word(answer, words)
        assert answer.status in (0, 2, 3), (words, answer.err)
        keeps_its_word(shown(program, *words), words)


def test_addresses_numbers_and_the_seller_are_read_back_too(program: Inside) -> None:
    """Catches text that is lost outside of the columns of a listing's own table."""
    books_of(program, FEW)
    number = f"{HOSTILE['colour']}{HOSTILE['bidi']}{HOSTILE['formula']}1"
    for format in ("json", "jsonl", "csv", "tsv"):
        listed = program("invoices", "list", "--columns", "number,email,id", "--format", format).out
        assert read_back(listed, format, "number")[0] == number
        assert read_back(listed, format, "email")[0] == ADDRESS
    info = program.ok("db", "info")
    assert info["seller_email"] == ADDRESS
    assert info["seller_name"] == info["seller_tax_id"] == EVERYTHING.replace("\n", " ").strip()
    rendered = json.loads(program("invoices", "render", "1", "--to", "json").out)
    assert rendered["invoice"]["number"] == number
    assert rendered["member"] == {"id": 1, "name": EVERYTHING, "email": ADDRESS}


def test_a_dump_of_hostile_books_is_loaded_as_it_was(program: Inside, elsewhere: Callable[[], Inside]) -> None:
    """Catches a text that `db dump` writes otherwise than `db load` reads it."""
    books_of(program, FEW)
    other = elsewhere()
    other.ok("db", "init")
    assert shown(other, "db", "load", "-", stdin=program("db", "dump").out).status == 0
    assert dumped(other) == dumped(program)


def test_a_name_in_the_log_is_whatever_was_typed(member: Inside) -> None:
    """Catches an `--actor` that reaches a terminal raw, or is not the same in a pipe."""
    for text in CORPUS.values():
        answer = shown(member, f"--actor={text}", "db", "set", "--", "seller_note", text[:200])
        assert answer.status == 0, answer.err
        is_safe(answer, text)
    for format in FORMATS:
        for words in (("log", "list"), ("log", "show", "9")):
            is_safe(shown(member, *words, "--format", format), (words, format), tabs=format == "tsv")
    actors = {entry["actor"] for entry in member.ok("log", "list")}
    assert {text.strip() for text in CORPUS.values() if text.strip()} <= actors


def fixture(text: str) -> list[dict[str, object]]:
    """A Django fixture with this text wherever it takes any."""
    return [
        {"model": "core.user", "pk": 1, "fields": {"email": "bob@example.com", "name": text, "password": text}},
        {"model": "core.invoice", "pk": 1, "fields": {"user": 1, "date": "2026-11-01", "description": text}},
        {"model": "core.invoiceline", "pk": 1, "fields": {"invoice": 1, "amount": "0", "description": text}},
        {"model": f"other.{text}", "pk": 1, "fields": {}},
    ]


def test_a_fixture_keeps_its_texts_or_is_refused_whole(program: Inside, elsewhere: Callable[[], Inside]) -> None:
    """Catches a file whose text gets by the checks of the command line."""
    for text in UNSTORABLE.values():
        before = program.books()
        answer = shown(program, "db", "load", "-", stdin=json.dumps(fixture(text)))
        assert answer.status == 4, answer
        keeps_its_word(answer, text)
        is_safe(answer, text)
        assert program.books() == before
    answer = shown(program, "db", "load", "-", stdin=json.dumps(fixture(EVERYTHING)))
    assert answer.status == 0, answer.err
    is_safe(answer, "what was left out is named")
    assert program.ok("members", "show", 1)["name"] == EVERYTHING
    invoice = program.ok("invoices", "show", 1)
    assert [invoice["description"], invoice["invoice_lines"][0]["description"]] == [EVERYTHING] * 2
    other = elsewhere()
    other.ok("db", "init")
    dump = json.loads(program("db", "dump").out)
    for text in UNSTORABLE.values():
        spoilt = json.dumps(dump).replace(json.dumps(EVERYTHING), json.dumps(text))
        answer = shown(other, "db", "load", "-", stdin=spoilt)
        assert answer.status == 4, answer
        keeps_its_word(answer, text)
        is_safe(answer, text)
        assert other.ok("members", "list") == []


def test_a_batch_keeps_the_texts_of_its_events_or_refuses_them(member: Inside) -> None:
    """Catches an event whose text is altered, crashes the run, or reaches a terminal in its receipt."""
    texts = [EVERYTHING, *CORPUS.values(), *UNSTORABLE.values()]
    member.ok("members", "update", 1, "--credits", 1000)
    good = [text for text in texts if text not in UNSTORABLE.values()]
    member.ok("db", "set", "lease", "1h")
    played = [{"action": "checkin", "member": 1, "device": text, "ref": f"r {text}"[:200]} for text in texts]
    (member.home / "input").write_text("".join(f"{json.dumps(event)}\n" for event in played))
    before = shown(member, "stream", "batch", "input")
    is_safe(before, "receipts")
    receipts = [json.loads(line) for line in before.out.splitlines()]
    assert [receipt["ok"] for receipt in receipts] == [text in good for text in texts]
    assert before.status == 4
    kept = member.ok("stream", "list", "--columns", "device,ref")
    assert kept == [{"device": text, "ref": f"r {text}"[:200]} for text in good]


def test_a_batch_reads_the_same_texts_from_csv(member: Inside) -> None:
    """Catches a cell that is cut, unquoted, read as another one or, where it has line ends, as several."""
    member.ok("members", "update", 1, "--credits", 1000)
    texts = [EVERYTHING, *CORPUS.values()]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["action", "member", "device"])
    for text in texts:
        writer.writerow(["checkin", "1", text])
    (member.home / "input").write_text(out.getvalue(), newline="")
    answer = shown(member, "stream", "batch", "input")
    keeps_its_word(answer, "csv")
    is_safe(answer, "receipts")
    assert [row["device"] for row in member.ok("stream", "list", "--columns", "device")] == texts


BYTES = "caf\udce9 \udcff\udcfe"  # Latin-1, as another terminal sends it


@pytest.mark.parametrize("name", ["members add", "invoices create", "lines add", "stream checkin", "db set"])
def test_bytes_that_are_no_utf8_are_refused_from_a_real_command_line(books: Inside, name: str) -> None:
    """Catches bytes that only a process can be given, and that crash where the answer is written."""
    real = Program(books.db, books.home)
    before = books.books()
    for into in command(name).parameters:
        if into.free:
            answer = real(*command(name).words(**{into.name: BYTES}))
            assert (answer.status, answer.out) == (2, ""), (name, into.name)
            keeps_its_word(answer, (name, into.name))
            is_safe(answer, (name, into.name))
    assert books.books() == before
