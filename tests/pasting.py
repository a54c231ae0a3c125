"""A hint's command given to a shell, as somebody who reads the hint would paste it."""

from __future__ import annotations

import subprocess
import sys

from program import Program


def command_of(hint: str | None) -> str:
    """The command that a hint ends with."""
    assert hint is not None
    assert "streamctl " in hint, hint
    return hint[hint.index("streamctl ") :].removesuffix(".")


def paste(program: Program, hint: str | None) -> str:
    """Run what the hint says, in bash, and expect success; standard output."""
    command = command_of(hint)
    called = f'streamctl() {{ {sys.executable} -m streamctl "$@"; }}; {command}'
    done = subprocess.run(
        ["bash", "-c", called], env=program.environment, cwd=program.home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout
