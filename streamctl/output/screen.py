"""A live screen of the open streams and the last events, by Rich: as much as fits, and how much more there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import IO, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streamctl.domain.calendar import as_instant, written
from streamctl.domain.records import Listing
from streamctl.errors import counted
from streamctl.output.safety import safe

_WIDE = 64  # columns, from which on there is room for how long a stream is open and when it was seen
_FEWEST = 3  # rows of open streams before events get any


class Screen:
    """The terminal's other screen, where nothing that was on the first one is lost."""

    def __init__(self, file: IO[str]) -> None:
        self._console = Console(
            file=file, force_terminal=True, force_interactive=True, markup=False, highlight=False, emoji=False
        )
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def draw(self, at: datetime, streams: Listing, events: Listing) -> None:
        """Show how things stand at that instant: these open streams, these events, the newest first in both."""
        width, height = self._console.size
        opened, happened = _dicts(streams), _dicts(events)
        for_streams, for_events = _shares(height, len(opened), len(happened))
        parts: list[Table | Text] = [_title(at, len(opened), width)]
        if opened and for_streams:
            fitting = len(opened) if len(opened) <= for_streams else for_streams - 1
            parts.append(_open_table(opened[:fitting], at, wide=width >= _WIDE))
            if fitting < len(opened):
                parts.append(_line(f"… and {len(opened) - fitting} more", "dim"))
        if for_events:
            parts += [Text(), _event_table(happened[:for_events], at, wide=width >= _WIDE)]
        self._live.update(Group(*parts), refresh=True)

    @contextmanager
    def left(self) -> Iterator[None]:
        """Inside, the terminal is as it was."""
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()


@contextmanager
def shown(file: IO[str]) -> Iterator[Screen]:
    """Take the terminal over, and give it back as it was however the block ends."""
    screen = Screen(file)
    with screen._live:  # noqa: SLF001 (the same room)
        yield screen


def _dicts(listing: Listing) -> list[dict[str, Any]]:
    names = [column.name for column in listing.columns]
    return [dict(zip(names, row, strict=True)) for row in listing.rows]


def _shares(height: int, opened: int, happened: int) -> tuple[int, int]:
    """How many rows of the screen streams and events get, below the title and each its header."""
    room = max(0, height - 2)
    if not happened or room - 2 <= _FEWEST:
        return min(opened, room), 0
    room -= 2  # an empty row and the header of the events
    events = min(happened, max(room // 3, room - opened))
    return min(opened, room - events), events


def _title(at: datetime, opened: int, width: int) -> Text:
    left, right = f"{counted(opened, 'stream')} open", written(at)
    return _line(f"{left}{right:>{max(width - len(left), len(right) + 2)}}", "bold")


def _open_table(streams: list[dict[str, Any]], at: datetime, *, wide: bool) -> Table:
    table = _table("id", "member", "device", *(("open", "seen") if wide else ()), "lease")
    for stream in streams:
        ages = [_length(at - _instant(stream[name])) for name in (("opened_at", "seen_at") if wide else ())]
        lease = _length(_instant(stream["expires_at"]) - at) if stream["expires_at"] else "-"
        _add(table, stream["id"], _member(stream), stream["device"], *ages, lease)
    return table


def _event_table(events: list[dict[str, Any]], at: datetime, *, wide: bool) -> Table:
    table = _table("when", "event", "id", "member", *(("device",) if wide else ()))
    for event in events:
        moment = written(event["at"])
        when = moment[11:] if moment[:10] == written(at)[:10] else moment[:10]
        how = event["close_reason"] if event["change"] == "closed" else event["change"]
        _add(table, when, how, event["id"], _member(event), *((event["device"],) if wide else ()))
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold reverse")
    for name in names:
        # What people wrote gives way where the screen is narrow; numbers and times do not.
        written_by_people = name in ("member", "device")
        table.add_column(
            name,
            justify="right" if name in ("id", "open", "seen", "lease") else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio={"member": 3, "device": 2}.get(name),
            min_width=None if written_by_people else len(name),
        )
    return table


def _add(table: Table, *values: Any) -> None:
    table.add_row(*(Text(safe("" if value is None else str(value))) for value in values))


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _member(stream: dict[str, Any]) -> Any:
    return stream["email"] or stream["user"]


def _instant(stored: Any) -> datetime:
    found = as_instant(stored)
    assert found is not None  # noqa: S101 (never null where this is asked)
    return found


def _length(span: timedelta) -> str:
    """A span of time by its two largest units: `47s`, `12m03s`, `3h05m`, `2d04h`."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit, smaller, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // smaller:02}{below}"
    return f"{seconds}s"
