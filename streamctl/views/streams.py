"""Streams as they are listed, and why a member may or may not start one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from streamctl.domain.membership import refusal
from streamctl.domain.records import WHY, Listing, Record
from streamctl.domain.terms import Terms
from streamctl.errors import NotFound
from streamctl.store.lookups import MemberRef, member_id, member_ids
from streamctl.store.models import Stream, User
from streamctl.store.records import is_open
from streamctl.store.streams import holders_of, standing_of
from streamctl.views.listings import Window, listing


def streams(window: Window, *, at: datetime, members: Collection[MemberRef] = (), every: bool = False) -> Listing:
    """The open streams, or with `every` the closed ones too, of these members or of all.

    Raises NotFound, UnknownColumn, BadValue.
    """
    filters = [] if every else [is_open(at)]
    if members:
        filters.append(Stream.user.in_(member_ids(members)))
    return listing("stream", filters, window, at)


def why(member: MemberRef, terms: Terms, *, at: datetime) -> Record:
    """Whether the member may start a stream at that instant, what decides it, who holds each credit, what would help.

    Raises NotFound.
    """
    user = member_id(member)
    standing = standing_of(user, at)
    if standing is None:
        raise NotFound("member", [member])
    refused = refusal(standing, terms.today(at))
    values = {
        "member": user,
        "email": User.get_by_id(user).email,
        "allowed": refused is None,
        "code": refused and refused.code,
        "state": standing.state,
        "start_date": standing.start_date,
        "end_date": standing.end_date,
        "credit_limit": None if standing.state is None else standing.credit_limit,
        "open_streams": standing.open_streams,
        "credits": None if standing.state is None else standing.credits,
        "holders": holders_of(user, at),
        "suggestion": refused.details["suggestion"] if refused else f"streamctl stream checkin {user}",
    }
    return Record(WHY, tuple(values[column.name] for column in WHY))
