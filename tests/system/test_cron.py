"""README's crontab and systemd units, run as they stand across a year of the clock."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from places import keep, put
from program import ROOT, Program
from streams import inside

README = (ROOT / "README.md").read_text()
ZONE = ZoneInfo("Europe/Berlin")
FIRST, LAST = date(2027, 11, 20), date(2028, 11, 19)
OFF = (datetime(2028, 5, 31, 23, 45, tzinfo=ZONE), datetime(2028, 6, 2, 9, tzinfo=ZONE))


class Line(NamedTuple):
    """A line of the crontab: when it runs (`@reboot`, or the five fields) and what."""

    when: str
    command: str

    def at(self, day: date) -> Iterator[datetime]:
        """The instants of that day at which cron runs it, by the wall clock of the machine."""
        if self.when == "@reboot":
            return
        minutes, hours, days, *rest = self.when.split()
        assert rest == ["*", "*"]
        for hour in range(24) if hours == "*" else [int(hours)]:
            for minute in range(0, 60, int(minutes[2:])) if minutes.startswith("*/") else [int(minutes)]:
                if days in ("*", str(day.day)):
                    yield datetime.combine(day, time(hour, minute), ZONE)


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return str(found)


def crontab() -> list[Line]:
    """The lines of README's crontab that run something."""
    found = re.findall(r"^(@reboot|(?:\S+ ){5}) +(streamctl .*)$", block("crontab"), re.MULTILINE)
    assert len(found) == sum("streamctl " in line for line in block("crontab").splitlines())
    return [Line(when.strip(), command) for when, command in found]


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def at_home(program: Program, command: str) -> str:
    """The command line with its backups below the folder of the test."""
    return command.replace(" /backups/", f" {program.home}/backups/")


def run(program: Program, moment: datetime, command: str) -> None:
    """Run the command line at that instant: it must succeed, and say nothing where it is told to be quiet."""
    for part in at_home(program, command).split(" && "):
        name, *words = shlex.split(part)
        assert name == "streamctl"
        answer = program.at(written(moment))(*words)
        assert (answer.status, answer.err) == (0, ""), (moment, part)
        assert ("--quiet" in words) == (answer.out == ""), (moment, part, answer.out)


def run_in_shell(program: Program, moment: datetime, command: str) -> None:
    """The same as cron runs it: by sh, in an empty environment, with a `streamctl` that is found by PATH."""
    folder = program.home / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "streamctl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streamctl "$@"\n')
    (folder / "streamctl").chmod(0o755)
    environment = program.at(written(moment)).environment | {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", at_home(program, command)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), (moment, command)


@pytest.fixture
def service(nothing: Program) -> Program:
    """A service in Berlin with members whose memberships begin and end around every edge of a month."""
    program = inside(nothing)
    program.ok("db", "init", "--timezone", ZONE.key, "--currency", "EUR")
    for number, (start, end, fee) in enumerate(MEMBERS.values(), 1):
        add(program.at("2027-11-01"), number, start, end, fee)
    return program


def add(program: Program, number: int, start: str, end: str, fee: str) -> None:
    program.ok("members", "add", f"u{number}@example.com", "--start", start, "--end", end, "--fee", fee)


MEMBERS = {
    "all year": ("2027-01-01", "2029-01-01", "9.90"),
    "joined on a 31st": ("2028-01-31", "2029-01-31", "10"),
    "ends on a 1st": ("2027-06-01", "2028-03-01", "11"),
    "ends on a 2nd": ("2027-06-02", "2028-03-02", "12"),
    "leap day only": ("2028-02-29", "2028-03-01", "13"),
    "free": ("2027-01-01", "2029-01-01", "0"),
    "ends on new year": ("2027-06-02", "2028-01-01", "14"),
}
LATE = ("2028-05-31", "2028-06-01", "15")  # joins while the last job of May is done and the machine goes off


def months(start: str, end: str) -> list[str]:
    """The months, from the first that is billed to the last, of which a day is in the half-open period."""
    first, after = date.fromisoformat(start), date.fromisoformat(end)
    days = (max(first, date(2027, 11, 1)) + timedelta(days=n) for n in range(1000))
    return sorted({f"{day:%Y-%m}" for day in days if first <= day < after and day <= LAST})


def test_a_year_of_cron_bills_every_month_once_and_closes_it(service: Program) -> None:
    """Fails when a month turns in UTC or is named without its year, or a first day without power is not caught up."""
    lines = crontab()
    joined = play_year(service, lines)
    expected = sorted(
        (number, month, round(float(fee) * 100))
        for number, (start, end, fee) in enumerate([*MEMBERS.values(), LATE], 1)
        for month in months(start, end)
        if float(fee)
    )
    fees = service.sql(
        'SELECT i."user", i.month, l.amount FROM invoice_line l JOIN invoice i ON i.id = l.invoice'
        " WHERE l.kind = 'fee' AND i.status <> 'VOID' ORDER BY 1, 2"
    )
    assert fees == expected
    assert joined == 8
    closed = service.sql(
        "SELECT month, number, issued_at, due_date FROM invoice WHERE number IS NOT NULL ORDER BY number"
    )
    for month, _, issued_at, due_date in closed:
        first = date.fromisoformat(f"{month}-01")
        after = (first + timedelta(days=31)).replace(day=1)
        issued = datetime.combine(after, time(4, 20), ZONE) if month != "2028-05" else OFF[1]
        assert issued_at == written(issued), month
        assert due_date == (issued.date() + timedelta(days=14)).isoformat()
    sequence = [int(number[-5:]) for _, number, _, _ in sorted(closed, key=lambda row: int(row[1][-5:]))]
    assert sequence == list(range(1, len(closed) + 1))
    assert [number[:7] for _, number, _, _ in closed] == [month for month, *_ in closed]
    open_months = {month for (month,) in service.sql("SELECT month FROM invoice WHERE number IS NULL")}
    assert open_months == {"2028-11"}, "only the month that is not over is open"
    assert service("db", "check").status == 0
    backup = service.home / "backups" / "streamctl.db"
    assert service("--db", backup, "db", "check").status == 0
    assert len([*backup.parent.iterdir()]) == 11, "one a month here, and the machine was off once"


def play_year(program: Program, lines: list[Line]) -> int:
    """Let the year pass on the machine, day by day; how many members there are in the end."""
    number = len(MEMBERS)
    for offset in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=offset)
        if program.engine == "postgresql" and 3 < day.day < 28 and FIRST < day < LAST:
            continue  # a command takes longer there, and what may go wrong is at the ends of months
        jobs = sorted((moment, line) for line in lines for moment in some(line, day))
        for moment, line in jobs:
            if "db backup" in line.command and day.day > 1:
                continue  # one is like the other, and changes nothing
            if not OFF[0] <= moment < OFF[1]:
                run(program, moment, line.command)
        if day == date(2028, 5, 31):
            number += 1
            add(program.at("2028-05-31T21:30:00Z"), number, *LATE)
        if day == OFF[1].date():
            for line in lines:
                if line.when == "@reboot":
                    run(program, OFF[1], line.command)
    return number


