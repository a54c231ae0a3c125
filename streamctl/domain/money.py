"""Money: decimals where people type and read, integer minor units everywhere else.

The number of digits of a currency is ISO 4217's minor unit; a currency without an entry below has 2.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from streamctl.errors import BadValue, quoted

CODES = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL "
    "MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON "
    "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS "
    "UAH UGX USD UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)
DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    "UYW": 4,
}
MOST = Decimal("999999999.99")  # a line or a fee
MOST_STORED = 2**63 - 1  # minor units of a total

_TYPED = r"[0-9]{1,15}(\.[0-9]{1,9})?"


def digits_of(currency: str) -> int:
    """How many decimals the currency has."""
    return DIGITS.get(currency, 2)


def currency(text: str) -> str:
    """An ISO 4217 code as typed, in capitals. Raises BadValue."""
    code = text.upper()
    if code not in CODES:
        raise BadValue(f"{quoted(text)} is no ISO 4217 currency code, such as USD or EUR.")
    return code


def amount(text: str) -> Decimal:
    """An amount as typed: ASCII digits and at most one point, never a sign or an exponent. Raises BadValue."""
    if not re.fullmatch(_TYPED, text):
        raise BadValue(f"{quoted(text)} is no amount; write it like 9.90 (digits and one point, no sign).")
    return Decimal(text)


def most(currency: str) -> int:
    """The most that a line or a fee can be, in minor units."""
    return int(MOST.scaleb(digits_of(currency)))


@lru_cache(128)
def minor_units(amount: Decimal, currency: str) -> int:
    """The amount of a line or a fee in minor units. Raises BadValue when it has more digits or is too large."""
    return _minor(amount, currency, most(currency), "an amount")


def total_units(amount: Decimal, currency: str) -> int:
    """The total of many lines in minor units. Raises BadValue when it has more digits or can't be stored."""
    return _minor(amount, currency, MOST_STORED, "a total")


def _minor(amount: Decimal, currency: str, most: int, what: str) -> int:
    digits = digits_of(currency)
    shifted = amount.scaleb(digits)
    if shifted != shifted.to_integral_value():
        raise BadValue(f"{amount} has more decimals than {currency} has ({digits}).")
    if shifted > most:
        raise BadValue(f"{amount} is more than {plain(most, currency)}, the most {what} can be.")
    return int(shifted)


def plain(minor: int, currency: str) -> str:
    """`15.00`: minor units as a decimal with all of the currency's digits."""
    digits = digits_of(currency)
    if not digits:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, rest = divmod(abs(minor), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}}"


def exact(minor: int, currency: str) -> str:
    """`15` or `9.90`: the JSON number, with the currency's digits unless it is whole."""
    whole, rest = divmod(abs(minor), 10 ** digits_of(currency))
    return plain(minor, currency) if rest else f"{'-' if minor < 0 else ''}{whole}"


def spoken(minor: int, currency: str) -> str:
    """`9.90 USD`, for people."""
    return f"{plain(minor, currency)} {currency}"
