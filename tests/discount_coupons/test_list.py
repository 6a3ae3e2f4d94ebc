"""GET /api/v1/coupons, one coupon by id or code, and those for a product.

What is found, in which order, and by whom.
"""

import pytest

from ..support.discounts import PATH, new_shop
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases

PAST, FUTURE = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"


def codes(answer):
    assert answer.status_code == 200, answer.text
    return [
        coupon["code"]
        for coupon in (answer.json if isinstance(answer.json, list) else answer.json["results"])
    ]


def test_pages_newest_first(shop):
    for number in range(12):
        shop.new(code=f"C{number:02}")

    first, second = (shop.get(f"{PATH}?page={page}").json for page in (1, 2))

    assert [coupon["code"] for coupon in first["results"] + second["results"]] == [
        f"C{number:02}" for number in range(11, -1, -1)
    ]
    assert {name: second[name] for name in second if name != "results"} == {
        "page": 2,
        "limit": 10,
        "totalPages": 2,
        "totalResults": 12,
    }
    assert shop.get(f"{PATH}?page=9").json == {
        "results": [],
        "page": 9,
        "limit": 10,
        "totalPages": 2,
        "totalResults": 12,
    }
    assert shop.get(f"{PATH}?limit=5").json["totalPages"] == 3


def test_filters(shop):
    shop.new(code="AAA", type="fixed")
    shop.new(code="BBB", isActive=False)
    shop.new(code="CCC", couponFor="minPurchase", minPurchaseAmount=5)

    for query, found in {
        "code=aaa": ["AAA"],
        "code=aa": [],
        "type=fixed": ["AAA"],
        "type=percentage": ["CCC", "BBB"],
        "couponFor=minPurchase": ["CCC"],
        "isActive=false": ["BBB"],
        "isActive=true&couponFor=product": ["AAA"],
    }.items():
        assert codes(shop.get(f"{PATH}?{query}")) == found, query


def test_every_scalar_field_sorts_and_what_has_no_value_comes_last(shop):
    shop.new(
        code="B-1",
        priority=2,
        discount=5,
        maxUsage=3,
        exclusiveGroup="x",
        minPurchaseAmount=9,
        description="z",
        expiresAt=FUTURE,
    )
    shop.new(
        code="A-1",
        priority=2,
        discount=7.25,
        maxUsage=5,
        minPurchaseAmount=10,
        maxDiscountAmount=1,
        currency="JPY",
        startsAt=PAST,
    )
    shop.new(
        code="C-1",
        priority=1,
        discount=70,
        firstOrderOnly=True,
        combinable=True,
        base="initial",
        isActive=False,
    )

    for sort, found in {
        "code": ["A-1", "B-1", "C-1"],
        "code:desc": ["C-1", "B-1", "A-1"],
        "priority:desc,code:asc": ["A-1", "B-1", "C-1"],
        "priority,code:desc": ["C-1", "B-1", "A-1"],
        "discount": ["B-1", "A-1", "C-1"],
        "maxUsage": ["B-1", "A-1", "C-1"],
        "maxUsage:desc": ["A-1", "B-1", "C-1"],
        "minPurchaseAmount:desc": ["A-1", "B-1", "C-1"],
        "createdAt:asc": ["B-1", "A-1", "C-1"],
        "id:desc": ["C-1", "A-1", "B-1"],
    }.items():
        assert codes(shop.get(f"{PATH}?sortBy={sort}")) == found, sort
    # All others are at least taken.
    texts = ["type", "couponFor", "description", "currency", "exclusiveGroup", "base"]
    for name in [
        *texts,
        "isActive",
        "usageCount",
        "updatedAt",
        "startsAt",
        "expiresAt",
        "firstOrderOnly",
        "maxDiscountAmount",
        "combinable",
    ]:
        assert len(codes(shop.get(f"{PATH}?sortBy={name}:desc"))) == 3, name


# All other wrong bodies are in test_schemas.py.
@pytest.mark.parametrize("query", ["limit=101", "sortBy=products"])
def test_a_query_that_is_wrong_is_refused(shop, query):
    answer = shop.get(f"{PATH}?{query}")

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert query.split("=")[0] in answer.json["message"]


@pytest.fixture
def seen_by_shoppers(shop, alice):
    """Coupons of every kind; shoppers are shown those whose code says so."""
    shop.new(code="SHOWN")
    shop.new(code="SHOWN-WINDOW", startsAt=PAST, expiresAt=FUTURE)
    shop.new(code="SHOWN-MINE", customerIds=["c1", str(alice.id)])
    shop.new(code="INACTIVE", isActive=False)
    shop.new(code="EXPIRED", expiresAt=PAST)
    shop.new(code="LATER", startsAt=FUTURE)
    shop.new(code="OTHERS", customerIds=["c1", "c2"])


def test_shoppers_are_shown_running_public_coupons_and_their_own(
    shop, alice, bob, client, seen_by_shoppers
):
    mine = ["SHOWN-MINE", "SHOWN-WINDOW", "SHOWN"]

    answer = alice.get(PATH)

    assert codes(answer) == mine
    assert answer.json["totalResults"] == 3
    # Who else has it is nobody's business.
    assert answer.json["results"][0]["customerIds"] == [str(alice.id)]
    assert (
        codes(bob.get(PATH))
        == codes(new_shop(client, "getCoupons").get(PATH))
        == ["SHOWN-WINDOW", "SHOWN"]
    )
    assert codes(alice.get(f"{PATH}?isActive=false")) == []
    assert codes(alice.get(f"{PATH}/product/p1")) == mine
    assert len(codes(shop.get(PATH))) == 7


