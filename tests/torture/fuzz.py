"""Thousands of command lines and files that nobody would think of, on both engines: only documented refusals.

Run by `nox -s torture`.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what the tests share

from fuzzing import Bench, event_files, files, lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inside import Inside
from places import empty, nowhere, put

EXAMPLES = {
    "sqlite": {"command lines": 5000, "files to load": 1500, "files of events": 1500},
    "postgresql": {"command lines": 400, "files to load": 100, "files of events": 100},
}


def tried(bench: Bench, what: str, most: int) -> None:
    """Try so many of them. Raises AssertionError with the smallest one that breaks a promise."""
    kinds: dict[str, tuple[st.SearchStrategy[Any], Callable[..., None]]] = {
        "command lines": (lines(), lambda made: bench.line(*made)),
        "files to load": (st.one_of(files(bench.dump), files(bench.fixture)), bench.load),
        "files of events": (event_files(), bench.batch),
    }
    strategy, judge = kinds[what]

    @settings(deadline=None, database=None, max_examples=most, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def each(made: Any) -> None:
        judge(made)

    each()


def main() -> int:
    """Try them all; 1 when one of them is met with anything but a documented status and one line."""
    broken = 0
    for engine, kinds in EXAMPLES.items():
        for what, most in kinds.items():
            with TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
                put(empty(engine), place)
                bench, start = Bench(Inside(place, Path(folder))), time.monotonic()
                try:
                    tried(bench, what, most)
                except Exception:  # noqa: BLE001 (several at once come as a group)
                    traceback.print_exc()
                    broken = 1
                found = ", ".join(f"{count} times exit {status}" for status, count in sorted(bench.outcomes.items()))
                print(
                    f"fuzz, {engine}: {bench.outcomes.total()} {what} in {time.monotonic() - start:.0f} s: {found}",
                    flush=True,
                )
    return broken


if __name__ == "__main__":
    sys.exit(main())
