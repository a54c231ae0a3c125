"""What the tests of whole copies of a database share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from program import Program

SMALL_DISK = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, "-m", "streamctl", *sys.argv[2:]])
"""


def names(folder: Path) -> list[str]:
    """The names in the folder, in order."""
    return sorted(path.name for path in folder.iterdir())


def limited(program: Program, most: int, *words: object) -> subprocess.CompletedProcess[str]:
    """The program where no file grows beyond so many bytes."""
    return subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(most), *map(str, words)],
        env=program.environment,
        cwd=program.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
