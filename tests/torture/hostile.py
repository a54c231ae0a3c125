"""Every hostile text in every argument and option of every command, and kept by every command that keeps text.

On both engines; what a real terminal gets is looked at, and bytes that are no UTF-8 come from real command lines.
Run by `nox -s torture`.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what the tests share

from books import LOGS
from hostile import (
    CORPUS,
    EVERYTHING,
    OUR_STYLES,
    UNSTORABLE,
    everywhere,
    furnish,
    is_safe,
    keeps_its_word,
    type_in,
    unsafe,
)
from inside import Inside
from kept import books_of, fill, readings, reads_back
from places import ENGINES, empty, nowhere, put
from program import Program
from terminals import MANY, on_a_terminal
from tree import commands

BROKEN_BYTES = "caf\udce9 \udcff"
ON_A_SERVER = 3  # every third text is enough there: what is typed is read before an engine is asked


def facts(program: Inside) -> dict[str, Any]:
    """Every row but the log's: a backup with a hostile name may be made, and restored from."""
    return {name: rows for name, rows in program.books().items() if name not in (*LOGS, "sqlite_sequence")}


def typed(program: Inside) -> str:
    """Every text in every place where something is typed."""
    program.ok("members", "add", "bob@example.com", "--credits", "3", "--fee", "9.90")
    furnish(program)
    before = facts(program)
    outcomes: Counter[int] = Counter()
    texts = [*CORPUS.values(), *UNSTORABLE.values(), EVERYTHING]
    for where, into in everywhere():
        for number, text in enumerate(texts[:: 1 if program.engine == "sqlite" else ON_A_SERVER]):
            answer = type_in(program, where, into, text, ("", "json", "csv")[number % 3])
            keeps_its_word(answer, (where and where.name, into.name, text))
            is_safe(answer, (where and where.name, into.name, text))
            outcomes[answer.status] += 1
    assert facts(program) == before
    found = ", ".join(f"{count} times exit {status}" for status, count in sorted(outcomes.items()))
    return f"{outcomes.total()} lines with hostile text: {found}"


def kept(program: Inside) -> str:
    """Every text in every column that keeps text, read back from every format."""
    count = 0
    for how, expected in fill(program, [EVERYTHING, *CORPUS.values()]):
        reads_back(program, how, expected)
        count += sum(map(len, expected))
    return f"{count} texts kept, and read back exactly from JSON, JSON Lines, CSV and TSV"


def seen(program: Inside) -> str:
    """Every reader in every format before a real terminal, on books in which every text is hostile."""
    books_of(program, [EVERYTHING, *list(CORPUS.values())[::4]])
    lines = list(readings())
    (program.home / "lines.json").write_text(json.dumps(lines))
    status, got = on_a_terminal(program, ["-c", MANY, "lines.json"])
    assert status == 0, got[-2000:]
    assert unsafe(OUR_STYLES.sub("", got), "\n\t") == set()
    return f"{len(lines)} readings before a real terminal, {len(got)} characters, none that it would obey"


def bytes_given(program: Inside) -> str:
    """Bytes that are no UTF-8 in every argument and option for text, each in a process."""
    program.ok("members", "add", "bob@example.com", "--credits", "3")
    furnish(program)
    real, before, count = Program(program.db, program.home), program.books(), 0
    for one in commands():
        for into in one.parameters:
            if into.free:
                answer = real(*one.words(**{into.name: BROKEN_BYTES}))
                assert (answer.status, answer.out) == (2, ""), (one.name, into.name, answer)
                keeps_its_word(answer, (one.name, into.name))
                is_safe(answer, (one.name, into.name))
                count += 1
    assert program.books() == before
    return f"{count} real command lines with bytes that are no UTF-8, each refused in one line"


WAYS: dict[str, tuple[Callable[[Inside], str], ...]] = {
    "sqlite": (typed, kept, seen, bytes_given),
    "postgresql": (typed, kept, seen),
}


def main() -> int:
    """Go all ways on both engines; 1 when a promise is broken."""
    broken = 0
    for engine in ENGINES:
        for way in WAYS[engine]:
            with TemporaryDirectory() as folder, nowhere(engine, Path(folder)) as place:
                put(empty(engine), place)
                start = time.monotonic()
                try:
                    print(f"hostile, {engine}: {way(Inside(place, Path(folder)))}", end="")
                except AssertionError:
                    traceback.print_exc()
                    broken = 1
                print(f" ({time.monotonic() - start:.0f} s)", flush=True)
    return broken


if __name__ == "__main__":
    sys.exit(main())
