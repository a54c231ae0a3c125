"""How far a long job of many steps has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from streamctl.output.waiting import SOON


@contextmanager
def progress(what: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    """After a second, a bar on stderr that each call of `advance` moves on by a step; without a terminal, nothing."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    start, done = time.monotonic(), 0
    show: Callable[[int], None] | None = None
    with ExitStack() as stack:

        def advance() -> None:
            nonlocal done, show
            done += 1
            if show is None and time.monotonic() - start >= SOON:
                show = stack.enter_context(_bar(what, total))
            if show is not None:
                show(done)

        yield advance


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
