"""GET /api/v1/redemptions, one of them, and its explanation."""

from datetime import UTC, datetime

import pytest

from ..support.discounts import PATH, items
from ..support.refusals import refusal


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [one["redemptionId"] for one in answer.json["results"]]


def test_redemptions_are_found_by_code_order_and_customer_newest_first(shop):
    one, two = shop.new(code="ONE", combinable=True), shop.new(code="TWO", combinable=True)
    made = [
        shop.redeem("ONE", order="o1", customerId="c1").json["redemptionId"],
        shop.redeem("ONE", "TWO", order="o2", customerId="c2").json["redemptionId"],
        shop.redeem("TWO", order="o3").json["redemptionId"],
    ]
    first, second, third = made

    for query, found in {
        "": [third, second, first],
        "code=one": [second, first],
        "code=TWO": [third, second],
        "orderId=o2": [second],
        "customerId=c1": [first],
        "customerId=c1&code=two": [],
        "limit=2": [third, second],
        "limit=2&page=2": [first],
    }.items():
        assert ids(shop.get(f"/api/v1/redemptions?{query}")) == found, query
    answer = shop.get("/api/v1/redemptions?limit=2").json
    assert {name: answer[name] for name in ("page", "limit", "totalPages", "totalResults")} == {
        "page": 1,
        "limit": 2,
        "totalPages": 2,
        "totalResults": 3,
    }
    assert (
        answer["results"][1]
        == shop.get(f"/api/v1/redemptions/{second}").json
        == {
            "redemptionId": second,
            "orderId": "o2",
            "customerId": "c2",
            "codes": [
                {"code": "ONE", "couponId": one["id"], "discountAmount": 10},
                {"code": "TWO", "couponId": two["id"], "discountAmount": 9},
            ],
            "currency": "USD",
            "discountAmount": 19,
            "originalAmount": 100,
            "finalAmount": 81,
            "status": "redeemed",
            "redeemedAt": answer["results"][1]["redeemedAt"],
            "rolledBackAt": None,
            "rollbacks": [],
        }
    )


def test_one_that_is_not_there_is_not_found_and_shoppers_see_none(shop, alice):
    redemption = shop.redeem(shop.new()["code"]).json["redemptionId"]
    for tail in ("", "/explain"):
        assert refusal(
            shop.get(f"/api/v1/redemptions/01a1fe71-d916-74a7-90b2-23dce04e7d8c{tail}"),
            "discount_coupons",
        ) == (404, "redemption_not_found")
        assert refusal(
            alice.get(f"/api/v1/redemptions/{redemption}{tail}"), "discount_coupons"
        ) == (403, "permission_denied")
    assert refusal(alice.get("/api/v1/redemptions"), "discount_coupons") == (
        403,
        "permission_denied",
    )


@pytest.fixture
def explained(shop, time_is):
    """A redemption of a coupon with rules of all kinds, and the coupon."""
    time_is(datetime(2026, 11, 17, 12, tzinfo=UTC))
    coupon = shop.new(
        discount=50,
        maxDiscountAmount=20,
        products=["p1"],
        minPurchaseAmount=10,
        maxUsage=1,
        limits={"perDay": 1, "budget": 30},
        customerIds=["c1"],
    )
    cart = items(("p1", 1, 9999, "tea"), ("p2", 1, 1))
    redemption = shop.redeem(coupon["code"], customerId="c1", total=None, order="o1", **cart).json[
        "redemptionId"
    ]
    return redemption, coupon


def test_a_redemption_is_explained_as_it_was_and_as_it_would_be(shop, explained, time_is):
    redemption, coupon = explained
    time_is(datetime(2026, 11, 18, 12, tzinfo=UTC))
    shop.patch(f"{PATH}/{coupon['id']}", json={"discount": 10, "maxUsage": 2})

    answer = shop.get(f"/api/v1/redemptions/{redemption}/explain")

    assert answer.status_code == 200
    told = answer.json
    assert (told["redemptionId"], told["orderId"], told["customerId"]) == (redemption, "o1", "c1")
    assert told["cart"] == {
        "cartTotal": 100,
        "items": [
            {"productId": "p1", "quantity": 1, "unitPrice": 99.99, "category": "tea"},
            {"productId": "p2", "quantity": 1, "unitPrice": 0.01},
        ],
    }
    (then,), (now,) = told["redeemed"]["codes"], told["now"]["codes"]
    assert (
        told["redeemed"]["at"],
        told["redeemed"]["discountAmount"],
        told["redeemed"]["finalAmount"],
    ) == ("2026-11-17T12:00:00Z", 20, 80)
    assert (told["now"]["at"], told["now"]["discountAmount"], told["now"]["finalAmount"]) == (
        "2026-11-18T12:00:00Z",
        10,
        90,
    )
    assert (then["coupon"], then["discountAmount"], then["error_code"]) == (coupon, 20, None)
    assert (now["coupon"]["discount"], now["discountAmount"]) == (10, 10)
    assert [(rule["rule"], rule["passed"]) for rule in then["rules"]] == [
        ("coupon_inactive", True),
        ("coupon_not_yet_valid", True),
        ("coupon_expired", True),
        ("coupon_not_valid_at_this_time", True),
        ("usage_limit_exceeded", True),
        ("period_limit_reached", True),
        ("budget_used_up", True),
        ("not_for_this_customer", True),
        ("minimum_not_reached", True),
        ("no_eligible_products", True),
    ]
    saw = {rule["rule"]: rule["saw"] for rule in then["rules"]}
    assert saw["usage_limit_exceeded"] == {"usageCount": 0, "maxUsage": 1}
    assert saw["period_limit_reached"] == {
        "limit": "perDay",
        "used": 0,
        "allowed": 1,
        "period": "2026-11-17",
    }
    assert saw["budget_used_up"] == {"used": 0, "budget": 30, "asked": 20}
    assert {rule["rule"]: rule["saw"] for rule in now["rules"]}["budget_used_up"] == {
        "used": 20,
        "budget": 30,
        "asked": 10,
    }
    assert then["steps"] == [
        {"step": "appliedTo", "amount": 99.99},
        {"step": "available", "amount": 99.99},
        {"step": "raw", "amount": 49.995},
        {"step": "capped", "amount": 20},
        {"step": "rounded", "amount": 20},
    ]


def test_what_would_be_refused_now_says_why(shop, explained):
    redemption, coupon = explained

    (now,) = shop.get(f"/api/v1/redemptions/{redemption}/explain").json["now"]["codes"]
    assert (now["error_code"], now["discountAmount"], now["steps"]) == (
        "usage_limit_exceeded",
        None,
        [],
    )

    shop.delete(f"{PATH}/{coupon['id']}")
    told = shop.get(f"/api/v1/redemptions/{redemption}/explain").json
    assert told["redeemed"]["codes"][0]["coupon"] == coupon
    assert told["now"]["codes"] == [
        {
            "code": coupon["code"],
            "coupon": None,
            "rules": [],
            "discountAmount": None,
            "steps": [],
            "error_code": "coupon_not_found",
        }
    ]
    assert told["now"]["finalAmount"] == 100
