"""Databases that are not what they should be, and every command at each: one clear line, and no byte changed.

python unready.py PLACE HOME              drops root's powers, runs every command there, prints each answer as JSON
python unready.py PLACE HOME WORD...      drops root's powers and runs `streamctl` with these words
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from inside import Inside
from program import NOW, Answer, Program
from tree import commands

PAGE = 4096
HEADER = 100
ENDLESS = ("stream", "watch")
MAKES = ("db backup", "db sandbox")  # a file that is not there yet
# Status 4 is for damage that `db check` lists, and for rules that damaged rows break.
SOUND = (0, 2, 3, 4, 6)
DROP, POWERS = 24, (1, 2)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def every(home: Path) -> list[tuple[str, ...]]:
    """A command line of every command; what reads a file reads some check-ins."""
    file = home / "events.jsonl"
    file.write_text("".join(f'{{"action": "checkin", "member": 1, "ref": "u{number}"}}\n' for number in range(3)))
    return [command.words(file=str(home / "new.db" if command.name in MAKES else file)) for command in commands()]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every regular file below the folder with its bytes, but for the logs that opening our own database makes."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.suffix not in (".db-wal", ".db-shm") or not (folder / "ours").exists()
    }


def one_line(answer: Answer) -> bool:
    """Whether it says what happened in a line, and perhaps how to mend it in another."""
    said = [line for line in answer.err.splitlines() if not line.startswith("Note: ")]
    return said[0].startswith("Error: ") and len(said) <= 2 and all(line.startswith("Hint: ") for line in said[1:])


def refused(place: Path, home: Path) -> Iterator[str]:
    """What is wrong with how every command treats what is at this place and is no database for it."""
    there = Inside(place, home)
    before = contents(place.parent)
    for words in every(home):
        answer = there(*words)
        allowed = (4, 6) if words[:2] == ("db", "init") else (6,)
        if answer.status not in allowed or answer.out or not one_line(answer):
            yield f"{place.name}: {' '.join(words)}: {answer}"
        if contents(place.parent) != before:
            yield f"{place.name}: {' '.join(words)}: something was changed"
            before = contents(place.parent)


def strangers(folder: Path, ours: bytes) -> list[Path]:
    """A folder of what is no database of ours, or is not whole."""
    (folder / "empty").touch()
    (folder / "text").write_text("id,email\n" * 500)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(str(folder / "socket"))
    theirs = sqlite3.connect(folder / "app.db")
    theirs.execute("PRAGMA journal_mode = wal")
    theirs.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT)")
    theirs.commit()
    for end in ("", "-wal", "-shm"):  # as a crash would leave them
        shutil.copyfile(f"{folder / 'app.db'}{end}", f"{folder / 'left.db'}{end}")
    theirs.close()
    for name, length in (("cut", len(ours) // 2 + 1), ("cut-page", len(ours) - PAGE), ("cut-header", 50)):
        (folder / name).write_bytes(ours[:length])
    names = ("empty", "text", "folder", "pipe", "socket", "app.db", "left.db", "cut", "cut-page", "cut-header")
    return [folder / name for name in names]


def flips(size: int, count: int, luck: random.Random) -> list[tuple[int, int]]:
    """Bits to turn round, as the byte and its mask: in the header, in the schema's first page, and in all others."""
    places = [range(HEADER), range(HEADER, PAGE), range(PAGE, size)]
    return [(luck.choice(places[number % 3]), 1 << luck.randrange(8)) for number in range(count)]


def flipped(program: Inside, count: int, each: Callable[[int], Sequence[tuple[str, ...]]], seed: int) -> list[str]:
    """What is wrong with how commands treat a database with a bit turned round: `each` says which, for which flip."""
    assert isinstance(program.db, Path)
    whole = program.db.read_bytes()
    wrong = []
    for number, (place, mask) in enumerate(flips(len(whole), count, random.Random(seed))):
        broken = bytearray(whole)
        broken[place] ^= mask
        for words in each(number):
            for path in program.home.glob("*.db*"):
                path.unlink()
            program.db.write_bytes(broken)
            answer = program(*words)
            where = f"bit {mask} of byte {place}: {' '.join(words)}"
            if answer.status not in SOUND or "Traceback" in answer.err:
                wrong.append(f"{where}: {answer}")
            if answer.status == 6 and (program.db.read_bytes() != broken or not one_line(answer)):
                wrong.append(f"{where}: changed, or no clear line: {answer}")
    for path in program.home.glob("*.db*"):
        path.unlink()
    program.db.write_bytes(whole)
    return wrong


def powerless(place: Path, home: Path) -> list[tuple[list[str], Answer]]:
    """What every command answers to somebody who is not root."""
    command = [sys.executable, __file__, str(place), str(home)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "STREAMCTL_AS_OF": NOW}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd="/")
    assert done.returncode == 0, done.stderr
    return [(words, Answer(status, out, err)) for words, status, out, err in json.loads(done.stdout)]


def main(place: str, home: str, *one: str) -> None:
    """Be nobody in particular, and run that command, or every one."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None).prctl
        assert not any(prctl(DROP, power, 0, 0, 0) for power in POWERS)
        # Root gets its powers back with a new program, and then without these.
        if "again" not in os.environ:
            os.execve(sys.executable, [sys.executable, __file__, place, home, *one], {**os.environ, "again": "1"})
    if one:
        os.execv(sys.executable, [sys.executable, "-m", "streamctl", *one])
    there = Inside(Path(place), Path(home))
    found = []
    for words in every(Path(home)):
        if words[:2] == ENDLESS:
            continue
        answer = there(*words)
        found.append([words, answer.status, answer.out, answer.err])
    print(json.dumps(found))


def running(program: Program, *words: str) -> subprocess.Popen[str]:
    """The program as a process that goes on, with pipes on all sides."""
    return subprocess.Popen(
        [sys.executable, "-m", "streamctl", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=program.environment,
        cwd=program.home,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
