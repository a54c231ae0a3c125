"""Processes at one database at the same time, each running one command after the other as it is told.

python crowd.py PLACE HOME      reads commands, a JSON array a line, and answers [status, stdout, stderr]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from program import Answer, Program


class One:
    """One of them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, *words: object) -> None:
        """Let it run `streamctl` with these words."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([str(word) for word in words]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Answer:
        """Wait for what came of it."""
        assert self._process.stdout
        return Answer(*json.loads(self._process.stdout.readline()))


@contextmanager
def crowd(program: Program, count: int) -> Iterator[list[One]]:
    """So many processes that are ready to run commands."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, __file__, str(program.db), str(program.home)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(count)
        ]
        yield [One(process) for process in processes]
        for process in processes:
            assert process.stdin
            process.stdin.close()


def at_once(ones: Sequence[One], *commands: Sequence[object]) -> list[Answer]:
    """Let each run its command, all at the same time; what they answered."""
    for one, words in zip(ones, commands, strict=True):
        one.begin(*words)
    return [one.answer() for one in ones]


def main(place: str, home: str) -> None:
    """Run what standard input says."""
    from inside import Inside

    program = Inside(place if "://" in place else Path(place), Path(home))
    for line in sys.stdin:
        answer = program(*json.loads(line))
        print(json.dumps([answer.status, answer.out, answer.err]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
