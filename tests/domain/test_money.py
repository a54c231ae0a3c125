"""Money: decimals as typed and shown, integer minor units between."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamctl.domain import money
from streamctl.errors import BadValue

unhurried = settings(deadline=None)
currencies = st.sampled_from(["USD", "EUR", "JPY", "KWD", "UYW"])
minors = st.integers(0, 99_999_999_999)
almost_amounts = st.text("0123456789.,-+eE_ \n٣½xNa", max_size=20)


@unhurried
@given(minors, currencies)
def test_what_is_shown_can_be_typed_again_and_is_the_same_amount(minor: int, currency: str) -> None:
    if minor <= money.MOST.scaleb(money.digits_of(currency)):
        assert money.minor_units(money.amount(money.plain(minor, currency)), currency) == minor
        assert money.minor_units(money.amount(money.exact(minor, currency)), currency) == minor


@unhurried
@given(minors | minors.map(int.__neg__), currencies)
def test_the_json_number_is_exact_and_has_the_currencys_digits_unless_whole(minor: int, currency: str) -> None:
    digits = money.digits_of(currency)
    shown = money.exact(minor, currency)
    assert json.loads(shown, parse_float=Decimal, parse_int=Decimal) == Decimal(minor).scaleb(-digits)
    _, point, rest = shown.partition(".")
    assert (len(rest) == digits) if point else (minor % 10**digits == 0)


@unhurried
@given(minors | minors.map(int.__neg__), currencies)
def test_plain_and_spoken_money_always_has_all_of_the_currencys_digits(minor: int, currency: str) -> None:
    shown = money.plain(minor, currency)
    assert len(shown.partition(".")[2]) == money.digits_of(currency)
    assert Decimal(shown) == Decimal(minor).scaleb(-money.digits_of(currency))
    assert money.spoken(minor, currency) == f"{shown} {currency}"


@unhurried
@given(st.text() | almost_amounts)
def test_any_text_is_an_exact_amount_or_a_bad_value(text: str) -> None:
    try:
        found = money.amount(text)
    except BadValue:
        return
    assert text.isascii()
    assert found.is_finite()
    assert found >= 0
    assert found == Decimal(text)


NO_AMOUNTS = "- -1 +1 1e3 1E3 nan NaN inf Infinity 1_0 1,000 1,5 .5 5. 1.2.3 ٣ \uff11 0x10 $5 5$ 1\n 1\x00"


@pytest.mark.parametrize("text", ["", " 1", "1 ", *NO_AMOUNTS.split(" ")])
def test_signs_exponents_separators_and_names_are_no_amounts(text: str) -> None:
    with pytest.raises(BadValue, match="no amount"):
        money.amount(text)


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("9.90", "USD", 990),
        ("9.9", "USD", 990),
        ("9.900", "USD", 990),
        ("0", "USD", 0),
        ("0.01", "USD", 1),
        ("007", "USD", 700),
        ("999999999.99", "USD", 99_999_999_999),
        ("15", "JPY", 15),
        ("1.234", "KWD", 1234),
        ("1.2345", "UYW", 12345),
    ],
)
def test_a_typed_amount_becomes_minor_units_of_its_currency(typed: str, currency: str, minor: int) -> None:
    assert money.minor_units(money.amount(typed), currency) == minor


@pytest.mark.parametrize(("typed", "currency"), [("9.999", "USD"), ("1.5", "JPY"), ("0.0001", "KWD")])
def test_more_digits_than_the_currency_has_are_refused_not_rounded(typed: str, currency: str) -> None:
    with pytest.raises(BadValue, match=f"more decimals than {currency}"):
        money.minor_units(money.amount(typed), currency)


@pytest.mark.parametrize("typed", ["1000000000", "999999999999999"])
@pytest.mark.parametrize("currency", ["USD", "JPY", "UYW"])
def test_an_amount_beyond_the_most_is_refused(typed: str, currency: str) -> None:
    with pytest.raises(BadValue, match="the most an amount can be"):
        money.minor_units(money.amount(typed), currency)


def test_whole_amounts_are_whole_numbers_in_json_and_negative_ones_keep_their_sign() -> None:
    assert [money.exact(minor, "USD") for minor in (1500, 990, 5, 0, -200, -250, -5)] == [
        *("15", "9.90", "0.05", "0", "-2", "-2.50", "-0.05")
    ]
    assert [money.plain(minor, "USD") for minor in (1500, 990, -5)] == ["15.00", "9.90", "-0.05"]
    assert (money.plain(15, "JPY"), money.exact(15, "JPY"), money.plain(15, "KWD")) == ("15", "15", "0.015")


@unhurried
@given(st.text(max_size=5))
def test_any_text_is_a_currency_code_or_a_bad_value(text: str) -> None:
    try:
        found = money.currency(text)
    except BadValue:
        return
    assert found in money.CODES


def test_currency_codes_are_taken_in_any_case_and_unknown_ones_are_not() -> None:
    assert (money.currency("usd"), money.currency("Eur")) == ("USD", "EUR")
    for text in ("", "US", "USDX", "AAA", "XXX", " USD"):
        with pytest.raises(BadValue):
            money.currency(text)
