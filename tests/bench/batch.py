"""Throughput of `stream batch`, against bare sqlite3 statements that do the same writes in the same run.

Run by `nox -s bench`. Both are durable (WAL, synchronous=FULL) and commit every 1000 events.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMBERS = 200
EVENTS = 80_000
GROUP = 1000
AT_LEAST = 0.5


def fixture() -> str:
    """A Django fixture of the members."""
    rows: list[dict[str, object]] = []
    for pk in range(1, MEMBERS + 1):
        period = {"start_date": "2020-01-01", "end_date": "2030-01-01"}
        rows.append({"model": "core.user", "pk": pk, "fields": {"email": f"u{pk}@example.com"}})
        rows.append(
            {"model": "core.membership", "pk": pk, "fields": {"user": pk, "state": "ACT", "credits": 3, **period}}
        )
    return json.dumps(rows)


def events() -> list[dict[str, object]]:
    """Check-ins and check-outs in turn, each member's streams one after the other."""
    made = []
    for number in range(EVENTS):
        turn, member = divmod(number, MEMBERS)
        moment = f"2026-11-23T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        action = "checkout" if turn % 2 else "checkin"
        made.append({"action": action, "member": member + 1, "ref": f"r{member + 1}-{turn // 2}", "at": moment})
    return made


def bare(path: Path, played: list[dict[str, object]], receipts: list[dict[str, object]]) -> float:
    """Seconds that the same writes take as plain statements."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    insert_line = "INSERT INTO invoice_line (invoice, amount, description, kind) VALUES (?, ?, ?, ?)"
    insert_stream = "INSERT INTO stream (user, ref, opened_at, seen_at, checkin_line) VALUES (?, ?, ?, ?, ?)"
    close = "UPDATE stream SET closed_at = ?, seen_at = ?, close_reason = 'checkout', checkout_line = ? WHERE id = ?"
    remember = "INSERT INTO request (key, action, member, parameters, receipt, at) VALUES (?, ?, ?, ?, ?, ?)"
    start = time.perf_counter()
    for number, (event, receipt) in enumerate(zip(played, receipts, strict=True)):
        if number % GROUP == 0:
            connection.execute("BEGIN IMMEDIATE")
        at, checkin = event["at"], event["action"] == "checkin"
        if number < MEMBERS:
            connection.execute(
                "INSERT INTO invoice (user, date, month, description, status, amount) VALUES (?, ?, ?, ?, 'OUT', 0)",
                (event["member"], "2026-11-23", "2026-11", "Invoice for 2026-11"),
            )
        kind = ("checkin", "Check-in", 100) if checkin else ("checkout", "Check-out", 0)
        line = connection.execute(insert_line, (receipt["invoice_id"], kind[2], kind[1], kind[0])).lastrowid
        if checkin:
            connection.execute(insert_stream, (event["member"], event["ref"], at, at, line))
        else:
            connection.execute(close, (at, at, line, receipt["stream_id"]))
        connection.execute(
            remember, (event["ref"], event["action"], event["member"], json.dumps(event), json.dumps(receipt), at)
        )
        if number % GROUP == GROUP - 1:
            connection.execute("COMMIT")
    seconds = time.perf_counter() - start
    connection.close()
    return seconds


def batch(command: list[str], environment: dict[str, str]) -> tuple[float, list[dict[str, object]]]:
    """Seconds from the first group's receipts to the last, and all receipts: a service runs one batch for days."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        start = time.perf_counter()
        lines += process.stdout.readlines()
        seconds = time.perf_counter() - start
    assert process.returncode == 0
    return seconds, [json.loads(line) for line in lines]


def main() -> int:
    """Measure both, three times in turn, the best of each; 1 when the ratio is under what was promised."""
    program = str(Path(sys.executable).with_name("streamctl"))
    with tempfile.TemporaryDirectory() as folder:
        template, file = Path(folder, "template.db"), Path(folder, "events.jsonl")
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "STREAMCTL_DB": str(template)}
        subprocess.run([program, "--quiet", "db", "init"], env=environment, check=True)
        subprocess.run([program, "--quiet", "db", "load", "-"], env=environment, input=fixture().encode(), check=True)
        played = events()
        file.write_text("".join(f"{json.dumps(event)}\n" for event in played))
        ours, theirs = [], []
        for turn in range(3):
            mine, plain = Path(folder, f"ours{turn}.db"), Path(folder, f"bare{turn}.db")
            shutil.copy(template, mine)
            shutil.copy(template, plain)
            seconds, receipts = batch([program, "--db", str(mine), "stream", "batch", str(file)], environment)
            ours.append((EVENTS - GROUP) / seconds)
            theirs.append(EVENTS / bare(plain, played, receipts))
    ratio = max(ours) / max(theirs)
    print(
        f"streamctl stream batch: {max(ours):.0f} events/s, bare statements {max(theirs):.0f}/s: {ratio:.2f} of bare "
        f"(best of 3 each, {EVENTS} events in groups of {GROUP}, start-up of neither; wanted: at least {AT_LEAST})"
    )
    return int(ratio < AT_LEAST)


if __name__ == "__main__":
    sys.exit(main())
