"""Commands in hints and answers, as they work when they are pasted: on the database that --db named."""

import re
from collections.abc import Sequence
from typing import Any

from streamctl.domain.records import Answer, Document, Record
from streamctl.errors import shell_quoted

GROUPS = ("members", "invoices", "lines", "stream", "report", "log", "db")
VALUED = ("--db", "--as-of", "--actor", "--timeout")  # root options that take a value
PASSWORD = re.compile(r"""(?<=://)([^\s:@/"']*):[^\s@"']*(?=@)|([?&](?:ssl)?password=)[^\s&"']*""")
# At the end of a hint, the command line that it is about, with this root option.
SAME = re.compile(r"streamctl (--\S+).* …$")
# A command that names a database of its own, or only asks for help, stays as it is.
_COMMAND = rf"\bstreamctl (?=(?:{'|'.join(GROUPS)}) (?!.*--help))"


def with_database(text: str, db: str | None) -> str:
    """The text, whose commands go to that database."""
    if db is None or not text:
        return text
    command = f"streamctl --db {shell_quoted(masked(db))} "
    return re.sub(_COMMAND, lambda _: command, text)


def masked(text: str) -> str:
    """The text without the password of a URL that was typed where none belongs, and is repeated in it."""
    return PASSWORD.sub(lambda found: found[1] or found[2] or "", text)


def pointed(answer: Answer | Document, db: str | None) -> Answer | Document:
    """The answer, whose commands go to that database: in its sentence, and in columns that hold commands."""
    if db is None or isinstance(answer, Document):
        return answer
    places = [place for place, column in enumerate(answer.columns) if column.kind == "command"]
    answer = answer._replace(sentence=with_database(answer.sentence, db))
    if not places:
        return answer
    if isinstance(answer, Record):
        return answer._replace(row=_pointed(answer.row, places, db))
    return answer._replace(rows=(_pointed(row, places, db) for row in answer.rows))


def _pointed(row: tuple[Any, ...], places: Sequence[int], db: str) -> tuple[Any, ...]:
    return tuple(with_database(value, db) if place in places else value for place, value in enumerate(row))


def named_database(arguments: Sequence[str]) -> str | None:
    """What --db says, from the raw words; it stands before the group."""
    words = iter(arguments)
    found = None
    for word in words:
        if word in VALUED:
            value = next(words, None)
            found = value if word == "--db" else found
        elif word.startswith("--db="):
            found = word.removeprefix("--db=")
        elif not word.startswith("-"):
            break
    return found


def typed(arguments: Sequence[str], *, first: str = "", without: str = "") -> str:
    """The command line as it was typed, one root option put before the rest, or left out."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word.partition("=")[0] not in (first, without):
            rest.append(word)
            continue
        found = [word, next(words, "")] if word in VALUED else [word]
        front = found if first else []
    return " ".join(map(shell_quoted, (*front, *rest)))
