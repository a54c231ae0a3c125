"""`streamctl members`: users and memberships, made, shown, listed and changed."""

from __future__ import annotations

from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more

KEYS = ["id", "email", "name", "state", "credits", "credit_limit", "open_streams", "fee", "start_date", "end_date"]


def test_a_member_is_shown_with_exactly_the_promised_keys_and_values(member: Program) -> None:
    member.ok("stream", "checkin", 1)
    answer = member("members", "show", 1, "--format", "json")
    assert list(answer.json) == KEYS
    assert answer.out == (
        '{"id": 1, "email": "bob@example.com", "name": "Bob", "state": "ACT", "credits": 2, "credit_limit": 3, '
        '"open_streams": 1, "fee": 9.90, "start_date": "2026-11-01", "end_date": "2026-12-01"}\n'
    )
    assert member.ok("members", "list") == [answer.json]
    assert member("members", "show", 1, "--format", "csv").out.splitlines() == [
        ",".join(KEYS),
        "1,bob@example.com,Bob,ACT,2,3,1,9.90,2026-11-01,2026-12-01",
    ]


def test_a_user_without_a_membership_shows_null_for_its_fields(program: Program) -> None:
    added = program("members", "add", "eve@example.com", "--no-membership", "--format", "json")
    assert added.out == (
        '{"id": 1, "email": "eve@example.com", "name": null, "state": null, "credits": null, "credit_limit": null, '
        '"open_streams": 0, "fee": null, "start_date": null, "end_date": null}\n'
    )
    for words in (("update", 1, "--credits", 2), ("cancel", 1), ("reactivate", 1), ("renew", 1)):
        refused = program.refused("members", *words)
        assert (refused["code"], refused["status"]) == ("no_membership", 4)
        assert "streamctl members enroll 1" in refused["hint"]


def test_a_new_member_has_one_credit_and_one_month_from_today_unless_said_otherwise(program: Program) -> None:
    plain = program("members", "add", "a@example.com", "--format", "json")
    assert '"fee": 0,' in plain.out
    assert list(plain.json.values())[2:] == [None, "ACT", 1, 1, 0, 0, "2026-11-22", "2026-12-22"]
    told = program.ok(
        *("members", "add", " b@example.com ", "--name", "B", "--credit-limit", 0, "--fee", 15),
        *("--start", "yesterday", "--months", 14),
    )
    assert list(told.values()) == [2, "b@example.com", "B", "ACT", 0, 0, 0, 15, "2026-11-21", "2028-01-21"]


def test_what_cannot_be_read_is_wrong_usage_and_adds_nobody(program: Program) -> None:
    for words in (
        *(["nobody"], ["a@b", "--credits", "1001"], ["a@b", "--fee", "9.999"], ["a@b", "--fee", "-1"]),
        *(["a@b", "--end", "today"], ["a@b", "--months", "0"], ["a@b", "--name", "x" * 256]),
        *(["a@b", "--end", "tomorrow", "--months", "1"], ["a@b", "--no-membership", "--credits", "2"]),
    ):
        assert program.refused("members", "add", *words)["status"] == 2, words


def test_one_address_is_one_member_whatever_its_case_and_form(member: Program) -> None:
    refused = member.refused("members", "add", "BOB@Example.COM")
    assert (refused["code"], refused["status"], refused["details"]["member"]) == ("duplicate_email", 4, 1)
    member.ok("members", "add", "straße@example.com")
    assert member.refused("members", "update", 2, "--email", "\uff22ob@example.com")["code"] == "duplicate_email"
    assert member.ok("members", "update", "STRASSE@EXAMPLE.COM", "--email", "Straße@Example.com")["id"] == 2
    assert member.ok("members", "show", "strasse@example.com")["email"] == "Straße@Example.com"


def test_digits_are_always_an_id_and_a_miss_says_who_was_meant(member: Program) -> None:
    assert member.ok("members", "show", "001")["id"] == 1
    missing = member.refused("members", "show", "bbo@example.com")
    assert (missing["code"], missing["status"]) == ("not_found", 3)
    assert missing["hint"] == "Did you mean bob@example.com?"
    for number in ("0", "9" * 40):
        assert member.refused("members", "show", number)["details"] == {"what": "member", "missing": [number]}
    many = member.refused("members", "cancel", 1, 7, "eve@example.com", 8)
    assert (many["status"], many["details"]["missing"]) == (3, ["7", "'eve@example.com'", "8"])


def test_a_user_is_enrolled_once(program: Program) -> None:
    program.ok("members", "add", "a@example.com", "--no-membership")
    enrolled = program.ok("members", "enroll", "A@example.com", "--credits", 2, "--fee", "0.50", "--end", "2027-01-01")
    assert list(enrolled.values())[3:] == ["ACT", 2, 2, 0, 0.5, "2026-11-22", "2027-01-01"]
    again = program.refused("members", "enroll", 1)
    assert (again["code"], again["status"]) == ("has_membership", 4)
    assert program.refused("members", "enroll", 9)["status"] == 3


