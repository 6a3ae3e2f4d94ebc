"""A shop: its server, an administrator, shoppers, and coupons made through HTTP."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from coupon_management_flask.core import audit, clock
from coupon_management_flask.database import db
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

from ..support.discounts import Shop, new_shop


@pytest.fixture
def shop(client: FlaskClient) -> Shop:
    """The shop's server, which may do everything."""
    return new_shop(client)


@pytest.fixture
def time_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.fixture
def discount_books(app: Flask) -> Callable[[], dict[str, Any]]:
    """Everything that a refusal must leave as it was."""
    models = (DiscountCoupon, DiscountCouponTarget, LimitUse, OrderRedemption, OrderRedemptionCode, Redemption, RedemptionTake, Stock)

    def read() -> dict[str, Any]:
        return {
            model.__tablename__: [tuple(row) for row in db.session.execute(sa.select(model.__table__).order_by(*model.__table__.primary_key))]
            for model in models
        }

    return read


@pytest.fixture(autouse=True)
def the_books_add_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that has an application: claimed is redeemed, used is taken."""
    if "app" not in request.fixturenames:
        yield
        return
    # Made first, so that its tables are still there afterwards.
    request.getfixturevalue("app")
    yield
    assert list(audit.discrepancies()) == []
