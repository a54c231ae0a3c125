"""`db check --repair`: what can be mended without losing a fact is, in one transaction, with a backup before it."""

from __future__ import annotations

from pathlib import Path

from peewee import JOIN, IntegrityError, fn

from streamctl.domain.terms import Terms
from streamctl.errors import BadData
from streamctl.store import copies, files, shape
from streamctl.store.database import current, journal, savepoint, transactional, tuples
from streamctl.store.models import Invoice, InvoiceLine


def keep(path: Path) -> Path:
    """Put the open database as it stands into a new file, with a number after that name if it is taken; which file.

    Raises CannotOpen, and what copying does.

    Of a server that is BadData where a row breaks a rule that it should not have let it break.
    """
    store, path = current(), files.free(path)
    try:
        with files.draft(path) as draft:
            copies.write(store, draft, name=str(path))
    except BadData as error:
        raise BadData(f"No backup can be made, so nothing is mended: {error.message}", error.hint) from None
    return path


@transactional
def repair(terms: Terms) -> None:
    """Make indexes and triggers again that are missing or others, and every invoice the sum of its lines.

    What the rows themselves stand against stays as it is: an index whose key is there twice, an invoice whose lines
    are below 0.
    """
    mend()


def mend() -> None:
    """The same in the write transaction under way."""
    store = current()
    inspector = store.inspector()
    inspector.rebuild()
    flaws = [flaw.piece for flaw in shape.flaws(store) or () if flaw.remade]
    for piece in sorted(flaws, key=lambda piece: shape.REMADE.index(piece.kind)):
        try:
            with savepoint():
                inspector.remake(piece)
        except IntegrityError:
            continue
        journal().remade(piece.kind, piece.name)
    total = fn.COALESCE(fn.SUM(InvoiceLine.amount), 0)
    wrong = (
        Invoice.select(Invoice.id, total)
        .join(InvoiceLine, JOIN.LEFT_OUTER, on=(InvoiceLine.invoice == Invoice.id))
        .group_by(Invoice.id)
        .having((total != Invoice.amount) & (total >= 0))
    )
    for invoice, amount in list(tuples(wrong)):
        journal().changing(Invoice, [invoice])
        Invoice.update(amount=amount).where(Invoice.id == invoice).execute()
