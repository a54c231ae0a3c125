"""The database's settings: its currency, time zone and prices."""

from __future__ import annotations

from streamctl.domain import money, terms
from streamctl.domain.records import Column, Record
from streamctl.domain.terms import Terms
from streamctl.errors import SettingFixed
from streamctl.store.database import journal, settings, transactional
from streamctl.store.models import InvoiceLine, Membership, Setting

SETTING = (Column("key"), Column("value"))


@transactional
def change(now: Terms, key: str, value: str) -> Record:
    """Change one setting; the setting, and whether it changed.

    Raises BadValue, and SettingFixed for the currency once there are amounts.
    """
    stored = terms.read(key, value)
    if settings()[key] == stored:
        return Record(SETTING, (key, stored)).marked(changed=False)
    if key == "currency" and stored != now.currency and has_amounts():
        raise SettingFixed(
            f"The currency stays {now.currency}: there are amounts in it.",
            in_another_database(stored),
            currency=now.currency,
        )
    wanted = Terms.of({**settings(), key: stored})
    for amount in (wanted.checkin_amount, wanted.checkout_amount):
        money.minor_units(amount, wanted.currency)
    journal().changing(Setting, [key])
    Setting.insert(key=key, value=stored).on_conflict(
        conflict_target=[Setting.key], update={Setting.value: stored}
    ).execute()
    return Record(SETTING, (key, stored)).marked(changed=True)


def has_amounts() -> bool:
    """Whether there are amounts, so that the currency stays what it is."""
    return bool(InvoiceLine.select().exists() or Membership.select().where(Membership.fee > 0).exists())


def in_another_database(currency: str) -> str:
    """The hint for whoever wants another currency than there are amounts in."""
    return f"Another currency needs another database: streamctl --db new.db db init --currency {currency}"
