"""What webhooks are told of what happens to coupons and orders."""

from ...support.discounts import coupon_body
from .conftest import deliver_due


def told(receiver, secret):
    """Delivers what is due: type and data of each message, as verified."""
    receiver.received.clear()
    deliver_due()
    return [
        (message["type"], message["data"])
        for message in (received.verified(secret) for received in receiver.received)
    ]


def test_a_coupons_life_is_told_as_the_contract_shows_it(shop, subscribe, receiver):
    secret = subscribe()["secret"]

    made = shop.post(
        "/api/v1/coupons", json=coupon_body(code="ONCE-1", discount=10, maxUsage=1)
    ).json
    assert told(receiver, secret) == [("coupon.created", made)]

    changed = shop.patch(
        f"/api/v1/coupons/{made['id']}", json={"description": "For the first one"}
    ).json
    assert told(receiver, secret) == [("coupon.updated", changed)]

    order = {"code": "ONCE-1", "orderId": "order-1", "cartTotal": 40, "customerId": "c-1"}
    redeemed = shop.post("/api/v1/coupons/redeem", json=order).json
    events = dict(told(receiver, secret))
    assert events == {
        "coupon.exhausted": {**changed, "usageCount": 1},
        "redemption.created": {"orderId": "order-1", "customerId": "c-1", **redeemed},
    }

    back = shop.post(
        f"/api/v1/redemptions/{redeemed['redemptionId']}/rollback", json={"reason": "cancelled"}
    ).json
    assert told(receiver, secret) == [
        ("redemption.rolled_back", {"orderId": "order-1", "customerId": "c-1", **back})
    ]


def test_what_is_repeated_or_refused_is_told_to_nobody(shop, subscribe, receiver):
    made = shop.post(
        "/api/v1/coupons", json=coupon_body(code="ONCE-1", discount=10, maxUsage=1)
    ).json
    order = {"code": "ONCE-1", "orderId": "order-1", "cartTotal": 40}
    redeemed = shop.post("/api/v1/coupons/redeem", json=order).json
    secret = subscribe()["secret"]

    assert shop.post("/api/v1/coupons/redeem", json=order).status_code == 200
    assert shop.post("/api/v1/coupons/redeem", json={**order, "cartTotal": 50}).status_code == 409
    assert (
        shop.post("/api/v1/coupons/redeem", json={**order, "orderId": "order-2"}).status_code == 400
    )
    assert shop.post("/api/v1/coupons/increment-usage", json={"code": "ONCE-1"}).status_code == 400
    assert (
        shop.post("/api/v1/coupons", json=coupon_body(code="ONCE-1", discount=10)).status_code
        == 400
    )
    assert shop.patch(f"/api/v1/coupons/{made['id']}", json={"maxUsage": 0}).status_code == 400
    assert told(receiver, secret) == []

    assert (
        shop.post(
            f"/api/v1/redemptions/{redeemed['redemptionId']}/rollback", json={"reason": "cancelled"}
        ).status_code
        == 200
    )
    assert [type_ for type_, _ in told(receiver, secret)] == ["redemption.rolled_back"]
    assert (
        shop.post(
            f"/api/v1/redemptions/{redeemed['redemptionId']}/rollback", json={"reason": "cancelled"}
        ).status_code
        == 200
    )
    assert told(receiver, secret) == []


def test_the_last_use_that_belongs_to_no_order_exhausts_a_coupon_too(shop, subscribe, receiver):
    shop.post("/api/v1/coupons", json=coupon_body(code="TWICE-1", discount=10, maxUsage=2))
    secret = subscribe()["secret"]

    for expected in ([], ["coupon.exhausted"]):
        assert (
            shop.post("/api/v1/coupons/increment-usage", json={"code": "TWICE-1"}).status_code
            == 200
        )
        assert [type_ for type_, _ in told(receiver, secret)] == expected


def test_a_coupon_that_an_email_makes_is_told_of_once(shop, client, subscribe, receiver):
    secret = subscribe()["secret"]
    pair = {"email": "zoe@example.com", "website": "shop.example"}

    code = client.post("/api/coupons/", json=pair).json["code"]
    assert client.post("/api/coupons/", json=pair).json["code"] == code

    made = shop.get(f"/api/v1/coupons/code/{code}").json
    assert told(receiver, secret) == [("coupon.created", made)]
    assert "zoe" not in str(made)


def test_a_limit_that_is_lowered_to_the_uses_exhausts_a_coupon_once(shop, subscribe, receiver):
    coupon = shop.new(maxUsage=3)
    for _ in range(2):
        assert shop.redeem(coupon["code"]).status_code == 201
    secret = subscribe()["secret"]

    for changes, expected in (
        ({"maxUsage": 1}, []),
        ({"maxUsage": 2}, ["coupon.updated", "coupon.exhausted"]),
        ({"maxUsage": 2, "priority": 1}, ["coupon.updated"]),
        ({"maxUsage": None}, ["coupon.updated"]),
        ({"maxUsage": 2}, ["coupon.updated", "coupon.exhausted"]),
    ):
        changed = shop.patch(f"/api/v1/coupons/{coupon['id']}", json=changes)
        events = told(receiver, secret)
        assert sorted(type_ for type_, _ in events) == sorted(expected), changes
        assert all(data == changed.json for _, data in events)
