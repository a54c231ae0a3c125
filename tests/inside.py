"""The program called in this process: what a scenario of many commands uses, where a process a command adds nothing."""

from __future__ import annotations

import io
import sys
from tempfile import TemporaryFile

import pytest
from program import Answer, Program

from streamctl.cli.boundary import run

FOREIGN = ("STREAMCTL_FORMAT", "STREAMCTL_AS_OF", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


class Inside(Program):
    """The same command line, environment and streams, without the 0.2 seconds of a process."""

    def __call__(self, *words: object, stdin: str | bytes = b"", **environment: str) -> Answer:
        """Run `streamctl` with these words."""
        out = io.TextIOWrapper(io.BytesIO(), "utf-8")
        status, err = self.into(out, *words, stdin=stdin, **environment)
        return Answer(status, _written(out), err)

    def into(
        self, out: io.TextIOBase | None, *words: object, stdin: str | bytes = b"", **environment: str
    ) -> tuple[int, str]:
        """Run it with this as its standard output, None where that is closed; the status and standard error."""
        err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
        with pytest.MonkeyPatch.context() as patch, TemporaryFile() as given:
            given.write(stdin.encode() if isinstance(stdin, str) else stdin)
            given.seek(0)
            streams = {"stdin": io.TextIOWrapper(given, "utf-8"), "stdout": out, "stderr": err}
            for name in FOREIGN:
                patch.delenv(name, raising=False)
            for name, value in (self.environment | environment).items():
                patch.setenv(name, value)
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            patch.chdir(self.home)
            status = run([str(word) for word in words])
        return status, _written(err)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
