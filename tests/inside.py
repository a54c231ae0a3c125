"""The program called in this process: what a scenario of many commands uses, where a process a command adds nothing."""

from __future__ import annotations

import io
import sys

import pytest
from program import Answer, Program

from streamctl.cli.boundary import run

FOREIGN = ("STREAMCTL_FORMAT", "STREAMCTL_AS_OF", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


class Inside(Program):
    """The same command line, environment and streams, without the 0.2 seconds of a process."""

    def __call__(self, *words: object, stdin: str | bytes = b"", **environment: str) -> Answer:
        """Run `streamctl` with these words."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        streams = {
            name: io.TextIOWrapper(io.BytesIO(data), "utf-8") for name, data in (("stdin", given), ("stdout", b""))
        }
        streams["stderr"] = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
        with pytest.MonkeyPatch.context() as patch:
            for name in FOREIGN:
                patch.delenv(name, raising=False)
            for name, value in (self.environment | environment).items():
                patch.setenv(name, value)
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            patch.chdir(self.home)
            status = run([str(word) for word in words])
        return Answer(status, _written(streams["stdout"]), _written(streams["stderr"]))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
