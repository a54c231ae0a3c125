"""The one writer: standard output, or a file whole or not at all, and an honest word when it fails."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import IO

from streamctl.errors import Interrupted, OutputFailed, quoted_path
from streamctl.interruption import held, stoppable
from streamctl.output.descriptor import ESCAPED, text
from streamctl.output.destination import STANDARD_OUTPUT, Destination, cannot_be_written


class ClosedPipe(Exception):
    """Whoever read our output has gone.

    `done` says whether a change had been committed, `again` what shows it, `line` up to where in the input it is done.
    """

    def __init__(self, done: bool, again: str = "", line: int = 0) -> None:
        super().__init__()
        self.done = done
        self.again = again
        self.line = line


class Sink:
    """Where an answer goes.

    `again` is the command that shows it once more, for when it can't be written, and `done_to` tells up to which line
    of the input its change is done, 0 where it does not come from lines.
    """

    def __init__(self, file: IO[str], *, terminal: bool, done: Callable[[], bool]) -> None:
        self.file = file
        self.terminal = terminal
        self.again = ""
        self.done_to: Callable[[], int] = lambda: 0
        self.live = False
        self._done = done
        self._complete = False

    def write(self, parts: Iterable[str], *, live: bool = False) -> None:
        """Write the parts as they come; `live` ones leave at once."""
        self.live = live
        if not live:
            self.file.writelines(parts)
            return
        coming = iter(parts)
        part: str | None = ""
        while part is not None:
            # A file takes it at once: before a signal ends the program, what is done by a part has its part there.
            with held() if _is_file(self.file) else nullcontext():
                if (part := next(coming, None)) is not None:
                    self.leave(part)

    def leave(self, part: str) -> None:
        """Write it, so that it has left. Raises OSError."""
        self.file.write(part)
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
                raise Interrupted(done=self._done(), live=self.live, again=self.again, line=self.done_to()) from None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Inside, a failing write raises ClosedPipe or OutputFailed, which know whether a change was committed."""
        try:
            yield
        except BrokenPipeError:
            discard(self.file)
            raise ClosedPipe(self._done(), self.again, self.done_to()) from None
        except OSError as error:
            discard(self.file)
            why = error.strerror or str(error)
            raise OutputFailed(why, done=self._done(), again=self.again, line=self.done_to()) from None


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
        out.reconfigure(encoding=_encoding(out.isatty()), errors=ESCAPED, newline="\n")
    found = Sink(out, terminal=out.isatty(), done=done)
    yield found
    with found.guarded():
        out.flush()


def _encoding(terminal: bool) -> str:
    """Data is UTF-8 wherever it goes; a terminal keeps its own encoding."""
    return sys.stdout.encoding if terminal and sys.stdout else "utf-8"


@contextmanager
def _in_place(where: Destination, done: Callable[[], bool]) -> Iterator[Sink]:
    """A descriptor of ours, a pipe by name or a device."""
    try:
        descriptor = os.dup(where.descriptor) if where.descriptor is not None else _opened(where)
    except OSError as error:
        raise cannot_be_written(where.written, error.strerror or str(error)) from None
    terminal = os.isatty(descriptor)
    file = text(descriptor, _encoding(terminal), ESCAPED, line_buffering=terminal)
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
    found = _Draft(where, done)
    try:
        yield found
        with found.guarded():
            found.publish()
    finally:
        found.close()


class _Draft(Sink):
    """A file that takes the place of another when it is whole; for what leaves at once, from the first part on."""

    def __init__(self, where: Destination, done: Callable[[], bool]) -> None:
        self._where = where
        # Its name does not grow with the file's, which may be as long as a name can be.
        self._draft = where.path.with_name(f".streamctl-{os.urandom(8).hex()}")
        self._published = False
        try:
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise cannot_be_written(where.written, error.strerror or str(error)) from None
        super().__init__(text(descriptor, "utf-8", ESCAPED), terminal=False, done=done)

    def leave(self, part: str) -> None:
        """Write it under the file's own name. Of what there is no room for, whole lines stay. Raises OSError."""
        if not self._published:
            self.publish()
        before = os.lseek(self.file.fileno(), 0, os.SEEK_CUR)
        try:
            super().leave(part)
        except OSError:
            with suppress(OSError):
                written = os.fstat(self.file.fileno()).st_size - before
                os.ftruncate(self.file.fileno(), before + part.encode()[:written].rfind(b"\n") + 1)
            raise

    def publish(self) -> None:
        """Make it durable, and give it the file's name and owner. Raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self._published:
            if self._where.before is not None:
                _own_as(self._where.before, self.file.fileno(), self._where.written)
            self._draft.replace(self._where.path)
            self._published = True

    def close(self) -> None:
        """Close it; what is a draft still is removed."""
        discard(self.file)
        self.file.close()
        if not self._published:
            self._draft.unlink(missing_ok=True)


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


def _is_file(out: IO[str]) -> bool:
    with suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    return False


def say(text: str, *, json: bool = False) -> None:
    """One line on stderr, which as JSON is UTF-8 or ASCII. Where even stderr is closed there is nobody left to tell."""
    from streamctl.output.safety import safe

    if sys.stderr is None:
        return
    if json and sys.stderr.encoding.lower() not in ("utf-8", "utf8"):
        text = text.encode("ascii", ESCAPED).decode("ascii")
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
