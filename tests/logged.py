"""Whether the log and the rows tell the same, however the writers ended."""

from __future__ import annotations

from collections.abc import Iterator

from shell import Shell


def unlike(shell: Shell) -> Iterator[str]:
    """What the log has missed, and what it tells of that never came to be."""
    for table in ("invoice", "invoice_line", "stream"):
        there = {number for (number,) in shell.execute(f'SELECT id FROM "{table}"')}
        told: set[int] = set()
        made: set[int] = set()
        gone: set[int] = set()
        for first, last, added, removed in shell.execute(
            'SELECT "first", "last", "before" IS NULL, "after" IS NULL FROM journal_row WHERE entity = ?', (table,)
        ):
            told.update(range(first, last + 1))
            if added != removed:
                (made if added else gone if removed else told).add(first)
        if missed := there - told:
            yield f"{len(missed)} rows of {table} are in no entry: {sorted(missed)[:5]}"
        if invented := made - gone - there:
            yield f"{len(invented)} rows of {table} never were: {sorted(invented)[:5]}"
