"""The SELECT that makes a member, an invoice, a line or a stream as the user sees it.

Services answer with these rows after a change and views list them; the columns are `domain.records`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from peewee import JOIN, SQL, Case, ModelSelect, TextField, fn

from streamctl.domain.invoices import OUTSTANDING
from streamctl.domain.records import ENTITIES, LINE_IN_INVOICE, Column, Listing, Record
from streamctl.store.database import ID_MOST, rows
from streamctl.store.expressions import joined
from streamctl.store.fields import DayField, InstantField
from streamctl.store.models import Invoice, InvoiceLine, Membership, Stream, User

# A literal, not a bound value: with it SQLite knows at once that the partial index holds what is looked for.
UNISSUED = (Invoice.status == SQL(f"'{OUTSTANDING}'")) & Invoice.issued_at.is_null()
IS_OPEN = UNISSUED & Invoice.number.is_null()
AT_ONCE = 500  # bound values in one statement, well below SQLite's limit


def is_open(at: Any) -> Any:
    """A stream that holds a credit at that instant: not closed, and its lease not run out."""
    return Stream.closed_at.is_null() & (Stream.expires_at.is_null() | (Stream.expires_at > at))


def open_streams(user: Any, at: datetime) -> ModelSelect[Any]:
    """How many streams the user has open at that instant, as a subquery or a query."""
    return Stream.select(fn.COUNT(Stream.id)).where((Stream.user == user) & is_open(at))


def _line_ids() -> Any:
    return joined(InvoiceLine.select(InvoiceLine.id).where(InvoiceLine.invoice == Invoice.id).order_by(InvoiceLine.id))


def expressions(entity: str, at: datetime) -> Mapping[str, Any]:
    """Every column of the entity as an expression; the only names that reach SQL."""
    match entity:
        case "member":
            held = open_streams(User.id, at)
            limit = Membership.credit_limit
            return {
                **{name: getattr(User, name) for name in ("id", "email", "name", "created_at")},
                **{name: getattr(Membership, name) for name in ("state", "credit_limit", "fee")},
                **{name: getattr(Membership, name) for name in ("start_date", "end_date", "cancelled_on")},
                "open_streams": held,
                "credits": Case(None, [(limit.is_null(), None), (limit > held, limit - held)], 0),
            }
        case "invoice":
            own = {column.name: getattr(Invoice, column.name, None) for column in ENTITIES["invoice"]}
            return {**own, "email": User.email, "invoice_lines": _line_ids()}
        case "line":
            own = {column.name: getattr(InvoiceLine, column.name, None) for column in ENTITIES["line"]}
            return {**own, "user": Invoice.user, "month": Invoice.month}
        case "entry":
            from streamctl.store import logbook

            return logbook.expressions()
        case _:
            own = {column.name: getattr(Stream, column.name, None) for column in ENTITIES["stream"]}
            return {**own, "email": User.email}


def stored_columns(model: Any) -> list[Column]:
    """The columns of a table as they are stored, with the kinds to show them by."""
    return [Column(name, _kind(name, field)) for name, field in model._meta.columns.items()]


def _kind(name: str, field: Any) -> Any:
    if name in ("amount", "fee"):
        return "money"
    return "text" if isinstance(field, (TextField, DayField, InstantField)) else "int"


def select(entity: str, columns: Sequence[Column], by_name: Mapping[str, Any]) -> ModelSelect[Any]:
    """A query for these columns of the entity, its tables joined; filters and order are the caller's."""
    wanted = [by_name[column.name].alias(column.name) for column in columns]
    match entity:
        case "member":
            return User.select(*wanted).join(Membership, JOIN.LEFT_OUTER, on=(Membership.user == User.id))
        # Outer joins: SQLite leaves them out where no column of theirs is asked for, and a row whose parent
        # is gone (a damaged file) still shows.
        case "invoice":
            return Invoice.select(*wanted).join(User, JOIN.LEFT_OUTER)
        case "line":
            return InvoiceLine.select(*wanted).join(Invoice, JOIN.LEFT_OUTER)
        case "entry":
            from streamctl.store.logbook import Journal

            return Journal.select(*wanted)
        case _:
            return Stream.select(*wanted).join(User, JOIN.LEFT_OUTER)


def key_of(entity: str) -> Any:
    """The id column of the entity."""
    if entity == "entry":
        from streamctl.store.logbook import Journal

        return Journal.id
    return {"member": User.id, "invoice": Invoice.id, "line": InvoiceLine.id, "stream": Stream.id}[entity]


def shown(entity: str, also: str = "") -> tuple[Column, ...]:
    """The columns of an entity without the extra ones, but for the one called `also`."""
    return tuple(column for column in ENTITIES[entity] if not column.extra or column.name == also)


def fetch(entity: str, ids: Iterable[int], at: datetime, also: str = "") -> list[Record]:
    """The rows with these ids, in the order of the ids; the ids that are not there are left out."""
    columns = shown(entity, also)
    wanted = list(ids)
    found: dict[int, Record] = {}
    for start in range(0, len(wanted), AT_ONCE):
        chunk = [number for number in wanted[start : start + AT_ONCE] if 0 < number <= ID_MOST]
        for row in rows(select(entity, columns, expressions(entity, at)).where(key_of(entity).in_(chunk))):
            found[row[0]] = Record(columns, row)
    return [found[number] for number in wanted if number in found]


def fetched(entity: str, ids: Iterable[int], at: datetime, also: str = "") -> Listing:
    """The same as a listing, read now: it stays what it was when the rows change."""
    return Listing(shown(entity, also), [record.row for record in fetch(entity, ids, at, also)])


def invoice_with_lines(invoice: int, at: datetime) -> Record | None:
    """One invoice with its lines as rows of `LINE_IN_INVOICE`, ids ascending; None when it is not there."""
    found = fetch("invoice", [invoice], at)
    if not found:
        return None
    columns = tuple(Column("invoice_lines", "rows") if c.name == "invoice_lines" else c for c in found[0].columns)
    query = select("line", LINE_IN_INVOICE, expressions("line", at))
    lines = query.where(InvoiceLine.invoice == invoice).order_by(InvoiceLine.id)
    row = tuple(
        list(rows(lines)) if c.name == "invoice_lines" else v for c, v in zip(columns, found[0].row, strict=True)
    )
    return Record(columns, row)
