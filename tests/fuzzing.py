"""Command lines and files that nobody would think of, made by Hypothesis from what the program itself says it takes."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

from hostile import CORPUS, UNSTORABLE, furnish, is_safe, keeps_its_word, run, shown
from hypothesis import strategies as st
from inside import Inside
from places import keep, put
from program import ROOT as PROJECT
from program import Answer
from tree import ROOT, Command, Parameter, commands

# What each kind of value may look like, by what the help calls it; the rest is made up.
LIKELY = {
    "AMOUNT": "0 1 9.90 999999999.99 1000000000 -1 0.001 \u0661",
    "CODE": "EUR JPY KWD usd XXX",
    "DATE": "today 2026-11-22 2000-01-01 2999-12-31 2026-02-30 tomorrow",
    "DURATION": "1s 30m 12h 7d 3650d 0s",
    "ENTRY": "1 2 99 9223372036854775808",
    "NAME": "ada cron",
    "EMAIL": "bob@example.com new@example.com BOB@EXAMPLE.COM a@b@c",
    "ID": "1 2 99 9223372036854775807 9223372036854775808",
    "INVOICE": "1 2 99 9223372036854775808",
    "KEY": "k s seller_name timezone currency number_format lease fee:1:2026-11 refused:1",
    "LINE": "1 2 99",
    "MEMBER": "1 2 99 bob@example.com 9223372036854775808",
    "MONTH": "this last next 2026-11 2999-12 2000-01",
    "N": "0 1 3 1000 1200 1000000000",
    "N|DURATION": "1 5s 7d",
    "PATH": "streamctl.db input none.db postgresql:// postgresql://u:p@localhost:1/x",
    "S": "0 0.5 30 86400",
    "STREAM": "1 99",
    "URL|PATH": "moved.db input postgresql:///",
    "VALUE": "UTC EUR 9.90 {seq} {month}-{seq:05} 15m none 14",
    "WHEN": "2026-11-22 2026-11-22T20:15:03Z 2000-01-01 2999-12-31T23:59:59Z",
    "ZONE": "UTC Europe/Berlin ../../etc/passwd Asia",
    "TEXT": "tv note bob",
    "[-]COL,": "id -id email,-id user.id -- id,id",
    "a,b|+c": "id +note email,name id,id +email,user",
    "FILE": "input out.json out.csv /dev/null -",
    "FILE|FOLDER/": "out.html out/ out.pdf /dev/null -",
}
PATHS = ("FILE", "FILE|FOLDER/", "PATH", "URL|PATH")  # nothing may be written outside of the test's own folder
any_text = st.text(max_size=40)
odd_text = st.one_of(
    any_text, st.sampled_from([*CORPUS.values(), *UNSTORABLE.values()]), st.from_regex(r"[-0-9.:TZ+,{}e]{1,12}")
)


def likely(of: Parameter) -> st.SearchStrategy[str]:
    """Values of the right shape for that argument or option."""
    return st.sampled_from(of.choices or LIKELY[of.shown.rstrip(".")].split())


def values(of: Parameter) -> st.SearchStrategy[str]:
    """Values for it, half of them of the right shape."""
    made_up = odd_text.map(lambda text: f"./{text.replace('..', '')}") if of.shown in PATHS else odd_text
    return st.one_of(likely(of), made_up)


@st.composite
def lines(draw: st.DrawFn) -> tuple[Command, list[str]]:
    """A command with some of its options, flags and arguments: a line that could be meant, or a wild one."""
    command = draw(st.sampled_from(commands()))
    flags = draw(st.lists(st.sampled_from(command.flags), max_size=2)) if command.flags else []
    if draw(st.booleans()):
        given = {
            one.name: draw(likely(one)) for one in command.parameters if not one.flag or draw(st.integers(0, 3)) == 0
        }
        return command, list(command.words(*flags, **given))
    before = [word for one in ROOT if draw(st.integers(0, 9)) == 0 for word in one.given(draw(values(one)))]
    options = [word for one in command.options if draw(st.integers(0, 2)) == 0 for word in one.given(draw(values(one)))]
    arguments = [draw(values(one)) for one in command.parameters if not one.flag and draw(st.integers(0, 19))]
    extra = (
        [draw(odd_text.map(lambda text: text.replace("/", "").replace("~", "")))]
        if draw(st.integers(0, 19)) == 0
        else []
    )
    return command, [*before, *command.name.split(), *options, *flags, "--", *arguments, *extra]


NUMBERS = (0, 1, 2, 3, -1, 100, 2**53, 2**63 - 1, 2**63, 2**64, 0.5, 1e400)
DAYS = ("2026-11-22", "2026-11", "2026-12-01", "2999-12-31", "2026-11-22T12:00:00Z", "2026-11-22 12:00:00+00:00")
WORDS = (
    "",
    "1",
    "9.90",
    "a\0b",
    "\ud83d",
    "ACT",
    "CANC",
    "OUT",
    "PAID",
    "VOID",
    "fee",
    "manual",
    "checkin",
    "checkout",
    "expired",
)
PLAUSIBLE = (*NUMBERS, *DAYS, *WORDS)
json_values = st.recursive(
    st.one_of(
        *(st.sampled_from(PLAUSIBLE), st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), odd_text)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(any_text, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def spoilt(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to three of its values replaced, doubled, taken out or put elsewhere, anywhere in it."""
    found = json.loads(json.dumps(document))
    dice = Random(draw(st.integers(0, 2**64)))  # Hypothesis likes what comes first; every place is worth the same here
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        everywhere = list(_places(found))
        if not everywhere:
            break
        within, place = dice.choice(everywhere)
        match dice.choice(("near", "near", "near", "another", "another", "gone", "twice", "elsewhere")):
            case "near":
                alike = [one for one in PLAUSIBLE if type(one) is type(within[place])]
                within[place] = dice.choice([*alike, None])
            case "another":
                within[place] = draw(json_values)
            case "gone":
                del within[place]
            case "twice" if isinstance(within, list):
                within.append(within[place])
            case _:
                other, there = dice.choice(everywhere)
                within[place] = json.loads(json.dumps(other[there]))
    return found


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and object of the document, with each of its places."""
    if isinstance(document, (list, dict)):
        for place in range(len(document)) if isinstance(document, list) else sorted(document):
            yield document, place
            yield from _places(document[place])


@st.composite
def torn(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with a few of them lost, changed or put in."""
    found = bytearray(data)
    pieces = st.one_of(
        st.sampled_from((b"", b'"', b",", b"\n", b"NaN", b"1e999", b"[" * 2000, b"\0")), st.binary(max_size=3)
    )
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(found)))
        found[at : at + draw(st.integers(0, 3))] = draw(pieces)
    return bytes(found[: draw(st.integers(0, len(found)))]) if draw(st.integers(0, 4)) == 0 else bytes(found)


