"""Completion: for the shell that is named, or the one it is typed into, and no other shell's files are touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from inside import Inside
from program import Program

pytestmark = pytest.mark.sqlite("no database is opened")

MADE = {
    "bash": {".bashrc", ".bash_completions/streamctl.sh"},
    "zsh": {".zshrc", ".zfunc/_streamctl"},
    "fish": {".config/fish/completions/streamctl.fish"},
}


def files(home: Path) -> set[str]:
    """What is in the home, but for the database."""
    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("streamctl.db")}


@pytest.mark.parametrize("shell", MADE)
@pytest.mark.parametrize("form", ["{0} {1}", "{0}={1}"])
def test_completion_is_installed_for_the_shell_that_is_named(nothing: Program, shell: str, form: str) -> None:
    """Catches a name that is ignored, so that the files of the shell around it are edited instead."""
    (nothing.home / ".profile").write_text("kept\n")
    done = nothing(*form.format("--install-completion", shell).split())
    assert (done.status, done.err) == (0, "")
    assert files(nothing.home) == MADE[shell] | {".profile"}
    assert done.out.startswith(f"Completion for {shell} is in {nothing.home}/")
    shown = nothing(*form.format("--show-completion", shell).split())
    assert (shown.status, shown.err) == (0, "")
    (script,) = (name for name in MADE[shell] if "streamctl" in name)
    assert (nothing.home / script).read_text().strip() == shown.out.strip()
    assert nothing("--install-completion", shell).status == 0
    assert files(nothing.home) == MADE[shell] | {".profile"}


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_without_a_name_it_is_the_shell_around_it(nothing: Program, option: str) -> None:
    words = f"{sys.executable} -m streamctl {option}; exit $?"
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", words],
        env=nothing.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert files(nothing.home) == (MADE["bash"] if option.startswith("--install") else set())
    assert "complete -o default -F" in done.stdout or ".bash_completions" in done.stdout


def test_what_has_no_completion_is_refused_and_nothing_is_made(
    nothing: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Inside(nothing.db, nothing.home)
    for words in (
        ("--install-completion", "ksh"),
        ("--install-completion=pwsh",),
        ("--show-completion", "members"),
        ("--install-completion", ""),
    ):
        done = quick(*words)
        assert (done.status, done.out) == (2, "")
        assert "bash, zsh, fish" in done.err
    import shellingham

    def unknown() -> None:
        raise shellingham.ShellDetectionFailure

    monkeypatch.setattr(shellingham, "detect_shell", unknown)
    for option in ("--install-completion", "--show-completion"):
        done = quick(option)
        assert (done.status, done.out) == (2, "")
        assert "bash, zsh, fish" in done.err
    assert files(nothing.home) == set()


def test_where_it_can_not_be_installed_one_line_says_why(nothing: Program) -> None:
    (nothing.home / ".bashrc").write_bytes(b"\xff\n")
    (nothing.home / ".zfunc").write_text("a file")
    (nothing.home / ".config").write_text("a file")
    quick = Inside(nothing.db, nothing.home)
    for shell in MADE:
        done = quick("--install-completion", shell)
        assert done.status == 2
        assert done.err.startswith("Error: Completion can't be installed: ")
        assert f"streamctl --show-completion {shell}\n" in done.err
    assert (nothing.home / ".bashrc").read_bytes() == b"\xff\n"


def test_text_that_looks_like_the_option_is_text(member: Program) -> None:
    quick = Inside(member.db, member.home)
    assert quick.ok("members", "update", 1, "--name", "--show-completion")["name"] == "--show-completion"


def test_what_was_installed_completes(nothing: Program) -> None:
    """In a real bash, by what a new one reads."""
    assert nothing("--install-completion", "bash").status == 0
    script = (
        "source ~/.bashrc; COMP_WORDS=(streamctl inv); COMP_CWORD=1; _streamctl_completion streamctl; "
        "echo ${COMPREPLY[@]}; COMP_WORDS=(streamctl invoices pa); COMP_CWORD=2; _streamctl_completion streamctl; "
        "echo ${COMPREPLY[@]}"
    )
    environment = nothing.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("invoices\npay\n", "")
