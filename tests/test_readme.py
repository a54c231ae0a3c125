"""README's command blocks, run as they are typed, and what they print."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import server
from program import ROOT

README = (ROOT / "README.md").read_text()
MACHINES_OWN = r"WAL-reset fault| took [0-9.]+ s\.$|^[\u2801-\u28ff] .* 0:00:[0-9]{2}$"
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def in_terminal(script: str, folder: Path, environment: dict[str, str]) -> str:
    """What bash prints to a terminal of 80 columns when it runs the script."""
    (folder / "script").write_text(script)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        ["bash", folder / "script"], stdin=follower, stdout=follower, stderr=follower, cwd=folder, env=environment
    )
    os.close(follower)
    seen = b""
    try:
        while chunk := os.read(leader, 65536):
            seen += chunk
    except OSError:  # the last writer has gone
        pass
    os.close(leader)
    process.wait(60)
    return ANSI.sub("", seen.decode()).replace("\r\n", "\n")


def lines(text: str) -> list[str]:
    """The lines as they read, without what stands to the right of them and without empty ones at the ends."""
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def test_every_block_is_a_command_block_or_a_tour() -> None:
    fences = re.findall(r"^```(\w*)$", README, re.MULTILINE)
    assert set(fences) == {"sh", "console", "crontab", "systemd", "postgresql", ""}  # two run in system/test_cron.py
    assert [len(blocks(language)) for language in ("sh", "crontab", "systemd", "postgresql")] == [2, 1, 1, 1]
    assert 2 + 1 + 1 + 1 + len(blocks("console")) == len(fences) / 2


def test_the_tour_prints_what_readme_shows(tmp_path: Path) -> None:
    steps = [step for block in blocks("console") for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    commands = [step.partition("\n")[0] for step in steps]
    (tmp_path / "data").symlink_to(ROOT / "data")
    environment = {
        "PATH": f"{program_in(tmp_path)}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "xterm",
        "COLUMNS": "80",
        "LANG": "C.UTF-8",
        "TZ": "America/New_York",
    }
    # `echo $?` is about the command before it, so the mark must not come between.
    script = "status=0\n" + "".join(f"{command.replace('$?', '$status')}\nstatus=$?; echo @@\n" for command in commands)
    seen = in_terminal(script, tmp_path, environment).split("@@\n")
    shown = [step.partition("\n")[2] for step in steps]
    for command, printed, wanted in zip(commands, seen, shown, strict=False):
        # Notes that depend on the machine: its SQLite, and how fast it is.
        said = [line for line in lines(printed) if not re.search(MACHINES_OWN, line)] or [""]
        assert [line.replace(str(tmp_path.resolve()), "/home/ada") for line in said] == lines(wanted), command
    assert len(seen) == len(commands) + 1


def program_in(folder: Path) -> Path:
    """A folder with a `streamctl` in it."""
    found = folder / "bin"
    found.mkdir()
    (found / "streamctl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streamctl "$@"\n')
    (found / "streamctl").chmod(0o755)
    return found


def test_a_database_moves_to_a_server_as_readme_says(tmp_path: Path) -> None:
    parameters = psycopg.conninfo.conninfo_to_dict(server.base())
    environment = {
        "PATH": f"{program_in(tmp_path)}:{server.programs()}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "STREAMCTL_DB": str(tmp_path / "file.db"),
        "PGHOST": str(parameters["host"]),
        "PGUSER": str(parameters["user"]),
    }
    (block,) = blocks("postgresql")
    before = f"streamctl db init --timezone UTC && streamctl db load {ROOT / 'data' / 'init_db.json'}\n"
    done = subprocess.run(
        ["bash", "-e", "-c", f"{before}{block}dropdb books"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "All is well." in done.stdout
    assert "grace@example.com" in done.stdout


def test_the_first_block_installs_and_runs_on_a_fresh_machine(tmp_path: Path) -> None:
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    home.mkdir()
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "*.db*", "__pycache__"))
    base = Path(sys.base_prefix, "bin")
    done = subprocess.run(
        ["bash", "-e", "-c", blocks("sh")[0]],
        cwd=checkout,
        env={**os.environ, "PATH": f"{base}:/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2\t3\t2022-01-05\tPAID\tInvoice for the 1st month of 2022\t11.00\t1 2 3" in done.stdout
    assert "1\t2\t2022-03-01\tPAID\tInvoice for the 3rd month of 2022\t15.00\t4" in done.stdout


def test_ci_runs_the_second_block() -> None:
    assert blocks("sh")[1].strip() in (ROOT / ".ci" / "run").read_text()
