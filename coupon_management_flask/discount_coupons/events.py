"""What webhooks are told of: coupons and redemptions, as the contract shows them elsewhere.

Each function is called in the transaction that it tells of, whichever contract caused it. Coupons
that are generated or imported, thousands at a time, are not told of one by one.
"""

from dataclasses import replace

from ..messaging.webhooks import recording
from .coupons.coupon import Coupon, by_code
from .schemas.coupons import DiscountCouponSchema
from .schemas.redemptions import OrderOfEventSchema, RedeemedSchema, RolledBackSchema
from .stored import Json

_coupon = DiscountCouponSchema()
_order = OrderOfEventSchema()
_redeemed = RedeemedSchema()
_rolled_back = RolledBackSchema()


def of_orders_are_wanted() -> bool:
    """Whether anybody is told of what may happen with an order's redemption."""
    return recording.are_wanted(["redemption.created", "coupon.exhausted"])


def coupon_created(coupon: Coupon) -> None:
    recording.record("coupon.created", lambda: _coupon.dump(coupon))


def coupon_with_code_created(code: str) -> None:
    """Tell of a coupon that was written without being read: it is read where somebody wants it."""
    recording.record("coupon.created", lambda: _coupon.dump(by_code(code)))


def coupon_updated(coupon: Coupon) -> None:
    recording.record("coupon.updated", lambda: _coupon.dump(coupon))


def coupon_exhausted(coupon: Coupon, *, uses: int) -> None:
    """Tell that a coupon has just no use left any more: it has had `uses` in all."""
    recording.record("coupon.exhausted", lambda: _coupon.dump(replace(coupon, usage_count=uses)))


def redeemed(answer: Json, *, order_id: str, customer_id: str | None) -> None:
    order = {"order_id": order_id, "customer_id": customer_id}
    recording.record("redemption.created", lambda: {**_order.dump(order), **_redeemed.dump(answer)})


def rolled_back(answer: Json, *, order_id: str, customer_id: str | None) -> None:
    order = {"order_id": order_id, "customer_id": customer_id}
    recording.record(
        "redemption.rolled_back", lambda: {**_order.dump(order), **_rolled_back.dump(answer)}
    )
