"""`streamctl stream batch`: events in, a receipt for each out, and what becomes of the lines nobody can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from program import Program
from streams import codes, day, ends, enrol, event, lines, play

RECEIPT = ["ok", "line", "action", "invoice_id", "invoice_line_id", "stream_id", "credits", "replayed"]
GOOD = b'{"action": "checkin", "member": 1}'


@pytest.fixture
def bob(program: Program) -> Program:
    """The program with bob, member 1, and eve, member 2, of three credits each."""
    return enrol(program, "bob@example.com", "eve@example.com")


def batch(program: Program, data: bytes, *words: object) -> tuple[int, list[dict[str, Any]], str]:
    """Play these bytes; the exit status, the receipts and what was said beside them."""
    answer = program("stream", "batch", "-", *words, stdin=data)
    return answer.status, [json.loads(line) for line in answer.out.splitlines()], answer.err


def test_every_action_has_its_receipt_key_by_key(bob: Program) -> None:
    receipts = play(
        bob,
        event("checkin", "12:00", member=1, ref="a", device="tv", lease="5m"),
        event("heartbeat", "12:01", ref="a"),
        event("takeover", "12:02", member=1, ref="b"),
        event("checkout", "12:03", member=1, ref="b"),
        event("checkout", "12:04", member=1, ref="a"),
        event("checkout", "12:04", member=1),
    )
    numbers: dict[str, object] = {"invoice_id": 1, "invoice_line_id": 1, "stream_id": 1, "credits": 2}
    assert receipts[0] == {"ok": True, "line": 1, "action": "checkin", **numbers, "replayed": False}
    assert [list(receipt) for receipt in receipts] == [
        RECEIPT,
        ["ok", "line", "action", "stream_id", "seen_at", "expires_at", "replayed"],
        [*RECEIPT, "taken_over"],
        RECEIPT,
        [*RECEIPT, "close_reason"],
        ["ok", "line", "error"],
    ]
    assert (receipts[1]["seen_at"], receipts[1]["expires_at"]) == (day("12:01"), day("12:06"))
    assert (receipts[2]["taken_over"], receipts[4]["close_reason"]) == (1, "takeover")
    assert (receipts[5]["ok"], receipts[5]["line"]) == (False, 6)
    assert list(receipts[5]["error"]) == ["code", "message", "hint", "details"]
    assert receipts[5]["error"]["code"] == "no_open_stream"


def test_csv_says_what_json_lines_say(bob: Program, twin: Callable[[], Program]) -> None:
    events = [
        event("checkin", "12:00", member=1, ref="a", device='a "big", tv', lease="1h"),
        event("checkin", "12:00", member="EVE@example.com"),
        event("heartbeat", "12:01", stream=2),
        event("takeover", "12:02", member=1, stream=1, ref="b"),
        event("checkout", "12:03", member=1),
    ]
    other = twin()
    receipts = play(bob, *events)
    columns = ("at", "lease", "device", "stream", "ref", "member", "action")
    cells = [['"' + str(one.get(column, "")).replace('"', '""') + '"' for column in columns] for one in events]
    text = "\r\n".join([",".join(columns), "", *(",".join(row) for row in cells)])
    status, found, _ = batch(other, b"\xef\xbb\xbf" + text.encode())
    assert status == 0
    assert [{**receipt, "line": receipt["line"] - 2} for receipt in found] == receipts
    there, here = other.books(), bob.books()
    assert len(there.pop("journal")) == len(here.pop("journal")) == 1  # which names the lines, and they differ
    assert there == here


def test_a_line_nobody_can_read_is_refused_by_its_number_and_the_run_goes_on(bob: Program) -> None:
    unreadable = [
        *(b'{"action": "checkin", "member": 1', b'{"action": "checkin", "member": NaN}', b"[]", b"nonsense"),
        *(b'{"action": "checkin", "dev', b'{"action": "checkin", "lease": nul', b"}", b"]", b'["checkin", {}]'),
        *(b'{"action": "checkin", "member": 1, "member": 1}', b'{"action": "checkin", "member": 1, "x": 1}'),
        *(b'{"action": "checkin", "member": 1.5}', b'{"action": "checkin", "member": 1, "ref": 7}'),
        *(b'{"action": "checkin", "member": 1, "device": "\xff"}', b'{"action": "checkin", "member": 1, "lease": "5"}'),
        *(
            b'{"action": "checkin", "member": 1, "device": "' + b"x" * 200_000 + b'"}',
            b"\xff\xfe\x00",
            b"[" * 30_000 + b"]" * 30_000,
        ),
        *(b'{"action": "dance", "member": 1}', b'{"member": 1}', b'{"action": "heartbeat"}'),
        *(
            b'{"action": "checkin", "member": 1, "at": "2026-11-22 12:00"}',
            b'{"action": "checkin", "member": 1, "at": 5}',
        ),
        *(
            b'{"action": "checkout", "member": 1, "stream": 1, "ref": "r"}',
            b'{"action": "checkin", "member": "a\\u0000"}',
        ),
    ]
    data = b"\n \n".join([GOOD, *unreadable, GOOD]) + b"\n"
    status, receipts, err = batch(bob, data)
    assert status == 4
    assert [receipt["line"] for receipt in receipts] == list(range(1, 2 * len(unreadable) + 4, 2))
    assert [receipt["ok"] for receipt in receipts] == [True, *[False] * len(unreadable), True]
    assert {receipt["error"]["code"] for receipt in receipts[1:-1]} == {"bad_data", "bad_value"}
    assert f"{len(unreadable)} of {len(receipts)} events" in err
    assert len(ends(bob)) == 2


def test_an_action_that_is_no_text_is_one_refused_line_like_any_other(bob: Program) -> None:
    status, receipts, err = batch(bob, GOOD + b'\n{"action": ["checkin"], "member": 1}\n' + GOOD)
    assert (status, [receipt["ok"] for receipt in receipts]) == (4, [True, False, True]), err


def test_an_unreadable_first_line_of_json_lines_is_refused_like_any_other(bob: Program) -> None:
    status, receipts, _ = batch(bob, b'{"action": "che\n' + GOOD)
    assert (status, [receipt["ok"] for receipt in receipts]) == (4, [False, True])


def test_a_csv_line_with_wrong_cells_is_refused_by_its_number(bob: Program) -> None:
    data = b'action,member\ncheckin,1\ncheckin\ncheckin,1,tv\ncheckin,1"\ncheckin,\xff\n\ncheckin,1\n'
    status, receipts, _ = batch(bob, data)
    assert status == 4
    assert [(receipt["line"], receipt["ok"]) for receipt in receipts] == [
        *((2, True), (3, False), (4, False), (5, False), (6, False), (8, True)),
    ]


@pytest.mark.parametrize(
    "header", [b"action,user", b"member,ref", b"action,action", b"checkin,1", b"nonsense", b"sep=|\naction|member"]
)
def test_an_input_without_the_header_of_events_is_refused_whole_by_one_error(bob: Program, header: bytes) -> None:
    books = bob.books()
    status, receipts, err = batch(bob, header + b"\ncheckin,1\n")
    assert (status, receipts) == (4, [])
    assert err.startswith("Error: ")
    assert err.count("\n") == 2
    assert bob.books() == books


def test_text_inside_a_quoted_cell_is_played_by_nobody(bob: Program) -> None:
    data = b'action,member,ref,device\ncheckin,1,a,"TV\ncheckin,2,evil1,tablet\nend"\n'
    status, receipts, _ = batch(bob, data)
    assert (status, [(receipt["line"], receipt["ok"]) for receipt in receipts]) == (0, [(2, True)])
    assert bob.sql('SELECT "user", ref, device FROM stream') == [(1, "a", "TV\ncheckin,2,evil1,tablet\nend")]
    books = bob.books()
    status, receipts, _ = batch(bob, data.replace(b'end"', b"end") + b"checkin,2,evil2,phone\n")
    assert (status, [(receipt["line"], receipt["ok"]) for receipt in receipts]) == (4, [(2, False)])
    assert "The quote that opens on line 2 is never closed" in receipts[0]["error"]["message"]
    assert bob.books() == books


@pytest.mark.parametrize(
    ("data", "named", "parts"),
    [
        (b"[\n  " + GOOD + b"\n]\n", "Line 1 opens an array", "'.[]'"),
        (b"\n[" + GOOD + b",\n" + GOOD + b"]\n", "Line 2 opens an array", "'.[]'"),
        (b"[" + GOOD + b"," + GOOD + b"]\n" + GOOD, "Line 1 opens an array", "'.[]'"),
        (GOOD.replace(b", ", b",\n  ") + b"\n" + GOOD, "Line 1 opens an object that goes on", "."),
    ],
)
def test_json_that_is_no_line_an_event_is_refused_whole_with_the_command_that_mends_it(
    bob: Program, data: bytes, named: str, parts: str
) -> None:
    (bob.home / "my events.json").write_bytes(data)
    books = bob.books()
    for file, named_file in (("-", ""), ("my events.json", " 'my events.json'")):
        answer = bob("stream", "batch", file, "--commit-every", 1, stdin=data)
        assert (answer.status, answer.out) == (4, "")
        assert named in answer.err
        assert f"with: jq -c {parts}{named_file} | streamctl stream batch -" in answer.err
    assert bob.books() == books


@pytest.mark.parametrize("every", ["1", "1000"])
def test_an_array_among_events_ends_the_run_and_what_stood_before_it_is_done(bob: Program, every: str) -> None:
    good = [event("checkin", "12:00", member=1, ref=f"r{number}") for number in range(3)]
    data = lines(*good[:2]) + b"[\n" + lines(good[2]) + b"]\n" + lines(good[2])
    (bob.home / "events.jsonl").write_bytes(data)
    answer = bob("stream", "batch", "events.jsonl", "--commit-every", every)
    assert answer.status == 4
    assert codes([json.loads(line) for line in answer.out.splitlines()]) == ["ok", "ok"]
    assert "Line 3 opens an array" in answer.err
    assert "tail -n +3 events.jsonl | jq -c 'arrays[], objects' | streamctl stream batch -" in answer.err
    assert bob.sql("SELECT ref FROM stream ORDER BY id") == [("r0",), ("r1",)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_an_export_of_a_spreadsheet_is_read(bob: Program, delimiter: str) -> None:
    table = [["Action", "MEMBER ", "Device"], ["checkin", "1", "tv, small"], ["", "1", "tv"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in table)
    status, receipts, _ = batch(bob, b"\xef\xbb\xbf" + text.encode())
    assert (status, [receipt["ok"] for receipt in receipts]) == (4, [True, False])
    assert receipts[1]["error"]["message"].startswith("The action is missing; it is one of checkin")
    assert bob.sql("SELECT device FROM stream") == [("tv, small",)]


def test_stop_ends_the_run_at_the_first_refusal_and_keeps_what_was_before(bob: Program) -> None:
    events = [event("checkin", "12:00", member=1), event("checkin", "12:00", member=9), event("checkin", member=2)]
    status, receipts, _ = batch(bob, lines(*events), "--stop")
    assert (status, codes(receipts)) == (4, ["ok", "not_found"])
    assert list(ends(bob)) == [1]
    status, receipts, _ = batch(bob, b"{}\n" + lines(*events), "--stop", "--commit-every", 1)
    assert (status, codes(receipts)) == (4, ["bad_data"])


def test_without_refusals_it_ends_well_and_says_nothing_beside(bob: Program) -> None:
    for data, count in ((GOOD, 1), (b"\n\n" + GOOD + b"\n\n", 1), (b"", 0), (b"\n \n", 0), (b"action,member\n", 0)):
        status, receipts, err = batch(bob, data)
        assert (status, len(receipts), err) == (0, count, ""), data


@pytest.mark.parametrize(
    "words",
    [
        *(["nowhere.jsonl"], ["-", "--commit-every", "0"], ["-", "--commit-every", "soon"], ["-", "--dry-run"], []),
        pytest.param(["."], id="a folder"),
    ],
)
def test_what_cannot_be_played_is_wrong_usage_and_changes_nothing(bob: Program, words: list[str]) -> None:
    books = bob.books()
    answer = bob("stream", "batch", *words, stdin=GOOD)
    assert (answer.status, answer.out) == (2, ""), answer.err
    assert bob.books() == books


def test_an_event_without_a_time_happens_now_and_one_with_a_time_then(bob: Program) -> None:
    play(bob, event("checkin", member=1), {**event("checkin", member=1), "at": "2026-11-22T10:00:00+01:00"})
    assert bob.sql("SELECT opened_at FROM stream ORDER BY id") == [(day("12:00"),), (day("09:00"),)]


@pytest.mark.parametrize("at", ["12:00:03.123Z", "12:00:03,9z", "13:00:03.5+01:00", "13:00:03+0100", "13:00:03+01"])
def test_times_are_read_as_clients_write_them_in_events_and_on_the_command_line(bob: Program, at: str) -> None:
    text = f"2026-11-22T{at}"
    play(bob, {**event("checkin", member=1, ref="a"), "at": text})
    batch(bob, f'action,member,at\ncheckin,1,"{text}"\n'.encode())
    bob.ok("--as-of", text, "stream", "checkin", 1)
    bob.at(text).ok("stream", "checkin", 2)
    assert bob.sql("SELECT DISTINCT opened_at FROM stream") == [(day("12:00:03"),)]


def test_events_are_played_from_a_file_too_with_whatever_grouping(bob: Program) -> None:
    events = [event("checkin", "12:00", member=2, ref=f"r{number}", device="d" * 200) for number in range(400)]
    (bob.home / "events.jsonl").write_bytes(lines(*events).rstrip())
    answer = bob("stream", "batch", "events.jsonl", "--commit-every", 7)
    receipts = [json.loads(line) for line in answer.out.splitlines()]
    assert answer.status == 4
    assert codes(receipts) == ["ok"] * 3 + ["no_credits"] * 397
    assert [receipt["line"] for receipt in receipts] == list(range(1, 401))
    books = bob.books()
    again = bob("stream", "batch", "events.jsonl", "--commit-every", "1s")
    assert [receipt["line"] for receipt in map(json.loads, again.out.splitlines())] == list(range(1, 401))
    assert bob.books() == books


def test_a_refused_check_in_carries_what_why_would_say(bob: Program) -> None:
    *_, refused = play(bob, *(event("checkin", "12:00", member=1) for _ in range(4)))
    details = refused["error"]["details"]
    assert (details["allowed"], details["code"]) == (False, "no_credits")
    assert [holder["stream"] for holder in details["holders"]] == [1, 2, 3]
    assert details["suggestion"] == bob.ok("stream", "why", 1)["suggestion"]
