"""Members and their memberships: added, changed, cancelled, renewed, deleted, erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from streamctl.domain import invoices, membership
from streamctl.domain.membership import ERASED
from streamctl.domain.records import Listing, Record
from streamctl.domain.terms import Terms
from streamctl.domain.text import email_key
from streamctl.errors import (
    DuplicateEmail,
    HasMembership,
    InUse,
    MembershipActive,
    MembershipCancelled,
    NoMembership,
    counted,
)
from streamctl.services.books import about_to_delete
from streamctl.store.database import journal, transactional, tuples
from streamctl.store.lookups import MemberRef, deleted_member, find_member, member_id, member_ids
from streamctl.store.models import Invoice, Membership, Stream, User
from streamctl.store.records import fetch, fetched, shown


@transactional
def add(
    terms: Terms,
    email: str,
    *,
    at: datetime,
    name: str | None = None,
    enrolled: bool = True,
    credits: int = 1,
    fee: Decimal = Decimal(0),
    start: date | None = None,
    end: date | None = None,
    months: int | None = None,
) -> Record:
    """A new user, with a membership unless `enrolled` is false; the member. Raises DuplicateEmail, BadValue."""
    must_be_free(email)
    user = int(User.insert(email=email, email_key=email_key(email), name=name or None, created_at=at).execute())
    journal().added(User, user)
    if enrolled:
        _enroll(terms, user, at, credits, fee, start, end, months)
    return fetch("member", [user], at)[0]


@transactional
def enroll(
    terms: Terms,
    member: MemberRef,
    *,
    at: datetime,
    credits: int = 1,
    fee: Decimal = Decimal(0),
    start: date | None = None,
    end: date | None = None,
    months: int | None = None,
) -> Record:
    """Give a user who has none a membership; the member. Raises NotFound, HasMembership, BadValue."""
    user = member_id(member)
    if Membership.get_or_none(Membership.user == user):
        raise HasMembership(user)
    _enroll(terms, user, at, credits, fee, start, end, months)
    return fetch("member", [user], at)[0]


@transactional
def update(
    terms: Terms,
    member: MemberRef,
    *,
    at: datetime,
    email: str | None = None,
    name: str | None = None,
    credits: int | None = None,
    fee: Decimal | None = None,
    start: date | None = None,
    end: date | None = None,
) -> Record:
    """Change what is given of a member; the member, and whether anything changed.

    Raises NotFound, DuplicateEmail, NoMembership, BadValue.
    """
    user = member_id(member)
    journal().changing(User, [user])
    person: dict[str, str | None] = {}
    if email is not None:
        must_be_free(email, user)
        person |= {"email": email, "email_key": email_key(email)}
    if name is not None:
        person["name"] = name or None
    changed = _change(User.get_by_id(user), person)
    given = {
        "credit_limit": credits,
        "fee": None if fee is None else terms.minor(fee),
        "start_date": start,
        "end_date": end,
    }
    changes = {column: value for column, value in given.items() if value is not None}
    if changes:
        found = _about_to_change(user)
        membership.period(start or found.start_date, end or found.end_date, None)
        changed |= _change(found, changes)
    return fetch("member", [user], at)[0].marked(changed)


@transactional
def cancel(terms: Terms, members: Iterable[MemberRef], *, at: datetime) -> Listing:
    """Cancel these memberships as of today, all or none; the members, since when, and which of them changed.

    One that is cancelled stays as it is. Open streams go on until they are checked out. Raises NotFound, NoMembership.
    """
    users = member_ids(members)
    changes = {"state": membership.CANCELLED, "cancelled_on": terms.today(at)}
    active = [(user, found) for user in users if (found := _about_to_change(user)).state == membership.ACTIVE]
    changed = {user for user, found in active if _change(found, changes)}
    return fetched("member", users, at, also="cancelled_on").marked(changed)


@transactional
def reactivate(terms: Terms, members: Iterable[MemberRef], *, at: datetime) -> Listing:
    """Take cancelled memberships up again, all or none; the members, and which of them changed.

    Raises NotFound, NoMembership.
    """
    users = member_ids(members)
    changes = {"state": membership.ACTIVE, "cancelled_on": None}
    changed = {user for user in users if _change(_about_to_change(user), changes)}
    return fetched("member", users, at).marked(changed)


@transactional
def renew(
    terms: Terms, members: Iterable[MemberRef], *, at: datetime, months: int = 1, until: date | None = None
) -> Listing:
    """Prolong these memberships, all or none; the members. A lapsed one begins again today.

    Raises NotFound, NoMembership, MembershipCancelled, BadValue.
    """
    users = member_ids(members)
    for user in users:
        found = _about_to_change(user)
        if found.state == membership.CANCELLED:
            raise MembershipCancelled(user, found.cancelled_on and found.cancelled_on.isoformat())
        start, end = membership.renewed(found.start_date, found.end_date, terms.today(at), months=months, until=until)
        Membership.update(start_date=start, end_date=end).where(Membership.user == user).execute()
    return fetched("member", users, at)


@transactional
def delete(terms: Terms, members: Iterable[MemberRef], *, at: datetime, force: bool = False) -> Listing:
    """Delete these users with their memberships, all or none; what they were.

    With `force` their streams and invoices too, as long as nothing of them was issued or paid. Raises NotFound, InUse.
    """
    users = member_ids(members)
    gone = fetched("member", users, at)
    for user in users:
        must_be_unused(user, terms.today(at), force=force)
        _about_to_delete(user)
        if force:
            Stream.delete().where(Stream.user == user).execute()
            Invoice.delete().where(Invoice.user == user).execute()
        User.delete().where(User.id == user).execute()
    return gone


@transactional
def erase(terms: Terms, member: MemberRef, *, at: datetime) -> Record:
    """Take name and e-mail out, of the log too, and keep the books; the member as it stands then, and whether that
    changed anything.

    Of a member who was deleted they are in the log alone: there is nothing but the id then. Raises NotFound, and
    MembershipActive while they have a membership that would still be billed.
    """
    number = deleted_member(member)
    if number is not None:
        journal().erase(number)
        journal().all_of(User, number, number)
        return Record(shown("member"), (number, *[None] * (len(shown("member")) - 1))).marked(changed=True)
    user = member_id(member)
    if (active := _active(user, terms.today(at))) is not None:
        raise MembershipActive(user, active.end_date.isoformat())
    journal().changing(User, [user])
    journal().erase(user)
    address = f"erased-{user}{ERASED}"
    while find_member(address) not in (None, user):
        address = f"erased-{address}"
    changed = _change(User.get_by_id(user), {"email": address, "email_key": address, "name": None})
    return fetch("member", [user], at)[0].marked(changed)


def _enroll(
    terms: Terms,
    user: int,
    at: datetime,
    credits: int,
    fee: Decimal,
    start: date | None,
    end: date | None,
    months: int | None,
) -> None:
    start, end = membership.period(start or terms.today(at), end, months)
    made = Membership.insert(
        user=user,
        state=membership.ACTIVE,
        credit_limit=credits,
        fee=terms.minor(fee),
        start_date=start,
        end_date=end,
    ).execute()
    journal().added(Membership, int(made))


def _active(user: int, today: date) -> Membership | None:
    """The user's membership where it is neither cancelled nor over."""
    goes_on = (Membership.state == membership.ACTIVE) & (Membership.end_date > today)
    return Membership.get_or_none((Membership.user == user) & goes_on)


