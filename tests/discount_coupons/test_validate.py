"""POST /api/v1/coupons/validate: each refusal, in the contract's order, for shop and shoppers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from coupon_management_flask.discount_coupons.coupons import change

from ..support.discounts import PATH, items, new_shop
from ..support.refusals import refusal

PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def validate(caller, coupon, total=100, **more):
    return caller.post(
        f"{PATH}/validate",
        json={
            "code": coupon if isinstance(coupon, str) else coupon["code"],
            "cartTotal": total,
            **more,
        },
    )


def refused(caller, coupon, total=100, **more):
    """The status and the words of a refusal; apply says the same."""
    answer = validate(caller, coupon, total, **more)
    assert answer.status_code in (400, 404), answer.text
    applied = caller.post(
        f"{PATH}/apply",
        json={
            "code": coupon if isinstance(coupon, str) else coupon["code"],
            "cartTotal": total,
            **more,
        },
    )
    assert applied.json == answer.json
    assert refusal(answer, "discount_coupons")[0] == answer.json["code"] == answer.status_code
    return answer.status_code, answer.json["message"]


def test_a_valid_coupon_is_shown(shop):
    coupon = shop.new(code="TEN")

    answer = validate(shop, "ten", productIds=["p1"])

    assert (answer.status_code, answer.json) == (
        200,
        {"valid": True, "coupon": coupon, "message": "Coupon is valid"},
    )


@pytest.fixture
def hopeless(shop):
    """A coupon that nobody can use for any reason, and what mends one reason after the other."""
    return shop.new(
        isActive=False,
        startsAt=FUTURE,
        schedule={"weekdays": [1], "from": "00:00", "until": "00:01"},
        limits={"perCustomer": 0, "perDay": 0, "budget": 0},
        customerIds=["c1"],
        firstOrderOnly=True,
        minPurchaseAmount="250.50",
        products=["p1"],
        maxUsage=0,
    )


def test_the_first_refusal_in_the_contracts_order_is_named(shop, hopeless, time_is):
    # A Saturday.
    time_is(datetime(2026, 11, 21, 12, tzinfo=UTC))
    shop.new(code="ANY")
    shop.redeem("ANY", customerId="c1")
    steps = [
        ("Coupon is not active", {"isActive": True}),
        ("Coupon is not valid yet", {"startsAt": PAST, "expiresAt": "2001-01-02T00:00:00Z"}),
        ("Coupon has expired", {"expiresAt": None}),
        ("Coupon is not valid at this time", {"schedule": None}),
        ("Coupon usage limit exceeded", {"maxUsage": 1}),
        ("Coupon usage limit exceeded", {"limits": {"perDay": 0, "budget": 0}}),
        ("Coupon limit for this period reached", {"limits": {"budget": 0}}),
        ("Coupon budget is used up", {"limits": {}}),
        ("Coupon is not valid for this customer", {"customerIds": ["c1", "c2"]}),
        ("Coupon is for first orders only", {"firstOrderOnly": False}),
        ("Minimum purchase amount of USD 250.50 required", {"minPurchaseAmount": 100}),
        ("No eligible products in cart for this coupon", {"products": ["p2"]}),
    ]
    shop.patch(f"{PATH}/{hopeless['id']}", json={"customerIds": ["c2"]})
    for told, mends in steps:
        assert refused(shop, hopeless, productIds=["p2"], customerId="c1") == (400, told)
        assert shop.patch(f"{PATH}/{hopeless['id']}", json=mends).status_code == 200
    assert validate(shop, hopeless, productIds=["p2"], customerId="c1").status_code == 200


def test_a_rule_about_customers_asks_for_a_customer(shop, alice):
    rules = [
        {"customerIds": ["c1"]},
        {"firstOrderOnly": True},
        {"limits": {"perCustomer": 1}},
        {"limits": {"perCustomerPerDay": 1}},
    ]
    for terms in rules:
        coupon = shop.new(**terms)
        assert refused(shop, coupon) == (400, "Coupon is not valid for this customer")
        assert validate(shop, coupon, customerId="c1").status_code == 200
        # A shopper is a customer.
        if "customerIds" not in terms:
            assert validate(alice, coupon).status_code == 200


def test_a_shopper_is_its_own_customer(shop, alice, client):
    coupon = shop.new(customerIds=[str(alice.id)])
    assert validate(alice, coupon).json["coupon"]["customerIds"] == [str(alice.id)]
    assert validate(alice, coupon, customerId=str(alice.id)).status_code == 200
    for caller in (alice, new_shop(client, "getCoupons")):
        for path in ("validate", "apply"):
            answer = caller.post(
                f"{PATH}/{path}", json={"code": coupon["code"], "cartTotal": 1, "customerId": "c1"}
            )
            assert refusal(answer, "discount_coupons") == (400, "validation_error")


def test_a_coupon_of_others_is_not_there_for_a_shopper_after_the_same_statements(
    shop, alice, bob, statements
):
    bound = shop.new(
        code="BOUND", customerIds=["c1", str(bob.id)], limits={"perCustomer": 1}, isActive=False
    )

    def sent_for(code):
        statements.clear()
        assert refused(alice, code) == (404, "Coupon not found")
        return list(statements)

    assert sent_for("BOUND") == sent_for("NO-SUCH-CODE")
    assert refused(bob, bound) == (400, "Coupon is not active")
    assert refused(shop, bound, customerId="c2") == (400, "Coupon is not active")


def test_shoppers_may_use_any_code_that_is_valid_for_them(alice):
    generated = change.create_coupon(
        currency="EUR",
        is_public=False,
        code="MADE-FOR-1",
        type="percentage",
        discount=Decimal(10),
        coupon_for="product",
    )
    assert validate(alice, generated.code).status_code == 200
    assert alice.get(f"{PATH}/code/{generated.code}").status_code == 404
    assert alice.get(PATH).json["totalResults"] == 0
    assert alice.post(f"{PATH}/best", json={"cartTotal": 10}).json["codes"] == []


@pytest.mark.parametrize(
    ("schedule", "inside", "outside"),
    [
        # Saturday the 21st of November 2026; Berlin is an hour ahead of UTC, two in summer.
        (
            {"weekdays": [6]},
            ["2026-11-21T00:00", "2026-11-21T23:59"],
            ["2026-11-20T23:59", "2026-11-22T00:00"],
        ),
        (
            {"weekdays": [6], "timezone": "Europe/Berlin"},
            ["2026-11-20T23:00", "2026-11-21T22:59"],
            ["2026-11-20T22:59", "2026-11-21T23:00"],
        ),
        (
            {"from": "09:00", "until": "17:00", "timezone": "Europe/Berlin"},
            ["2026-11-21T08:00", "2026-11-21T15:59"],
            ["2026-11-21T07:59", "2026-11-21T16:00"],
        ),
        (
            {"from": "09:00", "until": "17:00", "timezone": "Europe/Berlin"},
            ["2026-07-21T07:00"],
            ["2026-07-21T06:59", "2026-07-21T15:00"],
        ),
        (
            {"weekdays": [5], "from": "22:00", "until": "02:00"},
            ["2026-11-20T22:00", "2026-11-21T01:59"],
            ["2026-11-20T01:00", "2026-11-21T02:00", "2026-11-21T22:00"],
        ),
        ({"timezone": "Asia/Tokyo"}, ["2026-11-21T00:00"], []),
    ],
    ids=["day", "day in a zone", "hours", "hours in summer", "over midnight", "zone alone"],
)
def test_a_schedule_holds_in_its_time_zone(shop, time_is, schedule, inside, outside):
    coupon = shop.new(schedule=schedule)

    for moment in inside:
        time_is(datetime.fromisoformat(moment).replace(tzinfo=UTC))
        assert validate(shop, coupon).status_code == 200, moment
    for moment in outside:
        time_is(datetime.fromisoformat(moment).replace(tzinfo=UTC))
        assert refused(shop, coupon) == (400, "Coupon is not valid at this time"), moment


def test_the_window_begins_at_its_start_and_ends_before_its_end(shop, time_is):
    coupon = shop.new(startsAt="2026-11-21T12:00:00Z", expiresAt="2026-11-21T13:00:00Z")

    for moment, told in (
        ("11:59:59", "Coupon is not valid yet"),
        ("12:00:00", None),
        ("12:59:59", None),
        ("13:00:00", "Coupon has expired"),
    ):
        time_is(datetime.fromisoformat(f"2026-11-21T{moment}").replace(tzinfo=UTC))
        assert (validate(shop, coupon).json["message"]) == (told or "Coupon is valid")


# All other wrong bodies are in test_schemas.py.
@pytest.mark.parametrize("path", ["validate", "apply"])
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("customerId", {"customerId": None}),
        # More decimals than the currency has.
        ("cartTotal", {"cartTotal": "0.001"}),
        (
            "cartTotal",
            {
                "items": [{"productId": "p", "quantity": 2, "unitPrice": "50.005"}],
                "cartTotal": "100.01",
            },
        ),
    ],
)
def test_a_body_that_is_wrong_is_refused(shop, path, field, wrong):
    body = {"code": shop.new()["code"], "cartTotal": 100, **wrong}

    answer = shop.post(f"{PATH}/{path}", json=body)

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert field in answer.json["message"]


def test_a_cart_has_10000_items_and_4_mib(shop):
    code = shop.new()["code"]
    cart = items(*[(f"product-{number}", 1, 333, "c" * 60) for number in range(10_000)])

    answer = shop.post(f"{PATH}/apply", json={"code": code, **cart})

    assert (answer.json["discountAmount"], len(answer.json["lines"])) == (3330, 10_000)
    assert refusal(
        shop.post(f"{PATH}/apply", data=b" " * (4 * 1024 * 1024 + 1)), "discount_coupons"
    ) == (413, "body_too_large")
    # Elsewhere a mebibyte is enough.
    assert shop.client.post("/v1/auth/login", data=b" " * (1024 * 1024 + 1)).status_code == 413


def test_a_stranger_and_a_company_are_refused(client):
    from ..support.promos import new_company

    body = {"code": "X", "cartTotal": 1}
    for method, path in (
        ("POST", "validate"),
        ("POST", "apply"),
        ("POST", "apply-all"),
        ("POST", "best"),
        ("POST", "redeem"),
        ("GET", "code/X"),
    ):
        assert client.open(f"{PATH}/{path}", method=method, json=body).status_code == 401
        assert refusal(
            new_company(client).request(method, f"{PATH}/{path}", json=body), "discount_coupons"
        ) == (401, "invalid_token")
