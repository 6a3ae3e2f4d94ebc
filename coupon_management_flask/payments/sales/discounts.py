"""The discount of a purchase: what a code takes off, and the use of it that is held until the end.

The use is taken as an order of discount coupons whose order id is the purchase's id.
"""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from ...discount_coupons import redeem as orders
from ...discount_coupons import rules
from ...discount_coupons.pricing.combine import Cart, Combined, Item
from ...discount_coupons.refusals import CouponNotFound, CurrencyMismatch
from ...discount_coupons.rules import Caller, Judgement
from ...identity import failed_attempts


@dataclass(frozen=True, slots=True)
class Discount:
    """A code that can be used for a purchase, and what it takes off in the major unit."""

    judgement: Judgement
    combined: Combined
    cart: Cart

    @property
    def amount(self) -> Decimal:
        return self.combined.discount


def decide(
    buyer_id: UUID, code: str, item: Item, currency: str, guess_limits: failed_attempts.Limits
) -> Discount:
    """Return what a code takes off an item that is sold in `currency`; takes nothing.

    Raises: CouponNotFound, which counts as a wrong guess; RateLimited; CurrencyMismatch; and the
    first refusal in the contract's order.
    """
    caller = Caller(buyer_id, manages=False, customer_id=str(buyer_id), guess_limits=guess_limits)
    coupon = rules.find(caller, [code]).get(code)
    if coupon is None:
        raise CouponNotFound
    if coupon.currency != currency:
        raise CurrencyMismatch
    cart = Cart(item.total, items=(item,))
    judgement = rules.judge(
        coupon, rules.see([coupon], caller.customer_id), caller.customer_id, cart
    )
    if judgement.refusal is not None:
        raise judgement.refusal
    return Discount(judgement, rules.combine_all([judgement], cart), cart)


def hold(discount: Discount | None, purchase_id: UUID, buyer_id: UUID) -> UUID | None:
    """Take the use of a purchase's discount, inside an open transaction.

    Returns the order's redemption, or None without a discount.

    Raises: Exhausted (also as LimitReached) where the code was used up or changed since it was
    priced; Overtaken where somebody else holds it for this purchase by now. The transaction must
    then be rolled back. A new quote says what refuses.
    """
    if discount is None:
        return None
    caller = Caller(buyer_id, manages=False, customer_id=str(buyer_id))
    answer = orders.claim(
        caller, [discount.judgement], discount.combined, str(purchase_id), discount.cart
    )
    return UUID(answer["redemption_id"])


def give_back(order_redemption_id: UUID) -> None:
    """Give back all that `hold` has taken, exactly once however often this is called."""
    orders.roll_back(
        order_redemption_id,
        reason="cancelled",
        restore={"use": True, "customer": True, "budget": True},
        lines=None,
    )
