"""Every command at databases that are not there, not ours, cut off, or with a bit turned round anywhere.

Run by `nox -s torture`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import unready
from breaking import template
from inside import Inside

FLIPS, AT_ONCE = 1500, 5  # bits, and commands at each


def main() -> int:
    """Try all; 1 when a command changed a byte of what it refused, or did not say so in a line."""
    seed = int(time.time())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "strange").mkdir()
        (folder / "flipped").mkdir()
        ours = template(folder)
        places = unready.strangers(folder / "strange", ours)
        strange = [wrong for place in places for wrong in unready.refused(place, folder)]
        program = Inside(folder / "flipped" / "flipped.db", folder / "flipped")
        (folder / "flipped" / "flipped.db").write_bytes(ours)
        commands = [words for words in unready.every(folder / "flipped") if words[:2] != unready.ENDLESS]

        def some(number: int) -> list[tuple[str, ...]]:
            return [commands[(AT_ONCE * number + place) % len(commands)] for place in range(AT_ONCE)]

        flipped = unready.flipped(program, FLIPS, some, seed)
    print(f"unreadable  {len(places)} places, {len(commands) + 1} commands at each: {strange[:3] or 'nothing wrong'}")
    print(
        f"unreadable  {FLIPS} bits turned round, {AT_ONCE} of {len(commands)} commands at each (seed {seed}):"
        f" {flipped[:3] or 'nothing wrong'}"
    )
    return int(bool(strange or flipped))


if __name__ == "__main__":
    sys.exit(main())
