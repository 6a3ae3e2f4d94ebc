"""POST /api/v1/redemptions/<id>/rollback: what an order took of every limit comes back, once."""

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.models import LimitUse

from ..support.discounts import PATH, items
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases

LIMITS = {
    "perCustomer": 1,
    "perDay": 1,
    "perWeek": 1,
    "perMonth": 1,
    "perCustomerPerDay": 1,
    "budget": 10,
}


def refused(answer):
    return refusal(answer, "discount_coupons")


def uses():
    return {row.rule: row.used for row in db.session.execute(sa.select(LimitUse.__table__))}


def test_a_whole_order_gives_everything_back_once(shop, discount_books):
    coupon = shop.new(limits=LIMITS, maxUsage=1, firstOrderOnly=True)
    order = {"order": "o1", "customerId": "c1"}
    redemption = shop.redeem(coupon["code"], **order).json["redemptionId"]
    assert uses() == {
        "perCustomer": 1,
        "perDay": 1,
        "perWeek": 1,
        "perMonth": 1,
        "perCustomerPerDay": 1,
        "budget": 1000,
        "firstOrder": 1,
    }

    answer = shop.roll_back(redemption)

    assert answer.status_code == 200
    assert {name: value for name, value in answer.json.items() if name != "rolledBackAt"} == {
        "redemptionId": redemption,
        "status": "rolled_back",
        "reason": "cancelled",
        "lines": None,
        "restore": {"use": True, "customer": True, "budget": True},
        "discountAmount": 10,
    }
    assert set(uses().values()) == {0}
    assert shop.use(coupon) == 0
    before = discount_books()
    for again in (
        shop.roll_back(redemption),
        shop.roll_back(redemption, reason="again", restore={"use": False}),
    ):
        assert (again.status_code, again.data) == (200, answer.data)
    assert discount_books() == before

    # The order may be redeemed anew, and that is another redemption.
    anew = shop.redeem(coupon["code"], **order)
    assert anew.status_code == 201
    assert anew.json["redemptionId"] != redemption
    assert shop.roll_back(redemption).data == answer.data
    assert shop.use(coupon) == 1


def test_what_shall_not_come_back_does_not(shop):
    coupon = shop.new(limits=dict.fromkeys(LIMITS, 5) | {"budget": 50}, maxUsage=5)
    took = {
        "perCustomer": 1,
        "perDay": 1,
        "perWeek": 1,
        "perMonth": 1,
        "perCustomerPerDay": 1,
        "budget": 1000,
    }
    used, before = 0, dict.fromkeys(took, 0)
    for flag, kept in (
        ("use", ["perDay", "perWeek", "perMonth"]),
        ("customer", ["perCustomer", "perCustomerPerDay"]),
        ("budget", ["budget"]),
    ):
        redemption = shop.redeem(coupon["code"], customerId="c1", order="o1").json["redemptionId"]

        answer = shop.roll_back(redemption, restore={flag: False})

        assert answer.json["restore"] == {
            "use": True,
            "customer": True,
            "budget": True,
            flag: False,
        }
        before |= {rule: before[rule] + took[rule] for rule in kept}
        used += flag == "use"
        assert uses() == before
        assert shop.use(coupon) == used


