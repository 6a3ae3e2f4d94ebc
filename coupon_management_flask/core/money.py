"""Money: decimals of a currency, and its minor unit as whole numbers."""

from decimal import Decimal
from functools import cache
from typing import Any

import pycountry

# ISO 4217's list has them, pycountry does not. All others have two.
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
def is_currency(code: str) -> bool:
    # To pycountry, small letters are as good.
    return code.isupper() and pycountry.currencies.get(alpha_3=code) is not None


def decimals(currency: str) -> int:
    """How many decimals amounts in this currency have."""
    return _DECIMALS.get(currency, 2)


def fits(amount: Decimal, currency: str) -> bool:
    """Whether an amount has no more decimals than its currency."""
    return amount == round(amount, decimals(currency))


def to_minor(amount: Decimal, currency: str) -> int:
    """An amount, which must fit, in the currency's minor unit."""
    return int(amount.scaleb(decimals(currency)))


def from_minor(units: int, currency: str) -> Decimal:
    return Decimal(units).scaleb(-decimals(currency))


def written(amount: Decimal, currency: str) -> str:
    """As people read it, with all of the currency's decimals."""
    return f"{amount:.{decimals(currency)}f}"


def number(value: Any) -> int | float | None:
    """A decimal as a JSON number, without a fraction where it has none."""
    if value is None or type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    return int(value) if value == value.to_integral_value() else float(value)
