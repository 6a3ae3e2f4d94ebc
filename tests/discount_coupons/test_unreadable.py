"""Coupons that were stored once, and of which this server can't read something any more.

They are not valid at this time, and nobody else's coupons suffer for it.
"""

import json

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.messaging import loop, outbox
from coupon_management_flask.models import CouponBatch, DiscountCoupon

from ..support.discounts import PATH
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases

CART = {"cartTotal": 100, "customerId": "c1"}
# The columns that hold JSON of ours, with what another release or another machine may have left.
STORED = {
    "zone": {"schedule": {"timezone": "localtime"}},
    "zone and hours": {"schedule": {"timezone": "right/UTC", "from": "00:00", "until": "23:59"}},
    "zone that is no text": {"schedule": {"timezone": ["UTC"]}},
    "hours": {"schedule": {"from": "9 o'clock", "until": "17:00"}},
    "half of the hours": {"schedule": {"from": "09:00"}},
    "days": {"schedule": {"weekdays": None}},
    "limit": {"limits": {"perFortnight": 3}},
}


def store(coupon, **columns):
    """Put into the database what no call would."""
    with transaction():
        db.session.execute(
            sa.update(DiscountCoupon).where(DiscountCoupon.code == coupon["code"]).values(**columns)
        )


@pytest.mark.parametrize("what", STORED)
def test_it_is_not_valid_at_this_time_and_no_call_fails(shop, alice, discount_books, what):
    limits = {"perDay": 5, "perCustomer": 5, "budget": 100}
    coupon, other = shop.new(limits=limits, combinable=True), shop.new(combinable=True)
    store(coupon, **STORED[what])
    path, code = f"{PATH}/{coupon['id']}", coupon["code"]
    before = discount_books()

    for call, body in (
        ("validate", {"code": code, **CART}),
        ("apply", {"code": code, **CART}),
        ("redeem", {"code": code, "orderId": "o1", **CART}),
        ("increment-usage", {"code": code}),
    ):
        answer = shop.post(f"{PATH}/{call}", json=body)
        assert refusal(answer, "discount_coupons") == (400, "coupon_not_valid_at_this_time"), call
        assert answer.json["message"] == "Coupon is not valid at this time"
    assert discount_books() == before
    for who in (shop, alice):
        best = who.post(f"{PATH}/best", json={"cartTotal": 100})
        assert (best.status_code, best.json["codes"]) == (200, [other["code"]])
    both = shop.post(f"{PATH}/apply-all", json={"codes": [code, other["code"]], **CART})
    assert both.status_code == 200, both.text
    for asked in (path, PATH, f"{PATH}/code/{code}", f"{PATH}/product/p1"):
        assert shop.get(asked).status_code == 200, asked
    mended = shop.patch(path, json={"schedule": None, "limits": {}})
    assert mended.status_code == 200, mended.text
    assert shop.post(f"{PATH}/validate", json={"code": code, **CART}).status_code == 200


def test_one_in_a_currency_that_is_none_any_more_is_still_good_in_it(shop):
    coupon = shop.new(type="fixed", discount=5)
    store(coupon, currency="XXY")

    answer = shop.redeem(coupon["code"])

    assert (answer.status_code, answer.json["discountAmount"]) == (201, 5)
    assert shop.get(f"{PATH}/{coupon['id']}").json["currency"] == "XXY"
    assert shop.post(f"{PATH}/best", json={"cartTotal": 100}).json["codes"] == []


def test_what_was_redeemed_before_is_explained_and_rolled_back(shop):
    coupon = shop.new(limits={"perDay": 5, "perCustomer": 5})
    redemption = shop.redeem(coupon["code"], customerId="c1").json["redemptionId"]
    store(coupon, schedule={"timezone": "localtime"})

    explained = shop.get(f"/api/v1/redemptions/{redemption}/explain")
    assert explained.status_code == 200, explained.text
    assert explained.json["now"]["codes"][0]["error_code"] == "coupon_not_valid_at_this_time"
    assert shop.roll_back(redemption).status_code == 200
    assert shop.use(coupon) == 0


def test_a_batch_whose_template_is_not_taken_any_more_fails_at_once(shop):
    batch = shop.post(
        f"{PATH}/generate",
        json={"count": 1001, "template": {"type": "fixed", "discount": 1, "couponFor": "product"}},
    ).json
    with transaction():
        template = db.session.scalar(sa.select(CouponBatch.template))
        template = {**json.loads(json.dumps(template)), "schedule": {"timezone": "localtime"}}
        db.session.execute(sa.update(CouponBatch).values(template=template))

    outbox.deliver_due(loop.current().topics, 100)

    answer = shop.get(f"{PATH}/batches/{batch['batchId']}").json
    assert (answer["status"], answer["done"]) == ("failed", 0)