def test_lines_bring_back_their_share_of_the_budget_and_the_last_one_the_rest(shop):
    coupon = shop.new(type="fixed", discount=10, limits=LIMITS, maxUsage=1)
    cart = items(("a", 1, 1000), ("b", 1, 1000), ("c", 1, 1000))
    redemption = shop.redeem(coupon["code"], customerId="c1", order="o1", total=None, **cart).json[
        "redemptionId"
    ]
    path = f"/api/v1/redemptions/{redemption}"

    first = shop.roll_back(redemption, lines=[0])
    assert (first.json["status"], first.json["lines"], first.json["discountAmount"]) == (
        "partly_rolled_back",
        [0],
        3.34,
    )
    assert (uses()["budget"], uses()["perDay"], shop.use(coupon)) == (666, 1, 1)
    assert shop.get(path).json["status"] == "partly_rolled_back"
    assert refused(shop.redeem(coupon["code"], customerId="c2", total=1)) == (
        400,
        "usage_limit_exceeded",
    )

    # A line comes back once, whoever else comes with it.
    second = shop.roll_back(redemption, lines=[1, 0])
    assert (second.json["lines"], second.json["discountAmount"], uses()["budget"]) == (
        [1],
        3.33,
        333,
    )
    assert shop.roll_back(redemption, lines=[0]).data == first.data
    assert shop.roll_back(redemption, lines=[0, 1]).data == second.data
    # The order is still there.
    assert (
        shop.redeem(coupon["code"], customerId="c1", order="o1", total=None, **cart).status_code
        == 200
    )

    last = shop.roll_back(redemption, lines=[2])
    assert (last.json["status"], last.json["discountAmount"]) == ("rolled_back", 3.33)
    assert set(uses().values()) == {0}
    assert shop.use(coupon) == 0
    assert shop.roll_back(redemption).data == last.data
    seen = shop.get(path).json
    assert (seen["status"], [one["lines"] for one in seen["rollbacks"]]) == (
        "rolled_back",
        [[0], [1], [2]],
    )
    assert (
        shop.redeem(coupon["code"], customerId="c1", order="o1", total=None, **cart).status_code
        == 201
    )


def test_the_rest_of_an_order_after_some_lines(shop):
    coupon = shop.new(type="fixed", discount=10, limits=LIMITS)
    cart = items(("a", 1, 1000), ("b", 1, 1000), ("c", 1, 1000))
    redemption = shop.redeem(coupon["code"], customerId="c1", total=None, **cart).json[
        "redemptionId"
    ]
    shop.roll_back(redemption, lines=[1])

    answer = shop.roll_back(redemption)

    assert (answer.json["status"], answer.json["lines"], answer.json["discountAmount"]) == (
        "rolled_back",
        [0, 2],
        6.67,
    )
    assert set(uses().values()) == {0}


def test_every_code_of_a_set_comes_back(shop):
    coupons = [shop.new(combinable=True, limits={"budget": 50, "perDay": 5}) for _ in range(3)]
    cart = items(("a", 1, 10000), ("b", 2, 5000))
    redemption = shop.redeem(*(coupon["code"] for coupon in coupons), total=None, **cart).json[
        "redemptionId"
    ]

    shop.roll_back(redemption, lines=[1])
    assert [shop.use(coupon) for coupon in coupons] == [1, 1, 1]
    shop.roll_back(redemption, lines=[0])

    assert [shop.use(coupon) for coupon in coupons] == [0, 0, 0]
    assert set(db.session.scalars(sa.select(LimitUse.used))) == {0}


def test_what_is_not_there_or_wrong_is_refused(shop, alice, discount_books):
    coupon = shop.new()["code"]
    plain = shop.redeem(coupon).json["redemptionId"]
    lines = shop.redeem(coupon, total=None, **items(("a", 1, 1000))).json["redemptionId"]
    before = discount_books()

    assert refused(shop.roll_back("01a1fe71-d916-74a7-90b2-23dce04e7d8c")) == (
        404,
        "redemption_not_found",
    )
    assert refused(shop.roll_back("42")) == (400, "validation_error")
    assert refused(alice.post(f"/api/v1/redemptions/{plain}/rollback", json={"reason": "x"})) == (
        403,
        "permission_denied",
    )
    assert refused(shop.roll_back(plain, lines=[0])) == (400, "validation_error")
    # All other wrong bodies are in test_schemas.py.
    for wrong in ({"lines": [1]}, {"restore": {"all": True}}):
        answer = shop.roll_back(lines, **wrong)
        assert refused(answer) == (400, "validation_error"), wrong
        assert next(iter(wrong)) in answer.json["message"]

    assert discount_books() == before
    assert shop.get(f"{PATH}?code={coupon}").json["results"][0]["usageCount"] == 2
