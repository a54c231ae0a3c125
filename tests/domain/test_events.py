"""Events of a batch as they are read: strictly, and whatever the bytes, an event or a refusal."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from streamctl.domain.csvrecords import cells
from streamctl.domain.events import (
    ACTIONS,
    ALLOWED,
    BY_COUNT,
    COLUMNS,
    Event,
    GoesOn,
    Group,
    csv_reader,
    from_json,
    read,
)
from streamctl.domain.events import group as grouped
from streamctl.errors import BadData, BadValue

FULL = Event(
    "takeover", "bob@example.com", "r", 7, "tv", timedelta(minutes=5), datetime(2026, 11, 22, 20, 15, 3, tzinfo=UTC)
)
TEXT: dict[str, object] = {
    "action": "takeover",
    "member": "bob@example.com",
    "ref": "r",
    "stream": 7,
    "device": "tv",
    "lease": "5m",
    "at": "2026-11-22T20:15:03Z",
}
JUNK = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
VALUES: dict[str, some.SearchStrategy[Any]] = {
    "action": some.sampled_from(ACTIONS) | JUNK,
    "member": some.sampled_from(["1", 1, "a@b"]) | JUNK,
    "lease": some.sampled_from(["5m", "0s", "1d"]) | JUNK,
    "at": some.sampled_from(["2026-11-22T20:15:03Z", "2026-11-22T20:15+14:00", "0001-01-01T00:00Z"]) | JUNK,
}


def is_read(reader: Any, line: Any) -> bool:
    """Whether the line is read as a well-formed event; anything but an event or a refusal fails."""
    try:
        event = reader(line)
    except (BadData, BadValue):
        return False
    assert isinstance(event, Event)
    assert event.action in ACTIONS
    assert event.member is None or isinstance(event.member, str)
    assert event.stream is None or event.stream >= 0
    assert event.lease is None or event.lease > timedelta(0)
    assert event.at is None or (event.at.tzinfo is UTC and event.at.microsecond == 0)
    return True


def test_json_and_csv_tell_the_same_event() -> None:
    assert from_json(json.dumps(TEXT).encode()) == FULL
    assert csv_reader(list(TEXT))(b"takeover,bob@example.com,r,7,tv,5m,2026-11-22T20:15:03Z") == FULL
    assert read(TEXT) == FULL


def test_what_is_left_out_null_or_an_empty_cell_is_none() -> None:
    bare = Event("checkin", "1", None, None, None, None, None)
    assert from_json(b'{"action":"checkin","member":1}') == bare
    assert from_json(b'{"action":"checkin","member":"1","ref":null,"stream":null,"at":null}') == bare
    assert csv_reader(list(COLUMNS))(b"checkin,1,,,,,") == bare


def test_cells_may_be_quoted_and_columns_in_any_order() -> None:
    event = csv_reader(["device", "member", "action"])('"Bob\'s ""big"", tv é",1,checkin'.encode())
    assert event.device == 'Bob\'s "big", tv é'
    assert from_json('\ufeff {"action":"checkin","member":1} \r'.encode()).member == "1"


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_takes_its_own_columns_and_no_others(action: str) -> None:
    least: dict[str, object] = {"action": action, **({"ref": "r"} if action == "heartbeat" else {"member": "1"})}
    assert is_read(read, least)
    for column in ("member", "ref", "device", "lease"):
        assert is_read(read, {**least, column: TEXT[column]}) == (column in ALLOWED[action]), column
    assert is_read(read, {**least, "stream": 7}) == (action in {"checkout", "takeover"})
    assert not is_read(read, {**least, "unknown": "x"})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"member": "1"},
        {"action": "check-in", "member": "1"},
        {"action": "CHECKIN", "member": "1"},
        {"action": None, "member": "1"},
        {"action": 1, "member": "1"},
        {"action": "checkin"},
        {"action": "checkin", "member": ""},
        {"action": "checkin", "member": True},
        {"action": "checkin", "member": -1},
        {"action": "checkin", "member": 1.5},
        {"action": "checkin", "member": [1]},
        {"action": "checkin", "member": "1", "ref": 5},
        {"action": "checkin", "member": "1", "ref": " "},
        {"action": "checkin", "member": "1", "ref": "r" * 201},
        {"action": "checkin", "member": "1", "ref": "refused:r"},
        {"action": "checkin", "member": "1", "ref": "fee:r"},
        {"action": "checkin", "member": "1", "device": "d" * 256},
        {"action": "checkin", "member": "1", "device": "\ud800"},
        {"action": "checkin", "member": "1", "device": "\x00"},
        {"action": "checkin", "member": "1", "lease": 300},
        {"action": "checkin", "member": "1", "lease": "0s"},
        {"action": "checkin", "member": "1", "lease": "5 m"},
        {"action": "checkin", "member": "1", "at": 1795377600},
        {"action": "checkin", "member": "1", "at": "2026-11-22"},
        {"action": "checkin", "member": "1", "at": "2026-11-22T20:15:03"},
        {"action": "checkin", "member": "1", "at": "2026-02-30T20:15:03Z"},
        {"action": "checkin", "member": "1", "at": "1999-12-31T20:15:03Z"},
        {"action": "checkout", "member": "1", "stream": "-1"},
        {"action": "checkout", "member": "1", "stream": 1.0},
        {"action": "checkout", "member": "1", "stream": True},
        {"action": "checkout", "member": "1", "stream": "\u0667"},
        {"action": "checkout", "member": "1", "stream": 1, "ref": "r"},
        {"action": "heartbeat"},
        {"action": "heartbeat", "member": "1"},
        {"action": "heartbeat", "stream": 1, "ref": "r"},
    ],
    ids=repr,
)
def test_what_is_no_event_is_refused(values: dict[str, object]) -> None:
    assert not is_read(read, values)


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"null", b"[]", b'"checkin"', b'{"action":"checkin","member":1', b'{"action":"checkin","member":1}}'),
        *(b'{"action":"checkin","member":NaN}', b'{"action":"checkin","member":1e999999999999999999999}'),
        *(b'{"action":"checkin","action":"checkin","member":1}', b'{"action":"checkin","member":"\xff"}'),
        *(b"[" * 100_000, b'{"action":"checkin","member":' + b"9" * 5000 + b"}", b'{"action":"checkin",member:1}'),
    ],
    ids=lambda line: repr(line[:40]),
)
def test_json_that_others_would_let_pass_is_refused(line: bytes) -> None:
    assert not is_read(from_json, line)


@pytest.mark.parametrize("action", [b"[]", b"{}", b'["checkin"]', b'{"checkin":1}'])
def test_an_action_that_is_no_text_is_refused_like_any_other(action: bytes) -> None:
    assert not is_read(from_json, b'{"member":1,"action":' + action + b"}")


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ([], "''"),
        (["nonsense"], "'nonsense' is neither a JSON object nor a header"),
        (["member", "ref"], "'member;ref' has no column action"),
        (["action", "Action "], "has the column action twice"),
        (["action", "user", "x"], "no column 'user', 'x'"),
        (["action", ""], "no column ''"),
    ],
)
def test_a_header_names_the_columns_of_events_or_is_refused_by_what_is_wrong_with_it(
    header: list[str], named: str
) -> None:
    with pytest.raises(BadData) as refused:
        csv_reader(header, ";")
    assert named in refused.value.message
    assert "action,member,ref" in refused.value.hint


def test_names_of_columns_are_read_in_any_case_and_without_spaces_around_them() -> None:
    assert csv_reader([" Action", "MEMBER\t"])(b"checkin,1") == read({"action": "checkin", "member": "1"})
    assert csv_reader(["action", "member"], ";")(b'checkin;"1"') == read({"action": "checkin", "member": "1"})


def test_an_action_that_is_missing_is_called_that() -> None:
    readers: list[tuple[Any, bytes]] = [(csv_reader(["member", "action"]), b"1,")]
    readers += [(from_json, line) for line in (b'{"member":1}', b'{"action":null}', b'{"action":""}')]
    for reader, line in readers:
        with pytest.raises(BadData, match="The action is missing; it is one of checkin, checkout, heartbeat, takeover"):
            reader(line)


@pytest.mark.parametrize(
    "line",
    [
        *(b"[", b"{", b" { ", b"[{", b'{"action": "checkin",', b'{"action":', b'{"action": "checkin"', b'{"a": ["]"'),
        *(b'[{"action": "checkin", "member": 1},', b'{"a": "\\"}", ', b"[" * 60_000, b"{}{"),
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_line_that_opens_what_it_does_not_close_is_told_from_one_that_was_torn(line: bytes) -> None:
    with pytest.raises(GoesOn):
        from_json(line)


@pytest.mark.parametrize(
    "line",
    [
        *(b'{"action": "che', b'{"action": "checkin", "member": 1', b'{"action": "checkin", "member": nu', b'{"act'),
        *(b"]", b"}", b"[]", b'{"a": "x\\"', b'{"a": "{', b"{}}", b'{"a": 1,}', b"1", b'"', b"{}[]"),
    ],
)
def test_a_torn_line_is_only_no_event(line: bytes) -> None:
    with pytest.raises(BadData) as refused:
        from_json(line)
    assert type(refused.value) is BadData


@pytest.mark.parametrize("line", [b"checkin", b"checkin,1,x", b'checkin,"1', b'checkin,"1"x', b"checkin,\xff", b""])
def test_a_csv_line_has_a_cell_for_every_column(line: bytes) -> None:
    assert not is_read(csv_reader(["action", "member"]), line)


def test_a_group_is_a_number_of_events_or_a_time() -> None:
    assert grouped("1") == Group(1, BY_COUNT)
    assert grouped("5s").longest == timedelta(seconds=5)
    for text in ("0", "-1", "", "1.5", "5 s", "0s", "1000000000", "\uff11"):
        with pytest.raises(BadValue):
            grouped(text)


@given(some.binary() | some.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_an_event_or_refused(line: bytes) -> None:
    assert is_read(from_json, line) in (True, False)
    assert is_read(csv_reader(["action", "member"]), line) in (True, False)
    assert is_read(lambda found: csv_reader(cells(found))(found), line) is False


@given(some.fixed_dictionaries({}, optional={**dict.fromkeys(COLUMNS, JUNK), **VALUES}) | JUNK)
@settings(max_examples=300)
def test_any_json_is_an_event_or_refused(document: Any) -> None:
    assert is_read(from_json, json.dumps(document).encode()) in (True, False)


@given(some.lists(some.text(), min_size=len(COLUMNS), max_size=len(COLUMNS)), some.sampled_from(ACTIONS))
def test_any_cells_are_an_event_or_refused(cells: list[str], action: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([action, *cells[1:]])
    assert is_read(csv_reader(list(COLUMNS)), out.getvalue().encode("utf-8", "surrogatepass")) in (True, False)