def test_what_shoppers_are_not_shown_is_not_there_for_them(shop, alice, seen_by_shoppers):
    for coupon in shop.get(PATH).json["results"]:
        for path in (f"{PATH}/{coupon['id']}", f"{PATH}/code/{coupon['code']}"):
            assert shop.get(path).json == coupon
            answer = alice.get(path)
            if coupon["code"].startswith("SHOWN"):
                assert answer.json["id"] == coupon["id"]
            else:
                assert refusal(answer, "discount_coupons") == (404, "coupon_not_found")
                assert answer.json["message"] == "Coupon not found"


def test_one_that_is_not_there_is_not_found(shop):
    for path in ("01a1fe71-d916-74a7-90b2-23dce04e7d8c", "code/NONE"):
        assert refusal(shop.get(f"{PATH}/{path}"), "discount_coupons") == (404, "coupon_not_found")
    assert refusal(shop.get(f"{PATH}/42"), "discount_coupons") == (400, "validation_error")


def test_for_a_product_there_are_those_that_list_it_and_those_for_everything_by_priority(shop):
    shop.new(code="LISTED", products=["p1", "p2"], priority=3)
    shop.new(code="OTHER", products=["p2"], priority=10)
    shop.new(code="EVERY", priority=5)
    shop.new(code="EXCLUDED", excludedProducts=["p1"], priority=9)
    shop.new(
        code="MINIMUM", couponFor="minPurchase", minPurchaseAmount=10, products=["p1"], priority=4
    )
    shop.new(code="INACTIVE", isActive=False)
    shop.new(code="EXPIRED", expiresAt=PAST)
    used_up = shop.new(code="USED-UP", maxUsage=1)
    shop.redeem("USED-UP")

    answer = shop.get(f"{PATH}/product/p1")

    assert codes(answer) == ["EVERY", "MINIMUM", "LISTED"]
    assert codes(shop.get(f"{PATH}/product/p2")) == [
        "OTHER",
        "EXCLUDED",
        "EVERY",
        "MINIMUM",
        "LISTED",
    ]
    assert shop.use(used_up) == 1
    assert refusal(shop.get(f"{PATH}/product/{'x' * 65}"), "discount_coupons") == (
        400,
        "validation_error",
    )


def test_for_a_product_there_are_at_most_100(shop):
    for number in range(102):
        shop.new(code=f"C{number:03}", priority=number, products=["p1"] if number % 2 else [])

    assert codes(shop.get(f"{PATH}/product/p1")) == [
        f"C{number:03}" for number in range(101, 1, -1)
    ]


def test_wrong_codes_of_shoppers_are_limited_and_those_of_the_shop_are_not(configured_app):
    from ..support import people

    app = configured_app(rate_limits_enabled=True)
    shop = new_shop(app.test_client())
    shop.new(code="RIGHT")
    shopper = people.sign_in(app.test_client(), *people.make_user())
    cart = {"cartTotal": 10}
    for number in range(10):
        assert shop.get(f"{PATH}/code/WRONG").status_code == 404
        answer = (
            shopper.get(f"{PATH}/code/WRONG")
            if number % 2
            else shopper.post(f"{PATH}/validate", json={"code": "WRONG", **cart})
        )
        assert answer.status_code == 404

    for answer in (
        shopper.get(f"{PATH}/code/RIGHT"),
        shopper.post(f"{PATH}/validate", json={"code": "RIGHT", **cart}),
        shopper.post(f"{PATH}/apply", json={"code": "RIGHT", **cart}),
        shopper.post(f"{PATH}/apply-all", json={"codes": ["RIGHT"], **cart}),
        shopper.post(f"{PATH}/best", json={"codes": ["RIGHT"], **cart}),
    ):
        assert refusal(answer, "discount_coupons") == (429, "rate_limited")
        assert int(answer.headers["Retry-After"]) > 0
    assert shop.get(f"{PATH}/code/RIGHT").status_code == 200


def test_of_many_wrong_codes_at_once_each_counts(configured_app):
    from ..support import people

    app = configured_app(rate_limits_enabled=True)
    shopper = people.sign_in(app.test_client(), *people.make_user())

    answer = shopper.post(
        f"{PATH}/apply-all", json={"codes": [f"W{number}" for number in range(11)], "cartTotal": 10}
    )

    assert refusal(answer, "discount_coupons") == (429, "rate_limited")


def test_a_call_that_is_no_coupon_has_its_own_methods(shop):
    for name in ("validate", "apply", "apply-all", "best", "increment-usage", "redeem"):
        for method in ("GET", "PATCH", "DELETE"):
            for path in (f"{PATH}/{name}", f"{PATH}/{name}/"):
                answer = shop.request(method, path)
                assert refusal(answer, "discount_coupons") == (405, "method_not_allowed"), (
                    method,
                    path,
                )
                assert answer.headers["Allow"] == "OPTIONS, POST"
    assert refusal(shop.get(f"{PATH}/validated"), "discount_coupons") == (400, "validation_error")
