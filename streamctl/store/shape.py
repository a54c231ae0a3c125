"""What the schema is made of, and what today's migrations make it of: indexes, triggers, rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streamctl.store import schema
from streamctl.store.engine import Store
from streamctl.store.inspection import Piece

REMADE = ("function", "trigger", "index")  # in this order; they hold no rows


class Flaw(NamedTuple):
    """A piece that ought to be there (`wanted`) and is not, or is another; or one that is there and is not ours."""

    piece: Piece
    wanted: bool
    missing: bool

    @property
    def remade(self) -> bool:
        """Whether it can be made again without touching a row."""
        return self.wanted and self.piece.kind in REMADE


def flaws(store: Store) -> list[Flaw] | None:
    """Where the open database is not what migrations make; None where there is no leave to make one to compare with."""
    with store.inspector().blank() as blank:
        if blank is None:
            return None
        schema.apply(blank)
        wanted = {(piece.kind, piece.table, piece.name): piece for piece in blank.inspector().pieces()}
    found = {(piece.kind, piece.table, piece.name): piece for piece in store.inspector().pieces()}
    return list(_compared(wanted, found))


def _compared(wanted: dict[tuple[str, str, str], Piece], found: dict[tuple[str, str, str], Piece]) -> Iterator[Flaw]:
    for key, piece in wanted.items():
        if key not in found or found[key].ddl != piece.ddl:
            yield Flaw(piece, wanted=True, missing=key not in found)
    for key, piece in found.items():
        if key not in wanted and piece.kind == "trigger":  # an index more changes nothing
            yield Flaw(piece, wanted=False, missing=False)
