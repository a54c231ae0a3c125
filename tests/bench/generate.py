"""`invoices generate` for a million members, against the same inserts as bare SQL in the same run.

Run by `nox -s bench`. Both write a million invoices and lines with their triggers, in one durable transaction.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMBERS = 1_000_000
AT_MOST = 3.0
MONTH = "2026-11"

FILL = f"""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MEMBERS})
INSERT INTO user (id, email, email_key, created_at)
SELECT i, 'u' || i || '@x.com', 'u' || i || '@x.com', '2026-01-01T00:00:00Z' FROM n;
INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date)
SELECT id, 'ACT', 1, 990, '2026-01-01', '2027-01-01' FROM user;
"""
BARE = f"""
BEGIN IMMEDIATE;
INSERT INTO invoice ("user", date, month, description, status, amount)
SELECT "user", '{MONTH}-22', '{MONTH}', 'Invoice for {MONTH}', 'OUT', 0 FROM membership WHERE fee > 0;
INSERT INTO invoice_line (invoice, amount, description, kind, key)
SELECT i.id, m.fee, 'Membership {MONTH}', 'fee', 'fee:' || m."user" || ':{MONTH}'
FROM membership m JOIN invoice i ON i."user" = m."user" AND i.month = '{MONTH}';
COMMIT;
"""


def bare(path: Path) -> float:
    """Seconds that the same inserts take as plain statements."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    start = time.perf_counter()
    connection.executescript(BARE)
    seconds = time.perf_counter() - start
    connection.close()
    return seconds


def main() -> int:
    """Measure both, twice in turn, the best of each; 1 when the ratio is over what was promised."""
    program = str(Path(sys.executable).with_name("streamctl"))
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder, "template.db")
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "STREAMCTL_AS_OF": f"{MONTH}-22"}
        subprocess.run([program, "--quiet", "--db", str(template), "db", "init"], env=environment, check=True)
        with sqlite3.connect(template) as connection:
            connection.executescript(FILL)
        connection.close()
        ours, theirs = [], []
        for turn in range(2):
            mine, plain = Path(folder, f"ours{turn}.db"), Path(folder, f"bare{turn}.db")
            shutil.copy(template, mine)
            start = time.perf_counter()
            subprocess.run([program, "-q", "--db", str(mine), "invoices", "generate"], env=environment, check=True)
            ours.append(time.perf_counter() - start)
            shutil.copy(template, plain)
            theirs.append(bare(plain))
    ratio = min(ours) / min(theirs)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(
        f"streamctl invoices generate: {MEMBERS} members in {min(ours):.1f} s, bare statements {min(theirs):.1f} s: "
        f"{ratio:.2f} times bare (best of 2 each; wanted: at most {AT_MOST}); at most {peak} MB of memory"
    )
    return int(ratio > AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
