"""An export takes no more memory for more rows, whichever engine they come from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from program import Program

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak so")
IN_PROCESS = True
MEASURED = (
    "import re, sys; from streamctl.cli.boundary import run\n"
    "status = run(sys.argv[1:])\n"
    # Not getrusage, which counts what the process that started us has.
    r"print(*re.findall(r'VmHWM:\s+(\d+)', open('/proc/self/status').read()), file=sys.stderr); sys.exit(status)"
)
ROWS = 100_000
MANY = (
    f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
    " INSERT INTO invoice_line (invoice, amount, description, kind) SELECT 1, 0, 'Nothing to pay', 'manual' FROM n"
)


def peak(program: Program, *words: str) -> tuple[int, int]:
    """The lines written, and the most memory that took, in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], env=program.environment, capture_output=True, check=True
    )
    return done.stdout.count(b"\n"), int(done.stderr.split()[-1])


def test_a_hundred_thousand_rows_take_the_memory_of_a_thousand(member: Program) -> None:
    member.ok("invoices", "create", 1)
    if member.engine == "sqlite":
        member.sql("DROP TRIGGER invoice_line_added")
    else:
        member.sql("ALTER TABLE invoice_line DISABLE TRIGGER USER")
    member.sql(MANY)
    for format, heads in (("csv", 1), ("jsonl", 0)):
        few, small = peak(member, "lines", "list", "--format", format, "--limit", "1000")
        many, large = peak(member, "lines", "list", "--format", format)
        assert (few, many) == (1000 + heads, ROWS + heads)
        assert large - small < 6 << 10, format
