"""What webhooks are told of: coupons and redemptions as the contract shows them elsewhere. Each is called in the transaction that it tells of.

Coupons that are generated or imported, thousands at a time, are not told of one by one.
"""

from collections.abc import Callable
from typing import Any

from ..db.session import AnyRow
from ..messaging.webhooks import recording

SHAPES: dict[str, Callable[[Any], dict[str, Any]]] = {}
"""How the discount contract shows a `coupon`, what was `redeemed` and what was `rolled_back`, whoever caused it. That contract says it here."""


def of_orders_are_wanted() -> bool:
    """Whether anybody is told of what may happen with an order's redemption."""
    return recording.are_wanted(["redemption.created", "coupon.exhausted"])


def coupon_created(coupon: AnyRow) -> None:
    recording.record("coupon.created", lambda: SHAPES["coupon"](coupon))


def coupon_updated(coupon: AnyRow) -> None:
    recording.record("coupon.updated", lambda: SHAPES["coupon"](coupon))


def coupon_exhausted(coupon: AnyRow, *, uses: int) -> None:
    """Its last use has just been taken: `uses` in all."""
    recording.record("coupon.exhausted", lambda: {**SHAPES["coupon"](coupon), "usageCount": uses})


def redeemed(answer: dict[str, Any], *, order_id: str, customer_id: str | None) -> None:
    recording.record(
        "redemption.created",
        lambda: {"orderId": order_id, "customerId": customer_id, **SHAPES["redeemed"](answer)},
    )


def rolled_back(answer: dict[str, Any], *, order_id: str, customer_id: str | None) -> None:
    recording.record(
        "redemption.rolled_back",
        lambda: {"orderId": order_id, "customerId": customer_id, **SHAPES["rolled_back"](answer)},
    )
