"""Invoices: their states, their moves, and the signs of their lines."""

from __future__ import annotations

OUTSTANDING = "OUT"
PAID = "PAID"
VOID = "VOID"
STATUSES = (OUTSTANDING, PAID, VOID)

MANUAL = "manual"
DISCOUNT = "discount"
ADJUSTMENT = "adjustment"
CHECKIN = "checkin"
CHECKOUT = "checkout"
FEE = "fee"
SYSTEMS = (CHECKIN, CHECKOUT, FEE)

ADJUSTMENT_TEXT = "Adjustment"
TEXTS = {  # what a document calls a line without a description
    MANUAL: "Charge",
    DISCOUNT: "Discount",
    ADJUSTMENT: ADJUSTMENT_TEXT,
    CHECKIN: "Check-in",
    CHECKOUT: "Check-out",
    FEE: "Membership",
}


def is_open(status: str, number: str | None, issued: object) -> bool:
    """Whether the invoice may change: outstanding, neither numbered nor issued."""
    return status == OUTSTANDING and not is_final(number, issued)


def is_final(number: str | None, issued: object) -> bool:
    """Whether the invoice keeps its lines, member, date and text for ever, whatever becomes of its status."""
    return bool(number or issued)


def state(status: str, number: str | None, issued: object) -> str:
    """The state in words, for a refusal: `open`, `paid`, `issued`, `numbered and void`."""
    words = ["issued" if issued else "numbered"] if is_final(number, issued) else []
    words += {OUTSTANDING: [], PAID: ["paid"], VOID: ["void"]}[status]
    return " and ".join(words) or "open"


def description(month: str) -> str:
    """What an invoice that is given no description is called."""
    return f"Invoice for {month}"


def signed(magnitude: int, kind: str, before: int = 0) -> int:
    """A typed magnitude with the sign of its kind, in minor units: a discount is negative, an adjustment stays on the
    side of zero it was on, everything else is positive."""
    return -magnitude if kind == DISCOUNT or (kind == ADJUSTMENT and before < 0) else magnitude
