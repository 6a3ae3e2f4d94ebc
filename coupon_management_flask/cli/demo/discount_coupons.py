"""A shop's example coupons, for development."""

from decimal import Decimal
from typing import Any

from ...db.session import transaction
from ...discount_coupons.coupons import change
from ...discount_coupons.refusals import CodeTaken

_COUPONS: list[dict[str, Any]] = [
    {
        "code": "WELCOME10",
        "type": "percentage",
        "discount": Decimal(10),
        "coupon_for": "product",
        "first_order_only": True,
        "combinable": True,
    },
    {
        "code": "TEA-5",
        "type": "fixed",
        "discount": Decimal(5),
        "coupon_for": "product",
        "products": ["tea-1", "tea-2"],
        "categories": ["tea"],
    },
    {
        "code": "OVER50",
        "type": "percentage",
        "discount": Decimal(15),
        "coupon_for": "minPurchase",
        "min_purchase_amount": Decimal(50),
        "max_discount_amount": Decimal(30),
        "combinable": True,
        "priority": 1,
    },
    {
        "code": "FIRST-100",
        "type": "percentage",
        "discount": Decimal(20),
        "coupon_for": "product",
        "max_usage": 100,
        "limits": {"perCustomer": 1},
    },
]


def load(currency: str) -> bool:
    """Load all of it, or nothing and return False where its first coupon is there already."""
    try:
        with transaction():
            for coupon in _COUPONS:
                change.create_coupon(currency=currency, **coupon)
    except CodeTaken:
        return False
    return True
