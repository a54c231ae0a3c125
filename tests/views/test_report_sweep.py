"""Whatever streams there were, the usage of a month is what a sweep over every moment of it says.

It fails when a stream that ends as another begins overlaps it, when days are taken for 24 hours, and when a lease that
has run out still counts: all were planted. `STREAMCTL_EXAMPLES=2000` hunts on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from author import AUTHOR
from hypothesis import given, settings
from hypothesis import strategies as st
from places import empty, nowhere, put
from shell import Shell
from sweep import Figures, Held, begins, swept

from streamctl.domain.billing import Month
from streamctl.domain.calendar import written
from streamctl.store.database import current, opened, terms
from streamctl.views.usage import _days, _figures, usage

USER = "id, email, email_key, created_at"
LIMITS = {1: 1, 2: 2, 3: 0, 4: 30}
# Both changes of the clocks, and a zone that once left a day out and one where summer began at midnight.
MONTHS = [
    ("Europe/Berlin", "2026-03"),
    ("Europe/Berlin", "2026-10"),
    ("Pacific/Apia", "2011-12"),
    ("America/Sao_Paulo", "2018-11"),
]
CLOCKS = st.sampled_from([-2, -1, 0, 0, 0, 1, 2, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 700])  # days into the month
NUDGES = st.sampled_from([0, 0, 0, -1, 1, 1800, 3600, 7200, 10800, 35_017])  # seconds
LASTING = st.sampled_from([0, 1, 1800, 3600, 7200, 86_400, 86_401, 300_000, 4_000_000])  # seconds


@pytest.fixture(scope="module")
def books(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Four members with their limits, open in this process; no power is cut here, so no disk is waited for."""
    with nowhere(engine, tmp_path_factory.mktemp("usage")) as place:
        put(empty(engine), place)
        with opened(place) as store, Shell(place) as shell:
            store.author = AUTHOR
            if not shell.server:
                shell.execute("PRAGMA synchronous = 0")
            for number, limit in LIMITS.items():
                user = (number, email := f"m{number}@example.com", email)
                shell.execute(f"INSERT INTO user ({USER}) VALUES (?, ?, ?, '2000-01-01T00:00:00Z')", user)
                shell.execute(
                    'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date)'
                    " VALUES (?, 'ACT', ?, 0, '2000-01-01', '2999-01-01')",
                    (number, limit),
                )
            yield shell


def moments(month: str, zone: ZoneInfo) -> st.SearchStrategy[datetime]:
    """Moments of the month and around it, many at the same or beside a midnight or a change of the clocks."""
    first = begins(date.fromisoformat(f"{month}-01"), zone)
    return st.builds(lambda days, nudge: first + timedelta(days=days, seconds=nudge), CLOCKS, NUDGES)


@st.composite
def situations(draw: st.DrawFn) -> tuple[str, str, list[tuple[Any, ...]], datetime]:
    """A zone, a month, streams as rows of the database, and now."""
    zone, month = draw(st.sampled_from(MONTHS))
    when = moments(month, ZoneInfo(zone))
    rows: list[tuple[Any, ...]] = []
    for _ in range(draw(st.integers(0, 12))):
        start, lasting = draw(when), timedelta(seconds=draw(LASTING))
        ended = start + lasting
        how = draw(st.sampled_from(["checkout", "takeover", "expired", "lease", "open"]))
        expires = ended if how in ("lease", "expired") and lasting else None
        closed = ended if how in ("checkout", "takeover", "expired") else None
        opened_at, expires_at, closed_at = (None if at is None else written(at) for at in (start, expires, closed))
        member = draw(st.sampled_from(sorted(LIMITS)))
        rows.append((member, opened_at, opened_at, expires_at, closed_at, how if closed else None))
    return zone, month, rows, draw(when)


@settings(deadline=None, database=None, max_examples=int(os.environ.get("STREAMCTL_EXAMPLES", "120")))
@given(situations())
def test_the_usage_of_any_streams_is_what_a_sweep_says(
    books: Shell, situation: tuple[str, str, list[tuple[Any, ...]], datetime]
) -> None:
    zone, month, streams, at = situation
    books.execute("DELETE FROM stream")
    books.execute("UPDATE setting SET value = ? WHERE key = 'timezone'", (zone,))
    books.repeat(
        'INSERT INTO stream ("user", opened_at, seen_at, expires_at, closed_at, close_reason)'
        " VALUES (?, ?, ?, ?, ?, ?)",
        streams,
    )
    answer = usage(month, terms(), at=at)
    held = [
        Held(
            member,
            datetime.fromisoformat(start),
            datetime.fromisoformat(closed or expires) if closed or expires else None,
        )
        for member, start, _, expires, closed, _ in streams
    ]
    assert [Figures(*row) for row in answer.rows] == swept(month, ZoneInfo(zone), held, LIMITS, at)


def test_the_streams_are_read_once_however_many_days_there_are(books: Shell) -> None:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    query = _figures(list(_days(Month.of("2026-10"), terms(), at)), at)
    statement, values = current().get_sql_context().parse(query)
    explain, once = ("EXPLAIN", "CTE held") if books.server else ("EXPLAIN QUERY PLAN", "MATERIALIZE held")
    steps = [step.strip() for *_, step in current().run(f"{explain} {statement}", values)]
    assert statement.count('"stream"') == steps.count(once) == 1