def _change(row: User | Membership, values: Mapping[str, Any]) -> bool:
    """Write those of the values that the row has not yet; whether there were any."""
    changes = {column: value for column, value in values.items() if getattr(row, column) != value}
    if changes:
        type(row).update(changes).where(type(row).id == row.id).execute()
    return bool(changes)


def _about_to_change(user: int) -> Membership:
    """The user's membership, and the journal is told. Raises NoMembership."""
    found = Membership.get_or_none(Membership.user == user)
    if found is None:
        raise NoMembership(user)
    journal().changing(Membership, [found.id])
    return found


def _about_to_delete(user: int) -> None:
    """Tell the journal that everything of the user goes."""
    journal().changing(User, [user])
    for model in (Membership, Stream):
        journal().changing(model, [key for (key,) in tuples(model.select(model.id).where(model.user == user))])
    about_to_delete(invoice for (invoice,) in tuples(Invoice.select(Invoice.id).where(Invoice.user == user)))


def must_be_free(email: str, owner: int | None = None) -> None:
    """Raises DuplicateEmail when the address is somebody else's. The write lock is held, so it stays true."""
    other = find_member(email)
    if other is not None and other != owner:
        raise DuplicateEmail(email, other)


def must_be_unused(user: int, today: date, *, force: bool) -> None:
    """Raises InUse when the user can't be deleted: never what was issued or paid, and with `force` all the rest."""
    erase = f"streamctl members erase {user}"
    if _active(user, today) is not None:
        erase = f"streamctl members cancel {user} && {erase}"
    closed = (Invoice.status == invoices.PAID) | ~Invoice.issued_at.is_null() | ~Invoice.number.is_null()
    kept = Invoice.select().where((Invoice.user == user) & closed).count()
    if kept:
        raise InUse(
            f"Member {user} has {counted(kept, 'issued or paid invoice')}; the books keep what was billed.",
            f"Take name and e-mail out instead with: {erase}",
            member=user,
        )
    count, streams = (
        Invoice.select().where(Invoice.user == user).count(),
        Stream.select().where(Stream.user == user).count(),
    )
    if (count or streams) and not force:
        raise InUse(
            f"Member {user} has {counted(count, 'invoice')} and {counted(streams, 'stream')}.",
            f"Delete them too with --force, or keep the books with: {erase}",
            member=user,
            invoices=count,
            streams=streams,
        )
