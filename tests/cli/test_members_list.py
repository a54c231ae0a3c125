"""`streamctl members list`, and with it what every list can do: filters, columns, order, limit."""

from __future__ import annotations

import pytest
from program import Program

IN_PROCESS = True  # a process for each of its many commands would say no more


@pytest.fixture
def crowd(program: Program) -> Program:
    """143 users; every third with a membership, some of those cancelled."""
    program.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 143) "
        "INSERT INTO user (email, email_key, created_at) "
        "SELECT 'u' || i || '@example.com', 'u' || i || '@example.com', '2026-01-01T00:00:00Z' FROM n"
    )
    program.sql(
        'INSERT INTO membership ("user", state, credit_limit, fee, start_date, end_date) '
        "SELECT id, CASE id % 2 WHEN 1 THEN 'ACT' ELSE 'CANC' END, id % 4, id, '2026-11-01', '2026-12-01' "
        "FROM user WHERE id % 3 = 0"
    )
    return program


def test_nothing_is_cut_off_unless_a_limit_asks_and_then_stderr_says_so(crowd: Program) -> None:
    everybody = crowd("members", "list", "--format", "ids")
    assert everybody.out.split() == [str(number) for number in range(1, 144)]
    assert everybody.err == ""
    some = crowd("members", "list", "--limit", 20, "--format", "ids")
    assert (len(some.out.split()), some.err) == (20, "20 of 143\n")
    assert crowd("members", "list", "--limit", 143, "--format", "ids").err == ""
    none = crowd("members", "list", "--limit", 0, "--format", "json")
    assert (none.json, none.err) == ([], "0 of 143\n")
    cancelled = crowd("members", "list", "--state", "canc", "--limit", 1, "--format", "ids")
    assert (cancelled.out, cancelled.err) == ("6\n", "1 of 23\n")
    assert crowd.refused("members", "list", "--limit", -1)["status"] == 2


def test_columns_are_chosen_in_the_order_asked_for_or_added(crowd: Program) -> None:
    chosen = crowd("members", "list", "--columns", "fee, id", "--limit", 3, "--format", "csv")
    assert chosen.out == "fee,id\n,1\n,2\n0.03,3\n"
    more = crowd.ok("members", "list", "--columns", "+created_at,id", "--limit", 1)
    assert list(more[0])[-2:] == ["end_date", "created_at"]
    assert more[0]["created_at"] == "2026-01-01T00:00:00Z"
    typo = crowd.refused("members", "list", "--columns", "id,emial")
    assert (typo["code"], typo["status"], typo["hint"]) == ("unknown_column", 2, "Did you mean email?")
    for words in (["--columns", ""], ["--columns", "id,,fee"], ["--sort", "emial"], ["--sort", "id;DROP TABLE user"]):
        assert crowd.refused("members", "list", *words)["status"] == 2


def test_rows_are_sorted_both_ways_with_nothing_last_and_by_id_among_equals(crowd: Program) -> None:
    up = crowd.ok("members", "list", "--sort", "state,-credit_limit", "--columns", "id,state,credit_limit")
    assert up == sorted(up, key=lambda row: (row["state"] or "Z", -(row["credit_limit"] or 0), row["id"]))
    assert [row["state"] for row in up][46:] == ["CANC", *[None] * 96]
    down = crowd("members", "list", "--sort", "-fee", "--limit", 2, "--format", "ids")
    assert down.out.split() == ["141", "138"]


def test_members_are_found_by_a_part_of_their_email_taken_literally(crowd: Program) -> None:
    assert crowd("members", "list", "--email", "U14", "--format", "ids").out.split() == [
        "14",
        "140",
        "141",
        "142",
        "143",
    ]
    assert crowd("members", "list", "--email", "14@", "--state", "ACT", "--format", "ids").out.split() == []
    for wildcard in ("%", "_", "u*", "\\"):
        assert crowd.ok("members", "list", "--email", wildcard) == []


def test_a_list_of_ids_feeds_a_command_that_takes_many(crowd: Program) -> None:
    ids = crowd("members", "list", "--state", "CANC", "--format", "ids").out
    taken_up = crowd.ok("members", "reactivate", "-", stdin=ids)
    assert [one["id"] for one in taken_up] == list(range(6, 144, 6))
    assert {one["state"] for one in taken_up} == {"ACT"}
