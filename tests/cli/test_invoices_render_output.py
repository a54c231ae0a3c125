"""`invoices render --output`: where documents go, whole or not at all, and never over the database."""

from __future__ import annotations

import dataclasses
import os
import stat
import subprocess
import sys
from pathlib import Path

import paper
import pytest
from paper import JSON, SEEN, TEXT, Page, refused, rendered
from program import Program

from streamctl.output import document

IN_PROCESS = True  # a process for each of its many commands would say no more


@pytest.fixture
def issued(member: Program) -> Program:
    """Invoice 1 of member 1, issued, with lines of every kind."""
    return paper.issued(member)


def test_what_cannot_be_is_refused_before_anything_is_written(issued: Program) -> None:
    for words, status in (
        ((), 2),
        ((1, "--month", "this"), 2),
        (("x",), 2),
        (("-",), 2),
        ((1, 99, 98, "--output", "new/"), 3),
        ((1, 99, "--output", "new.html"), 3),
        ((1, "--to", "pdf"), 2),
        ((1, "--output", "new.pdf"), 2),
        ((1, "--output", "new.pdf", "--to", "html"), 2),
        ((1, "--output", "new.xml"), 2),
        ((1, "--output", "new.csv"), 2),
        ((1, "--output", "new.html.gz", "--to", "html"), 2),
        ((1, "--output", "html"), 2),
        ((1, "--output", "new/new.html"), 2),
        ((1, "--output", "/dev/null/"), 2),
        ((1, "--output", f"{'x' * 300}/"), 2),
        ((1, "--output", "~nobody-at-all/"), 2),
        ((1, "--output", ""), 2),
        (("9" * 40,), 3),
    ):
        assert refused(issued, *words)["status"] == status, words
    assert refused(issued, 1, 99, 98)["details"] == {"what": "invoice", "missing": [99, 98]}
    assert "chromium" in refused(issued, 1, "--output", "x.pdf")["hint"]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("x.html", "<!doctype"),
        ("x.HTM", "<!doctype"),
        ("x.txt", "Northlight"),
        ("x.json", '{"seller"'),
        ("x", "<!doctype"),
        ("x.tmp", "<!doctype"),
    ],
)
def test_the_ending_of_the_file_chooses_what_is_made(issued: Program, name: str, begins: str) -> None:
    assert rendered(issued, 1, "--output", name) == ""
    made = issued.home / name
    assert made.read_text().startswith(begins)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    rendered(issued, 1, "--output", name, "--to", "text")
    assert made.read_text() == TEXT, "the flag beats the name"
    assert rendered(issued, 1, "--output", "-", "--to", "text") == TEXT


def test_into_a_folder_goes_a_file_each_for_the_owner_alone(issued: Program) -> None:
    issued.ok("invoices", "create", 1, "--date", "2026-10-05", "--amount", 5)
    out = rendered(issued, 1, 2, "--output", "out/deep/")
    assert out == "id\tfile\n1\tout/deep/2026-11-00001.html\n2\tout/deep/invoice-2.html\n"
    folder = issued.home / "out" / "deep"
    assert sorted(path.name for path in folder.iterdir()) == ["2026-11-00001.html", "invoice-2.html"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)] == [0o700, 0o700]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert (folder / "2026-11-00001.html").read_text() == rendered(issued, 1)
    for form, suffix, text in (("text", "txt", TEXT), ("json", "json", JSON)):
        rendered(issued, 1, "--to", form, "--output", folder)
        assert (folder / f"2026-11-00001.{suffix}").read_text() == text
    files = issued("invoices", "render", 1, 2, "-o", "out/deep", STREAMCTL_FORMAT="json").json
    assert files == [
        {"id": 1, "file": "out/deep/2026-11-00001.html"},
        {"id": 2, "file": "out/deep/invoice-2.html"},
    ]
    quiet = issued("--quiet", "invoices", "render", 1, "-o", "out/")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


def test_a_second_run_replaces_the_files_and_leaves_what_is_not_its_own(issued: Program) -> None:
    folder = issued.home / "out"
    rendered(issued, 1, "--output", f"{folder}/")
    made = folder / "2026-11-00001.html"
    (folder / "other.txt").write_text("kept")
    first, before = made.open("rb"), made.read_bytes()
    issued.ok("invoices", "pay", 1)
    rendered(issued, 1, "--output", folder)
    with first:
        assert first.read() == before, "whoever reads the old one reads it to its end"
    assert b"PAID" in made.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [made.name, "other.txt"]
    assert (folder / "other.txt").read_text() == "kept"


