"""The one writer: standard output or a file, whole or not at all, and an honest word when it fails."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from streamctl.errors import BadValue, Interrupted, OutputFailed, quoted_path
from streamctl.interruption import held, stoppable


class ClosedPipe(Exception):
    """Whoever read our output has gone; `done` says whether a change had been committed, `again` what shows it."""

    def __init__(self, done: bool, again: str = "") -> None:
        super().__init__()
        self.done = done
        self.again = again


class Sink:
    """Where an answer goes. `again` is the command that shows it once more, for when it can't be written."""

    def __init__(self, file: IO[str], *, terminal: bool, done: Callable[[], bool]) -> None:
        self.file = file
        self.terminal = terminal
        self.again = ""
        self.live = False
        self._done = done
        self._complete = False

    def write(self, parts: Iterable[str], *, live: bool = False) -> None:
        """Write the parts as they come; `live` ones leave at once."""
        self.live = live
        for part in parts:
            self.file.write(part)
            if live:
                self.file.flush()

    def finish(self) -> None:
        """The answer is all there is to say; once this has returned it has left."""
        self.file.flush()
        self._complete = True

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Inside, Ctrl-C and SIGTERM raise Interrupted, which knows how far it came; too late they change nothing."""
        try:
            with stoppable():
                yield
        except KeyboardInterrupt:
            if not self._complete:
                raise Interrupted(done=self._done(), live=self.live, again=self.again) from None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Inside, a failing write raises ClosedPipe or OutputFailed, which know whether a change was committed."""
        try:
            yield
        except BrokenPipeError:
            discard(self.file)
            raise ClosedPipe(self._done(), self.again) from None
        except OSError as error:
            discard(self.file)
            raise OutputFailed(error.strerror or str(error), done=self._done(), again=self.again) from None


@contextmanager
def sink(output: str | None, own_files: Callable[[Path], bool], done: Callable[[], bool]) -> Iterator[Sink]:
    """Standard output, or the file at `output` written atomically when the block ends well.

    A file that can't be made is refused here, before anything is changed. Raises BadValue, OutputFailed, ClosedPipe,
    Interrupted.
    """
    if output is None or output == "-":
        with _standard_output(own_files, done) as found:
            yield found
        return
    try:
        path = Path(output).expanduser()
        mode = path.stat().st_mode if path.exists() else None
        if mode is None or stat.S_ISREG(mode):  # a pipe or a device has no other name to be found by
            path = path.resolve()
        if own_files(path):
            raise BadValue(f"{quoted_path(output)} is the database itself; the answer can't be written over it.")
    except (OSError, RuntimeError, ValueError) as error:
        raise BadValue(f"{quoted_path(output)} can't be written: {getattr(error, 'strerror', error)}.") from None
    if mode is not None and stat.S_ISDIR(mode):
        raise BadValue(f"{quoted_path(output)} is a folder; name a file in it.")
    with held(), _file(path, output, mode, done) as found, found.stoppable():
        yield found


@contextmanager
def _file(path: Path, output: str, mode: int | None, done: Callable[[], bool]) -> Iterator[Sink]:
    atomic = mode is None or stat.S_ISREG(mode)
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}") if atomic else path
    try:
        flags = os.O_WRONLY | (os.O_CREAT | os.O_EXCL if atomic else 0)
        with nullcontext() if atomic else stoppable():  # a pipe waits for its reader
            descriptor = os.open(draft, flags, 0o600)
        file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
    except OSError as error:
        raise BadValue(f"{quoted_path(output)} can't be written: {error.strerror}.") from None
    found = Sink(file, terminal=False, done=done)
    try:
        yield found
        with found.guarded(), file:
            file.flush()
            if atomic:
                os.fsync(file.fileno())
                if mode is not None:
                    draft.chmod(stat.S_IMODE(mode))
                draft.replace(path)
    finally:
        discard(file)
        file.close()
        if atomic:
            draft.unlink(missing_ok=True)


@contextmanager
def _standard_output(own_files: Callable[[Path], bool], done: Callable[[], bool]) -> Iterator[Sink]:
    out = sys.stdout
    if out is None:
        raise OutputFailed("standard output is closed", done=False)
    if _is_file(out) and own_files(Path(f"/dev/fd/{out.fileno()}")):
        raise BadValue("Standard output is the database itself; the answer can't be written into it.")
    if isinstance(out, io.TextIOWrapper):
        # Data is UTF-8 wherever it goes; a terminal keeps its own encoding and shows what it lacks as an escape.
        terminal = out.isatty()
        encoding = out.encoding if terminal else "utf-8"
        out.reconfigure(encoding=encoding, errors="backslashreplace" if terminal else "strict", newline="\n")
    found = Sink(out, terminal=out.isatty(), done=done)
    with held(), found.stoppable():
        yield found
    with found.guarded():
        out.flush()


def _is_file(out: IO[str]) -> bool:
    with suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    return False


def say(text: str) -> None:
    """One line on stderr. Where even that is closed there is nobody left to tell."""
    from streamctl.output.safety import safe

    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        print(safe(text), file=sys.stderr, flush=True)  # noqa: T201


def discard(file: IO[str]) -> None:
    """Point a file that can't be written at nothing, so that what is left in its buffer fails no more."""
    if file.closed:
        return
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, file.fileno())
        os.close(nothing)
