"""The month's end: the fees of all memberships billed, and the month's invoices numbered and issued."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from peewee import SQL, BigIntegerField, BooleanField, Case, IntegrityError, TextField, Value, fn

from streamctl.domain import billing, invoices, membership
from streamctl.domain.billing import Month
from streamctl.domain.records import GENERATED, ISSUED, Record
from streamctl.domain.terms import Terms
from streamctl.errors import MonthNotOver, NumberTaken
from streamctl.services.books import due_day
from streamctl.store.database import current, journal, rows, transactional, use_large_cache, violated
from streamctl.store.expressions import days_between, earlier, later, numbered, stretches
from streamctl.store.models import Counter, Entity, Invoice, InvoiceLine, Membership, User
from streamctl.store.records import IS_OPEN, UNISSUED

WITHOUT_NUMBER = Invoice.number.is_null() & (Invoice.amount > 0)  # one of 0 is never given any
Empty = Literal["void", "keep"]
NUMBERS = "invoice_number"
EXISTING, NO_FEE, ERASED, VOIDED, DUE = "existing", "no_fee", "erased", "voided", "due"


class Fee(Entity):
    """What one run of `invoices generate` makes of a membership; the table is gone when it ends."""

    member = BigIntegerField(primary_key=True)
    standing = TextField()
    amount = BigIntegerField()
    invoice = BigIntegerField(null=True)  # the open one of the month
    key = TextField()
    key_is_taken = BooleanField()

    class Meta:
        temporary = True


@transactional
def generate(terms: Terms, *, at: datetime, month: str, prorate: bool = False, reissue: bool = False) -> Record:
    """Put the fee of each membership that was active on a day of the month on its member's open invoice; a summary.

    An invoice is made where it is missing. A fee that is there stays as it is, so a second run adds nothing; one that
    was voided is billed again only with `reissue`, and a member who was erased is billed nothing. `prorate` charges the
    active days' share of the month, half-up to the minor unit.
    """
    use_large_cache()
    journal().coarse = True
    billed = Month.of(month)
    # Judged once, and before the tables grow that decide it.
    Fee.create_table(safe=False)
    _fill(Fee, _judged(billed, prorate=prorate, reissue=reissue))
    counted = Fee.select(Fee.standing, fn.COUNT(Fee.member), _sum(Fee.amount)).group_by(Fee.standing)
    found = {standing: (count, total) for standing, count, total in rows(counted)}
    with journal().adding(Invoice, InvoiceLine):
        _make_invoices(billed, terms.today(at))
        _add_lines(billed)
    Fee.drop_table(safe=False)
    created, total = found.pop(DUE, (0, 0))
    existing, _ = found.pop(EXISTING, (0, 0))
    journal().told(count=created, sum=total, selection={"month": month, "prorate": prorate, "reissue": reissue})
    skipped = {standing: count for standing, (count, _) in sorted(found.items())}
    members = created + existing + sum(skipped.values())
    return Record(GENERATED, (month, members, created, existing, skipped, total))


@transactional
def issue(terms: Terms, *, at: datetime, month: str, empty: Empty = "void", force: bool = False) -> Record:
    """Close the month and those before it: number what is outstanding or paid, and issue what is outstanding.

    Numbers come from one counter, without a gap, ascending by month, date and id. Outstanding invoices whose total is 0
    become paid, those without a line are voided, or with `empty` "keep" left open; neither gets a number. A summary.
    Raises MonthNotOver unless `force`, NumberTaken, BadValue where the due day is beyond 2999.
    """
    if not force and not billing.is_over(month, terms.today(at)):
        raise MonthNotOver(month)
    use_large_cache()
    candidates = (Invoice.month <= month) & (Invoice.status != invoices.VOID)
    is_empty = IS_OPEN & ~fn.EXISTS(InvoiceLine.select(SQL("1")).where(InvoiceLine.invoice == Invoice.id))
    journal().coarse = True
    voided = kept = 0
    if empty == "keep":
        kept = Invoice.select().where(candidates & is_empty).count()
        candidates &= ~is_empty
    touched = 0
    to_close = candidates & (UNISSUED | WITHOUT_NUMBER)
    for first_id, last_id in rows(stretches(Invoice.select(Invoice.id).where(to_close))):
        journal().all_of(Invoice, first_id, last_id)
        touched += last_id - first_id + 1
    if empty == "void":
        void = Invoice.update(status=invoices.VOID, voided_at=at).where(candidates & is_empty)
        voided = int(void.execute())
    settle = Invoice.update(status=invoices.PAID, paid_on=terms.today(at))
    settled = int(settle.where(candidates & UNISSUED & (Invoice.amount == 0)).execute())
    first, last, count = _number(terms, candidates)
    to_issue = candidates & UNISSUED
    ((issued, total),) = rows(Invoice.select(fn.COUNT(Invoice.id), _sum(Invoice.amount)).where(to_issue))
    Invoice.update(issued_at=at, due_date=due_day(terms, at)).where(to_issue).execute()
    journal().told(count=touched, sum=total, selection={"month": month, "empty": empty, "force": force})
    return Record(ISSUED, (month, issued, count, voided, kept, first, last, total, settled))


def _judged(month: Month, *, prorate: bool, reissue: bool) -> tuple[dict[Any, Any], Any]:
    """The memberships that are active in the month as rows of `Fee`."""
    first, after = month.first.isoformat(), month.after.isoformat()
    # A cancelled membership ends on the day it was cancelled. Of one taken over from elsewhere that day may be
    # unknown: nobody is charged on a guess.
    until = earlier(Membership.end_date, Membership.cancelled_on)
    dated = (Membership.state == membership.ACTIVE) | Membership.cancelled_on.is_null(is_null=False)
    active = (Membership.start_date < after) & (until > first) & (until > Membership.start_date)
    erased = Membership.user.in_(User.select(User.id).where(User.email_key.endswith(membership.ERASED)))
    standings = [(_fee_on(month, Invoice.status != invoices.VOID), EXISTING), (Membership.fee == 0, NO_FEE)]
    standings.append((erased, ERASED))
    if not reissue:
        standings.append((_fee_on(month, Invoice.status == invoices.VOID), VOIDED))
    amount: Any = Membership.fee
    if prorate:
        days = days_between(later(Membership.start_date, first), earlier(until, after))
        amount = (Membership.fee * days * 2 + month.days) / (2 * month.days)
    open_one = Invoice.select(Invoice.id).where(
        (Invoice.user == Membership.user) & (Invoice.month == month.name) & IS_OPEN
    )
    before, behind = billing.fee_key(month.name)
    key = Value(before).concat(Membership.user.cast("TEXT")).concat(behind)
    values = {
        Fee.member: Membership.user,
        Fee.standing: Case(None, standings, DUE),
        Fee.amount: amount,
        Fee.invoice: open_one,
        Fee.key: key,
        Fee.key_is_taken: fn.EXISTS(InvoiceLine.select(SQL("1")).where(InvoiceLine.key == key)),
    }
    return values, Membership.select(*values.values()).where(dated & active)


def _fee_on(month: Month, condition: Any) -> Any:
    """Whether the member's fee of the month is on an invoice for which that holds."""
    fees = (
        Invoice.select(SQL("1"))
        .join(InvoiceLine, on=(InvoiceLine.invoice == Invoice.id))
        .where((Invoice.user == Membership.user) & (Invoice.month == month.name))
        .where((InvoiceLine.kind == invoices.FEE) & condition)
    )
    return fn.EXISTS(fees)


