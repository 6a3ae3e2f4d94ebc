"""Whole minor units: integers are exact and fast."""

from collections.abc import Sequence
from decimal import Decimal

from ..refusals import CurrencyMismatch


def largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount into whole parts proportional to the weights.

    What is left over goes by the largest remainder, ties by position. No part is above its weight
    as long as the amount is not above their sum.
    """
    if not amount:
        return [0] * len(weights)
    total = sum(weights)
    products = [amount * weight for weight in weights]
    parts = [product // total for product in products]
    missing = amount - sum(parts)
    if missing:
        remainders = [product % total for product in products]
        last = sorted(remainders, reverse=True)[missing - 1]
        ties = missing - sum(remainder > last for remainder in remainders)
        for position, remainder in enumerate(remainders):
            if remainder > last:
                parts[position] += 1
            elif remainder == last and ties:
                parts[position] += 1
                ties -= 1
    return parts


def units(amount: Decimal, exponent: int) -> int:
    """Return an amount in minor units.

    Raises: CurrencyMismatch where it is not a whole number of them.
    """
    numerator, denominator = amount.as_integer_ratio()
    scale: int = 10**exponent
    whole, rest = divmod(numerator * scale, denominator)
    if rest:
        raise CurrencyMismatch
    return whole


def whole_units(amount: Decimal, exponent: int) -> int:
    """Return an amount in minor units, rounded down."""
    numerator, denominator = amount.as_integer_ratio()
    scale: int = 10**exponent
    return numerator * scale // denominator


def decimal(units: int, exponent: int) -> Decimal:
    return Decimal(units).scaleb(-exponent)
