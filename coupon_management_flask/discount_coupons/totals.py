"""What every answer about a cart says: amounts before and after, with items line by line too."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NotRequired, TypedDict

from .pricing import Cart


@dataclass(frozen=True, slots=True)
class CodeAmount:
    """What one code takes off."""

    code: str
    discount_amount: Decimal


@dataclass(frozen=True, slots=True)
class LineShare:
    """What is taken off one item."""

    product_id: str
    discount_amount: Decimal
    final_amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """`lines` has each item's share; None without items."""

    discount_amount: Decimal
    original_amount: Decimal
    final_amount: Decimal
    savings: Decimal
    lines: tuple[LineShare, ...] | None = None


class Amounts(TypedDict):
    """The arguments of Totals."""

    discount_amount: Decimal
    original_amount: Decimal
    final_amount: Decimal
    savings: Decimal
    lines: NotRequired[tuple[LineShare, ...]]


def amounts(cart: Cart, discount: Decimal, shares: Sequence[Decimal]) -> Amounts:
    found = Amounts(
        discount_amount=discount,
        original_amount=cart.total,
        final_amount=cart.total - discount,
        savings=discount,
    )
    if cart.items:
        found["lines"] = tuple(
            LineShare(item.product_id, share, item.total - share)
            for item, share in zip(cart.items, shares, strict=True)
        )
    return found
