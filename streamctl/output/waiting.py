"""What a person sees while one long statement runs: what is being done, and for how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SOON = 1.0  # seconds before which there is nothing to say


@contextmanager
def working(what: str, *, quiet: bool) -> Iterator[None]:
    """While it lasts, a person at a terminal sees that something is being done, and for how long."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    with elapsed(what):
        yield


@contextmanager
def elapsed(what: str) -> Iterator[None]:
    """After a second, a line on stderr that counts the time; how long it took stays when it is done."""
    start, done = time.monotonic(), threading.Event()
    watcher = threading.Thread(target=_count, args=(what, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    if (seconds := time.monotonic() - start) >= SOON:
        from streamctl.output.writer import say

        say(f"{what} took {seconds:.1f} s.")


def _count(what: str, done: threading.Event) -> None:
    if done.wait(SOON):
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, markup=False, highlight=False)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        bar.add_task(what, total=None)
        done.wait()
