"""PATCH and DELETE /api/v1/coupons/<id>: terms change, what was given stays."""

from threading import Thread
from uuid import UUID

import pytest
import sqlalchemy as sa

from coupon_management_flask.db.dialects import is_postgresql
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.discount_coupons.coupons import change

from ..support.discounts import PATH, coupon_body
from ..support.refusals import refusal
from ..support.waiting import wait_until

pytestmark = pytest.mark.both_databases


def test_what_is_named_changes_and_nothing_else(shop):
    made = shop.new(
        code="BEFORE",
        products=["p1"],
        limits={"perDay": 1},
        expiresAt="2999-01-01T00:00:00Z",
        maxUsage=3,
    )
    changes = {
        "code": "after",
        "discount": "12.5",
        "products": ["p2"],
        "limits": {"budget": 5},
        "expiresAt": None,
        "maxUsage": None,
    }

    answer = shop.patch(f"{PATH}/{made['id']}", json=changes)

    assert answer.status_code == 200
    assert answer.json == {
        **made,
        **changes,
        "code": "AFTER",
        "discount": 12.5,
        "updatedAt": answer.json["updatedAt"],
    }
    assert answer.json["updatedAt"] > made["updatedAt"]
    assert shop.get(f"{PATH}/{made['id']}").json == answer.json
    assert [coupon["code"] for coupon in shop.get(f"{PATH}/product/p2").json] == ["AFTER"]
    assert shop.get(f"{PATH}/product/p1").json == []


def test_the_whole_must_stay_valid(shop, discount_books):
    made = shop.new(
        code="ONE",
        type="fixed",
        discount="120.55",
        minPurchaseAmount=5,
        couponFor="minPurchase",
        expiresAt="2999-01-01T00:00:00Z",
    )
    shop.new(code="TWO")
    before = discount_books()

    for changes in (
        {},
        {"type": "percentage"},
        {"currency": "JPY"},
        {"minPurchaseAmount": None},
        {"startsAt": "2999-01-01T00:00:00Z"},
        {"usageCount": 5},
        {"code": None},
        {"discount": -1},
    ):
        assert refusal(shop.patch(f"{PATH}/{made['id']}", json=changes), "discount_coupons") == (
            400,
            "validation_error",
        ), changes
    assert refusal(
        shop.patch(f"{PATH}/{made['id']}", json={"code": "two"}), "discount_coupons"
    ) == (400, "coupon_code_taken")

    assert discount_books() == before


def test_max_usage_is_never_below_the_uses_so_far(shop, discount_books):
    made = shop.new(maxUsage=5)
    for _ in range(3):
        assert shop.redeem(made["code"]).status_code == 201
    before = discount_books()

    assert refusal(
        shop.patch(f"{PATH}/{made['id']}", json={"maxUsage": 2}), "discount_coupons"
    ) == (400, "max_usage_too_low")
    assert discount_books() == before

    assert shop.patch(f"{PATH}/{made['id']}", json={"maxUsage": 3}).json["maxUsage"] == 3
    assert refusal(shop.redeem(made["code"]), "discount_coupons") == (400, "usage_limit_exceeded")
    assert shop.patch(f"{PATH}/{made['id']}", json={"maxUsage": 4}).json["usageCount"] == 3
    assert shop.redeem(made["code"]).status_code == 201


def test_a_limit_that_is_new_counts_what_was_used_before_it(shop):
    made = shop.new(discount=10)
    for customer, total in (("c1", 100), ("c1", 50), ("c2", 200)):
        last = shop.redeem(made["code"], total=total, customerId=customer)
    shop.post(f"{PATH}/increment-usage", json={"code": made["code"]})
    path = f"{PATH}/{made['id']}"

    shop.patch(path, json={"limits": {"perCustomer": 2, "budget": 45, "perDay": 5}})

    assert refusal(shop.redeem(made["code"], customerId="c1"), "discount_coupons") == (
        400,
        "usage_limit_exceeded",
    )
    assert refusal(shop.redeem(made["code"], customerId="c2", total=101), "discount_coupons") == (
        400,
        "budget_used_up",
    )
    assert shop.redeem(made["code"], customerId="c2", total=100).status_code == 201
    assert refusal(shop.redeem(made["code"], customerId="c3", total=1), "discount_coupons") == (
        400,
        "period_limit_reached",
    )
    # And gives it back.
    shop.roll_back(last.json["redemptionId"])
    assert refusal(shop.redeem(made["code"], customerId="c3", total=300), "discount_coupons") == (
        400,
        "budget_used_up",
    )
    assert shop.redeem(made["code"], customerId="c3", total=200).status_code == 201
    # Taken away and set again, nothing is counted twice.
    shop.patch(path, json={"limits": {}})
    assert shop.patch(path, json={"limits": {"budget": 45}}).status_code == 200
    assert refusal(shop.redeem(made["code"], total=10), "discount_coupons") == (
        400,
        "budget_used_up",
    )


