"""`streamctl stream …`"""

from datetime import timedelta
from typing import Annotated, Any

import typer

from streamctl.cli.command import Group as Commands
from streamctl.cli.desk import Desk
from streamctl.cli.options import InMembers, Member, reading, row_id, text_option
from streamctl.domain import calendar, events, text
from streamctl.domain.events import EVERY_THOUSAND, Group
from streamctl.domain.records import Answer, Document, Listing, Record
from streamctl.errors import UsageError, counted, listed, shell_quoted

group = Commands("stream", "Streams: credits taken and given back.")

Ref = Annotated[
    str | None,
    typer.Option(
        "--ref", help="Your name for this stream: repeating a request is harmless.", **reading(text.key, "KEY")
    ),
]
Device = Annotated[str | None, text_option("--device", what="device", help="What they stream on.")]
Lease = Annotated[
    timedelta | None,
    typer.Option(
        "--lease",
        help="How long the stream holds its credit, such as 90s, 30m, 12h or 7d; until checked out unless said.",
        **reading(calendar.typed_duration, "DURATION"),
    ),
]
StreamId = Annotated[
    int | None, typer.Option("--stream", help="This stream; the oldest open one unless said.", **reading(row_id, "ID"))
]


def again(member: str) -> str:
    """The command that shows the member's streams."""
    return f"streamctl stream list --all --member {shell_quoted(member)}"


def _said(verb: str, receipt: Record, member: str) -> Record:
    left = f"{counted(receipt.value('credits'), 'credit')} free"
    charged = f"invoice {receipt.value('invoice_id')}, line {receipt.value('invoice_line_id')}"
    already = "Already done: " if receipt.value("replayed") else ""
    sentence = f"{already}{verb} member {member}: stream {receipt.value('stream_id')}, {charged}, {left}."
    return receipt.said(sentence, again(member))


@group.changes("checkin")
def checkin(desk: Desk, member: Member, ref: Ref = None, device: Device = None, lease: Lease = None) -> Answer:
    """Take a credit: open a stream, and put a line on this month's invoice."""
    from streamctl.services import streaming

    receipt = streaming.check_in(member, at=desk.at, ref=ref, device=device, lease=lease)
    return _said("checked in" if receipt.value("replayed") else "Checked in", receipt, member)


@group.changes("checkout")
def checkout(
    desk: Desk,
    member: Member,
    stream: StreamId = None,
    ref: Ref = None,
    every: Annotated[bool, typer.Option("--all", help="Every open stream of the member.")] = False,
) -> Answer:
    """Give a credit back: close a stream, and put a line on this month's invoice."""
    from streamctl.services import streaming

    if sum((stream is not None, ref is not None, every)) > 1:
        raise UsageError("Give one of --stream, --ref and --all.")
    if every:
        return _all_said(streaming.check_out_all(member, at=desk.at, by_clock=desk.by_clock), member)
    receipt = streaming.check_out(member, at=desk.at, by_clock=desk.by_clock, stream=stream, ref=ref)
    if receipt.value("replayed") and receipt.value("invoice_line_id") is None:
        closed = f"Stream {receipt.value('stream_id')} was closed before: {receipt.value('close_reason')}."
        return receipt.said(closed, again(member))
    return _said("checked out" if receipt.value("replayed") else "Checked out", receipt, member)


@group.changes("heartbeat")
def heartbeat(
    desk: Desk,
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of streams; - reads them from standard input, one a line.", metavar="STREAM..."),
    ] = None,
    refs: Annotated[
        list[str] | None,
        typer.Option("--ref", help="Or the key it was opened with; may be repeated.", **reading(text.key, "KEY")),
    ] = None,
) -> Answer:
    """Say that streams are alive, and move their leases on."""
    from streamctl.services import leases

    if not ids and not refs:
        raise UsageError("Name a stream by its id or with --ref.")
    answer = leases.heartbeat(desk.ids(ids) if ids else [], at=desk.at, by_clock=desk.by_clock, refs=refs or [])
    return answer.said(f"Seen: stream {listed(row[0] for row in answer.rows)}.", "streamctl stream list")


