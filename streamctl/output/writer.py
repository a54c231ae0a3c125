"""The one writer: standard output, or a file whole or not at all, and an honest word when it fails."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from streamctl.errors import Interrupted, OutputFailed, quoted_path
from streamctl.interruption import held, stoppable
from streamctl.output.descriptor import text
from streamctl.output.destination import STANDARD_OUTPUT, Destination, cannot_be_written


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
def sink(where: Destination, done: Callable[[], bool]) -> Iterator[Sink]:
    """What an answer is written to: standard output, something to write into, or a file that is there when it is whole.

    What can't be opened is refused here, before anything is changed. Raises BadValue, OutputFailed, ClosedPipe,
    Interrupted.
    """
    if where.descriptor == STANDARD_OUTPUT:
        kind = _standard_output(done)
    elif where.is_file:
        kind = _file(where, done)
    else:
        kind = _in_place(where, done)
    with held(), kind as found, found.stoppable():
        yield found


@contextmanager
def _standard_output(done: Callable[[], bool]) -> Iterator[Sink]:
    out = sys.stdout
    if out is None:
        raise OutputFailed("standard output is closed", done=False)
    if isinstance(out, io.TextIOWrapper):
        encoding, errors = _spoken(out.isatty())
        out.reconfigure(encoding=encoding, errors=errors, newline="\n")
    found = Sink(out, terminal=out.isatty(), done=done)
    yield found
    with found.guarded():
        out.flush()


def _spoken(terminal: bool) -> tuple[str, str]:
    """The encoding, and what becomes of a character that it lacks.

    Data is UTF-8 wherever it goes; a terminal keeps its own encoding and shows what it lacks as an escape.
    """
    return (sys.stdout.encoding if sys.stdout else "utf-8", "backslashreplace") if terminal else ("utf-8", "strict")


@contextmanager
def _in_place(where: Destination, done: Callable[[], bool]) -> Iterator[Sink]:
    """A descriptor of ours, a pipe by name or a device."""
    try:
        descriptor = os.dup(where.descriptor) if where.descriptor is not None else _opened(where)
    except OSError as error:
        raise cannot_be_written(where.written, error.strerror or str(error)) from None
    terminal = os.isatty(descriptor)
    file = text(descriptor, *_spoken(terminal), line_buffering=terminal)
    try:
        found = Sink(file, terminal=terminal, done=done)
        yield found
        with found.guarded():
            file.flush()
    finally:
        discard(file)
        file.close()


def _opened(where: Destination) -> int:
    """The descriptor of what is there, which still is what was looked at. Raises OSError, BadValue."""
    with stoppable():  # a pipe waits for its reader
        descriptor = os.open(where.path, os.O_WRONLY | os.O_NOCTTY)
    if where.before is None or not os.path.samestat(os.fstat(descriptor), where.before):
        os.close(descriptor)
        raise cannot_be_written(where.written, "it became something else meanwhile")
    return descriptor


@contextmanager
def _file(where: Destination, done: Callable[[], bool]) -> Iterator[Sink]:
    draft = where.path.with_name(f".streamctl-{os.urandom(8).hex()}")  # whatever the file's name: that may be long
    try:
        file = text(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise cannot_be_written(where.written, error.strerror or str(error)) from None
    found = Sink(file, terminal=False, done=done)
    try:
        yield found
        with found.guarded(), file:
            file.flush()
            os.fsync(file.fileno())
            if where.before is not None:
                _own_as(where.before, file.fileno(), where.written)
            draft.replace(where.path)
    finally:
        discard(file)
        file.close()
        draft.unlink(missing_ok=True)


def _own_as(before: os.stat_result, descriptor: int, written: str) -> None:
    """Give the file the owner, group and permissions of the one it replaces; never more than those, if we may not.

    Without its group, the group and all others get what both had. Bits that do more than permit are not carried over.
    """
    mode = before.st_mode & 0o777
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(descriptor, before.st_uid, before.st_gid)
        except OSError:
            try:
                os.fchown(descriptor, -1, before.st_gid)
            except OSError:
                shared = mode >> 3 & mode & 0o7
                mode = mode & 0o700 | shared << 3 | shared
                say(f"Note: {quoted_path(written)} could not be given to the owner and group that it had.")
    os.fchmod(descriptor, mode)


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
