"""Keys of check-ins, check-outs and takeovers: a receipt is for the member it was given to, and for nobody else."""

from __future__ import annotations

import pytest
from program import Program
from streams import codes, enrol, event, play

IN_PROCESS = True
VERBS = ("checkin", "checkout", "takeover")


@pytest.fixture
def keyed(program: Program) -> Program:
    """The program with bob, member 1, whose key k1 has checked in, taken over and checked out, and eve, member 2."""
    enrol(program, "bob@example.com", "eve@example.com")
    program.ok("stream", "checkin", 1, "--ref", "k1")
    program.ok("stream", "checkout", 1, "--ref", "k1")
    program.ok("stream", "checkin", 1)
    program.ok("stream", "takeover", 1, "--ref", "t1")
    return program


def key_of(verb: str) -> str:
    return "t1" if verb == "takeover" else "k1"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_an_address_that_is_nobodys_is_not_found_though_the_key_was_used(
    keyed: Program, verb: str, more: list[str]
) -> None:
    error = keyed.refused("stream", verb, "typo@x.io", "--ref", key_of(verb), *more)
    assert (error["code"], error["status"]) == ("not_found", 3)
    assert "'typo@x.io'" in error["message"]


def test_the_same_holds_in_a_batch(keyed: Program) -> None:
    events = [event(verb, clock, member="typo@x.io", ref=key_of(verb)) for verb in VERBS for clock in (None, "12:00")]
    assert set(codes(play(keyed, *events))) == {"not_found"}


@pytest.mark.parametrize("verb", VERBS)
def test_the_member_hears_the_first_receipt_by_id_and_by_address(keyed: Program, verb: str) -> None:
    books = keyed.books()
    by_id = keyed.ok("stream", verb, 1, "--ref", key_of(verb))
    assert by_id == keyed.ok("stream", verb, "BOB@example.com", "--ref", key_of(verb))
    assert by_id["replayed"]
    assert keyed.refused("stream", verb, 2, "--ref", key_of(verb))["code"] == "key_conflict"
    assert keyed.refused("stream", verb, "eve@example.com", "--ref", key_of(verb))["code"] == "key_conflict"
    assert keyed.refused("stream", verb, 99, "--ref", key_of(verb))["code"] == "key_conflict"
    assert keyed.books() == books


@pytest.mark.parametrize("verb", VERBS)
def test_the_receipt_of_a_member_who_was_deleted_is_told_by_id_and_not_by_address(keyed: Program, verb: str) -> None:
    keyed.ok("stream", "checkout", 1, "--all")
    first = keyed.ok("stream", verb, 1, "--ref", key_of(verb))
    for table, column in (("stream", '"user"'), ("invoice", '"user"'), ("membership", '"user"'), ("user", "id")):
        keyed.sql(f'DELETE FROM "{table}" WHERE {column} = 1')
    assert keyed.ok("stream", verb, 1, "--ref", key_of(verb)) == first
    assert keyed.refused("stream", verb, "bob@example.com", "--ref", key_of(verb))["code"] == "not_found"


def test_a_heartbeat_that_names_a_member_is_not_answered_for_another_ones_stream(program: Program) -> None:
    enrol(program, "bob@example.com", "eve@example.com")
    receipts = play(
        program,
        event("checkin", "12:00", member=1, ref="a"),
        event("heartbeat", "12:01", member=2, ref="a"),
        event("heartbeat", "12:01", member="eve@example.com", stream=1),
        event("heartbeat", "12:01", member="typo@x.io", ref="a"),
        event("heartbeat", "12:01", member=99, stream=1),
        event("heartbeat", "12:01", member=1, ref="a"),
        event("heartbeat", "12:02", member="Bob@example.com", stream=1),
    )
    assert codes(receipts) == ["ok", "key_conflict", *["not_found"] * 3, "ok", "ok"]
