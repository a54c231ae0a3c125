"""Check-ins a second on SQLite and on PostgreSQL, side by side on one machine, both durable.

Run by `nox -s bench`. The server is one of our own, over its socket, as it comes but for its folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import server
from shell import Shell

MEMBERS = 400
EVENTS = 8000
WRITERS = 8
FEW_AND_MANY = (10_000, 80_000)
PROGRAM = str(Path(sys.executable).with_name("streamctl"))


def fixture() -> str:
    """A Django fixture of the members, who may have any number of streams."""
    period = {"start_date": "2020-01-01", "end_date": "2030-01-01"}
    rows: list[dict[str, object]] = []
    for pk in range(1, MEMBERS + 1):
        rows.append({"model": "core.user", "pk": pk, "fields": {"email": f"u{pk}@example.com"}})
        fields = {"user": pk, "state": "ACT", "credits": 1000, **period}
        rows.append({"model": "core.membership", "pk": pk, "fields": fields})
    return json.dumps(rows)


def check_ins(writer: int, count: int) -> bytes:
    """Check-ins of the members that are this writer's, one after the other."""
    events = []
    for number in range(count):
        member = 1 + writer + number * WRITERS % MEMBERS
        events.append({"action": "checkin", "member": member, "ref": f"{count}-{writer}-{number}"})
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def seconds(writers: int, most: int, environment: dict[str, str], folder: Path) -> float:
    """How long so many processes take over all events, committing after `most` of them."""
    files = []
    for writer in range(writers):
        files.append(folder / f"events{writer}.jsonl")
        files[-1].write_bytes(check_ins(writer, EVENTS // writers))
    command = [PROGRAM, "--timeout", "300", "stream", "batch", "--commit-every", str(most)]
    start = time.perf_counter()
    running = [subprocess.Popen([*command, file], env=environment, stdout=subprocess.DEVNULL) for file in files]
    assert [process.wait() for process in running] == [0] * writers
    return time.perf_counter() - start


def one_command(environment: dict[str, str]) -> float:
    """How long a check-in is as a command of its own; the best of ten."""
    found = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run([PROGRAM, "-q", "stream", "checkin", "1"], env=environment, check=True)
        found.append(time.perf_counter() - start)
    return min(found)


def measure(place: str, folder: Path) -> tuple[float, float, float]:
    """Check-ins a second in groups of 1000 and one by one from many processes, and the seconds of one command."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "STREAMCTL_DB": place}
    subprocess.run([PROGRAM, "-q", "db", "init", "--timezone", "UTC"], env=environment, check=True)
    subprocess.run([PROGRAM, "-q", "db", "load", "-"], env=environment, input=fixture().encode(), check=True)
    grouped = EVENTS / seconds(1, 1000, environment, folder)
    single = EVENTS / seconds(WRITERS, 1, environment, folder)
    return grouped, single, one_command(environment)


def billed(members: int, folder: Path) -> float:
    """Seconds that `invoices generate` takes on a server that has seen these members and nothing else."""
    with server.schema() as url:
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "STREAMCTL_DB": url}
        environment["STREAMCTL_AS_OF"] = "2026-11-22"
        subprocess.run([PROGRAM, "-q", "db", "init", "--timezone", "UTC"], env=environment, check=True)
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {members})"
        with Shell(url) as shell:
            shell.execute(
                f"{numbers} INSERT INTO user (email, email_key, created_at)"
                " SELECT 'u' || i || '@x.com', 'u' || i || '@x.com', '2026-01-01T00:00:00Z' FROM n"
            )
            shell.execute(
                'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date)'
                " SELECT id, 'ACT', 1, 990, '2026-01-01', '2027-01-01' FROM user"
            )
        start = time.perf_counter()
        subprocess.run([PROGRAM, "-q", "invoices", "generate"], env=environment, check=True)
        return time.perf_counter() - start


def main() -> int:
    """Measure and print both; 1 when billing on the server grows faster than its members."""
    durable = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    server.OPTIONS.update(durable)
    with tempfile.TemporaryDirectory() as name, server.schema() as url:
        folder = Path(name)
        for engine, place in (("SQLite", str(folder / "bench.db")), ("PostgreSQL", url)):
            grouped, single, command = measure(place, folder)
            print(
                f"{engine:<10}  {grouped:6.0f} check-ins/s of one process in groups of 1000, {single:6.0f} check-ins/s "
                f"of {WRITERS} processes one by one, {1000 * command:4.0f} ms for a check-in as a command"
            )
        few, many = (min(billed(count, folder) for _ in range(2)) for count in FEW_AND_MANY)
    times = FEW_AND_MANY[1] // FEW_AND_MANY[0]
    print(
        f"PostgreSQL  invoices generate for {times} times the members ({FEW_AND_MANY[1]}, no statistics before): "
        f"{many / few:.1f} times the seconds (wanted: at most {2 * times})"
    )
    return int(many / few > 2 * times)


if __name__ == "__main__":
    sys.exit(main())
