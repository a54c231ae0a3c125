"""What a person is told, and a hint's command given to a shell as they would paste it."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys

from program import Program

# A command runs to the end of the hint, to what ends a clause, or to the bracket that it stands in.
COMMAND = re.compile(r"(?:(?<=: )|(?<=\())(?:\S+/python\S* -m pip|streamctl) .*?(?=$|\)[ ,]|; | and | or |, )")


class Terminal(io.TextIOWrapper):
    """Standard output as a person has it: they are told sentences."""

    def isatty(self) -> bool:
        return True


def sentence(program: Program, words: str) -> str:
    """What a person is told; the command is expected to succeed."""
    out = Terminal(io.BytesIO(), "utf-8")
    status, err = program.into(out, *shlex.split(words))  # type: ignore[attr-defined]
    assert (status, err) == (0, ""), err
    out.seek(0)
    return out.read().removesuffix("\n")


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


def commands(hint: str) -> list[str]:
    """Every command in the hint, as it stands there."""
    return [found.rstrip(".") if found.endswith("..") else found for found in COMMAND.findall(hint)]


def follow(program: Program, hint: str | None) -> None:
    """The same in this process, for the commands that our hints are made of: `a && b "$(c)"`."""
    for command in command_of(hint).split(" && "):
        words = re.sub(r'"\$\(streamctl (.*)\)"', lambda inner: program(*shlex.split(inner[1])).out.strip(), command)
        answer = program(*shlex.split(words)[1:])
        assert answer.status == 0, (command, answer.err)
