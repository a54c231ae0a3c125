"""Every call to the disk fails, or kills the program, in turn; and on a server the line is cut after every message.

Run by `nox -s torture`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import breaking
import cutting
from faults import AFTER, BEFORE, launcher
from front import front
from inside import Inside
from places import nowhere

EVERY = (("EIO", BEFORE), ("ENOSPC", BEFORE), ("SIGKILL", BEFORE))
# After one call is before the next, but where another kind of call begins.
ENDS = (("SIGKILL", AFTER), ("SIGTERM", AFTER), ("SIGINT", BEFORE))


def disk() -> bool:
    """Sweep over the calls to the disk; whether a promise was broken."""
    broken = False
    with tempfile.TemporaryDirectory() as folder, launcher() as launch:
        books = breaking.template(Path(folder))
        for number, case in enumerate(breaking.CASES):
            start, tally = time.monotonic(), breaking.Tally()
            sweep = breaking.Sweep(launch, case, books, Path(folder) / f"case{number}")
            sweep.over(EVERY, None, tally)
            sweep.over(ENDS, list(sweep.ends()), tally)
            broken |= bool(tally.wrong)
            ways = ", ".join(f"{count} {what}" for what, count in tally.faults.items())
            print(
                f"faults      sqlite      {case.name}: {len(sweep.clean.calls)} calls, {tally.count} faults ({ways}),"
                f" {time.monotonic() - start:.0f} s: {tally.wrong[:3] or 'nothing wrong'}",
                flush=True,
            )
    return broken


def line() -> bool:
    """Sweep over the messages to the server; whether a promise was broken."""
    broken = False
    for command in cutting.COMMANDS:
        with tempfile.TemporaryDirectory() as name, nowhere("postgresql", Path(name)) as place, front() as between:
            program = Inside(place, Path(name))
            program.ok("db", "init", "--timezone", "UTC")
            cutting.prepared(program)
            found = cutting.cut(program, between, command, steps=False)
        broken |= bool(found.wrong)
        print(
            f"faults      postgresql  {' '.join(map(str, command.words('X')))}: {found.count} cut lines,"
            f" {found.unheard} change done unheard: {found.wrong[:3] or 'nothing wrong'}",
            flush=True,
        )
    return broken


def main() -> int:
    """Sweep over both; 1 when a promise was broken."""
    return int(disk() | line())


if __name__ == "__main__":
    sys.exit(main())