@pytest.mark.parametrize("limits", [{"budget": 45}, {}], ids=["a budget", "no budget"])
def test_what_was_used_keeps_its_currency(shop, discount_books, limits):
    made = shop.new(limits=limits)
    path = f"{PATH}/{made['id']}"
    assert shop.patch(path, json={"currency": "JPY"}).status_code == 200
    redeemed = shop.redeem(made["code"]).json
    before = discount_books()

    for changes in ({"currency": "USD"}, {"currency": "USD", "limits": {"budget": 5}}):
        answer = shop.patch(path, json=changes)
        assert refusal(answer, "discount_coupons") == (400, "validation_error")
        assert "currency" in answer.json["message"]

    assert discount_books() == before
    assert shop.patch(path, json={"currency": "JPY", "discount": 5}).status_code == 200
    assert shop.roll_back(redeemed["redemptionId"]).status_code == 200
    assert shop.patch(path, json={"currency": "USD"}).status_code == 200


def test_a_budget_counts_no_uses_in_other_currencies(shop, discount_books):
    made = shop.new(currency="USD")
    path = f"{PATH}/{made['id']}"
    yen = shop.redeem(made["code"], total=5000, currency="JPY").json
    shop.redeem(made["code"], total=20)
    before = discount_books()

    answer = shop.patch(path, json={"limits": {"budget": 100}})

    assert refusal(answer, "discount_coupons") == (400, "validation_error")
    assert discount_books() == before
    shop.roll_back(yen["redemptionId"])
    assert shop.patch(path, json={"limits": {"budget": 3}}).status_code == 200
    # 2.00 of it are used.
    assert shop.redeem(made["code"], total=11).status_code == 400
    assert shop.redeem(made["code"], total=10).status_code == 201


def test_a_deleted_coupon_is_gone_its_history_stays_and_its_code_is_free(shop):
    made = shop.new(code="GONE", customerIds=["c1"], limits={"perCustomer": 5})
    redeemed = shop.redeem("GONE", customerId="c1").json["redemptionId"]

    answer = shop.delete(f"{PATH}/{made['id']}")

    assert (answer.status_code, answer.data) == (204, b"")
    for response in (
        shop.get(f"{PATH}/{made['id']}"),
        shop.delete(f"{PATH}/{made['id']}"),
        shop.redeem("GONE", customerId="c1"),
    ):
        assert refusal(response, "discount_coupons") == (404, "coupon_not_found")
    assert shop.get("/api/v1/redemptions?code=gone").json["results"][0]["redemptionId"] == redeemed
    assert shop.post(PATH, json=coupon_body(code="GONE")).status_code == 201
    assert shop.roll_back(redeemed).json["status"] == "rolled_back"


def test_who_may_not_manage_coupons_changes_none(shop, alice, discount_books):
    path = f"{PATH}/{shop.new()['id']}"
    before = discount_books()

    for answer in (alice.patch(path, json={"discount": 100}), alice.delete(path)):
        assert refusal(answer, "discount_coupons") == (403, "permission_denied")

    assert discount_books() == before
    assert refusal(
        shop.patch(f"{PATH}/01a1fe71-d916-74a7-90b2-23dce04e7d8c", json={"discount": 1}),
        "discount_coupons",
    ) == (404, "coupon_not_found")


@pytest.mark.parametrize("limits", [{}, {"perDay": 100}])
def test_an_order_that_waits_for_a_change_is_judged_by_what_was_changed(app, shop, limits):
    """The claim must see the change that it waited for.

    On PostgreSQL, a statement that has waited sees other tables as they were when it began.
    """
    made = shop.new(code="SALE", limits=limits)
    order = {"code": "SALE", "cartTotal": 10, "productIds": ["p1"], "customerId": "c1"}
    assert shop.post(f"{PATH}/redeem", json={**order, "orderId": "first"}).status_code == 201
    answers = []

    def late():
        with app.app_context():
            answers.append(shop.post(f"{PATH}/redeem", json={**order, "orderId": "late"}))

    with transaction():
        change.change_coupon(UUID(made["id"]), {"limits": {"perCustomer": 1}})
        thread = Thread(target=late)
        thread.start()
        if is_postgresql():
            wait_until(
                lambda: db.session.scalar(
                    sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                ),
                "the order waits for the change",
            )
    thread.join(timeout=30)

    assert refusal(answers[0], "discount_coupons") == (400, "usage_limit_exceeded")
