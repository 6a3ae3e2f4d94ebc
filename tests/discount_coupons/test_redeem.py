"""POST /api/v1/coupons/redeem and increment-usage: a use is taken with the order, once.

All codes of an order are redeemed, or none.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.session import db
from coupon_management_flask.discount_coupons import events, rules
from coupon_management_flask.models import LimitUse

from ..support.discounts import PATH, items, new_shop
from ..support.refusals import refusal

pytestmark = pytest.mark.both_databases


def refused(answer):
    return refusal(answer, "discount_coupons")


def uses():
    """What every limit has used, by rule, customer and period."""
    return {
        (row.rule, row.customer, row.period): row.used
        for row in db.session.execute(sa.select(LimitUse.__table__))
        if row.used
    }


def test_a_use_is_taken_with_the_order(shop):
    coupon = shop.new(code="TEN")

    answer = shop.redeem("ten", order="o1", total="34.90", productIds=["p1"], customerId="c1")

    assert answer.status_code == 201
    redemption = answer.json["redemptionId"]
    assert answer.json == {
        "redemptionId": redemption,
        "codes": [{"code": "TEN", "discountAmount": 3.49}],
        "discountAmount": 3.49,
        "originalAmount": 34.9,
        "finalAmount": 31.41,
        "savings": 3.49,
    }
    assert shop.use(coupon) == 1
    seen = shop.get(f"/api/v1/redemptions/{redemption}").json
    assert (seen["orderId"], seen["customerId"], seen["status"]) == ("o1", "c1", "redeemed")


def test_with_items_the_answer_has_lines(shop):
    coupon = shop.new(type="fixed", discount=10)

    answer = shop.redeem(
        coupon["code"], **{"total": None, **items(("a", 1, 1000), ("b", 1, 1000), ("c", 1, 1000))}
    )

    assert [line["discountAmount"] for line in answer.json["lines"]] == [3.34, 3.33, 3.33]


def test_an_order_that_is_repeated_gets_the_same_answer_whatever_has_become_of_the_coupon(
    shop, discount_books
):
    coupon = shop.new(maxUsage=1)
    first = shop.redeem(coupon["code"], order="o1", total="10.00", productIds=["a", "b"])
    assert first.status_code == 201
    before = discount_books()

    again = shop.redeem(coupon["code"].lower(), order="o1", total=10, productIds=["b", "a"])

    assert (again.status_code, again.data) == (200, first.data)
    assert discount_books() == before
    shop.delete(f"{PATH}/{coupon['id']}")
    again = shop.redeem(coupon["code"], order="o1", total=10, productIds=["a", "b"])
    assert (again.status_code, again.data) == (200, first.data)


def test_an_order_with_other_codes_or_another_cart_is_a_conflict(shop, discount_books):
    one, two = shop.new(combinable=True)["code"], shop.new(combinable=True)["code"]
    cart = items(("a", 2, 1000), ("b", 1, 500))
    first = shop.redeem(one, order="o1", total=None, **cart)
    assert first.status_code == 201
    before = discount_books()

    for codes, change in [
        ((two,), {}),
        ((one, two), {}),
        ((one,), {"cartTotal": 26, **items(("a", 2, 1000), ("b", 1, 600))}),
        ((one,), items(("b", 1, 500), ("a", 2, 1000))),
        ((one,), {"customerId": "c1"}),
    ]:
        answer = shop.redeem(*codes, order="o1", total=None, **{**cart, **change})
        assert refused(answer) == (409, "order_already_redeemed")
    # What counts is the items.
    assert shop.redeem(one, order="o1", total=None, **cart, productIds=["x"]).status_code == 200

    assert discount_books() == before


def test_an_order_that_is_redeemed_between_the_two_looks_is_redeemed(shop, monkeypatch):
    coupon = shop.new(maxUsage=1)["code"]
    decide, firsts = rules.decide, []

    def decide_too_late(*arguments):
        monkeypatch.undo()
        with ThreadPoolExecutor(1) as elsewhere:
            firsts.append(elsewhere.submit(shop.redeem, coupon, order="o1").result())
        return decide(*arguments)

    monkeypatch.setattr(rules, "decide", decide_too_late)

    second = shop.redeem(coupon, order="o1")

    assert [(answer.status_code, answer.data) for answer in (*firsts, second)] == [
        (201, second.data),
        (200, second.data),
    ]


def test_an_order_belongs_to_the_caller(shop, client, admin):
    coupon = shop.new(code="TEN")
    other = new_shop(client, service="other")

    assert [
        caller.redeem("TEN", order="o1").status_code
        for caller in (shop, other, new_shop(client, service="other"))
    ] == [201, 201, 200]
    assert (
        admin.post(
            f"{PATH}/redeem", json={"code": "TEN", "orderId": "o1", "cartTotal": 1}
        ).status_code
        == 201
    )
    assert shop.use(coupon) == 3


def test_several_codes_are_taken_together_in_their_order(shop):
    first = shop.new(code="FIRST", discount=10, combinable=True, priority=1, exclusiveGroup="a")
    second = shop.new(code="SECOND", type="fixed", discount=5, combinable=True, exclusiveGroup="b")

    answer = shop.redeem("second", "first", "Second", total=100, order="o1")

    assert answer.status_code == 201
    assert answer.json["codes"] == [
        {"code": "FIRST", "discountAmount": 10},
        {"code": "SECOND", "discountAmount": 5},
    ]
    assert answer.json["finalAmount"] == 85
    assert [shop.use(first), shop.use(second)] == [1, 1]
    assert shop.redeem("first", "second", total=100, order="o1").status_code == 200


def test_of_several_codes_all_are_taken_or_none(shop, discount_books):
    free = shop.new(combinable=True)["code"]
    full = shop.new(combinable=True, maxUsage=1)["code"]
    shop.redeem(full)
    alone = shop.new(code="ALONE", discount=1)["code"]
    one, two = (shop.new(combinable=True, exclusiveGroup="g")["code"] for _ in range(2))
    all_of_it = shop.new(combinable=True, discount=100, priority=5)["code"]
    yen = shop.new(combinable=True, currency="JPY")["code"]
    before = discount_books()

    for codes, told in [
        ((free, full), (400, "usage_limit_exceeded")),
        ((free, "NONE"), (404, "coupon_not_found")),
        ((free, alone), (400, "not_combinable")),
        ((one, two), (400, "exclusive_group")),
        ((all_of_it, free), (400, "no_saving")),
        ((free, yen), (400, "currency_mismatch")),
    ]:
        assert refused(shop.redeem(*codes)) == told

    assert discount_books() == before


def test_a_refusal_takes_nothing_and_says_why(shop, discount_books):
    coupon = shop.new(isActive=False, products=["p1"])
    before = discount_books()

    assert refused(shop.redeem(coupon["code"])) == (400, "coupon_inactive")
    assert refused(shop.redeem("NONE")) == (404, "coupon_not_found")
    # All other wrong bodies are in test_schemas.py.
    body = {"code": coupon["code"], "orderId": "", "cartTotal": 1}
    answer = shop.post(f"{PATH}/redeem", json=body)
    assert refused(answer) == (400, "validation_error")
    assert "orderId" in answer.json["message"]

    assert discount_books() == before


def test_who_may_not_manage_coupons_redeems_nothing(shop, alice, discount_books):
    coupon = shop.new()
    before = discount_books()
    for path, body in (
        ("redeem", {"code": coupon["code"], "orderId": "o1", "cartTotal": 1}),
        ("increment-usage", {"code": coupon["code"]}),
    ):
        assert refused(alice.post(f"{PATH}/{path}", json=body)) == (403, "permission_denied")
    assert discount_books() == before


@pytest.mark.parametrize(
    ("rule", "next_period", "told"),
    [
        ("perCustomer", None, "usage_limit_exceeded"),
        ("perDay", datetime(2026, 11, 18, tzinfo=UTC), "period_limit_reached"),
        ("perWeek", datetime(2026, 11, 23, tzinfo=UTC), "period_limit_reached"),
        ("perMonth", datetime(2026, 12, 1, tzinfo=UTC), "period_limit_reached"),
        ("perCustomerPerDay", datetime(2026, 11, 18, tzinfo=UTC), "period_limit_reached"),
    ],
)
def test_a_limit_of_two_lets_two_through_in_each_period(shop, time_is, rule, next_period, told):
    # A Tuesday, just before midnight.
    time_is(datetime(2026, 11, 17, 23, 59, tzinfo=UTC))
    coupon = shop.new(limits={rule: 2})["code"]

    assert [shop.redeem(coupon, customerId="c1").status_code for _ in range(2)] == [201, 201]
    assert refused(shop.redeem(coupon, customerId="c1")) == (400, told)

    other = shop.redeem(coupon, customerId="c2")
    assert (other.status_code == 201) is ("Customer" in rule)
    if next_period is not None:
        time_is(next_period)
        assert shop.redeem(coupon, customerId="c1").status_code == 201


def test_days_are_those_of_the_schedules_time_zone(shop, time_is):
    coupon = shop.new(limits={"perDay": 1}, schedule={"timezone": "Asia/Tokyo"})["code"]
    for moment, status in (
        (datetime(2026, 11, 17, 14, 59, tzinfo=UTC), 201),
        (datetime(2026, 11, 17, 15, 0, tzinfo=UTC), 201),
    ):
        time_is(moment)
        assert shop.redeem(coupon).status_code == status
    assert set(uses()) == {("perDay", "", "2026-11-17"), ("perDay", "", "2026-11-18")}
    time_is(datetime(2026, 11, 18, 14, 59, tzinfo=UTC))
    assert refused(shop.redeem(coupon)) == (400, "period_limit_reached")


def test_a_budget_is_spent_to_the_cent_and_never_overdrawn(shop):
    coupon = shop.new(discount=10, limits={"budget": "10.05"})["code"]

    assert shop.redeem(coupon, total="100.40").json["discountAmount"] == 10.04
    # A cent is left: what costs more is not given in part.
    assert refused(shop.redeem(coupon, total="0.20")) == (400, "budget_used_up")
    assert shop.redeem(coupon, total="0.10").json["discountAmount"] == 0.01
    assert refused(shop.redeem(coupon, total=0)) == (400, "budget_used_up")
    assert uses() == {("budget", "", ""): 1005}


def test_a_first_order_is_the_customers_first_whoever_redeems_it(shop, alice, client):
    first, other_first, plain = (
        shop.new(firstOrderOnly=first, combinable=True)["code"] for first in (True, True, False)
    )

    both = shop.redeem(first, other_first, customerId="c1", order="o1")
    assert both.status_code == 201
    assert refused(shop.redeem(other_first, customerId="c1")) == (400, "first_orders_only")
    assert shop.redeem(plain, customerId="c2").status_code == 201
    assert refused(shop.redeem(first, customerId="c2")) == (400, "first_orders_only")
    assert refused(new_shop(client).redeem(first, customerId="c2")) == (400, "first_orders_only")
    # A shopper, who does not redeem itself, is told the same.
    shop.redeem(plain, customerId=str(alice.id))
    assert refused(alice.post(f"{PATH}/validate", json={"code": first, "cartTotal": 1})) == (
        400,
        "first_orders_only",
    )
    # An order that was cancelled was none.
    shop.roll_back(both.json["redemptionId"])
    assert shop.redeem(other_first, customerId="c1").status_code == 201


def test_a_use_without_an_order_is_counted(shop):
    coupon = shop.new(maxUsage=2, limits={"perDay": 2})

    answer = shop.post(f"{PATH}/increment-usage", json={"code": coupon["code"].lower()})

    assert (answer.status_code, answer.json) == (200, {**coupon, "usageCount": 1})
    assert (
        shop.post(f"{PATH}/increment-usage", json={"code": coupon["code"]}).json["usageCount"] == 2
    )
    answer = shop.post(f"{PATH}/increment-usage", json={"code": coupon["code"]})
    assert (refused(answer), answer.json["message"]) == (
        (400, "usage_limit_exceeded"),
        "Coupon usage limit exceeded",
    )
    assert shop.use(coupon) == 2


def test_a_use_without_an_order_obeys_the_rules_that_need_none(shop, discount_books):
    told = {
        "coupon_inactive": {"isActive": False},
        "coupon_expired": {"expiresAt": "2001-01-01T00:00:00Z"},
        "period_limit_reached": {"limits": {"perDay": 0}},
        "not_for_this_customer": {"customerIds": ["c1"]},
    }
    coupons = {name: shop.new(**terms)["code"] for name, terms in told.items()}
    before = discount_books()

    for name, code in coupons.items():
        assert refused(shop.post(f"{PATH}/increment-usage", json={"code": code})) == (400, name)
    assert refused(shop.post(f"{PATH}/increment-usage", json={"code": "NONE"})) == (
        404,
        "coupon_not_found",
    )

    assert discount_books() == before


def test_an_idempotency_key_gives_the_first_answer_again(shop):
    coupon = shop.new()
    body = {"code": coupon["code"]}

    first, again = (
        shop.post(f"{PATH}/increment-usage", json=body, headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    )

    assert first.data == again.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shop.use(coupon) == 1
    orders = [
        shop.redeem(coupon["code"], order="o1", headers={"Idempotency-Key": "k2"}) for _ in range(2)
    ]
    assert [(order.status_code, order.data) for order in orders] == [(201, orders[0].data)] * 2
    assert shop.use(coupon) == 2


def test_a_crash_before_the_commit_has_taken_nothing(shop, monkeypatch, discount_books):
    coupon = shop.new(limits={"perDay": 5, "budget": 100})["code"]
    before = discount_books()

    def fail(*_, **__):
        raise RuntimeError("the power is gone")

    # The last that happens in the transaction.
    monkeypatch.setattr(events, "redeemed", fail)
    assert shop.redeem(coupon).status_code == 500
    assert discount_books() == before
