"""POST /api/v1/coupons: what a coupon may be."""

import pytest

from ..support.discounts import PATH, coupon_body, new_shop
from ..support.refusals import refusal

FULL = {
    "code": "summer_25-A",
    "description": "All of summer",
    "type": "fixed",
    "discount": "12.50",
    "currency": "CHF",
    "couponFor": "minPurchase",
    "minPurchaseAmount": 50,
    "maxDiscountAmount": 10.5,
    "products": ["p1", "p2", "p1"],
    "categories": ["tea"],
    "excludedProducts": ["p3"],
    "excludedCategories": ["cake"],
    "isActive": False,
    "maxUsage": 7,
    "startsAt": "2030-01-01T00:00:00+02:00",
    "expiresAt": "2030-02-01T00:00:00Z",
    "schedule": {
        "weekdays": [1, 7],
        "from": "09:00",
        "until": "17:00",
        "timezone": "Europe/Berlin",
    },
    "customerIds": ["c1"],
    "firstOrderOnly": True,
    "limits": {
        "perCustomer": 1,
        "perDay": 2,
        "perWeek": 3,
        "perMonth": 4,
        "perCustomerPerDay": 5,
        "budget": "100.25",
    },
    "combinable": True,
    "exclusiveGroup": "summer",
    "priority": -3,
    "base": "initial",
}


def test_a_coupon_has_all_its_fields_and_is_found_as_it_was_made(shop):
    answer = shop.post(PATH, json=FULL)

    assert answer.status_code == 201
    made = answer.json
    changed = {
        "code": "SUMMER_25-A",
        "discount": 12.5,
        "minPurchaseAmount": 50,
        "products": ["p1", "p2"],
        "startsAt": "2029-12-31T22:00:00Z",
        "limits": {**FULL["limits"], "budget": 100.25},
        "usageCount": 0,
    }
    assert {
        name: value for name, value in made.items() if name not in ("id", "createdAt", "updatedAt")
    } == {**FULL, **changed}
    assert made["createdAt"] == made["updatedAt"]
    assert (
        shop.get(f"{PATH}/{made['id']}").json == shop.get(f"{PATH}/code/summer_25-a").json == made
    )


def test_what_is_not_said_is_the_default(shop):
    made = shop.new(code="PLAIN", type="percentage", discount=0.5, couponFor="product")

    assert {
        name: value for name, value in made.items() if name not in ("id", "createdAt", "updatedAt")
    } == {
        "code": "PLAIN",
        "type": "percentage",
        "discount": 0.5,
        "couponFor": "product",
        "currency": "USD",
        "products": [],
        "categories": [],
        "excludedProducts": [],
        "excludedCategories": [],
        "customerIds": [],
        "minPurchaseAmount": None,
        "maxDiscountAmount": None,
        "isActive": True,
        "usageCount": 0,
        "maxUsage": None,
        "description": None,
        "startsAt": None,
        "expiresAt": None,
        "schedule": None,
        "firstOrderOnly": False,
        "limits": {},
        "combinable": False,
        "exclusiveGroup": None,
        "priority": 0,
        "base": "remaining",
    }


# All other wrong bodies are in test_schemas.py.
@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("discount", {"discount": -1}),
        ("schedule.weekdays", {"schedule": {"weekdays": [0]}}),
        ("expiresAt", {"startsAt": "2030-01-02T00:00:00Z", "expiresAt": "2030-01-02T00:00:00Z"}),
    ],
)
def test_nothing_is_made_of_what_is_wrong(shop, discount_books, field, wrong):
    before = discount_books()

    answer = shop.post(PATH, json=coupon_body(**wrong))

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert field in answer.json["message"]
    assert discount_books() == before


def test_a_code_is_taken_once_whatever_its_case(shop, discount_books):
    shop.new(code="Summer")
    before = discount_books()

    answer = shop.post(PATH, json=coupon_body(code="sUMMER"))

    assert refusal(answer, "discount_coupons") == (400, "coupon_code_taken")
    assert answer.json["message"] == "Coupon code already taken"
    assert discount_books() == before


def test_who_may_not_manage_coupons_makes_none(client, alice, admin, discount_books):
    before = discount_books()
    assert refusal(alice.post(PATH, json=coupon_body()), "discount_coupons") == (
        403,
        "permission_denied",
    )
    assert refusal(
        new_shop(client, "getCoupons").post(PATH, json=coupon_body()), "discount_coupons"
    ) == (403, "permission_denied")
    assert refusal(client.post(PATH, json=coupon_body()), "discount_coupons") == (
        401,
        "authentication_required",
    )
    assert refusal(
        client.post(PATH, json=coupon_body(), headers={"X-API-Key": "ck_wrong"}), "discount_coupons"
    ) == (401, "invalid_token")
    assert discount_books() == before

    assert admin.post(PATH, json=coupon_body()).status_code == 201


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_amounts_have_the_decimals_of_their_currency(shop, currency):
    fine = {"JPY": "100", "KWD": "0.125"}[currency]

    assert shop.new(type="fixed", discount=fine, currency=currency)["discount"] == float(fine)


def test_the_example_coupons_are_loaded_once(app, shop):
    for told in ("Example data loaded.", "Example data is there already."):
        assert app.test_cli_runner().invoke(args=["seed-demo"]).output.strip() == told

    found = {coupon["code"] for coupon in shop.get(PATH).json["results"]}
    assert found == {"WELCOME10", "TEA-5", "OVER50", "FIRST-100"}
    assert (
        shop.post(f"{PATH}/best", json={"cartTotal": 100, "customerId": "c1"}).json[
            "discountAmount"
        ]
        > 0
    )
