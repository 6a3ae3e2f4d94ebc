"""A cart, and its lines in minor units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

from . import units
from .terms import Terms

if TYPE_CHECKING:
    from .offer import Offer


@dataclass(frozen=True, slots=True)
class Item:
    product_id: str
    quantity: int
    unit_price: Decimal
    category: str | None = None

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(frozen=True)
class Cart:
    """What is bought. Where there are items, `product_ids` is ignored.

    Its amounts are in `currency`, in each coupon's own where that is None.

    Raises: ValueError where an amount is negative, or `total` is not the sum of the items.
    """

    total: Decimal
    product_ids: frozenset[str] = frozenset()
    items: tuple[Item, ...] = ()
    currency: str | None = None

    def __post_init__(self) -> None:
        totals = [item.total for item in self.items] or [self.total]
        if min(totals) < 0:
            raise ValueError("a cart has no negative amounts")
        if sum(totals) != self.total:
            raise ValueError("a cart's total is the sum of its items")

    @cached_property
    def lines(self) -> "CartLines":
        # Kept, because many coupons are tried on one cart of up to 10,000 items.
        return CartLines(self)


class CartLines:
    """A cart's lines in minor units, and which of them a coupon matches.

    A cart without items is one line. `offers` keeps what was worked out for each coupon.
    """

    def __init__(self, cart: Cart) -> None:
        self.cart = cart
        self.offers: dict[Terms, Offer] = {}
        self._units: dict[int, tuple[int, ...]] = {}
        self._by_product: dict[str, list[int]] = {}
        self._by_category: dict[str, list[int]] = {}
        for position, item in enumerate(cart.items):
            self._by_product.setdefault(item.product_id, []).append(position)
            if item.category is not None:
                self._by_category.setdefault(item.category, []).append(position)

    def units(self, exponent: int) -> tuple[int, ...]:
        """Return each line's amount in minor units.

        Raises: CurrencyMismatch where an amount is not a whole number of them.
        """
        if exponent not in self._units:
            self._units[exponent] = tuple(
                units.units(amount, exponent)
                for amount in [item.total for item in self.cart.items] or [self.cart.total]
            )
        return self._units[exponent]

    def matching(self, terms: Terms) -> Sequence[int]:
        """Return the positions of the lines that a coupon applies to."""
        narrowed = terms.coupon_for == "product" and bool(terms.products or terms.categories)
        if not self.cart.items:
            listed = self.cart.product_ids
            named = (listed & terms.products if narrowed else listed) - terms.excluded_products
            # A cart that lists no products holds some: a coupon for every product applies.
            return range(1) if named or not (listed or narrowed) else ()
        everything = range(len(self.cart.items))
        excluded = self._positions(terms.excluded_products, terms.excluded_categories)
        if narrowed:
            return sorted(self._positions(terms.products, terms.categories) - excluded)
        return (
            [position for position in everything if position not in excluded]
            if excluded
            else everything
        )

    def _positions(self, products: Iterable[str], categories: Iterable[str]) -> set[int]:
        found: set[int] = set()
        found.update(*(self._by_product.get(product, ()) for product in products))
        found.update(*(self._by_category.get(category, ()) for category in categories))
        return found
