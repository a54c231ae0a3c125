"""What is made is its owner's alone, whatever the umask says, and no answer is written into the database."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from places import empty, put
from program import Program

pytestmark = pytest.mark.sqlite("files")

EVENT = b'{"action": "checkin", "member": 1}\n'
COMMANDS = (
    ("members", "list"),
    ("stream", "checkin", "1"),
    ("db", "dump"),
    ("db", "init"),
    ("invoices", "render", "1"),
)


def environment(program: Program) -> dict[str, str]:
    """As the program has it; no umask of a test is to reach the interpreter's own bytecode."""
    return program.environment | {"PYTHONDONTWRITEBYTECODE": "1"}


def command(program: Program, *words: str, **how: object) -> subprocess.CompletedProcess[str]:
    """The program as a process that is started in this way."""
    line = [sys.executable, "-m", "streamctl", *words]
    given: dict[str, object] = {"env": environment(program), "cwd": program.home, "stdout": subprocess.PIPE, **how}
    return subprocess.run(line, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **given)  # type: ignore[call-overload,no-any-return]


@contextmanager
def in_use(program: Program, **how: object) -> Iterator[None]:
    """While another process has written to the database and goes on: its -wal and -shm are there."""
    with subprocess.Popen(
        [sys.executable, "-m", "streamctl", "stream", "batch", "-"],
        env=environment(program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **how,  # type: ignore[call-overload]
    ) as other:
        other.stdin.write(EVENT)
        other.stdin.flush()
        assert b'"ok": true' in other.stdout.readline()
        yield


def modes(folder: Path) -> dict[str, str]:
    """The mode of everything below the folder."""
    return {str(path.relative_to(folder)): f"{stat.S_IMODE(path.stat().st_mode):o}" for path in folder.rglob("*")}


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777], ids=oct)
def test_every_file_is_its_owners_alone(nothing: Program, tmp_path: Path, umask: int) -> None:
    """Catches a file made with the mode that the umask leaves, such as the -wal, a dump, or a document's folder."""
    folder = tmp_path / "all"
    folder.mkdir()
    program = replace(nothing, db=folder / "one" / "two" / "streamctl.db", home=folder)
    for words in (
        ("db", "init", "--timezone", "UTC"),
        ("members", "add", "bob@example.com"),
        ("invoices", "create", "1", "--output", "made.json"),
        ("invoices", "render", "1", "--to", "text", "--output", "papers/of/mine/"),
        ("db", "dump", "--output", "books.json"),
        ("db", "move", "--to", "other/folder/moved.db"),
    ):
        done = command(program, *words, umask=umask)
        assert done.returncode == 0, (words, done.stderr)
    with in_use(program, umask=umask):
        found = modes(folder)
    folders = {"one", "one/two", "papers", "papers/of", "papers/of/mine", "other", "other/folder"}
    made = {"made.json", "papers/of/mine/invoice-1.txt", "books.json", "other/folder/moved.db"}
    database = {f"one/two/streamctl.db{end}" for end in ("", "-wal", "-shm")}
    assert found == dict.fromkeys(folders, "700") | dict.fromkeys(made | database, "600")


def test_a_database_that_others_may_open_is_noted_with_what_closes_it(member: Program) -> None:
    """Catches a check that is silent about it, and a command in its note that mends nothing."""
    assert "chmod" not in command(member, "db", "check").stderr
    for mode in (0o644, 0o660, 0o604):
        member.db.chmod(mode)
        checked = command(member, "db", "check")
        assert (checked.returncode, checked.stdout) == (0, "All is well.\n"), "it may be meant"
        (note,) = [line for line in checked.stderr.splitlines() if "may open" in line]
        subprocess.run(["/bin/sh", "-c", note.rpartition("close it with: ")[2]], check=True)
        assert modes(member.home)[member.db.name] == "600"
        assert "may open" not in command(member, "db", "check").stderr


def refused(program: Program, *words: str, **how: object) -> None:
    """Run it: it is wrong usage that names the database, and nothing is changed, made or left behind."""
    before, there = program.content(), set(program.home.rglob("*"))
    done = command(program, *words, **how)
    assert done.returncode == 2, (words, done.stderr)
    assert "is the database itself" in done.stderr.splitlines()[-1], (words, done.stderr)
    assert program.content() == before
    assert set(program.home.rglob("*")) == there


def names_of(db: Path) -> Iterator[str]:
    """Other names of the database and of the files that SQLite has beside it, there or not."""
    folder = db.parent
    (folder / "in").mkdir()
    (folder / "in" / "again").symlink_to(folder)
    for end in ("", "-wal", "-shm", "-journal"):
        name = f"{db.name}{end}"
        link = folder / "in" / f"link{end}.csv"
        link.symlink_to(Path("..") / name)
        (folder / "in" / f"chain{end}.csv").symlink_to(link)
        yield from (name, f"./in/../{name}", f"in/again/{name}", str(link), f"in/chain{end}.csv")