def some(line: Line, day: date) -> list[datetime]:
    """The moments it runs at; of the many of a day the first, one at noon, and the last."""
    found = list(line.at(day))
    return found if len(found) < 4 else [found[0], found[len(found) // 2], found[-1]]


def test_streams_of_the_last_and_first_second_of_a_month_are_billed_in_their_own(service: Program) -> None:
    """Both changes of summer time lie between: the offset from UTC is another one at each of these ends."""
    ends = ("2027-12-31T22:59:59Z", "2028-02-29T22:59:59Z", "2028-03-31T21:59:59Z", "2028-10-31T22:59:59Z")
    starts = ("2027-12-31T23:00:00Z", "2028-02-29T23:00:00Z", "2028-03-31T22:00:00Z", "2028-10-31T23:00:00Z")
    for instant in sorted((*ends, *starts)):
        for verb in ("checkin", "checkout"):
            service.at(instant).ok("stream", verb, 1)
    found = service.sql(
        "SELECT i.month, count(*) FROM invoice_line l JOIN invoice i ON i.id = l.invoice"
        " WHERE l.kind = 'checkin' GROUP BY 1"
    )
    of_ends = [(month, 1) for month in ("2027-12", "2028-02", "2028-10")]
    of_starts = [(month, 1) for month in ("2028-01", "2028-04", "2028-11")]
    assert sorted(found) == sorted([*of_ends, *of_starts, ("2028-03", 2)]), "March has one of both"


def test_every_line_runs_in_a_shell_as_cron_starts_it(service: Program) -> None:
    for line in crontab():
        run_in_shell(service, datetime(2028, 2, 1, 4, 20, tzinfo=ZONE), line.command)
    numbers = [number for (number,) in service.sql("SELECT number FROM invoice WHERE number IS NOT NULL")]
    assert len(numbers) == len({*numbers}) > 0


def units() -> dict[str, list[str]]:
    """README's systemd units: for each what it starts, or when it runs."""
    found = {}
    for text in re.split(r"^# /etc/systemd/system/", block("systemd"), flags=re.MULTILINE)[1:]:
        name, _, body = text.partition("\n")
        found[name] = re.findall(r"^(?:ExecStart=/usr/local/bin/|OnCalendar=|Persistent=)(.*)$", body, re.MULTILINE)
    return found


def test_systemds_units_do_what_the_crontab_does(service: Program, elsewhere: Callable[[], Program]) -> None:
    found = units()
    assert found["streamctl-daily.timer"] == ["*-*-* 04:10", "true"]
    assert found["streamctl-month-end.timer"] == ["*-*-01 04:20", "true"]
    once = {part for line in crontab() for part in line.command.split(" && ")}
    assert once == {*found["streamctl-daily.service"], *found["streamctl-month-end.service"]}
    other = inside(elsewhere())
    put(keep(service), other.db)
    for day, unit in (((2028, 1, 31), "daily"), ((2028, 2, 1), "daily"), ((2028, 2, 1), "month-end")):
        moment = datetime(*day, 4, 20, tzinfo=ZONE)
        for command in found[f"streamctl-{unit}.service"]:
            run(service, moment, command)
        for line in crontab():
            if line.when.startswith("10 4" if unit == "daily" else "20 4"):
                run(other, moment, line.command)
    assert service.books()["invoice"] == other.books()["invoice"]
    assert service.books()["invoice_line"] == other.books()["invoice_line"]
