"""What webhooks are told of: coupons and redemptions as the contract shows them elsewhere. Each is called in the transaction that it tells of.

Coupons that are generated or imported, thousands at a time, are not told of one by one.
"""

from typing import Any

from ..core import webhooks
from ..database import AnyRow
from . import schemas

_coupon = schemas.DiscountCouponSchema()
_redeemed = schemas.RedeemedSchema()
_rolled_back = schemas.RolledBackSchema()


def of_orders_are_wanted() -> bool:
    """Whether anybody is told of what may happen with an order's redemption."""
    return webhooks.are_wanted(["redemption.created", "coupon.exhausted"])


def coupon_created(coupon: AnyRow) -> None:
    webhooks.record("coupon.created", lambda: _shown(coupon))


def coupon_updated(coupon: AnyRow) -> None:
    webhooks.record("coupon.updated", lambda: _shown(coupon))


def coupon_exhausted(coupon: AnyRow, *, uses: int) -> None:
    """Its last use has just been taken: `uses` in all."""
    webhooks.record("coupon.exhausted", lambda: {**_shown(coupon), "usageCount": uses})


def redeemed(answer: dict[str, Any], *, order_id: str, customer_id: str | None) -> None:
    webhooks.record("redemption.created", lambda: {"orderId": order_id, "customerId": customer_id, **_redeemed.dump(answer)})


def rolled_back(answer: dict[str, Any], *, order_id: str, customer_id: str | None) -> None:
    webhooks.record("redemption.rolled_back", lambda: {"orderId": order_id, "customerId": customer_id, **_rolled_back.dump(answer)})


def _shown(coupon: AnyRow) -> dict[str, Any]:
    return _coupon.dump(coupon)  # type: ignore[no-any-return]
