"""A disk that fails, a process that is killed, a line that is cut, at any call: no rule broken, no word too many."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cutting
import pytest
from breaking import CASES, CHECKIN, WAYS, Case, Sweep, Tally, template
from faults import Fault, Launcher, launcher
from front import front
from inside import Inside
from program import Program
from shell import Shell

FEW = (CHECKIN, *(case for case in CASES if case.words[:2] in (("stream", "batch"), ("db", "migrate"))))
INIT = next(case for case in CASES if case.begin is None)


@pytest.fixture(scope="module")
def launch() -> Iterator[Launcher]:
    with launcher() as found:
        yield found


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return template(tmp_path_factory.mktemp("template"))


@pytest.mark.parametrize("case", FEW, ids=lambda case: " ".join(case.words[:2]))
def test_no_failing_call_to_the_disk_breaks_a_rule_or_a_word(
    launch: Launcher, books: bytes, tmp_path: Path, case: Case
) -> None:
    """Fails when a migration says which schema it made only after its commit, when a batch that stops says that nothing
    was changed, and when a failing disk under the folder's lock is anything but one line. The whole sweep, over every
    call of every command, is `nox -s torture`.
    """
    sweep, tally = Sweep(launch, case, books, tmp_path / "swept"), Tally()
    ends = list(sweep.ends())
    for turn, way in enumerate(WAYS):
        sweep.over([way], [number for number in ends if number % 2 == turn % 2], tally)
    assert tally.wrong == []
    assert tally.count >= 40


def test_a_database_is_made_whole_or_not_at_all(launch: Launcher, tmp_path: Path) -> None:
    """Fails when the new file is built under its own name instead of being linked to it, and when a failing sync of the
    folder goes unsaid.
    """
    sweep, tally = Sweep(launch, INIT, b"", tmp_path / "swept"), Tally()
    calls = sweep.clean.calls
    link = calls.index("link") + 1
    numbers = [2, 3, link // 2, *range(link - 1, len(calls) + 1)]
    sweep.over(WAYS, numbers, tally)
    assert tally.wrong == []


def test_a_sync_that_fails_is_not_called_nothing(launch: Launcher, books: bytes, tmp_path: Path) -> None:
    """What could not be synced may be in the -wal all the same, and a crash right after brings it back: it fails when
    such a commit says that nothing was changed.
    """
    back = []
    for number in range(1, 100):
        place = tmp_path / f"call{number}" / "streamctl.db"
        place.parent.mkdir()
        place.write_bytes(books)
        crashed = place.with_name("crashed.db")
        with Shell(place) as other:  # which keeps the -wal from being put away
            other.execute("SELECT * FROM user")
            answer, calls = launch(place, place.parent, *CHECKIN.words, fault=Fault(number, "EIO"))
            if number > len(calls):
                break
            for end in ("", "-wal"):
                shutil.copyfile(f"{place}{end}", f"{crashed}{end}")
        with Shell(crashed) as found:
            if answer.status and found.execute("SELECT 1 FROM stream WHERE ref = 'one'"):
                back.append(answer.err)
    assert back, "no sync failed that mattered"
    assert not any("nothing was changed" in said for said in back), back


@pytest.mark.postgresql("a file has no line")
def test_a_line_cut_after_any_message_leaves_all_or_nothing_and_claims_no_more(program: Program) -> None:
    """Fails when a COMMIT whose answer was lost is called undone, or is not told from what was lost before it."""
    there = Inside(program.db, program.home)
    cutting.prepared(there)
    with front() as between:
        found = cutting.cut(there, between, cutting.COMMANDS[0], steps=True)
    assert found.wrong == []
    assert found.count > 20
    assert found.unheard == 1, "the COMMIT was done, and nobody heard of it"
