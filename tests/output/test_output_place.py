"""`--output` on what is no file of its own, and on a file of somebody else: written into, or replaced as it was."""

from __future__ import annotations

import os
import pty
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from program import Program

from streamctl.errors import BadValue
from streamctl.output.destination import destination
from streamctl.output.writer import sink

pytestmark = pytest.mark.sqlite("where an answer goes does not depend on the engine")

SELF = " ".join(map(shlex.quote, (sys.executable, "-m", "streamctl")))
LIST = "members list --columns id"
WRITTEN = "id\n1\n"


def in_shell(program: Program, script: str, shell: str = "/bin/sh") -> subprocess.CompletedProcess[str]:
    """Run the script, in which $S is the program."""
    command = [shell, "-c", script.replace("$S", SELF)]
    own = program.environment
    return subprocess.run(command, capture_output=True, text=True, cwd=program.home, env=own, check=False)


def whoever(*_: object) -> bool:
    """Nothing is a file of the database."""
    return False


@pytest.mark.parametrize("into", [">> log", "> log"])
@pytest.mark.parametrize(
    "name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "link", "chain.csv", "up/1"]
)
def test_a_name_of_standard_output_is_standard_output(member: Program, name: str, into: str) -> None:
    (member.home / "link").symlink_to("/dev/stdout")
    (member.home / "chain.csv").symlink_to("link")
    (member.home / "up").symlink_to("/proc/self/fd")
    done = in_shell(member, f"(echo before; $S {LIST} -o {name}; echo after) {into}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (member.home / "log").read_text() == f"before\n{WRITTEN}after\n"


def test_the_number_of_the_process_itself_names_its_descriptors_too(member: Program) -> None:
    done = in_shell(member, f"exec >> log; echo before; exec $S {LIST} -o /proc/$$/fd/1")
    assert (done.returncode, done.stderr) == (0, "")
    assert (member.home / "log").read_text() == f"before\n{WRITTEN}"


@pytest.mark.parametrize(
    "words", [LIST, "db dump", "-q invoices render 1 --to text", "stream batch events", "stream checkin 1 --ref a"]
)
def test_every_command_writes_into_a_descriptor_as_into_standard_output(member: Program, words: str) -> None:
    (member.home / "events").write_text('{"action": "checkin", "member": 1, "ref": "b"}')
    member.ok("invoices", "create", 1, "--amount", 1)
    member.ok("stream", "checkin", 1, "--ref", "a")
    first = in_shell(member, f"$S {words} > /dev/null; $S {words} > first; $S {words} >> first")
    again = in_shell(member, f"exec 7>> log; echo before >&7; $S {words} -o /dev/fd/7; $S {words} -o /proc/self/fd/7")
    assert (first.returncode, again.returncode, again.stderr) == (0, 0, "")
    assert (member.home / "log").read_text() == "before\n" + (member.home / "first").read_text()


def test_standard_error_and_a_process_substitution_are_written_to(member: Program) -> None:
    done = in_shell(member, f"$S {LIST} -o /dev/stderr")
    assert (done.stdout, done.stderr) == ("", WRITTEN)
    done = in_shell(member, f"exec 8> >(cat > kept); $S {LIST} -o /dev/fd/8; exec 8>&-; wait $!", "/bin/bash")
    assert (done.returncode, (member.home / "kept").read_text()) == (0, WRITTEN)
    done = in_shell(member, f"$S {LIST} -o >(cat >&2; echo read >&2) ; wait $!", "/bin/bash")
    assert (done.returncode, done.stderr) == (0, f"{WRITTEN}read\n")


def test_a_descriptor_has_the_format_of_a_pipe(member: Program) -> None:
    done = in_shell(member, f"STREAMCTL_FORMAT=json $S {LIST} -o /dev/fd/7 7>&1")
    assert done.stdout == '[\n{"id": 1}\n]\n'
    assert in_shell(member, f"$S {LIST} --format csv -o /dev/fd/7 7>&1").stdout == "id\n1\n"


@pytest.mark.parametrize("where", ["/dev/fd/9", "/proc/self/fd/9", "/dev/fd/99999999999", "/dev/stdin", "/dev/fd/7"])
def test_a_descriptor_that_can_not_be_written_is_refused_before_anything_is_done(member: Program, where: str) -> None:
    before = member.books()
    done = in_shell(member, f"$S stream checkin 1 -o {where} 7< /dev/null < /dev/null")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"{where} can't be written" in done.stderr
    assert member.books() == before


def test_no_number_is_one_of_the_descriptors_that_the_database_is_opened_with(member: Program) -> None:
    """Catches a descriptor that is looked at when the database is open already: an answer would go into it."""
    before = member.books()
    for number in range(3, 16):
        done = in_shell(member, f"$S {LIST} -o /dev/fd/{number}")
        assert done.returncode == 2, (number, done.stderr)
    assert member.books() == before


def test_a_file_that_another_process_has_open_is_left_alone(member: Program) -> None:
    log = member.home / "log"
    with log.open("w") as file, subprocess.Popen(["sleep", "60"], stdout=file) as other:
        file.write("precious\n")
        file.flush()
        try:
            done = in_shell(member, f"$S {LIST} -o /proc/{other.pid}/fd/1")
        finally:
            other.kill()
    assert done.returncode == 2
    assert "another process" in done.stderr
    assert log.read_text() == "precious\n"


def test_a_pipe_by_name_is_written_into_in_the_format_of_a_pipe_or_of_its_ending(member: Program) -> None:
    for name, begins in (("pipe", "id\tname\n"), ("pipe.csv", "id,name\n")):
        os.mkfifo(member.home / name)
        done = in_shell(member, f"cat {name} & $S members list --columns id,name -o {name}; wait")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(begins)
        assert stat.S_ISFIFO((member.home / name).stat().st_mode)


def test_a_terminal_by_name_is_treated_as_one(member: Program, terminal: Callable[..., object]) -> None:
    member.ok("members", "update", 1, "--name", "\x1b[31mred")
    ours, theirs = pty.openpty()
    try:
        done = member("members", "list", "--columns", "id,name", "-o", os.ttyname(theirs))
        assert (done.status, done.out, done.err) == (0, "", "")
        shown = os.read(ours, 65536).decode()
        assert "───" in shown, "a table, as on any terminal"
        assert r"\x1b[31mred" in shown
        assert member("members", "list", "--columns", "name", "--format", "tsv", "-o", os.ttyname(theirs)).status == 0
        assert os.read(ours, 65536).decode().split() == ["name", r"\x1b[31mred"]
    finally:
        os.close(ours)
        os.close(theirs)
    assert terminal("members", "list", "-o", "/dev/stdout") == terminal("members", "list")


def test_what_became_something_else_meanwhile_is_not_written_into(tmp_path: Path) -> None:
    pipe, victim = tmp_path / "pipe", tmp_path / "victim"
    os.mkfifo(pipe)
    victim.write_text("precious\n")
    where = destination(str(pipe), whoever)
    pipe.unlink()
    pipe.symlink_to(victim)
    with pytest.raises(BadValue, match="became something else"), sink(where, lambda: False):
        pass
    assert victim.read_text() == "precious\n"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_that_is_swapped_in_is_replaced_and_leads_nowhere(tmp_path: Path, there: bool) -> None:
    """Catches a mode that is set by name, which changes the file behind the link."""
    path, victim = tmp_path / "x.csv", tmp_path / "victim"
    victim.write_text("precious\n")
    victim.chmod(0o600)
    if there:
        path.write_text("old\n")
        path.chmod(0o4777)
    where = destination(str(path), whoever)
    with sink(where, lambda: False) as target:
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
        for draft in tmp_path.glob(".streamctl-*"):
            assert stat.S_IMODE(draft.stat().st_mode) == 0o600
        target.write(["new\n"])
        target.finish()
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == ("precious\n", 0o600)
    assert (path.is_symlink(), path.read_text()) == (False, "new\n")
    assert stat.S_IMODE(path.stat().st_mode) == (0o777 if there else 0o600), "no bit that does more than permit"


def replaced(path: Path, text: str) -> os.stat_result:
    """Replace the file; whose it is then, and its mode."""
    with sink(destination(str(path), whoever), lambda: False) as target:
        target.write([text])
        target.finish()
    assert path.read_text() == text
    return path.stat()


def test_a_file_of_somebody_else_stays_theirs(member: Program, tmp_path: Path) -> None:
    """As root with anybody's file; otherwise with one of another group of ours, if there is one."""
    theirs = (12345, 23456) if os.getuid() == 0 else (os.getuid(), max(os.getgroups(), default=os.getgid()))
    for name, words in (("x.csv", LIST), ("x.json", "db dump"), ("x.txt", "invoices render 1 --to text")):
        kept = tmp_path / name
        kept.write_text("old\n")
        kept.chmod(0o640)
        os.chown(kept, *theirs)
        if "render" in words:
            member.ok("invoices", "create", 1, "--amount", 1)
        assert member(*words.split(), "-o", kept).status == 0
        now = kept.stat()
        assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (*theirs, 0o640), words
        assert kept.read_text() != "old\n"


def test_where_it_can_not_be_given_back_nobody_may_do_more_with_it_than_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("old\n")
    asked: list[tuple[int, int]] = []
    allowed: list[bool] = []

    def fchown(_: int, user: int, group: int) -> None:
        asked.append((user, group))
        if not allowed or user != -1:
            raise PermissionError(1, "Operation not permitted")

    def somebody_elses(self: Path, **more: bool) -> os.stat_result:
        found = list(real_stat(self, **more))
        if self == path:
            found[4], found[5] = 54321, 54322
        return os.stat_result(found)

    real_stat = Path.stat
    monkeypatch.setattr(os, "fchown", fchown)
    monkeypatch.setattr(Path, "stat", somebody_elses)
    for mode, with_group, without in ((0o664, 0o664, 0o644), (0o640, 0o640, 0o600), (0o604, 0o604, 0o600)):
        for may, wanted in ((True, with_group), (False, without)):
            allowed[:] = [True] * may
            path.chmod(mode)
            assert stat.S_IMODE(replaced(path, f"{mode}{may}\n").st_mode) == wanted
            assert asked[-2:] == [(54321, 54322), (-1, 54322)]
            assert capsys.readouterr().err.count("could not be given") == (not may)


@contextmanager
def somebody() -> Iterator[int]:
    """Be somebody who is not root, which may do everything, and in no other group."""
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(12345)
    os.seteuid(12345)
    try:
        yield 12345
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_in_a_folder_of_all_a_file_of_root_is_replaced_by_one_that_permits_no_more() -> None:
    """As somebody else where the tests are root's; a file of one's own otherwise, which stays what it was."""
    with TemporaryDirectory(dir="/tmp") as name:
        folder, kept = Path(name), Path(name, "x.csv")
        folder.chmod(0o777)
        kept.write_text("old\n")
        kept.chmod(0o664)
        with somebody() as user:
            now = replaced(kept, "new\n")
        assert now.st_uid == user
        assert stat.S_IMODE(now.st_mode) == (0o644 if os.getuid() == 0 else 0o664), "the group was root's"
