"""`streamctl stream watch`: what others do to streams, told as it happens, by a process that only looks."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import peewee
import pytest
from program import NOW, Program

from streamctl.domain.records import Listing
from streamctl.store.database import Store
from streamctl.views.watch import Watch

KEYS = "change at id user email ref device opened_at seen_at expires_at closed_at close_reason".split()
NOON = datetime.fromisoformat(NOW)
PATIENCE = 20.0  # seconds, for a machine that is busy
HOSTILE = "TV [/b]\x1b]0;owned\x07\u202e"
# The first terminal that a session's leader opens is its own, whose Ctrl-C it gets.
ADOPT = (
    "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR));"
    "os.execv(sys.executable, [sys.executable, '-m', 'streamctl', *sys.argv[1:]])"
)
LEFT, SHOWN = b"\x1b[?1049l", b"\x1b[?25h"


@pytest.fixture
def live(program: Program) -> Program:
    """The program at the real clock with member 1, bob@example.com, and his three credits."""
    real = program.at(None)
    real.ok("members", "add", "bob@example.com", "--credits", 3)
    return real


class Lines:
    """A watch off a terminal."""

    def __init__(self, program: Program, *options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamctl", "stream", "watch", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=program.environment,
            cwd=program.home,
        )
        self._read = b""

    def next(self) -> dict[str, Any]:
        """The next line, when it comes."""
        assert self.process.stdout
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self._read:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            assert ready, "no line came"
            self._read += os.read(self.process.stdout.fileno(), 65536)
        line, _, self._read = self._read.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def watching(program: Program, *options: object) -> Iterator[Lines]:
    lines = Lines(program, *options)
    with lines.process as process:
        try:
            yield lines
        finally:
            process.kill()


class Terminal:
    """A watch on a terminal of its own, of 80 columns and 24 rows."""

    def __init__(self, program: Program, columns: int = 80, rows: int = 24) -> None:
        self.leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", ADOPT, "stream", "watch"],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**program.environment, "TERM": "xterm", "LANG": "C.UTF-8"},
            cwd=program.home,
            start_new_session=True,
        )
        os.close(follower)
        self.seen = b""

    def until(self, wanted: bytes) -> bytes:
        """Everything that was shown up to and with these bytes."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            ready, _, _ = select.select([self.leader], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, self.seen
            self.seen += os.read(self.leader, 65536)
        return self.seen

    def ended(self) -> int:
        """The exit status, when it has ended; what it wrote to the end is in `seen`."""
        try:
            while chunk := os.read(self.leader, 65536):
                self.seen += chunk
        except OSError:  # the last writer has gone
            pass
        os.close(self.leader)
        return self.process.wait(PATIENCE)


def told(listing: Listing) -> list[tuple[Any, ...]]:
    """Change, time, stream and close reason of each row."""
    return [(row[0], f"{row[1]:%H:%M:%S}", row[2], row[-1]) for row in listing.rows]


def test_changes_are_json_lines_as_they_happen(live: Program) -> None:
    live.ok("stream", "checkin", 1, "--device", HOSTILE, "--ref", "a")
    with watching(live, "--every", "1s") as watch:
        first = watch.next()
        assert list(first) == KEYS
        assert (first["change"], first["id"], first["email"], first["ref"]) == ("open", 1, "bob@example.com", "a")
        assert first["device"] == HOSTILE

        live.ok("stream", "checkin", 1, "--lease", "1s")
        opened = watch.next()
        assert (opened["change"], opened["id"], opened["at"]) == ("opened", 2, opened["opened_at"])
        # Nobody writes it down, and yet it is told.
        expired = watch.next()
        assert (expired["change"], expired["id"], expired["close_reason"]) == ("closed", 2, "expired")
        assert expired["at"] == expired["closed_at"] == opened["expires_at"]
        assert live.sql("SELECT closed_at FROM stream WHERE id = 2") == [(None,)]

        live.ok("stream", "heartbeat", 1)
        seen = watch.next()
        assert (seen["change"], seen["id"], seen["at"]) == ("seen", 1, seen["seen_at"])
        live.ok("stream", "checkout", 1)
        closed = watch.next()
        assert (closed["change"], closed["id"], closed["close_reason"]) == ("closed", 1, "checkout")

        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(PATIENCE) == 130
        assert watch.process.communicate() == (b"", b"Interrupted.\n")


def test_a_reader_that_goes_away_ends_it_at_once_and_quietly(live: Program) -> None:
    live.ok("stream", "checkin", 1)
    with watching(live, "--every", "1h") as watch:
        watch.next()
        assert watch.process.stdout
        watch.process.stdout.close()
        assert watch.process.wait(PATIENCE) == 141
        assert watch.process.stderr
        assert watch.process.stderr.read() == b""


def test_a_member_who_is_not_there_is_refused(live: Program) -> None:
    answer = live("stream", "watch", "--member", "rob@example.com")
    assert (answer.status, answer.out) == (3, "")
    assert "rob@example.com" in answer.err


