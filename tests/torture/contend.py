"""32 processes of 100 check-ins and check-outs each on one database, and the longest that anybody had to wait.

Run by `nox -s torture`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from contention import crowded
from places import nowhere
from program import Program

TIMEOUT = 30.0  # seconds, which is what a command waits unless it is told otherwise
RUNS = (
    ("sqlite", 32, 100, ()),
    ("sqlite", 32, 100, ("unfair",)),
    ("sqlite", 8, 50, ("batch",)),
    ("sqlite", 8, 50, ("batch", "unfair")),
    ("sqlite", 32, 4, ("started",)),
    ("postgresql", 32, 100, ()),
    ("postgresql", 8, 50, ("batch",)),
)
WORDS = {
    "unfair": "without the queue, for comparison",
    "batch": "beside a batch in groups of 1000",
    "started": "a process for each",
}


def main() -> int:
    """Crowd both engines; 1 when a credit was sold twice, a line lost, or somebody waited too long."""
    broken = False
    for engine, processes, each, options in RUNS:
        with tempfile.TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
            program = Program(place, Path(folder))
            program.ok("db", "init", "--timezone", "UTC")
            found = crowded(program, processes, each, *options)
        broken |= bool(found["wrong"]) or found["longest_wait"] > TIMEOUT
        how = ", ".join(WORDS[option] for option in options)
        waits = f"longest wait for the lock {found['longest_wait']:.2f} s, half of them {found['median_wait']:.2f} s, "
        if "started" in options:  # whose waits nobody measures
            waits = ""
        print(
            f"contention  {engine:<10}  {processes} x {each} commands{f' ({how})' if how else ''} in"
            f" {found['seconds']:.1f} s: {waits}longest command {found['longest_command']:.2f} s:"
            f" {found['wrong'] or 'nothing wrong'}",
            flush=True,
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
