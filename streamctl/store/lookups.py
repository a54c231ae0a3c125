"""Finding what a user named: members by id or e-mail, rows by id. Every miss is one NotFound that names them all."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from streamctl.domain.text import email_key
from streamctl.errors import NotFound, listed, quoted
from streamctl.store.database import ID_MOST, tuples
from streamctl.store.models import User

MemberRef = str  # as typed: digits only is always an id, anything else an e-mail address
AT_ONCE = 500
SIMILAR_AT_MOST = 1000


def id_in(member: MemberRef) -> int | None:
    """The id that is typed, whether or not somebody has it; None for an e-mail address."""
    return int(member) if member.isascii() and member.isdigit() else None


def find_member(member: MemberRef) -> int | None:
    """The id of a member, or None."""
    number = id_in(member)
    if number is None:
        wanted = User.email_key == email_key(member)
    elif 0 < number <= ID_MOST:
        wanted = User.id == number
    else:
        return None
    return User.select(User.id).where(wanted).scalar()  # type: ignore[no-any-return]


def deleted_member(member: MemberRef) -> int | None:
    """The id that is typed, where nobody has it any more, but the log knows what its member was called."""
    from streamctl.store.logbook import JournalPerson

    number = id_in(member)
    if number is None or find_member(member) is not None:
        return None
    return number if JournalPerson.select().where(JournalPerson.member == min(number, ID_MOST)).exists() else None


def member_id(member: MemberRef) -> int:
    """The id of a member. Raises NotFound, with e-mail addresses that look alike."""
    return member_ids([member])[0]


def member_ids(members: Iterable[MemberRef]) -> list[int]:
    """The ids of these members, each once, in their order. Raises NotFound for all that are not there."""
    wanted = list(members)
    found = [find_member(member) for member in wanted]
    missing = [member for member, number in zip(wanted, found, strict=True) if number is None]
    if missing:
        names = [quoted(member) if id_in(member) is None else member for member in missing]
        raise NotFound("member", names, _similar(missing))
    return list(dict.fromkeys(number for number in found if number is not None))


def _similar(missing: list[MemberRef]) -> str:
    """A hint with the addresses closest to a mistyped one, looked for among those that begin or end alike."""
    typed = next((email_key(member) for member in missing if id_in(member) is None), "")
    if not typed:
        return "See who there is with: streamctl members list"
    domain = typed.rpartition("@")[2]
    alike = User.email_key.startswith(typed[:2]) | User.email_key.endswith(domain)
    candidates = [key for (key,) in tuples(User.select(User.email_key).where(alike).limit(SIMILAR_AT_MOST))]
    close = get_close_matches(typed, candidates, n=3)
    return f"Did you mean {listed(close)}?" if close else "See who there is with: streamctl members list"


def present(model: Any, ids: Iterable[int]) -> list[int]:
    """These ids, each once, in their order, when all are rows of the model. Raises NotFound for those that are not."""
    wanted = list(dict.fromkeys(ids))
    there: set[int] = set()
    for start in range(0, len(wanted), AT_ONCE):
        chunk = [number for number in wanted[start : start + AT_ONCE] if 0 < number <= ID_MOST]
        there.update(number for (number,) in tuples(model.select(model.id).where(model.id.in_(chunk))))
    if missing := [number for number in wanted if number not in there]:
        word, command = WORDS[model._meta.table_name]
        raise NotFound(word, missing, f"See what there is with: streamctl {command}")
    return wanted


# What messages call a row of a table, and the command that lists them.
WORDS = {
    "user": ("member", "members list"),
    "invoice": ("invoice", "invoices list"),
    "invoice_line": ("line", "lines list"),
    "stream": ("stream", "stream list --all"),
    "journal": ("entry", "log list"),
}
