"""Records of `stream batch` as they come from a file or a pipe: however they are cut up, and however long."""

from __future__ import annotations

import csv
import io
import os
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from tempfile import TemporaryFile
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from streamctl.cli.feed import LONGEST, Feed
from streamctl.domain.events import Event
from streamctl.errors import BadData

HEADER = b"action,member,device\n"


def taken(data: bytes) -> list[tuple[int, str]]:
    """The line of each record, and its device, or why there is none."""
    with TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        feed = Feed(file.fileno(), "-")
        found = [line for some in iter(lambda: feed.take(100, wait=True), []) for line in some]
    return [(line.number, shown(line.event)) for line in found]


def shown(event: object) -> str:
    return event.device or "" if isinstance(event, Event) else str(event)


def refused(data: bytes) -> BadData:
    with pytest.raises(BadData) as error:
        taken(data)
    return error.value


@pytest.fixture
def pipe() -> Iterator[tuple[Feed, int]]:
    """A feed on a pipe, and where to write into it."""
    out, into = os.pipe()
    yield Feed(out, "-"), into
    os.close(out)


def test_text_inside_a_quoted_cell_is_never_a_record_of_its_own() -> None:
    data = HEADER + b'checkin,1,"TV\ncheckin,9,tablet\nend"\r\ncheckin,2,phone\n'
    assert taken(data) == [(2, "TV\ncheckin,9,tablet\nend"), (5, "phone")]


def test_blank_lines_between_records_are_skipped_and_those_inside_of_quotes_are_kept() -> None:
    assert taken(HEADER + b'\n\r\ncheckin,1,"a\n\n \r\nb"\n\ncheckin,1,c') == [(4, "a\n\n \r\nb"), (9, "c")]


@pytest.mark.parametrize("cell", [b'5" screen', b' "quoted"', b'"quoted" ', b'"a"b"', b'"a"b', b'a"', b'"a""b"c'])
def test_a_quote_in_the_middle_of_a_cell_refuses_that_record_and_no_other(cell: bytes) -> None:
    first, (line, after) = taken(HEADER + b"checkin,1," + cell + b'\ncheckin,2,"ok"\n')
    assert first[0] == 2
    assert "a quote stands inside a cell" in first[1]
    assert (line, after) == (3, "ok")
    (*_, (line, after)) = taken(HEADER + b'checkin,"1\n2",' + cell + b"\ncheckin,2,ok\n")
    assert (line, after) == (4, "ok"), "the second line of a record"


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b'\ncheckin,1,""'])
def test_after_a_quote_that_is_never_closed_nothing_is_an_event(end: bytes) -> None:
    good, cut = taken(HEADER + b'checkin,1,tv\ncheckin,"1\n2","x\ncheckin,9,evil\ncheckin,9,evil' + end)
    assert good == (2, "tv")
    assert cut[0] == 3
    assert "The quote that opens on line 4 is never closed" in cut[1]


