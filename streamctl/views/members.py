"""Members as they are listed and shown."""

from __future__ import annotations

from datetime import datetime

from streamctl.domain.records import Listing, Record
from streamctl.domain.text import email_key
from streamctl.store.lookups import MemberRef, member_id
from streamctl.store.models import Membership, User
from streamctl.store.records import fetch
from streamctl.views.listings import Window, listing


def members(window: Window, *, at: datetime, state: str | None = None, email: str | None = None) -> Listing:
    """The members, of one state or with this text in their e-mail. Raises UnknownColumn, BadValue."""
    filters = []
    if state is not None:
        filters.append(Membership.state == state)
    if email is not None:
        filters.append(User.email_key.contains(email_key(email)))
    return listing("member", filters, window, at)


def member(member: MemberRef, *, at: datetime) -> Record:
    """One member. Raises NotFound."""
    return fetch("member", [member_id(member)], at)[0]
