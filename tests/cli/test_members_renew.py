"""`members renew`: months of the 31st, lapsed memberships, all or none."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from program import Program

from streamctl.errors import BadValue, MembershipCancelled, NoMembership, NotFound
from streamctl.services import members
from streamctl.store.database import Store

IN_PROCESS = True  # a process for each of its many commands would say no more

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ends(*names: str, at: datetime = AT, months: int = 1, until: date | None = None) -> list[tuple[str, str]]:
    """Start and end of these members after a renewal."""
    answer = members.renew(names, at=at, months=months, until=until)
    place = [column.name for column in answer.columns].index("start_date")
    return [(str(row[place]), str(row[place + 1])) for row in answer.rows]


def test_a_month_is_added_unless_months_or_a_day_are_named(member: Program) -> None:
    assert member.ok("members", "renew", "bob@example.com")[0]["end_date"] == "2027-01-01"
    assert member.ok("members", "renew", 1, "--months", 2)[0]["end_date"] == "2027-03-01"
    (until,) = member.ok("members", "renew", 1, "--until", "2027-03-02")
    assert (until["start_date"], until["end_date"]) == ("2026-11-01", "2027-03-02")
    both = ["--months", 1, "--until", "2028-01-01"]
    for words in (["--until", "2027-03-02"], ["--until", "today"], ["--months", 0], both):
        assert member.refused("members", "renew", 1, *words)["status"] == 2


def test_months_of_the_31st_clip_and_come_back(store: Store) -> None:
    members.add("a@x.y", at=AT, start=date(2026, 10, 31))
    assert [ends("1")[0][1] for _ in range(5)] == [
        *("2026-12-31", "2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30")
    ]
    members.add("b@x.y", at=AT, start=date(2026, 10, 31))
    assert ends("2", months=5) == [("2026-10-31", "2027-04-30")]


def test_a_lapsed_membership_renews_from_today_also_on_the_day_it_ends(store: Store) -> None:
    members.add("lapsed@x.y", at=AT, start=date(2026, 1, 31), end=date(2026, 2, 28))
    members.add("ending@x.y", at=AT, start=date(2026, 10, 22), end=date(2026, 11, 22))
    members.add("last-day@x.y", at=AT, start=date(2026, 10, 23), end=date(2026, 11, 23))
    members.add("coming@x.y", at=AT, start=date(2027, 1, 1), end=date(2027, 2, 1))
    assert ends("1", "2", "3", "4") == [
        ("2026-11-22", "2026-12-22"),
        ("2026-11-22", "2026-12-22"),
        ("2026-10-23", "2026-12-23"),
        ("2027-01-01", "2027-03-01"),
    ]


def test_a_lapsed_membership_renewed_on_the_31st_is_one_of_the_31st(store: Store) -> None:
    members.add("a@x.y", at=AT, start=date(2026, 1, 15))
    assert ends("1", at=datetime(2026, 12, 31, tzinfo=UTC), months=2) == [("2026-12-31", "2027-02-28")]
    assert ends("1", at=datetime(2026, 12, 31, tzinfo=UTC)) == [("2026-12-31", "2027-03-31")]


def test_a_lapsed_membership_is_not_renewed_until_a_day_that_has_passed(store: Store) -> None:
    members.add("a@x.y", at=AT, start=date(2026, 1, 1), end=date(2026, 2, 1))
    for day in (date(2026, 3, 1), date(2026, 11, 22)):
        with pytest.raises(BadValue):
            ends("1", until=day)
    assert ends("1", until=date(2026, 11, 23)) == [("2026-11-22", "2026-11-23")]


def test_many_are_renewed_all_or_none_and_each_once(store: Store, program: Program) -> None:
    for name in ("a@x.y", "b@x.y"):
        members.add(name, at=AT, start=date(2026, 11, 1))
    members.add("c@x.y", at=AT, enrolled=False)
    members.add("d@x.y", at=AT, start=date(2999, 11, 1), end=date(2999, 12, 1))
    members.cancel(["2"], at=AT)
    before = program.books()
    for other, error in (("2", MembershipCancelled), ("3", NoMembership), ("4", BadValue), ("5", NotFound)):
        with pytest.raises(error):
            ends("1", other)
        assert program.books() == before
    assert ends("1", "A@x.y", "1") == [("2026-11-01", "2027-01-01")]
