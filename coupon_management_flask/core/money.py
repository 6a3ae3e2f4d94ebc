"""Money: decimals of a currency, and whole numbers of its minor unit."""

from decimal import Decimal
from functools import cache

import pycountry

# From ISO 4217's list, because pycountry does not have them. All others have two.
_DECIMALS = {
    **dict.fromkeys(
        (
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


@cache
def currencies() -> list[str]:
    """Return the codes of ISO 4217 in alphabetical order."""
    return sorted(currency.alpha_3 for currency in pycountry.currencies)


@cache
def is_currency(code: str) -> bool:
    # pycountry would take small letters too.
    return code.isupper() and pycountry.currencies.get(alpha_3=code) is not None


def decimals(currency: str) -> int:
    """Return how many decimals amounts in this currency have."""
    return _DECIMALS.get(currency, 2)


def fits(amount: Decimal, currency: str) -> bool:
    """Whether an amount has no more decimals than its currency."""
    return amount == round(amount, decimals(currency))


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount, which must fit, in the currency's minor unit."""
    return int(amount.scaleb(decimals(currency)))


def from_minor(units: int, currency: str) -> Decimal:
    return Decimal(units).scaleb(-decimals(currency))


def written(amount: Decimal, currency: str) -> str:
    """Write an amount as people read it, with all of the currency's decimals."""
    return f"{amount:.{decimals(currency)}f}"


def number(value: Decimal | float | None) -> int | float | None:
    """Return a decimal as a JSON number, without a fraction where it has none."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)
