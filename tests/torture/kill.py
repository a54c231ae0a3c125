"""SIGKILL at random moments to four writers doing every kind of write: what was acknowledged is there, every time.

Run by `nox -s torture`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from killing import killed
from places import ENGINES, nowhere
from program import Program

KILLS = {"sqlite": 200, "postgresql": 50}


def main() -> int:
    """Kill on both engines; 1 when anything is missing or wrong afterwards."""
    seed, broken = int(time.time()), False
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
            program = Program(place, Path(folder))
            program.ok("db", "init", "--timezone", "UTC")
            found = killed(program, KILLS[engine], seed)
        broken |= bool(found["wrong"])
        print(
            f"kill        {engine:<10}  {found['kills']} kills, {found['acknowledged']} acknowledged writes looked for,"
            f" {found['checks']} times `db check` (seed {seed}): {found['wrong'] or 'nothing wrong'}",
            flush=True,
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
