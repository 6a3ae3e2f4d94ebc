"""Who asks about coupons, and what for."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

import orjson

from ..identity import failed_attempts
from .pricing import Cart


@dataclass(frozen=True)
class Checkout:
    """Codes that are to be used together for a customer's cart."""

    codes: tuple[str, ...]
    cart: Cart
    customer_id: str | None

    @cached_property
    def fingerprint(self) -> str:
        """What is equal where an order is asked for with the same codes, cart and customer.

        It is worked out once, for a cart of 10,000 items takes a while. It is kept with each
        order, so its form never changes: a field that is added later enters only where it is
        given. It is a bare hash, for it must outlive SECRET_KEY, and what is in it stands beside
        it in the order.
        """
        items = [
            [item.product_id, item.category, item.quantity, str(item.unit_price.normalize())]
            for item in self.cart.items
        ]
        told = [
            sorted(self.codes),
            str(self.cart.total.normalize()),
            items,
            [] if items else sorted(self.cart.product_ids),
            self.customer_id,
            # Orders that were kept before a cart could name one are recognised by their old form.
            *([self.cart.currency] if self.cart.currency else []),
        ]
        return hashlib.sha256(orjson.dumps(told)).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and for which customer.

    Whoever does not manage coupons is a shopper: its own customer, who sees what is public, and
    whose wrong codes are counted.
    """

    account_id: UUID
    manages: bool
    customer_id: str | None = None
    attempt_limits: failed_attempts.Limits = field(default_factory=dict)

    def may_know(self, customer_ids: Collection[str]) -> bool:
        """Whether a coupon that is bound to these customers is there at all for the caller."""
        return self.manages or not customer_ids or self.customer_id in customer_ids

    def checkout(self, codes: Sequence[str], cart: Cart) -> Checkout:
        return Checkout(tuple(codes), cart, self.customer_id)
