"""The real program as a process on a real file, as tests use it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
NOW = "2026-11-22T12:00:00Z"


@dataclass(frozen=True)
class Answer:
    """What a process said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error on standard error as JSON."""
        found: dict[str, Any] = json.loads(self.err)["error"]
        return found


@dataclass(frozen=True)
class Program:
    """The program on one database, at a frozen moment; every call is a process of its own."""

    db: Path
    home: Path
    now: str | None = NOW

    @property
    def environment(self) -> dict[str, str]:
        """As cron would have it: nothing but where things are."""
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "STREAMCTL_DB": str(self.db)}
        return own | ({"STREAMCTL_AS_OF": self.now} if self.now else {})

    def at(self, now: str | None) -> Self:
        """The same at another moment; None is the real clock."""
        return type(self)(self.db, self.home, now)

    def __call__(self, *words: object, stdin: str | bytes = b"", **environment: str) -> Answer:
        """Run `streamctl` with these words."""
        done = subprocess.run(
            [sys.executable, "-m", "streamctl", *map(str, words)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=self.environment | environment,
            cwd=self.home,
            timeout=120,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *words: object, stdin: str | bytes = b"") -> Any:
        """Run it with `--format json`, expect success; its answer."""
        answer = self(*words, "--format", "json", stdin=stdin)
        assert answer.status == 0, answer.err
        return answer.json

    def refused(self, *words: object, stdin: str | bytes = b"") -> dict[str, Any]:
        """Run it with `--format json`, expect a refusal that changed nothing; the error with its exit `status`."""
        before = self.books()
        answer = self(*words, "--format", "json", stdin=stdin)
        assert answer.status not in (0, 1), (answer.out, answer.err)
        assert answer.out == ""
        assert self.books() == before, "a refusal changed something"
        return {**answer.error, "status": answer.status}

    def books(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table, straight from the file."""
        if not self.db.exists():
            return {}
        with closing(sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)) as connection:
            names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in sorted(names)}

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL behind the program's back, as somebody with the sqlite3 shell would."""
        with closing(sqlite3.connect(self.db)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()
