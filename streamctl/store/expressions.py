"""Parts of statements that the engines write differently, or that several statements share."""

from __future__ import annotations

from typing import Any

from peewee import SQL, Case, Select, fn

from streamctl.store.database import current

_ZEROS = "0" * 9


def days_between(first: Any, last: Any) -> Any:
    """How many days it is from one day to another; both columns or ISO text."""
    return current().days_between(first, last)


def earlier(one: Any, other: Any) -> Any:
    """The earlier of two days, or `one` where `other` is null."""
    return Case(None, [(other < one, other)], one)


def later(one: Any, other: Any) -> Any:
    """The later of two days."""
    return Case(None, [(other > one, other)], one)


def seconds(instant: Any) -> Any:
    """An instant as whole seconds since 1970."""
    return current().seconds(instant)


def joined(ids: Any) -> Any:
    """The ids in the one column of a query, ascending, as text with a space between; empty text of none."""
    return fn.COALESCE(current().joined(ids), "")


def stretches(ids: Any) -> Any:
    """A query for the first and last of each stretch without a gap, of a query of one column, the ids of rows."""
    found = ids.alias("found")
    place = fn.ROW_NUMBER().over(order_by=[found.c.id])
    numbered = Select((found,), (found.c.id, (found.c.id - place).alias("stretch"))).alias("numbered")
    ends = fn.MIN(numbered.c.id), fn.MAX(numbered.c.id)
    return Select((numbered,), ends).group_by(numbered.c.stretch).order_by(fn.MIN(numbered.c.id))


def numbered(format: str, month: Any, sequence: Any) -> Any:
    """The number of an invoice, as `domain.billing.number` makes it, of a month and a sequence that are columns."""
    from streamctl.domain.billing import number_parts

    result: Any = SQL("''")
    for kind, given in number_parts(format):
        digits = sequence.cast("TEXT")
        padded = fn.SUBSTR(_ZEROS[: int(given or 1)], fn.LENGTH(digits) + 1).concat(digits) if kind == "seq" else None
        result = result.concat({"text": given, "month": month, "seq": padded}[kind])
    return result
