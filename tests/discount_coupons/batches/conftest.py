from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from coupon_management_flask.db.session import db
from coupon_management_flask.messaging import loop, outbox
from coupon_management_flask.models import DiscountCoupon

from ...support.discounts import PATH, Shop

TEMPLATE = {"type": "percentage", "discount": 15, "couponFor": "product"}


@pytest.fixture
def generate(shop: Shop) -> Callable[..., TestResponse]:
    """Asks for three codes, unless told otherwise; `template` is added to."""

    def generate(template: Any = None, **body: Any) -> TestResponse:
        return shop.post(
            f"{PATH}/generate",
            json={"count": 3, "template": {**TEMPLATE, **(template or {})}, **body},
        )

    return generate


def deliver_due(most: int = 100) -> int:
    return outbox.deliver_due(loop.current().topics, most)


def codes_there() -> list[str]:
    return list(db.session.scalars(sa.select(DiscountCoupon.code).order_by(DiscountCoupon.id)))
