"""Migrations 0018 and 0019: coupons that were there before are found by their categories too."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask_migrate import downgrade, upgrade

from coupon_management_flask import create_app
from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import new_id

from .conftest import dispose_engines, settings_for
from .support.discounts import new_shop
from .test_migrations import ROWS, empty_database  # noqa: F401

pytestmark = pytest.mark.both_databases

FOR_EVERY_PRODUCT = sa.text("SELECT code, for_every_product FROM discount_coupons")


@pytest.fixture
def old(empty_database):  # noqa: F811
    """Push the context of an application on a database of the release before."""
    app = create_app(settings_for(empty_database))
    with app.app_context():
        upgrade(revision="0017")
        yield app
        dispose_engines()


def write(code, **terms):
    """Write a coupon as the release before did."""
    stock = {"id": new_id(), "capacity": None, "claimed": 0}
    row = {**ROWS["discount_coupons"](lambda _: stock), "code": code, "stock_id": stock["id"]}
    row |= {
        "coupon_for": "product",
        "min_purchase_amount": None,
        "starts_at": None,
        "expires_at": clock.now() + timedelta(days=1),
        "is_active": True,
        "is_public": True,
        "batch_id": None,
        **terms,
    }
    with transaction():
        db.session.execute(sa.insert(db.metadata.tables["stocks"]).values(**stock))
        db.session.execute(sa.insert(db.metadata.tables["discount_coupons"]).values(**row))


def test_coupons_for_a_category_are_for_it_alone_and_back_they_are_what_they_were(old):
    write("SHOES", categories=["shoes", "boots", "shoes"])
    write("NO-SHOES", excluded_categories=["shoes"])
    write("EVERY")
    write("LISTED", products=["p1"], categories=["shoes"], for_every_product=False)
    with db.engine.connect() as connection:
        before = sorted(connection.execute(FOR_EVERY_PRODUCT).all())

    upgrade()
    shop = new_shop(old.test_client())

    def listed(query=""):
        return {one["code"] for one in shop.get(f"/api/v1/coupons/product/p2{query}").json}

    assert listed() == {"NO-SHOES", "EVERY"}
    assert listed("?category=shoes") == {"SHOES", "EVERY", "LISTED"}
    assert listed("?category=hats") == {"NO-SHOES", "EVERY"}
    db.session.remove()
    downgrade(revision="0017")
    with db.engine.connect() as connection:
        assert sorted(connection.execute(FOR_EVERY_PRODUCT).all()) == before
        assert connection.scalar(sa.text("SELECT count(*) FROM discount_coupon_targets")) == 0