def test_a_terminal_shows_who_streams_and_is_given_back_as_it_was(live: Program) -> None:
    live.ok("stream", "checkin", 1, "--device", HOSTILE)
    before, books = live.content(), live.books()
    terminal = Terminal(live)
    terminal.until(b"bob@example.com")
    screen = terminal.until(b"opened").decode()
    modes = termios.tcgetattr(terminal.leader)
    assert "1 stream open" in screen
    assert "TV [/b]\\x1b]0;owned" in screen
    assert "\x1b]" not in screen
    assert "\u202e" not in screen
    os.write(terminal.leader, b"\x03")
    terminal.until(b"Interrupted.")
    assert termios.tcgetattr(terminal.leader) == modes
    assert terminal.ended() == 130
    assert terminal.seen.count(b"\x1b[?1049h") == 1
    assert terminal.seen.index(LEFT) < terminal.seen.index(b"Interrupted.")
    assert terminal.seen.rindex(SHOWN) > terminal.seen.rindex(b"\x1b[?25l")
    assert (live.content(), live.books()) == (before, books)


def test_a_terminated_watch_gives_the_terminal_back_too(live: Program) -> None:
    terminal = Terminal(live)
    terminal.until(b"0 streams open")
    terminal.process.terminate()
    assert terminal.ended() == 130
    assert LEFT in terminal.seen
    assert terminal.seen.rindex(SHOWN) > terminal.seen.rindex(b"\x1b[?25l")


def test_a_small_terminal_says_how_many_more_there_are(live: Program) -> None:
    live.ok("members", "update", 1, "--credits", 12)
    live("stream", "batch", "-", stdin='{"action": "checkin", "member": 1}\n' * 12)
    terminal = Terminal(live, columns=40, rows=10)
    screen = terminal.until(b"opened").decode()
    os.write(terminal.leader, b"\x03")
    assert terminal.ended() == 130
    assert "12 streams open" in screen
    assert "… and 9 more" in screen


def test_a_stream_that_comes_and_goes_between_two_looks_is_told(member: Program, store: Store) -> None:
    watch = Watch()
    assert told(watch.look(NOON)) == []
    member.ok("stream", "checkin", 1)
    member.at("2026-11-22T12:00:05Z").ok("stream", "checkout", 1)
    expected = [("opened", "12:00:00", 1, "checkout"), ("closed", "12:00:05", 1, "checkout")]
    assert told(watch.look(NOON + timedelta(seconds=10))) == expected
    assert told(watch.look(NOON + timedelta(seconds=11))) == []
    assert told(watch.events()) == expected[::-1]


def test_a_lease_that_runs_out_is_told_once_though_it_is_written_down_later(member: Program, store: Store) -> None:
    member.ok("stream", "checkin", 1, "--lease", "60s")
    watch = Watch()
    assert told(watch.look(NOON)) == [("open", "12:00:00", 1, None)]
    assert told(watch.look(NOON + timedelta(seconds=59))) == []
    assert told(watch.look(NOON + timedelta(seconds=60))) == [("closed", "12:01:00", 1, "expired")]
    member.at("2026-11-22T12:30:00Z").ok("stream", "expire")
    assert told(watch.look(NOON + timedelta(minutes=30))) == []


def test_a_deleted_stream_is_told(member: Program, store: Store) -> None:
    member.ok("stream", "checkin", 1)
    watch = Watch()
    watch.look(NOON)
    member.ok("members", "delete", 1, "--force", "--yes")
    assert told(watch.look(NOON)) == [("deleted", "12:00:00", 1, None)]


def test_one_members_streams_can_be_watched_alone(member: Program, store: Store) -> None:
    member.ok("members", "add", "eve@example.com")
    watch = Watch(["eve@example.com"])
    member.ok("stream", "checkin", 1)
    assert told(watch.look(NOON)) == []
    member.ok("stream", "checkin", "eve@example.com")
    assert told(watch.look(NOON)) == [("opened", "12:00:00", 2, None)]


def test_the_screen_begins_with_what_happened_before(member: Program, store: Store) -> None:
    member.ok("stream", "checkin", 1)
    member.at("2026-11-22T12:00:01Z").ok("stream", "checkin", 1, "--lease", "60s")
    member.at("2026-11-22T12:00:03Z").ok("stream", "checkout", 1)
    watch = Watch()
    watch.look_back(NOON + timedelta(minutes=5))
    watch.look(NOON + timedelta(minutes=5))
    assert told(watch.events()) == [
        ("closed", "12:01:01", 2, "expired"),
        ("closed", "12:00:03", 1, "checkout"),
        ("opened", "12:00:01", 2, None),
        ("opened", "12:00:00", 1, "checkout"),
    ]
    assert watch.open().rows == []


def test_watching_can_not_write(member: Program, store: Store) -> None:
    Watch()
    with pytest.raises(peewee.DatabaseError, match=r"read-?only"):
        store.run("DELETE FROM stream")
