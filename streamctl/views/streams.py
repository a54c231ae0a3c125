"""Streams as they are listed."""

from __future__ import annotations

from datetime import datetime

from streamctl.domain.records import Listing
from streamctl.store.lookups import MemberRef, member_id
from streamctl.store.models import Stream
from streamctl.store.records import is_open
from streamctl.views.listings import Window, listing


def streams(window: Window, *, at: datetime, member: MemberRef | None = None, every: bool = False) -> Listing:
    """The open streams, or every stream there was. Raises NotFound, UnknownColumn, BadValue."""
    filters = [] if every else [is_open(at)]
    if member is not None:
        filters.append(Stream.user == member_id(member))
    return listing("stream", filters, window, at)
