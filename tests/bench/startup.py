"""Start-up, as whole processes: each command in turn with the imports it can't do without, and the ratio of each pair.

Run by `nox -s bench`. The median ratio is the figure; single times say more about the machine than about us.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAIRS = 41
AT_MOST = 1.1


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """How long the command takes, from the outside."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def compare(name: str, ours: list[str], bare: list[str], environment: dict[str, str]) -> float:
    """Print and return the median ratio of the pairs, after one run of each that does not count."""
    pairs = [(seconds(ours, environment), seconds(bare, environment)) for _ in range(PAIRS + 1)][1:]
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    middle = statistics.median(ratios)
    quarter, three = ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]
    print(
        f"{name:<28} {middle:.2f} times `{' '.join(bare[1:])}`  (quartiles {quarter:.2f} to {three:.2f}; "
        f"medians {1000 * statistics.median(m for m, _ in pairs):.0f} and "
        f"{1000 * statistics.median(t for _, t in pairs):.0f} ms; {PAIRS} pairs; wanted: at most {AT_MOST})"
    )
    return middle


def main() -> int:
    """Measure both; 1 when a ratio is over what was promised."""
    program = str(Path(sys.executable).with_name("streamctl"))
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "STREAMCTL_DB": f"{folder}/bench.db"}
        for words in (["db", "init"], ["members", "add", "bench@example.com", "--credits", "1000"]):
            subprocess.run([program, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
        ratios = [
            compare(
                "streamctl stream checkin",
                [program, "stream", "checkin", "1"],
                # Peewee imports every driver it finds, and this machine has one more than a file needs.
                [sys.executable, "-c", "import sys; sys.modules['psycopg'] = None; import typer, peewee, sqlite3"],
                environment,
            ),
            compare("streamctl --version", [program, "--version"], [sys.executable, "-c", "import typer"], environment),
        ]
    return int(max(ratios) > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
