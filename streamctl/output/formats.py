"""The formats, and the one that the name of a file promises: a file is never another one than its name says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from streamctl.errors import BadValue, listed, quoted, quoted_path
from streamctl.output.destination import Destination

Format = Literal["table", "json", "jsonl", "csv", "tsv", "ids"]
FORMATS: tuple[Format, ...] = ("table", "json", "jsonl", "csv", "tsv", "ids")
SUFFIXES: dict[str, Format] = {".json": "json", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "table"}

# Endings that promise what none of our formats is: packed or binary files, and other text.
_BINARY = frozenset(
    ".7z .arrow .avro .br .bz2 .db .doc .docx .feather .gz .lz .lz4 .lzma .numbers .ods .odt .orc .parquet .pdf .pickle"
    " .pkl .png .rar .sqlite .sqlite3 .tar .tbz .tbz2 .tgz .txz .xls .xlsb .xlsm .xlsx .xz .z .zip .zst".split()
)
_TEXT = frozenset(".htm .html .ini .md .ndjson .rst .rtf .sql .svg .toml .xhtml .xml .yaml .yml".split())


def chosen(asked: Format | None, where: Destination, default: str | None) -> Format | None:
    """The format that was asked for, that the file's ending says, or the default; None where nobody chose one.

    Raises BadValue for a file that would be another one than its name says, or whose format nothing says.
    """
    ending = where.ending
    if where.is_file and ending in _BINARY:
        raise _unknown(where, f"The endings that can be are {listed(SUFFIXES)}.")
    if asked is not None:
        return asked
    check_no_format(where, FORMATS, "--format")
    if ending in SUFFIXES:
        return SUFFIXES[ending]
    if where.is_file and ending:
        raise _unknown(where, f"The endings that can be are {listed(SUFFIXES)}; or say what it is with --format.")
    if default is None and where.is_file:
        raise BadValue(
            f"{quoted_path(where.written)} has no ending that says its format.",
            f"Give it one of {listed(SUFFIXES)}, or say what it is with --format.",
        )
    for known in FORMATS:
        if known == default:
            return known
    if default is not None:
        raise BadValue(f"STREAMCTL_FORMAT is {quoted(default)}.", f"The formats are {listed(FORMATS)}.")
    return None


def check_only(where: Destination, *own: str, asked: bool = False) -> None:
    """Raises BadValue where the file's name promises another format than the endings that the command can make.

    Where it was asked for one by name, only what is packed or binary is refused.
    """
    foreign = where.ending in _BINARY or (not asked and (where.ending in _TEXT or where.ending in SUFFIXES))
    if where.is_file and foreign and where.ending not in own:
        raise _unknown(where, f"The endings that this command can make are {listed(own)}.")


def check_no_format(where: Destination, names: Sequence[str], flag: str = "") -> None:
    """Raises BadValue where a format was given for a file. With a `flag` the format is chosen by that."""
    name = where.written
    if name in names:
        mend = f"Choose the format with: {flag} {name}; a" if flag else "A"
        raise BadValue(f"--output takes a file, and {name} is a format.", f"{mend} file of that name is: ./{name}")


def _unknown(where: Destination, hint: str) -> BadValue:
    return BadValue(f"{quoted_path(where.written)} can't be written: {where.ending} is no format of streamctl.", hint)
