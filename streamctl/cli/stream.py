"""`streamctl stream …`"""

from datetime import timedelta
from typing import Annotated, Any

import typer

from streamctl.cli.command import Group
from streamctl.cli.desk import Desk
from streamctl.cli.options import Member, OfMember, reading, row_id, text_option
from streamctl.domain import calendar, text
from streamctl.domain.records import Answer, Listing, Record
from streamctl.errors import UsageError, counted

group = Group("stream", "Streams: credits taken and given back.")

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


def _said(verb: str, receipt: Record, member: str) -> Record:
    left = f"{counted(receipt.value('credits'), 'credit')} free"
    charged = f"invoice {receipt.value('invoice_id')}, line {receipt.value('invoice_line_id')}"
    already = "Already done: " if receipt.value("replayed") else ""
    sentence = f"{already}{verb} member {member}: stream {receipt.value('stream_id')}, {charged}, {left}."
    return receipt.said(sentence, f"streamctl stream list --all --member {member}")


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
        return _all_said(streaming.check_out_all(member, at=desk.at), member)
    receipt = streaming.check_out(member, at=desk.at, stream=stream, ref=ref)
    if receipt.value("replayed") and receipt.value("invoice_line_id") is None:
        return receipt.said(f"Stream {receipt.value('stream_id')} was closed before: {receipt.value('close_reason')}.")
    return _said("checked out" if receipt.value("replayed") else "Checked out", receipt, member)


@group.lists("list")
def list_(
    desk: Desk,
    window: Any,
    member: OfMember = None,
    every: Annotated[bool, typer.Option("--all", help="The closed ones too.")] = False,
) -> Answer:
    """List the open streams."""
    from streamctl.views import streams

    return streams.streams(window, at=desk.at, member=member, every=every)


def _all_said(answer: Listing, member: str) -> Listing:
    streams = [row[[column.name for column in answer.columns].index("stream_id")] for row in answer.rows]
    sentence = f"Checked out member {member}: stream {', '.join(map(str, streams))}."
    return answer.said(
        sentence if streams else f"Member {member} had no stream open.",
        f"streamctl stream list --all --member {member}",
    )
