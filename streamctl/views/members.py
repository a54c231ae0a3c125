"""Members as they are listed and shown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import reduce
from operator import or_

from streamctl.domain.records import Listing, Record
from streamctl.domain.text import email_key
from streamctl.store.lookups import MemberRef, member_id
from streamctl.store.models import Membership, User
from streamctl.store.records import fetch
from streamctl.views.listings import Window, listing


def members(window: Window, *, at: datetime, states: Collection[str] = (), emails: Collection[str] = ()) -> Listing:
    """The members in any of these states, with any of these texts in their e-mail; all of them without.

    Raises UnknownColumn, BadValue.
    """
    filters = []
    if states:
        filters.append(Membership.state.in_(states))
    if emails:
        filters.append(reduce(or_, (User.email_key.contains(email_key(email)) for email in emails)))
    return listing("member", filters, window, at)


def member(member: MemberRef, *, at: datetime) -> Record:
    """One member. Raises NotFound."""
    return fetch("member", [member_id(member)], at)[0]
