"""Whatever is asked in whatever order, streams, credits and lines are what a page of plain Python says they are.

A state machine calls the services on a real database and the same verbs of `Page`: every answer and refusal must be
the same, and after each step every row. It fails when the credit check lets one more in (`>` for `>=`), and when a
lease that has run out goes on holding its credit: both were planted. `STREAMCTL_EXAMPLES=2000` hunts at random; to
shrink a failure takes a minute or two.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from author import AUTHOR
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from page import LEASES, NAMES, START, Page, Refusal, Row, Stream, written
from places import keep, nowhere, put
from program import Program
from shell import Shell

from streamctl.domain.records import Record
from streamctl.domain.terms import DEFAULTS
from streamctl.errors import StreamctlError
from streamctl.services import invoices, leases, members, streaming
from streamctl.services import settings as business
from streamctl.store.database import opened, terms
from streamctl.store.schema import create
from streamctl.store.streams import standing_of
from streamctl.views import check, streams

SETTINGS = {**DEFAULTS, "timezone": "Asia/Tokyo", "checkin_amount": "1.00", "checkout_amount": "0.25"}
PATIENCE = 30.0  # seconds
OPEN_AT = "closed_at IS NULL AND (expires_at IS NULL OR expires_at > ?)"

MEMBER = st.sampled_from(["1"] * 6 + ["2"] * 5 + ["ann@example.com", "3", "9"])
OTHER = st.sampled_from([None] * 8 + ["1", "2"])  # somebody's stream is named by its owner most of the time
KEY = st.sampled_from([None, "a", "b", "c", "d", "e", "f"])
DEVICE = st.sampled_from([None, None, "tv"])
LEASE = st.sampled_from([None, None, *LEASES.values()])
STEP = st.sampled_from([0, 0, 0, 0, 1, 1, 1, 59, 60, 60, 60, 3600, 20 * 86400])  # seconds
PERIOD = st.sampled_from([(-40, 40), (-40, 1), (-40, 0), (1, 40)])  # days from today


@cache
def founded(engine: str) -> str | bytes:
    """A database with the members of a new page, made once."""
    with TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
        create(place, SETTINGS, wait=PATIENCE)
        with opened(place) as store:
            store.author = AUTHOR
            for user, found in Page().members.items():
                email = {1: "ann@example.com"}.get(user, f"{user}@example.com")
                if found is None:
                    members.add(email, at=START, enrolled=False)
                else:
                    members.add(email, at=START, credits=found.limit, start=found.start, end=found.end)
        return keep(Program(place, Path(folder)))


def ended(stream: Stream) -> tuple[str | None, str | None, int | None]:
    return written(stream.closed), stream.reason, stream.checkout


class Service(RuleBasedStateMachine):
    """The program and the page, asked the same."""

    engine = "sqlite"
    opened = Bundle("opened")

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.checked: list[Any] = []
        self.keyed: list[tuple[Any, tuple[Any, ...], Row]] = []
        self.open = ExitStack()
        place = self.open.enter_context(nowhere(self.engine, Path(self.open.enter_context(TemporaryDirectory()))))
        put(founded(self.engine), place)
        store = self.open.enter_context(opened(place))
        store.author = AUTHOR
        self.shell = self.open.enter_context(Shell(place))
        if self.engine == "sqlite":
            store.pragma("synchronous", 0)  # no power is cut here: the disk need not be waited for

    def teardown(self) -> None:
        self.open.close()

    def ask(self, verb: Any, *words: Any, **options: Any) -> list[Row]:
        """Ask both; the rows of the answer, none for a refusal. Refusals and replays change nothing."""
        before = self.shell.books()
        try:
            wanted = getattr(self.page, verb.__name__)(*words, **options)
            expected = None
        except Refusal as refusal:
            wanted, expected = [], str(refusal)
        try:
            answer = verb(*words, at=self.page.now, **options)
            rows = [answer.row] if isinstance(answer, Record) else answer.rows
            found = [dict(zip([column.name for column in answer.columns], row, strict=True)) for row in rows]
            refused = None
        except StreamctlError as error:
            found, refused = [], error.code
        assert refused == expected
        if wanted is not None:
            assert found == wanted
        if refused or (found and all(row.get("replayed") and "close_reason" not in row for row in found)):
            assert self.shell.books() == before
        elif options.get("ref"):
            self.keyed.append((verb, words, options))
        return found

    def owner_of(self, stream: int) -> str:
        return str(self.page.streams[stream - 1].user)

    def stream_of(self, receipts: list[Row]) -> Any:
        """The opened stream for the bundle, if there is one."""
        return multiple(*(receipt["stream_id"] for receipt in receipts))

    @initialize(target=opened, lease=st.sampled_from(["none", *LEASES]), price=st.sampled_from(["0", "2.50"]))
    def begin(self, lease: str, price: str) -> Any:
        """Settings of its own, and a stream of each member: what follows finds something to act on."""
        for key, value in (("lease", lease), ("checkin_amount", price)):
            business.change(key, value)
            self.page.change(key, value)
        receipts = [self.ask(streaming.check_in, member, ref=None, device=None, lease=None) for member in ("1", "2")]
        return self.stream_of([*receipts[0], *receipts[1]])

    @rule(target=opened, after=STEP, member=MEMBER, ref=KEY, device=DEVICE, lease=LEASE)
    def check_in(self, after: int, member: str, ref: str | None, device: str | None, lease: timedelta | None) -> Any:
        self.page.pass_time(after)
        if member in NAMES:
            why = streams.why(member, terms(), at=self.page.now)
            assert why.value("code") == self.page.refusal(NAMES[member], why.value("open_streams"))
        return self.stream_of(self.ask(streaming.check_in, member, ref=ref, device=device, lease=lease))

    @rule(target=opened, after=STEP, member=MEMBER, ref=KEY, device=DEVICE, lease=LEASE)
    def take_over(self, after: int, member: str, ref: str | None, device: str | None, lease: timedelta | None) -> Any:
        """The oldest."""
        self.page.pass_time(after)
        receipts = self.ask(streaming.take_over, member, stream=None, ref=ref, device=device, lease=lease)
        return self.stream_of(receipts)

    @rule(target=opened, after=STEP, stream=opened, other=OTHER, ref=KEY)
    def take_over_named(self, after: int, stream: int, other: str | None, ref: str | None) -> Any:
        self.page.pass_time(after)
        member = other or self.owner_of(stream)
        return self.stream_of(self.ask(streaming.take_over, member, stream=stream, ref=ref, device=None, lease=None))

    @rule(after=STEP, member=MEMBER, verb=st.sampled_from([streaming.check_out, streaming.check_out_all]))
    def check_out(self, after: int, member: str, verb: Any) -> None:
        """The oldest, or all."""
        self.page.pass_time(after)
        self.ask(verb, member)

    @rule(after=STEP, stream=opened, other=OTHER)
    def check_out_named(self, after: int, stream: int, other: str | None) -> None:
        """By its key if it has one."""
        self.page.pass_time(after)
        ref = self.page.streams[stream - 1].ref
        self.ask(streaming.check_out, other or self.owner_of(stream), **({"ref": ref} if ref else {"stream": stream}))

    @precondition(lambda self: self.keyed)
    @rule(after=st.sampled_from([0, 60, 3600]), data=st.data())
    def repeat(self, after: int, data: st.DataObject) -> None:
        """Any keyed request once more, however much later: answered as it was."""
        self.page.pass_time(after)
        verb, words, options = data.draw(st.sampled_from(self.keyed))
        assert [receipt["replayed"] for receipt in self.ask(verb, *words, **options)] == [True]

    @rule(after=STEP, ids=st.lists(opened, min_size=1, max_size=2, unique=True), ref=KEY)
    def heartbeat(self, after: int, ids: list[int], ref: str | None) -> None:
        """By id, or all by their keys."""
        self.page.pass_time(after)
        refs = [self.page.streams[stream - 1].ref for stream in ids]
        if all(refs):
            self.ask(leases.heartbeat, [], refs=refs)
        else:
            self.ask(leases.heartbeat, ids, refs=["unknown"] if ref == "f" else [])

    @rule(after=st.sampled_from([1, 30, 59]))
    def all_that_are_open_give_a_sign(self, after: int) -> None:
        self.page.pass_time(after)
        self.ask(
            leases.heartbeat, [stream for user in self.page.members for stream in self.page.open_of(user)], refs=[]
        )

    @rule(after=STEP, idle=LEASE)
    def expire(self, after: int, idle: timedelta | None) -> None:
        """The sweep answers with what it wrote down; what had run out was lost before."""
        self.page.pass_time(after)
        unclosed = self.shell.execute("SELECT id FROM stream WHERE closed_at IS NULL ORDER BY id")
        swept = self.ask(leases.expire, idle=idle)
        assert [row["id"] for row in swept] == [
            number for (number,) in unclosed if self.page.streams[number - 1].closed
        ]

    @rule(member=MEMBER, change=st.integers(0, 3) | st.sampled_from([members.cancel, members.reactivate]) | PERIOD)
    def membership_changes(self, member: str, change: Any) -> None:
        """Its limit, its state, or its period."""
        if isinstance(change, int):
            self.ask(members.update, member, credits=change)
        elif isinstance(change, tuple):
            start, end = (self.page.today + timedelta(days=days) for days in change)
            self.ask(members.update, member, start=start, end=end)
        else:
            self.ask(change, [member])

    @rule(stream=opened, verb=st.sampled_from([invoices.pay, invoices.reopen, invoices.void]))
    def invoices_of_a_stream_move(self, stream: int, verb: Any) -> None:
        found = self.page.streams[stream - 1]
        ids = {self.page.lines[line - 1][0] for line in (found.checkin, found.checkout) if line}
        self.ask(verb, sorted(ids))

    @invariant()
    def every_row_is_as_on_the_page(self) -> None:
        """A lease that has run out reads the same whether or not it was written down."""
        now, page = written(self.page.now), self.page
        closed = f"CASE WHEN {OPEN_AT} THEN NULL ELSE coalesce(closed_at, expires_at) END"
        reason = f"CASE WHEN {OPEN_AT} THEN NULL ELSE coalesce(close_reason, 'expired') END"
        columns = f"id, user, ref, opened_at, seen_at, expires_at, checkin_line, {closed}, {reason}, checkout_line"
        assert self.shell.execute(f"SELECT {columns} FROM stream ORDER BY id", (now, now)) == [
            (number, s.user, s.ref, *map(written, (s.opened, s.seen, s.expires)), s.checkin, *ended(s))
            for number, s in enumerate(page.streams, 1)
        ]
        assert self.shell.execute("SELECT id, invoice, kind, amount FROM invoice_line ORDER BY id") == [
            (number, *line) for number, line in enumerate(page.lines, 1)
        ]
        assert self.shell.execute("SELECT id, user, month, status FROM invoice ORDER BY id") == [
            (number, *invoice) for number, invoice in enumerate(page.invoices, 1)
        ]
        assert self.shell.execute("SELECT count(*) FROM request") == [(len(page.requests),)]

    @invariant()
    def credits_are_the_limit_less_what_is_open(self) -> None:
        for user, found in self.page.members.items():
            held = f"SELECT count(*) FROM stream WHERE user = ? AND {OPEN_AT}"
            ((count,),) = self.shell.execute(held, (user, written(self.page.now)))
            standing = standing_of(user, self.page.now)
            assert standing is not None
            assert (standing.open_streams, standing.credits) == (count, max(0, found.limit - count) if found else 0)

    @invariant()
    def no_grant_was_above_the_limit(self) -> None:
        """At the end of no second in which a credit was granted were more streams open than the last grant's limit."""
        held = "SELECT count(*) FROM stream WHERE user = ? AND opened_at <= ?"
        later = "coalesce(closed_at, expires_at, '9999-12-31')"
        for (user, at), limit in self.page.grants.items():
            since = self.shell.execute(f"{held} AND {later} > ?", (user, written(at), written(at)))
            assert since[0][0] <= limit, (user, at)

    @invariant()
    def every_stream_bears_its_lines_once(self) -> None:
        for kind, where in (("checkin", "true"), ("checkout", "close_reason = 'checkout'")):
            lines = self.shell.execute(f"SELECT id FROM invoice_line WHERE kind = '{kind}' ORDER BY id")
            borne = f"SELECT {kind}_line FROM stream WHERE {where} OR {kind}_line IS NOT NULL ORDER BY 1"
            assert self.shell.execute(borne) == lines

    @invariant()
    def amounts_are_the_sums_of_lines(self) -> None:
        total = "SELECT coalesce(sum(line.amount), 0) FROM invoice_line line WHERE line.invoice = invoice.id"
        assert self.shell.execute(f"SELECT id FROM invoice WHERE amount <> ({total})") == []

    @invariant()
    def db_check_finds_nothing(self) -> None:
        if (books := self.shell.books()) != self.checked:
            assert list(check.findings()) == []
            self.checked = books


class OnServer(Service):
    engine = "postgresql"


def examples(count: int) -> settings:
    """So many that are always the same, or as many others as are asked for."""
    return settings(
        max_examples=int(os.environ.get("STREAMCTL_EXAMPLES", count)),
        derandomize="STREAMCTL_EXAMPLES" not in os.environ,
        stateful_step_count=30,
        phases=[Phase.generate, Phase.shrink],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


TestService = Service.TestCase
TestService.settings = examples(80)
TestServiceOnServer = OnServer.TestCase
TestServiceOnServer.settings = examples(20)  # each takes longer there
