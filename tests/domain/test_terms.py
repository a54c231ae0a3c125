"""The settings: how each is read, and what they mean together."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.domain import terms
from streamctl.domain.terms import DEFAULTS, READERS, Terms
from streamctl.errors import BadValue

unhurried = settings(deadline=None)
likely = (
    st.text("0123456789.-eE", max_size=12)
    | st.text("UTCEurope/Bln{}seqmonth:05!r.[]_ ", max_size=20)
    | st.text("ab@.; \n\r\t", max_size=20)
)


@unhurried
@given(st.sampled_from(sorted(READERS)), st.text(st.characters(), max_size=40) | likely)
def test_any_text_is_a_settings_value_or_a_bad_value(name: str, typed: str) -> None:
    try:
        found = terms.read(name, typed)
    except BadValue:
        found = DEFAULTS[name]
    assert terms.read(name, found) == found, "what is stored reads as itself"
    assert Terms.of({**DEFAULTS, name: found})


@pytest.mark.parametrize(
    "name", ["Nowhere/Land", "Europe/Berln", "\ud800", "", "America", "../etc/passwd", "/etc/localtime", "a\0"]
)
def test_what_is_no_time_zone_is_a_bad_value(name: str) -> None:
    with pytest.raises(BadValue, match="no IANA time zone"):
        terms.read("timezone", name)


@pytest.mark.parametrize("typed", ["0.0000000", "0.000000000"])
def test_a_price_is_never_stored_with_an_exponent(typed: str) -> None:
    assert "E" not in terms.read("checkin_amount", typed)


def test_a_price_is_kept_as_typed() -> None:
    for typed in ("1.00", "0", "0.5", "999999999.99"):
        assert terms.read("checkin_amount", typed) == terms.read("checkout_amount", typed) == typed


@pytest.mark.parametrize(
    "typed",
    ["", "number", "{month}", "{seq", "{}", "{0}", "{nothing}", "{seq.nothing}", "{seq[0]}", "{seq:zz}", "x" * 65],
)
def test_a_number_format_must_tell_invoices_apart(typed: str) -> None:
    with pytest.raises(BadValue):
        terms.read("number_format", typed)


@pytest.mark.parametrize("typed", ["{seq:300}", "{seq:1000000000000000}", "{seq:99}" * 3])
def test_a_number_format_whose_numbers_fit_no_invoice_is_refused(typed: str) -> None:
    with pytest.raises(BadValue):
        terms.read("number_format", typed)


def test_number_formats_with_the_sequence_in_them_are_kept() -> None:
    for typed in (DEFAULTS["number_format"], "{seq}", "INV-{month}/{seq:04}", "№{seq:8}"):
        assert terms.read("number_format", typed) == typed


def test_payment_days_are_whole_days_below_a_thousand() -> None:
    assert [terms.read("payment_days", typed) for typed in ("0", "14", "007", "999")] == ["0", "14", "7", "999"]
    for typed in ("", "-1", "1000", "1.5", "٣", "14 ", "14\n"):
        with pytest.raises(BadValue, match="number of days"):
            terms.read("payment_days", typed)


def test_an_address_and_a_note_are_lines_with_a_semicolon_between() -> None:
    for name in ("seller_address", "seller_note"):
        assert terms.read(name, " 1 Harbour Road ;; Dublin\nIreland;") == "1 Harbour Road; Dublin; Ireland"
        assert terms.lines_of(terms.read(name, "a;b")) == ("a", "b")
        assert terms.lines_of(terms.read(name, "")) == ()
        with pytest.raises(BadValue, match="1000 is the most"):
            terms.read(name, "x" * 1001)


def test_a_sellers_name_is_one_line_and_their_email_an_email_or_nothing() -> None:
    assert terms.read("seller_name", " Northlight\nStreaming ") == "Northlight Streaming"
    assert terms.read("seller_email", "billing@northlight.example") == "billing@northlight.example"
    assert [terms.read(name, "") for name in READERS if name.startswith("seller_")] == [""] * 5
    for name, typed in (("seller_email", "billing"), ("seller_name", "x" * 256), ("seller_tax_id", "a\0")):
        with pytest.raises(BadValue):
            terms.read(name, typed)


def test_an_unknown_setting_is_a_bad_value_with_the_nearest_name() -> None:
    with pytest.raises(BadValue, match="no setting 'timezon'") as refused:
        terms.read("timezon", "UTC")
    assert refused.value.hint == "Did you mean timezone?"
    with pytest.raises(BadValue) as refused:
        terms.read("zzz", "1")
    assert all(name in refused.value.hint for name in READERS)


def test_the_defaults_are_those_of_the_contract_and_read_as_themselves() -> None:
    assert {name: terms.read(name, value) for name, value in DEFAULTS.items()} == DEFAULTS
    now = Terms.of(DEFAULTS)
    assert (now.currency, now.checkin_amount, now.checkout_amount) == ("USD", Decimal("1.00"), Decimal("0.00"))
    assert now.payment_days == 14


def test_today_and_this_month_are_those_of_the_databases_zone() -> None:
    at = datetime(2026, 12, 31, 12, tzinfo=UTC)
    there = {zone: Terms.of({**DEFAULTS, "timezone": zone}) for zone in ("Pacific/Auckland", "UTC")}
    assert [now.today(at) for now in there.values()] == [date(2027, 1, 1), date(2026, 12, 31)]
    assert [now.month(at) for now in there.values()] == ["2027-01", "2026-12"]


def test_money_is_counted_in_the_databases_currency() -> None:
    assert Terms.of(DEFAULTS).minor(Decimal("9.90")) == 990
    assert Terms.of({**DEFAULTS, "currency": "KWD"}).minor(Decimal("9.9")) == 9900
    with pytest.raises(BadValue, match="JPY"):
        Terms.of({**DEFAULTS, "currency": "JPY"}).minor(Decimal("9.90"))
