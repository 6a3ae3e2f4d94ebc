"""How a redemption came about: what was decided then, and what would be decided now."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ..db.session import db
from ..models import DiscountCoupon, OrderRedemption, OrderRedemptionCode
from . import rules
from .caller import Checkout
from .coupons.coupon import SELECT, coupons
from .pricing import Cart
from .redemptions import ListedOrder, codes_of, read_order_with
from .schemas import explanations
from .stored import Json


@dataclass(frozen=True, slots=True)
class Explanation:
    """`redeemed` is what was decided for the cart then, `now` the same decided again."""

    redemption_id: UUID
    order_id: str
    customer_id: str | None
    cart: Json
    redeemed: Json
    now: Json


def explain(redemption_id: UUID) -> Explanation:
    """Tell terms, rules and figures of a redemption, as they were then and as they are now.

    Raises: RedemptionNotFound.
    """
    order, snapshot = read_order_with(redemption_id, OrderRedemption.snapshot)
    cart = explanations.cart_of(snapshot)
    codes = codes_of([redemption_id])[redemption_id]
    return Explanation(
        redemption_id=redemption_id,
        order_id=order.order_id,
        customer_id=order.customer_id,
        cart=explanations.cart_shown(snapshot),
        redeemed=snapshot["redeemed"],
        now=_decided_now(order, codes, cart),
    )


def _decided_now(order: ListedOrder, codes: Sequence[OrderRedemptionCode], cart: Cart) -> Json:
    ids = [code.coupon_id for code in codes]
    found = {
        coupon.id: coupon
        for coupon in coupons(db.session.execute(SELECT.where(DiscountCoupon.id.in_(ids))))
    }
    checkout = Checkout(tuple(code.code for code in codes), cart, order.customer_id)
    decision = rules.judged(checkout, [found[coupon_id] for coupon_id in ids if coupon_id in found])
    return explanations.told(
        decision,
        decision.seen.now,
        gone=[code.code for code in codes if code.coupon_id not in found],
    )
