"""A shop: its server, an administrator, shoppers, and coupons made through HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from coupon_management_flask.models import (
    DiscountCoupon,
    DiscountCouponTarget,
    LimitUse,
    OrderRedemption,
    OrderRedemptionCode,
    Redemption,
    RedemptionTake,
    Stock,
)

from ..support.books import rows_of
from ..support.discounts import Shop, new_shop


@pytest.fixture
def shop(client: FlaskClient) -> Shop:
    """The shop's server, which may do everything."""
    return new_shop(client)


@pytest.fixture
def discount_books(app: Flask) -> Callable[[], dict[str, Any]]:
    """Everything that a refusal must leave as it was."""
    models = (
        DiscountCoupon,
        DiscountCouponTarget,
        LimitUse,
        OrderRedemption,
        OrderRedemptionCode,
        Redemption,
        RedemptionTake,
        Stock,
    )

    return lambda: rows_of(*models)