@st.composite
def files(draw: st.DrawFn, document: Any) -> bytes:
    """A file like that of the document, wrong in one way or another, and now and then one that is nothing like it."""
    match Random(draw(st.integers(0, 2**64))).randrange(8):
        case 0:
            return draw(st.one_of(st.binary(max_size=200), json_values.map(_json)))
        case 1:
            return draw(torn(_json(document)))
        case _:
            return _json(draw(spoilt(document)))


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


EVENTS: list[dict[str, Any]] = [
    {"action": "checkin", "member": 1, "ref": "a", "device": "tv", "lease": "15m", "at": "2026-11-22T10:00:00Z"},
    {"action": "heartbeat", "ref": "a", "at": "2026-11-22T10:05:00Z"},
    {"action": "takeover", "member": "bob@example.com", "ref": "b", "at": "2026-11-22T10:10:00Z"},
    {"action": "checkout", "member": 1, "ref": "b", "at": "2026-11-22T11:00:00Z"},
    {"action": "checkin", "member": 1, "stream": None},
]
COLUMNS = ("action", "member", "ref", "stream", "device", "lease", "at")


def _jsonl(events: Any) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in (events if isinstance(events, list) else [events]))


def _csv(events: Any) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in events if isinstance(events, list) else [events]:
        writer.writerow([event.get(name, "") for name in COLUMNS] if isinstance(event, dict) else [event])
    return out.getvalue().encode("utf-8", "surrogatepass")


def event_files() -> st.SearchStrategy[bytes]:
    """Files of events as JSON Lines and CSV, each wrong in its own way."""
    changed = spoilt(EVENTS)
    return st.one_of(
        changed.map(_jsonl), changed.map(_csv), torn(_jsonl(EVENTS)), torn(_csv(EVENTS)), st.binary(max_size=200)
    )


class Bench:
    """The program on a database of its own for each try, the same every time."""

    def __init__(self, program: Inside) -> None:
        self.program = program
        self.empty = keep(program)
        program.ok("members", "add", "bob@example.com", "--credits", "3", "--fee", "9.90", "--start", "2026-11-01")
        furnish(program)
        self.full = keep(program)
        self.dump = json.loads(program("db", "dump").out)
        self.fixture = json.loads((PROJECT / "data" / "init_db.json").read_bytes())[:40]
        self.outcomes: Counter[int] = Counter()

    def line(self, command: Command, words: list[str]) -> None:
        """Try a command line."""
        put(self.full, self.program.db)
        answer = run(self.program, command, words)
        self._judge(answer, words)

    def load(self, data: bytes) -> None:
        """Try a file with `db load`: what is taken is found to be well, and what is not has left nothing."""
        put(self.empty, self.program.db)
        answer = shown(self.program, "db", "load", "-", stdin=data)
        self._judge(answer, data)
        if answer.status:
            assert answer.status in (2, 4), (answer, data)
            assert self.program.sql("SELECT COUNT(*) FROM user") == [(0,)], data
        checked = self.program("db", "check")
        assert (checked.status, checked.out) == (0, "All is well.\n"), (checked, data)

    def batch(self, data: bytes) -> None:
        """Try a file with `stream batch`: a receipt for each line, and the books are well."""
        put(self.full, self.program.db)
        answer = shown(self.program, "stream", "batch", "-", stdin=data)
        self._judge(answer, data)
        assert answer.status in (0, 4), (answer, data)
        receipts = [json.loads(line) for line in answer.out.split("\n") if line]
        assert all(receipt["ok"] or receipt["error"]["message"] for receipt in receipts), data
        assert len(receipts) <= data.count(b"\n") + 1, data
        refused = not all(receipt["ok"] for receipt in receipts)
        ended = "Nothing was played from there on" in answer.err or not receipts  # as a whole: by its header, or so
        assert (answer.status == 4) == refused or ended, (answer, data)
        checked = self.program("db", "check")
        assert (checked.status, checked.out) == (0, "All is well.\n"), (checked, data)

    def _judge(self, answer: Answer, about: object) -> None:
        keeps_its_word(answer, about)
        is_safe(answer, about, tabs=True)
        self.outcomes[answer.status] += 1