def _sum(amounts: Any) -> Any:
    """The sum of minor units; 0 of none."""
    return fn.COALESCE(fn.SUM(amounts), 0).cast("BIGINT")


def _make_invoices(month: Month, today: date) -> None:
    """Open invoices for the members who are due and have none."""
    values = {
        Invoice.user: Fee.member,
        Invoice.date: Value(month.nearest(today).isoformat()),
        Invoice.month: Value(month.name),
        Invoice.description: Value(invoices.description(month.name)),
        Invoice.status: Value(invoices.OUTSTANDING),
        Invoice.amount: Value(0),
    }
    _fill(Invoice, (values, Fee.select(*values.values()).where((Fee.standing == DUE) & Fee.invoice.is_null())))


def _add_lines(month: Month) -> None:
    """The line of each member who is due. Its key makes it the only one of that member and month."""
    billed_again = Fee.key.concat(":").concat(Invoice.id.cast("TEXT"))  # after a fee that was voided
    values = {
        InvoiceLine.invoice: Invoice.id,
        InvoiceLine.amount: Fee.amount,
        InvoiceLine.description: Value(billing.fee_text(month.name)),
        InvoiceLine.kind: Value(invoices.FEE),
        InvoiceLine.key: Case(None, [(Fee.key_is_taken, billed_again)], Fee.key),
    }
    of_member = (Invoice.user == Fee.member) & (Invoice.month == month.name) & IS_OPEN
    _fill(InvoiceLine, (values, Fee.select(*values.values()).join(Invoice, on=of_member).where(Fee.standing == DUE)))


def _fill(model: Any, source: tuple[dict[Any, Any], Any]) -> None:
    """Insert the rows of a query over fees or memberships, whose values are these, in the order of the members."""
    values, query = source
    ordered = query.order_by(Membership.user if model is Fee else Fee.member)
    model.insert_from(ordered, list(values)).as_rowcount().execute()
    current().many_are_new(model._meta.table_name)


def _number(terms: Terms, candidates: Any) -> tuple[str | None, str | None, int]:
    """Give those of the candidates that have none their numbers; the first, the last, and how many."""
    unnumbered = candidates & WITHOUT_NUMBER
    months = Invoice.select(fn.COUNT(Invoice.id), fn.MIN(Invoice.month), fn.MAX(Invoice.month)).where(unnumbered)
    ((count, first, last),) = rows(months)
    if not count:
        return None, None, 0
    Counter.update(value=Counter.value + count).where(Counter.name == NUMBERS).execute()
    before = Counter.get_by_id(NUMBERS).value - count
    place = fn.ROW_NUMBER().over(order_by=[Invoice.month, Invoice.date, Invoice.id])
    placed = Invoice.select(Invoice.id, (place + before).alias("sequence")).where(unnumbered).alias("placed")
    given = numbered(terms.number_format, Invoice.month, placed.c.sequence)
    try:
        Invoice.update(number=given).from_(placed).where(Invoice.id == placed.c.id).execute()
    except IntegrityError as error:
        raise NumberTaken(terms.number_format) if violated(error) == "invoice.number" else error from error
    format = terms.number_format
    return billing.number(format, first, before + 1), billing.number(format, last, before + count), count
