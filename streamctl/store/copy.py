"""Many rows into a table of a server, by COPY."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import psycopg
from psycopg import errors, sql

from streamctl.store.engine import RowRefused
from streamctl.store.sqlstate import rule

# The last is of a text that is too long for an index.
REFUSALS = (psycopg.IntegrityError, psycopg.DataError, errors.ProgramLimitExceeded)
AT_ONCE = 2000  # rows: a refused one is named, and no more than these are kept for that


def copied(connection: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert the rows; how many. Raises RowRefused."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    count, coming = 0, iter(rows)
    while kept := list(islice(coming, AT_ONCE)):
        sent = 0
        try:
            with connection.cursor() as cursor, cursor.copy(command) as copy:
                for row in kept:
                    sent += 1
                    copy.write_row(row)
        except REFUSALS as error:
            raise RowRefused(_refused(error, table, columns, kept[:sent]), rule(error)) from None
        count += sent
    return count


def _refused(error: psycopg.Error, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """The row that an error of COPY is about: by its line, or by the key that it says is not there."""
    # In whatever language, the first number after the table's name is the line's.
    if line := re.search(rf"{re.escape(table)}\b\D*(\d+)", error.diag.context or ""):
        return rows[int(line[1]) - 1]
    column, _, value = (error.diag.message_detail or "").partition("(")[2].partition(")=(")
    if column in columns:
        place, wanted = columns.index(column), value.partition(")")[0]
        return next((row for row in rows if str(row[place]) == wanted), rows[-1])
    return rows[-1]