def test_an_update_changes_only_what_is_given_and_all_of_it_or_nothing(member: Program) -> None:
    before = member.ok("members", "show", 1) | {"changed": True}
    after = member.ok("members", "update", 1, "--fee", 12, "--end", "2027-01-01")
    assert after == before | {"fee": 12, "end_date": "2027-01-01"}
    after = member.ok("members", "update", 1, "--name", "", "--credits", 5, "--start", "2026-10-31")
    changed = {"fee": 12, "end_date": "2027-01-01", "name": None}
    assert after == before | changed | {"credits": 5, "credit_limit": 5, "start_date": "2026-10-31"}
    assert member.refused("members", "update", 1)["status"] == 2
    assert member.refused("members", "update", 1, "--name", "Robert", "--start", "2027-01-01")["status"] == 2
    assert member.refused("members", "update", 1, "--email", "r@example.com", "--end", "2026-10-31")["status"] == 2


def test_a_limit_below_the_open_streams_leaves_no_credit_and_no_debt(member: Program) -> None:
    for _ in range(3):
        member.ok("stream", "checkin", 1)
    lowered = member.ok("members", "update", 1, "--credits", 1)
    assert (lowered["credits"], lowered["credit_limit"], lowered["open_streams"]) == (0, 1, 3)


def test_a_cancelled_membership_is_taken_up_again(member: Program) -> None:
    (cancelled,) = member.ok("members", "cancel", 1)
    assert cancelled == member.ok("members", "show", 1) | {"cancelled_on": "2026-11-22", "changed": True}
    assert cancelled["state"] == "CANC"
    later = member.at("2026-11-25T00:00:00Z")
    assert later.ok("members", "cancel", 1) == [cancelled | {"changed": False}]  # already so: done
    assert later.ok("members", "list", "--columns", "id,cancelled_on") == [{"id": 1, "cancelled_on": "2026-11-22"}]
    assert later.refused("members", "renew", 1)["code"] == "membership_cancelled"
    assert [one["state"] for one in later.ok("members", "reactivate", 1)] == ["ACT"]
    assert later.ok("members", "list", "--columns", "cancelled_on") == [{"cancelled_on": None}]


def test_many_members_are_cancelled_all_or_none_and_may_come_from_standard_input(member: Program) -> None:
    member.ok("members", "add", "eve@example.com")
    member.ok("members", "add", "adam@example.com", "--no-membership")
    assert member.refused("members", "cancel", 1, 2, 3)["code"] == "no_membership"
    assert member.refused("members", "cancel", "-", stdin="1\n2\n99\n")["status"] == 3
    assert member.refused("members", "cancel", "-", stdin="\n \n")["status"] == 2
    assert member.refused("members", "cancel", "-", stdin=b"\xff\n")["code"] == "bad_data"
    cancelled = member.ok("members", "cancel", "-", stdin="\ufeff2\r\n\n BOB@example.com \n1\n")
    assert [(one["id"], one["state"]) for one in cancelled] == [(2, "CANC"), (1, "CANC")]


def test_days_are_those_of_the_databases_zone(program: Program) -> None:
    program.sql("UPDATE setting SET value = 'Pacific/Auckland' WHERE key = 'timezone'")
    assert program.ok("members", "add", "a@example.com")["start_date"] == "2026-11-23"
    program.ok("members", "cancel", 1)
    assert program.ok("members", "list", "--columns", "cancelled_on") == [{"cancelled_on": "2026-11-23"}]


def test_every_change_can_be_rehearsed_and_then_nothing_has_changed(member: Program) -> None:
    member.ok("members", "add", "eve@example.com", "--no-membership")
    before = member.books()
    for words, changed in (
        (("add", "new@example.com"), {"id": 3, "email": "new@example.com"}),
        (("update", 1, "--fee", 20), {"id": 1, "fee": 20}),
        (("enroll", 2), {"id": 2, "state": "ACT"}),
        (("cancel", 1), {"id": 1, "state": "CANC"}),
        (("renew", 1), {"id": 1, "end_date": "2027-01-01"}),
        (("delete", 2), {"id": 2, "email": "eve@example.com"}),
        (("erase", 2), {"id": 2, "name": None, "email": "erased-2@erased.invalid"}),
    ):
        answer = member.ok("members", *words, "--dry-run")
        one = answer[0] if isinstance(answer, list) else answer
        assert [key for key in one if key not in ("cancelled_on", "changed")] == [*KEYS, "dry_run"]
        assert one | changed | {"dry_run": True} == one, words
        assert member.books() == before, words
    assert member.refused("members", "cancel", 2, "--dry-run")["code"] == "no_membership"