def test_a_number_is_a_file_name_that_leads_nowhere_and_meets_no_other(issued: Program) -> None:
    numbers = [
        "../../x",
        "..",
        ".hidden",
        "a/b",
        "a%2Fb",
        "a b",
        "invoice-1",
        "Ünlü",
        "x" * 255,
        "x" * 254 + "y",
        "<b>",
    ]
    for number in numbers:
        issued.ok("invoices", "create", 1, "--date", "2026-10-05", "--status", "PAID", "--extra")
        issued.sql("UPDATE invoice SET number = ? WHERE id = (SELECT max(id) FROM invoice)", number)
    issued.ok("invoices", "create", 1, "--date", "2026-10-05", "--status", "PAID", "--extra")
    outside = set(issued.home.rglob("*"))
    rendered(issued, "--month", "2026-10", "--output", "out/")
    made = sorted(path.name for path in (issued.home / "out").iterdir())
    assert len(made) == len(numbers) + 1
    assert "invoice-13.html" in made
    assert {"a%2Fb.html", "a%252Fb.html", "invoice%2D1.html", "%2E..html", "%3Cb%3E.html"} <= set(made)
    assert not [name for name in made if name.startswith(".") or len(name) > 255]
    assert {path for path in issued.home.rglob("*") if "out" not in path.parts} == outside


@pytest.mark.sqlite("the database's own file and its links")
def test_no_document_is_written_over_the_database(issued: Program) -> None:
    for target in (issued.db, f"{issued.db}-wal", f"{issued.db}/"):
        assert refused(issued, 1, "--output", target)["status"] == 2, target
    folder = issued.home / "books"
    folder.mkdir()
    there = folder / "2026-11-00001.html"
    issued.db.rename(there)
    inside = dataclasses.replace(issued, db=there)
    before = inside.books()  # which makes the files beside the database
    assert refused(inside, 1, "--output", "books/")["status"] == 2
    os.link(there, folder / "2026-11-00001.txt")
    assert refused(inside, 1, "--output", "books/", "--to", "text")["status"] == 2
    assert inside.books() == before
    rendered(inside, 1, "--output", "books/", "--to", "json")


def test_without_jinja_html_is_one_clear_line_and_the_rest_goes_on(
    issued: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    document._template.cache_clear()
    for words in ((), ("--output", "x.html"), ("--output", "out/")):
        missing = refused(issued, 1, *words)
        assert (missing["status"], missing["code"]) == (1, "extra_missing")
        assert missing["message"] == "HTML needs Jinja2, which is not installed."
        assert missing["hint"] == f"Install it with: {sys.executable} -m pip install 'jinja2>=3.1'"
    assert rendered(issued, 1, "--to", "text") == TEXT
    assert rendered(issued, 1, "--to", "json") == JSON
    rendered(issued, 1, "--to", "json", "--output", "out/")


def test_a_whole_process_renders_and_is_honest_where_it_cannot_write(issued: Program) -> None:
    issued.sql("UPDATE setting SET value = '' WHERE key = 'seller_note'")
    process = Program(issued.db, issued.home)
    answer = process("invoices", "render", 1)
    assert (answer.status, answer.err) == (0, "")
    assert Page(answer.out).lines == SEEN[:-2]
    command = [sys.executable, "-m", "streamctl", "invoices", "render", "1"]
    reader, writer = os.pipe()
    os.close(reader)
    closed = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=process.environment, check=False)
    os.close(writer)
    assert (closed.returncode, closed.stderr) == (141, b"")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=process.environment, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(b"Error: The answer can't be written: No space left")
        filed = subprocess.run(
            [*command, "--output", "out/"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=process.environment,
            cwd=process.home,
            check=False,
        )
    assert filed.returncode == 1
    assert b"is done, but its answer can't be written" in filed.stderr
    assert (process.home / "out" / "2026-11-00001.html").read_text() == answer.out
    assert issued("invoices", "render", 1, "--output", "/dev/full").status == 1


def test_head_ends_a_long_rendering_quietly(issued: Program) -> None:
    paper.invoices(issued, 2000)
    command = [sys.executable, "-m", "streamctl", "invoices", "render", "--month", "2026-10"]
    for form in ("html", "json"):
        with subprocess.Popen(
            [*command, "--to", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=issued.environment
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            assert running.stdout.readline()
            running.stdout.close()
            said = running.stderr.read()
        assert (running.returncode, said) == (141, b"")
