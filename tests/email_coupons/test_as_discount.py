"""A code that was mailed is a discount coupon like any other, but nobody is shown it."""

import pytest

from ..support.discounts import PATH, new_shop
from ..support.refusals import refusal

CART = {"cartTotal": 80, "items": [{"productId": "p1", "quantity": 2, "unitPrice": 40}]}


@pytest.fixture
def shop(client):
    return new_shop(client)


@pytest.fixture
def code(ask):
    return ask().json["code"]


def test_the_checkout_takes_it_for_everything_once(shop, code):
    assert shop.post(f"{PATH}/validate", json={"code": code.lower(), **CART}).json["valid"] is True
    applied = shop.post(f"{PATH}/apply", json={"code": code, **CART})
    assert (applied.status_code, applied.json["discountAmount"]) == (200, 8)

    assert shop.redeem(code, total=80).status_code == 201
    assert refusal(shop.redeem(code, total=80), "discount_coupons") == (400, "usage_limit_exceeded")


def test_after_its_end_it_is_refused(shop, code, time):
    time.passes(days=30)

    assert refusal(shop.redeem(code), "discount_coupons") == (400, "coupon_expired")


def test_a_shopper_who_has_it_may_try_it_and_no_list_or_look_up_shows_it(shop, alice, code):
    assert alice.post(f"{PATH}/validate", json={"code": code, **CART}).status_code == 200
    (coupon,) = shop.get(PATH).json["results"]
    assert (coupon["code"], coupon["maxUsage"], coupon["products"]) == (code, 1, [])

    assert alice.get(PATH).json["results"] == []
    assert alice.get(f"{PATH}/product/p1").json == []
    assert alice.post(f"{PATH}/best", json=CART).json["codes"] == []
    for path in (f"code/{code}", coupon["id"]):
        assert refusal(alice.get(f"{PATH}/{path}"), "discount_coupons") == (404, "coupon_not_found")
