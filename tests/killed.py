"""The program killed at each step that it takes with files, one after the other.

python killed.py N WORD...      runs `streamctl` and kills itself before its Nth such step, or among the pages it copies
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from types import FrameType

from program import Program

STEPS = ("os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
EVERY = 12  # pages that are copied


def each_step(program: Program, *words: object) -> Iterator[int]:
    """Run it, killed before the first step, the second and so on, until it is done; the number of each that was."""
    for number in count(1):
        command = [sys.executable, __file__, str(number), *map(str, words)]
        done = subprocess.run(
            command, env=program.environment, cwd=program.home, capture_output=True, check=False, timeout=120
        )
        if done.returncode == 0:
            return
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        yield number


def main(number: str, *words: str) -> None:
    """Run `streamctl` with these words until that step."""
    left = int(number)
    pages = 0

    def step(event: str, _: object) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def page(frame: FrameType, event: str, _: object) -> None:
        nonlocal pages
        if event == "call" and frame.f_code.co_name == "step" and frame.f_code.co_filename.endswith("pages.py"):
            pages += 1
            step(STEPS[0] if pages % EVERY == 0 else "", None)

    from streamctl.cli.boundary import run

    sys.addaudithook(step)
    sys.setprofile(page)
    os._exit(run(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