def test_a_record_that_is_too_long_is_refused_and_its_end_is_found() -> None:
    filling = b'checkin,9,evil ""quoted"" \n' * (LONGEST // 10)
    found = taken(HEADER + b'checkin,1,"' + filling + b'"\ncheckin,2,tv\n')
    assert [(line, len(shown) < 99) for line, shown in found] == [(2, True), (3 + filling.count(b"\n"), True)]
    assert "longer than" in found[0][1]
    assert found[1][1] == "tv"


@pytest.mark.parametrize(
    ("part", "inside"),
    [
        (b'"' + b"x" * 200_000, True),
        (b'"' + b'""' * 100_000, True),
        (b'"x' + b'""' * 100_000, True),
        (b'"x' + b'","' * 70_000, True),
        (b"x" * 200_000, False),
        (b'"x"' + b',"x"' * 60_000, False),
        (b"," * 200_000, False),
        (b"," * 200_000 + b'"', True),
        (b"," * (LONGEST - 10) + b'"', True),
        (b'x"' + b"x" * 200_000 + b',"', False),
        (b'"x"x' + b"x" * 200_000 + b',"', False),
        (b"x" * 200_000 + b'"', False),
    ],
    ids=lambda value: repr(value[:8]) + repr(value[-3:]) if isinstance(value, bytes) else repr(value),
)
def test_the_end_of_an_endless_line_is_found_wherever_it_is_cut(part: bytes, inside: bool) -> None:
    found = taken(HEADER + part + b'\ncheckin,9,evil\n"' + b"\ncheckin,2,tv\n" + b'x"\n' * inside)
    if inside:
        (first, last) = found[0], found[-1]
        assert [line for line, _ in found] in ([2, 5, 6], [2, 5]), found
    else:
        (first, _, last) = found[0], found[1], found[-1]
        assert found[1] == (3, "evil")
    assert first[0] == 2
    assert "longer than" in first[1]
    assert last[0] in (4, 5, 6)


def test_a_pipe_that_stops_inside_a_record_is_not_waited_for_when_asked_not_to(pipe: tuple[Feed, int]) -> None:
    feed, into = pipe
    os.write(into, HEADER + b'checkin,1,a\ncheckin,1,"b\n')
    assert [shown(line.event) for line in feed.take(100, wait=True)] == ["a"]
    for part in (b"", b"checkin,9,evil\n", b'c""', b'"\n'):
        os.write(into, part)
        found = feed.take(100, wait=False)
    assert [(line.number, shown(line.event)) for line in found] == [(3, 'b\ncheckin,9,evil\nc"')]
    os.write(into, b"checkin,2,d")
    assert feed.take(100, wait=False) == []
    os.close(into)
    assert [shown(line.event) for line in feed.take(100, wait=True)] == ["d"]
    assert feed.take(100, wait=True) == []


def test_a_quote_that_is_open_when_the_pipe_ends_is_told_even_when_nobody_waits(pipe: tuple[Feed, int]) -> None:
    feed, into = pipe
    os.write(into, HEADER + b'checkin,1,"b\n')
    os.close(into)
    (line,) = feed.take(100, wait=True)
    assert "never closed" in shown(line.event)
    assert feed.take(100, wait=True) == []


def test_every_event_before_an_opened_array_is_taken_and_the_refusal_comes_alone(pipe: tuple[Feed, int]) -> None:
    feed, into = pipe
    good = b'{"action": "checkin", "member": 1}\n'
    os.write(into, good * 2 + b"[\n" + good)
    assert [line.number for line in feed.take(100, wait=True)] == [1, 2]
    assert feed.take(100, wait=False) == []
    for _ in range(2):
        with pytest.raises(BadData, match="Line 3 opens an array"):
            feed.take(100, wait=True)


@pytest.mark.parametrize(
    "data",
    [
        b"action;member;device\ncheckin;1;a,b\n",
        b"action\tmember\tdevice\ncheckin\t1\ta,b\n",
        b"sep=;\nAction;MEMBER; Device \ncheckin;1;a,b\n",
        b'\xef\xbb\xbf"sep=;"\r\naction;member;device\r\ncheckin;1;a,b\r\n',
        b'\xef\xbb\xbf\n"action",member,device\ncheckin,1,"a,b"\n',
        b'\xef\xbb\xbfACTION,DEVICE,MEMBER\r\ncheckin,"a,b",1\r\n',
        b"member\tdevice\taction\t\n".replace(b"\t\n", b"\n") + b"1\ta,b\tcheckin\n",
        b'\xef\xbb\xbf{"action": "checkin", "member": 1, "device": "a,b"}\r\n',
        b' \n\t{"action": "checkin", "member": 1, "device": "a,b"}\n',
    ],
    ids=repr,
)
def test_what_spreadsheets_and_editors_write_is_read(data: bytes) -> None:
    assert [device for _, device in taken(data)] == ["a,b"]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"sep=|\naction|member\n", "'|' separates no columns"),
        (b"action,member,user\n", "no column 'user'"),
        (b"action;member;user\n", "no column 'user'"),
        (b"action,member,ACTION\n", "the column action twice"),
        (b"member,ref\n", "no column action"),
        (b"checkin,1\n", "'checkin,1' is neither a JSON object nor a header"),
        (b"nonsense\n", "'nonsense' is neither"),
        (b"action,member,\n", "no column ''"),
        (b'action,"member\n', "a quote"),
        (b"\xff\xfea\x00c\x00t\x00\n", "no UTF-8"),
        (b"\x00" * 300_000, "is neither"),
        (b"x" * 300_000, "is neither"),
        (b"[]\n", "Line 1 opens an array"),
        (b'\n [{"action": "checkin", "member": 1}]\n', "Line 2 opens an array"),
        (b"{\n", "Line 1 opens an object that goes on in the next line"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_an_input_that_is_no_list_of_events_is_one_refusal_that_names_why(data: bytes, named: str) -> None:
    error = refused(data + b'{"action": "checkin", "member": 1}\ncheckin,1\n')
    assert named in error.message
    assert error.hint
    assert len(error.message) < 400


def test_a_first_line_without_end_is_refused_before_it_ends(pipe: tuple[Feed, int]) -> None:
    feed, into = pipe
    os.set_blocking(into, False)
    for _ in range(2):
        os.write(into, b"\0" * 60_000)
        if _ == 0:
            assert feed.take(1, wait=False) == []
    with pytest.raises(BadData, match="neither a JSON object nor a header"):
        feed.take(1, wait=True)
    os.close(into)


@given(
    some.lists(some.text('",\n\rx', min_size=1, max_size=6), min_size=1),
    some.lists(some.integers(1, 12)),
)
@settings(max_examples=200, deadline=None)
def test_records_are_what_the_csv_module_wrote_however_they_arrive(devices: list[str], cuts: list[int]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["checkin", "1", device] for device in devices])
    data = HEADER + text.getvalue().encode()
    out, into = os.pipe()
    feed, found, at = Feed(out, "-"), [], 0
    for cut in [*cuts, len(data)]:
        os.write(into, data[at : at + cut])
        at += cut
        found += feed.take(1000, wait=False)
    os.close(into)
    found += feed.take(1000, wait=True)
    os.close(out)
    assert [line.event.device for line in found if isinstance(line.event, Event)] == devices
    numbers = [line.number for line in found]
    assert numbers[0] == 2
    assert all(
        after - before == 1 + device.count("\n")
        for (before, after), device in zip(pairwise(numbers), devices[:-1], strict=True)
    )


@pytest.mark.parametrize("head", [HEADER + b'checkin,1,"', HEADER, b'{"action": "checkin", "device": "'])
def test_an_endless_line_is_read_in_bounded_memory(pipe: tuple[Feed, int], head: bytes) -> None:
    feed, into = pipe

    def write() -> None:
        with os.fdopen(into, "wb") as file:
            file.write(head)
            for _ in range(64):
                file.write(b"x" * (1 << 18))

    writer = Thread(target=write)
    tracemalloc.start()
    writer.start()
    (line,) = feed.take(10, wait=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    writer.join()
    assert isinstance(line.event, BadData)
    assert peak < 4 << 20