def test_no_other_name_leads_an_answer_into_the_database(member: Program) -> None:
    """Catches a comparison of names that are not resolved, and of files alone where there is none yet."""
    member.ok("invoices", "create", 1)
    names = list(names_of(member.db))
    assert not member.db.with_name(f"{member.db.name}-wal").exists()
    for turn, name in enumerate(names):
        refused(member, *COMMANDS[turn % len(COMMANDS)], "--output", name)


def test_no_open_descriptor_leads_an_answer_into_the_database(member: Program) -> None:
    """Catches an --output that is a descriptor of the database, or a standard output that is, as `>> FILE` makes it."""
    member.ok("invoices", "create", 1)
    with member.db.open("ab") as file:
        for where in (f"/dev/fd/{file.fileno()}", f"/proc/self/fd/{file.fileno()}"):
            for words in COMMANDS:
                refused(member, *words, "--output", where, pass_fds=[file.fileno()])
        for words in COMMANDS:
            refused(member, *words, stdout=file)
            refused(member, *words, "--output", "/dev/stdout", stdout=file)


def test_a_document_is_not_written_over_the_database(member: Program) -> None:
    """Catches a file in a folder of documents that has the database's name."""
    member.ok("invoices", "create", 1)
    papers = member.home / "papers"
    papers.mkdir()
    named = replace(member, db=papers / "invoice-1.txt")
    put(member.db.read_bytes(), named.db)
    refused(named, "invoices", "render", "1", "--to", "text", "--output", "papers/")


def test_the_default_place_is_resolved_like_any_other(nothing: Program, tmp_path: Path) -> None:
    """Catches a -wal that is looked for beside a link to the database, where SQLite has it beside the file."""
    real = tmp_path / "disk" / "books.db"
    real.parent.mkdir()
    put(empty("sqlite"), real)
    place = tmp_path / "share" / "streamctl" / "streamctl.db"
    place.parent.mkdir(parents=True)
    place.symlink_to(real)
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    told = command(nothing, "db", "info", "--format", "json", env=own)
    assert f'"path": "{real}"' in told.stdout, told.stderr
    for name in (f"{real}-wal", str(place), str(real)):
        done = command(nothing, "members", "list", "--output", name, env=own)
        assert done.returncode == 2
        assert "is the database itself" in done.stderr
    assert sorted(path.name for path in real.parent.iterdir()) == ["books.db"]


MAKERS = (
    ("db", "init"),
    ("db", "backup", "{folder}/new.db"),
    ("db", "sandbox", "{folder}/new.db"),
    ("db", "move", "--to", "{folder}/new.db"),
    ("db", "restore", "{file}", "--yes"),
)


@pytest.mark.parametrize("words", MAKERS, ids=lambda words: words[1])
def test_no_planted_name_lets_a_draft_be_cleared_elsewhere(
    member: Program, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Catches a left-over draft that is cleared by its name: in a shared folder anybody can put a link there."""
    shared, mine = tmp_path / "shared", tmp_path / "mine"
    shared.mkdir()
    mine.mkdir()
    for name in ("lock", "database", "letters"):
        (mine / name).write_text("mine")
    (shared / ".streamctl-draft-00000001").symlink_to(mine)
    theirs = shared / ".streamctl-draft-00000002"
    theirs.mkdir()
    left, strange = shared / ".streamctl-draft-00000003", shared / ".streamctl-draft-00000004"
    for folder in (left, strange):
        folder.mkdir()
    for folder, name in ((theirs, "lock"), (theirs, "database"), (left, "lock"), (left, "database"), (strange, "lock")):
        (folder / name).write_text("left")
    (strange / "letters").write_text("mine")
    linked = shared / ".streamctl-draft-00000005"
    linked.mkdir()
    (linked / "lock").symlink_to(mine / "lock")
    (linked / "database").write_text("left")
    (shared / ".streamctl-draft-00000006").mkdir()
    nobody = pwd.getpwnam("nobody")
    if os.geteuid() == 0:
        os.chown(theirs, nobody.pw_uid, nobody.pw_gid)
    member.ok("db", "backup", tmp_path / "kept.db")
    place = shared / "made.db" if words[1] in ("init", "restore") else member.db
    done = command(
        member,
        *(word.format(folder=shared, file=tmp_path / "kept.db") for word in words),
        env=environment(replace(member, db=place)),
    )
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_text() for path in mine.iterdir()} == dict.fromkeys(
        ("lock", "database", "letters"), "mine"
    )
    assert (strange / "letters").read_text() == "mine"
    assert (linked / "database").exists(), "whoever put a link there may work in it"
    kept = {".streamctl-draft-00000001", strange.name, linked.name} | ({theirs.name} if os.geteuid() == 0 else set())
    assert {path.name for path in shared.iterdir() if path.name.startswith(".")} == kept
    if os.geteuid() == 0:
        assert sorted(path.name for path in theirs.iterdir()) == ["database", "lock"]


def test_a_link_beside_a_database_to_be_is_not_followed(nothing: Program, tmp_path: Path) -> None:
    """Catches a -wal that is written to through a link to where there is nothing yet."""
    (tmp_path / "streamctl.db-wal").symlink_to(tmp_path / "elsewhere")
    refused = nothing.refused("db", "init")
    assert (refused["status"], refused["code"]) == (4, "database_exists")
    assert not (tmp_path / "elsewhere").exists()
