"""Ctrl-C and SIGTERM, once and twice, at random moments of a command: exit 130, and every word of it true.

Run by `nox -s torture`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from places import ENGINES, nowhere
from program import Program
from stopping import COMMANDS, stop

MOMENTS = {"sqlite": 40, "postgresql": 15}


def main() -> int:
    """Stop on both engines; 1 when a word was not true."""
    seed, broken = int(time.time()), False
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
            program = Program(place, Path(folder))
            program.ok("db", "init", "--timezone", "UTC")
            found = stop(program, MOMENTS[engine], seed)
        broken |= bool(found.wrong)
        ended = ", ".join(f"{count} {what}" for what, count in sorted(found.ended.items()))
        print(
            f"stop        {engine:<10}  {found.signals} signals to {len(COMMANDS) * MOMENTS[engine]} commands"
            f" ({ended}; seed {seed}): {found.wrong[:3] or 'nothing wrong'}",
            flush=True,
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
