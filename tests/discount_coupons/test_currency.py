"""A cart may name its currency: a part of it is a part in any, and amounts are in their own."""

import pytest

from ..support.discounts import PATH
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases


def test_a_percentage_is_redeemed_in_the_carts_currency_with_its_decimals(shop):
    code = shop.new(currency="USD", discount=33, maxUsage=2)["code"]

    yen = shop.redeem(code, total=5000, currency="JPY")
    dinars = shop.redeem(code, total="4.717", currency="KWD")

    assert [order.json["discountAmount"] for order in (yen, dinars)] == [1650, 1.557]
    shown = [
        shop.get(f"/api/v1/redemptions/{order.json['redemptionId']}").json
        for order in (yen, dinars)
    ]
    assert [one["currency"] for one in shown] == ["JPY", "KWD"]
    told = shop.get(f"/api/v1/redemptions/{shown[1]['redemptionId']}/explain").json
    assert told["cart"] == {"cartTotal": 4.717, "productIds": [], "currency": "KWD"}
    assert told["redeemed"]["discountAmount"] == 1.557
    (rule,) = [rule for rule in told["redeemed"]["codes"][0]["rules"] if "currency" in rule["rule"]]
    assert (rule["passed"], rule["saw"]) == (True, {"cartCurrency": "KWD", "currency": "USD"})


@pytest.mark.parametrize(
    "terms",
    [
        {"type": "fixed", "discount": 1},
        {"couponFor": "minPurchase", "minPurchaseAmount": 1},
        {"maxDiscountAmount": 1},
        {"limits": {"budget": 100}},
    ],
    ids=str,
)
def test_amounts_in_another_currency_are_refused_next_after_what_is_switched_off(
    shop, discount_books, terms
):
    late = {"expiresAt": "2001-01-01T00:00:00Z"}
    made = shop.new(currency="USD", **terms)
    expired = shop.new(currency="USD", **terms, **late)
    off = shop.new(currency="USD", isActive=False, **terms, **late)
    before = discount_books()
    cart = {"cartTotal": 500, "productIds": [], "currency": "JPY"}

    for name in ("validate", "apply"):
        for coupon, reason in (
            (made, "currency_mismatch"),
            (expired, "currency_mismatch"),
            (off, "coupon_inactive"),
        ):
            answer = shop.post(f"{PATH}/{name}", json={"code": coupon["code"], **cart})
            assert refusal(answer, "discount_coupons") == (400, reason)
    answer = shop.redeem(made["code"], total=500, currency="JPY")
    assert refusal(answer, "discount_coupons") == (400, "currency_mismatch")

    assert discount_books() == before
    assert shop.redeem(made["code"], total=500, currency="USD").status_code == 201


def test_the_same_order_in_another_currency_is_another_order(shop):
    code = shop.new(currency="USD")["code"]
    assert shop.redeem(code, order="o", currency="EUR").status_code == 201

    assert shop.redeem(code, order="o", currency="EUR").status_code == 200
    answer = shop.redeem(code, order="o", currency="GBP")
    assert refusal(answer, "discount_coupons") == (409, "order_already_redeemed")


def test_codes_go_together_in_the_carts_currency_whatever_their_own(shop):
    shop.new(code="DOLLARS", currency="USD", combinable=True)
    shop.new(code="EUROS", currency="EUR", combinable=True)
    shop.new(code="FIXED", currency="EUR", type="fixed", discount=5, combinable=True)
    body = {"codes": ["DOLLARS", "EUROS", "FIXED"], "cartTotal": 1000, "currency": "JPY"}

    answer = shop.post(f"{PATH}/apply-all", json=body).json

    assert [one["code"] for one in answer["codes"]] == ["DOLLARS", "EUROS"]
    assert {one["code"]: one["error_code"] for one in answer["leftOut"]} == {
        "FIXED": "currency_mismatch"
    }
    assert answer["discountAmount"] == 190
    best = shop.post(f"{PATH}/best", json=body).json
    assert (sorted(best["codes"]), best["finalAmount"]) == (["DOLLARS", "EUROS"], 810)


def test_more_decimals_than_the_carts_currency_has_are_refused(shop, discount_books):
    code = shop.new(currency="USD")["code"]
    before = discount_books()

    for total, currency in (("10.5", "JPY"), ("1.0001", "KWD"), (10, "XXY"), (10, "usd")):
        answer = shop.redeem(code, total=total, currency=currency)
        assert refusal(answer, "discount_coupons") == (400, "validation_error")

    assert discount_books() == before
