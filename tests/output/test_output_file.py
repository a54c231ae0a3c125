"""`--output`: the format from the name, whole or not at all, and never over the database."""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import Program

Command = Callable[..., Any]
TEXT = 'naïve, "x"\n\x1b[31m\u202e😀'


def names(folder: Path) -> list[str]:
    """The names in the folder, in order."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("x.json", "[\n{"),
        ("x.JSON", "[\n{"),
        ("x.jsonl", "{"),
        ("x.csv", "id,name\n"),
        ("x.tsv", "id\tname\n"),
        ("x.txt", "id  name"),
        (".csv", "id,name\n"),
        ("x", "1\n"),  # nothing else says what it is to be
    ],
)
def test_the_name_of_the_file_chooses_the_format(
    member: Program, inside: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, begins: str
) -> None:
    monkeypatch.setenv("STREAMCTL_FORMAT", "ids")
    before = names(tmp_path)
    answer = inside("members", "list", "--columns", "id,name", "--output", tmp_path / name)
    assert (answer.status, answer.out, answer.err) == (0, "", "")
    assert (tmp_path / name).read_text().lstrip().startswith(begins)
    assert names(tmp_path) == sorted([*before, name]), "nothing is left beside it"


@pytest.mark.parametrize(
    "name", ["r.xlsx", "r.PDF", "r.md", "r.csv.gz", "r.db", "r.yaml", "r.2026-11", "r.", "r", "dir.csv/r", "a b.html"]
)
def test_a_file_whose_format_nothing_says_is_refused_before_anything_is_done(
    member: Program, inside: Command, tmp_path: Path, name: str
) -> None:
    (tmp_path / "dir.csv").mkdir()
    before, there = member.books(), names(tmp_path)
    for words in (("members", "list"), ("stream", "checkin", 1), ("db", "check"), ("db", "init")):
        refused = inside(*words, "--output", tmp_path / name)
        assert (refused.status, refused.out) == (2, ""), refused.err
        assert ".json, .jsonl, .csv, .tsv, .txt" in refused.err
    assert (member.books(), names(tmp_path)) == (before, there)


@pytest.mark.parametrize("name", ["r.xlsx", "r.csv.gz", "r.zip", "r.parquet"])
def test_no_flag_makes_text_into_a_file_that_promises_something_packed(
    member: Program, inside: Command, tmp_path: Path, name: str
) -> None:
    for words in (("members", "list", "--format", "csv"), ("db", "dump"), ("invoices", "render", 1, "--to", "text")):
        refused = inside(*words, "--output", tmp_path / name)
        assert (refused.status, refused.out) == (2, ""), words
        assert "is no format of streamctl" in refused.err
        assert not (tmp_path / name).exists()


def test_a_flag_says_what_no_ending_says(
    member: Program, inside: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("r", "r.md", "tmp.Xa81b"):
        assert inside("members", "list", "--columns", "id", "--format", "csv", "-o", tmp_path / name).status == 0
        assert (tmp_path / name).read_text() == "id\n1\n"
    monkeypatch.setenv("STREAMCTL_FORMAT", "json")
    assert inside("members", "list", "-o", tmp_path / "r.md").status == 2, "a default is nobody's word for this file"
    assert inside("members", "list", "-o", tmp_path / "r").status == 0
    monkeypatch.setenv("STREAMCTL_FORMAT", "yaml")
    assert inside("members", "list", "-o", tmp_path / "r").err.startswith("Error: STREAMCTL_FORMAT is 'yaml'.")


@pytest.mark.parametrize("name", ["json", "table", "csv"])
def test_a_format_in_the_place_of_a_file_is_named_and_its_mend_works(
    member: Program, inside: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("members", "list"), ("db", "dump"), ("stream", "batch", "-")):
        refused = inside(*words, "-o", name)
        assert refused.status == 2
        assert refused.err.startswith(f"Error: --output takes a file, and {name} is a format.\n")
        assert f"./{name}" in refused.err
    assert not (tmp_path / name).exists()
    assert f"with: --format {name}; " in inside("members", "list", "-o", name).err
    assert inside("members", "list", "--format", name).status == 0
    assert inside("db", "dump", "-o", f"./{name}").status == 0
    assert (tmp_path / name).exists()


def test_a_command_with_one_format_takes_any_name_that_promises_no_other(
    member: Program, inside: Command, tmp_path: Path
) -> None:
    (tmp_path / "events").write_text("")
    for words, own, foreign in (
        (("db", "dump"), ("x", "x.json", "x.dump", "tmp.Xa81b"), ("x.csv", "x.jsonl", "x.md", "x.sql", "x.gz")),
        (("stream", "batch", tmp_path / "events"), ("x", "x.jsonl", "x.log"), ("x.json", "x.csv", "x.gz")),
    ):
        for name in own:
            assert inside(*words, "-o", tmp_path / name).status == 0, name
            (tmp_path / name).unlink()
        for name in foreign:
            assert inside(*words, "-o", tmp_path / name).status == 2, name
            assert not (tmp_path / name).exists()


def test_a_file_keeps_every_character_without_bom(member: Program, inside: Command, tmp_path: Path) -> None:
    assert inside("members", "update", 1, "--name", TEXT).status == 0
    for name in ("x.csv", "x.json"):
        assert inside("members", "list", "-o", tmp_path / name).status == 0
        assert not (tmp_path / name).read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["name"] == TEXT
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))[0]["name"] == TEXT
    assert b"\r\n" not in (tmp_path / "x.csv").read_bytes()
    assert inside("members", "list", "-o", tmp_path / "x.csv", "--format", "ids").status == 0
    assert (tmp_path / "x.csv").read_text() == "1\n", "the flag beats the name"


def test_a_dash_is_standard_output(member: Program, inside: Command) -> None:
    assert inside("members", "list", "--format", "ids", "--output", "-").out == "1\n"
    assert inside("members", "list", "--columns", "id", "--output", "-").out == "id\n1\n"


def test_a_failing_command_keeps_the_file_that_was_there(member: Program, inside: Command, tmp_path: Path) -> None:
    kept = tmp_path / "x.csv"
    kept.write_text("precious\n")
    before = names(tmp_path)
    for words, status in (
        (("members", "show", 99), 3),
        (("stream", "checkin", 99), 3),
        (("members", "list", "--columns", "nope"), 2),
        (("members", "list", "--format", "nope"), 2),
        (("db", "load", tmp_path / "missing"), 2),
    ):
        assert inside(*words, "--output", kept).status == status
        assert kept.read_text() == "precious\n"
    assert names(tmp_path) == before


def test_a_file_is_replaced_whole_with_its_mode_and_through_a_link(
    member: Program, inside: Command, tmp_path: Path
) -> None:
    kept, link = tmp_path / "x.csv", tmp_path / "link.csv"
    kept.write_text("old\n" * 1000)
    kept.chmod(0o640)
    link.symlink_to(kept)
    before = names(tmp_path)
    assert inside("members", "list", "--columns", "id", "--output", link).status == 0
    assert link.is_symlink()
    assert kept.read_text() == "id\n1\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert names(tmp_path) == before
    assert inside("members", "list", "--output", os.devnull).status == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_where_no_file_can_be_made_nothing_is_done(member: Program, inside: Command, tmp_path: Path) -> None:
    before = member.books()
    long = f"{'x' * 252}.csv"  # a byte too long for a name
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    targets = (folder, tmp_path / "missing" / "x.csv", tmp_path / long, Path(sys.executable) / "x.csv", "x.csv/", "")
    for target in targets:
        refused = inside("stream", "checkin", 1, "--output", target)
        assert (refused.status, refused.out) == (2, ""), refused.err
        assert refused.err.startswith("Error: ")
        assert "unexpected" not in refused.err
    assert member.books() == before


@pytest.mark.parametrize("length", [246, 255])
def test_any_name_that_a_file_can_have_will_do(member: Program, inside: Command, tmp_path: Path, length: int) -> None:
    name = f"{'é' * ((length - 4) // 2)}{'x' * (length % 2)}.csv"
    assert len(name.encode()) in (length, length - 1)
    for _ in range(2):
        assert inside("members", "list", "--columns", "id", "-o", tmp_path / name).status == 0
    assert (tmp_path / name).read_text() == "id\n1\n"
    assert inside("members", "list", "--format", "csv", "-o", tmp_path / ("x" * length)).status == 0
    assert names(tmp_path) == sorted({name, "x" * length, *names(tmp_path)} - {f".{name}"})


@pytest.mark.sqlite("the files of the database")
@pytest.mark.parametrize(
    "command", ["members list", "stream checkin 1", "db dump", "db check", "db init", "db migrate"]
)
def test_no_answer_is_written_over_the_databases_own_files(member: Program, inside: Command, command: str) -> None:
    before = member.books()
    folder = names(member.home)
    for end in ("", "-wal", "-shm", "-journal"):
        refused = inside(*command.split(), "--output", f"{member.db}{end}")
        assert (refused.status, refused.out) == (2, "")
        assert "database" in refused.err
    assert member.books() == before
    assert names(member.home) == folder


@pytest.mark.sqlite("links to the file")
def test_other_links_to_the_database_are_refused_too(member: Program, inside: Command, tmp_path: Path) -> None:
    before = member.books()
    hard, soft, folder = tmp_path / "hard.csv", tmp_path / "soft.csv", tmp_path / "folder"
    os.link(member.db, hard)
    soft.symlink_to(member.db)
    folder.symlink_to(tmp_path)
    same = [hard, soft, folder / member.db.name, folder / f"{member.db.name}-wal", tmp_path / "." / member.db.name]
    for path in same:
        for words in (("members", "list"), ("stream", "checkin", 1), ("db", "dump")):
            refused = inside(*words, "--output", path)
            assert (refused.status, refused.out) == (2, ""), path
    assert hard.samefile(member.db)
    assert soft.is_symlink()
    assert member.books() == before


@pytest.mark.sqlite("the log beside the file")
def test_the_log_of_another_connection_is_refused_by_its_hard_link(
    member: Program, inside: Command, tmp_path: Path
) -> None:
    import sqlite3

    other = sqlite3.connect(member.db)
    try:
        other.execute("BEGIN")
        other.execute("SELECT * FROM user").fetchall()
        assert inside("members", "update", 1, "--name", "New").status == 0
        wal = member.db.with_name(f"{member.db.name}-wal")
        os.link(wal, tmp_path / "linked.csv")
        before = wal.read_bytes()
        for path in (wal, tmp_path / "linked.csv"):
            assert inside("members", "list", "--output", path).status == 2
        assert wal.read_bytes() == before
    finally:
        other.close()
    assert member.ok("members", "show", 1)["name"] == "New"