@group.changes("expire")
def expire(
    desk: Desk,
    idle: Annotated[
        timedelta | None,
        typer.Option(
            "--idle",
            help="Also streams not seen for so long, with or without a lease.",
            **reading(calendar.typed_duration, "DURATION"),
        ),
    ] = None,
) -> Answer:
    """Close the streams whose lease has run out; for cron."""
    from streamctl.services import leases

    answer = leases.expire(at=desk.at, idle=idle)
    streams = [row[0] for row in answer.rows]
    sentence = f"Expired {counted(len(streams), 'stream')}: {listed(streams)}." if streams else "No stream has run out."
    return answer.said(sentence, "streamctl stream list --all")


@group.changes("takeover")
def takeover(
    desk: Desk,
    member: Member,
    stream: Annotated[
        int | None, typer.Option("--stream", help="Take this stream's credit.", **reading(row_id, "ID"))
    ] = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="Take the oldest stream's; so it is unless said.")] = False,
    ref: Ref = None,
    device: Device = None,
    lease: Lease = None,
) -> Answer:
    """Close one open stream of a member and start another with its credit."""
    from streamctl.services import streaming

    if stream is not None and oldest:
        raise UsageError("Give --stream or --oldest, not both.")
    receipt = streaming.take_over(
        member, at=desk.at, by_clock=desk.by_clock, stream=stream, ref=ref, device=device, lease=lease
    )
    taken = f"took over stream {receipt.value('taken_over')} and checked in"
    return _said(taken if receipt.value("replayed") else taken.capitalize(), receipt, member)


@group.shows("why")
def why(desk: Desk, member: Member) -> Answer:
    """Say whether a member may start a stream now, and if not, why not and what helps."""
    from streamctl.views import streams

    return streams.why(member, desk.terms, at=desk.at)


@group.follows("watch")
def watch(
    desk: Desk,
    every: Annotated[
        timedelta,
        typer.Option(
            "--every",
            help="How long from one look to the next; 1s unless said.",
            show_default=False,
            **reading(calendar.typed_duration, "DURATION"),
        ),
    ] = timedelta(seconds=1),
    members: InMembers = None,
) -> Document:
    """Watch streams come and go until Ctrl-C: a screen on a terminal, JSON Lines of the changes elsewhere."""
    from streamctl.cli import watching

    shown = watching.screens if watching.on_a_screen(desk) else watching.lines
    return Document(shown(desk, every, members or ()), live=True)


@group.dumps("batch", ".jsonl")
def batch(
    desk: Desk,
    file: Annotated[
        str, typer.Argument(help="Events as JSON Lines, or as CSV with a header; - is standard input.", metavar="FILE")
    ],
    commit_every: Annotated[
        Group,
        typer.Option(
            "--commit-every",
            help="Commit after so many events, or so much time.",
            **reading(events.group, "N|DURATION"),
        ),
    ] = EVERY_THOUSAND,
    stop: Annotated[bool, typer.Option("--stop", help="Stop at the first event that is refused.")] = False,
) -> Document:
    """Play events of streams, and write a receipt for each: JSON Lines of what is done for good."""
    from streamctl.cli.batching import Receipts

    receipts = Receipts(desk, file, commit_every, stop=stop)
    return Document(
        receipts.lines(),
        live=True,
        refusal=receipts.refusal,
        again="streamctl stream list --all",
        done_to=receipts.done_to,
    )


@group.lists("list")
def list_(
    desk: Desk,
    window: Any,
    members: InMembers = None,
    every: Annotated[bool, typer.Option("--all", help="The closed ones too.")] = False,
) -> Answer:
    """List the open streams."""
    from streamctl.views import streams

    return streams.streams(window, at=desk.at, members=members or (), every=every)


def _all_said(answer: Listing, member: str) -> Listing:
    streams = [row[[column.name for column in answer.columns].index("stream_id")] for row in answer.rows]
    sentence = f"Checked out member {member}: stream {', '.join(map(str, streams))}."
    return answer.said(
        sentence if streams else f"Member {member} had no stream open.",
        again(member),
    )
