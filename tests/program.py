"""The real program as a process on a real database, as tests use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from shell import Shell, kept

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
    """The program on one database, a file or a server's URL, at a frozen moment; a call is a process of its own."""

    db: Path | str
    home: Path
    now: str | None = NOW

    @property
    def engine(self) -> str:
        """Which engine keeps the database."""
        return "sqlite" if isinstance(self.db, Path) else "postgresql"

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
        """Every row of every table, straight from the database."""
        if isinstance(self.db, str):
            return kept(self.db).books()
        if not self.db.exists():
            return {}
        with Shell(self.db, mode="ro") as shell:
            return shell.books()

    def content(self) -> object:
        """All that could change: the bytes of a file, the rows of a server."""
        return self.db.read_bytes() if isinstance(self.db, Path) else self.books()

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run SQL behind the program's back, as somebody with the engine's own shell would."""
        if isinstance(self.db, str):
            return kept(self.db).execute(statement, parameters)
        with Shell(self.db) as shell:
            return shell.execute(statement, parameters)
