"""A coupon's terms as the arithmetic sees them."""

from dataclasses import dataclass
from decimal import Decimal

from ...models.kinds import CouponFor, DiscountBase, DiscountType


@dataclass(frozen=True, slots=True)
class Terms:
    """What a coupon takes off, and how it goes with others.

    `exponent` is the number of the currency's decimals, `maximum` the most that it takes off.
    """

    code: str
    type: DiscountType
    discount: Decimal
    coupon_for: CouponFor
    currency: str
    exponent: int
    products: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    excluded_products: frozenset[str] = frozenset()
    excluded_categories: frozenset[str] = frozenset()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    combinable: bool = False
    exclusive_group: str | None = None
    priority: int = 0
    base: DiscountBase = DiscountBase.REMAINING

    def __post_init__(self) -> None:
        # `best` prunes on the strength of this: no coupon takes more than a cent for a cent.
        if self.discount < 0 or (self.type == DiscountType.PERCENTAGE and self.discount > 100):
            raise ValueError("a discount is at least 0, a percentage at most 100")
