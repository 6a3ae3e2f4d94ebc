"""POST /api/vouchers/purchase/ with a `discount_code`.

It is priced by the rules of a shop's order, and taken with the purchase or not at all.
"""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from coupon_management_flask.core.claims import TRIES
from coupon_management_flask.db.session import db
from coupon_management_flask.discount_coupons import judging, redeem
from coupon_management_flask.models import GuessLog, OrderRedemption, VoucherPurchase

from ..support.refusals import TOLD, refusal
from ..support.vouchers import buy, sell


def refused(answer):
    """Return the name of why a discount code can't be used, from a body as the contract has it."""
    assert answer.status_code == 400, answer.text
    (sentence,) = answer.json["discount_code"]
    assert isinstance(sentence, str)
    assert "{" not in sentence
    assert set(answer.json) == {"discount_code", *TOLD}
    return answer.json["error_code"]


def test_a_discount_is_taken_off_the_whole_and_its_use_is_an_order_of_the_purchase(
    carol, kind, shop
):
    coupon = shop.new(discount="12.5", maxUsage=2)

    answer = buy(carol, kind, quantity=3, discount_code=coupon["code"].lower())

    # 3.75 of 30.00
    assert answer.status_code == 201, answer.text
    assert (answer.json["total_paid"], answer.json["discount_applied"], answer.json["credit"]) == (
        26.25,
        3.75,
        7375,
    )
    assert shop.use(coupon) == 1
    paid = db.session.execute(sa.select(VoucherPurchase)).scalar_one()
    assert (paid.unit_price, paid.quantity, paid.discount, paid.total, paid.credits) == (
        1000,
        3,
        375,
        2625,
        2625,
    )
    order = shop.get(f"/api/v1/redemptions/{paid.order_redemption_id}").json
    assert (
        order["orderId"],
        order["customerId"],
        order["discountAmount"],
        order["originalAmount"],
    ) == (str(paid.id), str(carol.id), 3.75, 30)


def test_it_may_pay_for_all_of_it(alice, kind, shop):
    coupon = shop.new(discount=100)

    answer = buy(alice, kind, discount_code=coupon["code"])

    assert (
        answer.status_code,
        answer.json["total_paid"],
        answer.json["discount_applied"],
        answer.json["credit"],
    ) == (201, 0, 10, 100)


def test_the_type_is_the_product_its_service_the_category_and_the_account_the_customer(
    carol, alice, admin, kind, shop
):
    other = sell(admin, service_type="school_application")
    by_product = shop.new(products=[kind["id"]])["code"]
    by_category = shop.new(categories=["exam_results"])["code"]
    by_customer = shop.new(customerIds=[str(carol.id)])["code"]
    once = shop.new(limits={"perCustomer": 1})["code"]
    minimum = shop.new(couponFor="minPurchase", minPurchaseAmount=20)["code"]

    for code in (by_product, by_category):
        assert buy(carol, kind, discount_code=code).json["discount_applied"] == 1
        assert refused(buy(carol, other, discount_code=code)) == "no_eligible_products"
    assert buy(carol, kind, discount_code=by_customer).status_code == 201
    # Somebody else's is not there at all.
    assert refused(buy(alice, kind, discount_code=by_customer)) == "coupon_not_found"
    assert buy(carol, kind, discount_code=once).status_code == 201
    assert refused(buy(carol, kind, discount_code=once)) == "usage_limit_exceeded"
    answer = buy(carol, kind, discount_code=minimum)
    assert (refused(answer), answer.json["discount_code"]) == (
        "minimum_not_reached",
        ["Minimum purchase amount of USD 20.00 required"],
    )
    assert buy(carol, kind, quantity=2, discount_code=minimum).json["discount_applied"] == 2


def test_a_code_that_can_not_be_used_is_refused_by_its_name_and_nothing_moves(
    carol, kind, shop, voucher_books
):
    told = {
        "coupon_inactive": {"isActive": False},
        "coupon_not_yet_valid": {"startsAt": "2101-01-01T00:00:00Z"},
        "coupon_expired": {"expiresAt": "2001-01-01T00:00:00Z"},
        "usage_limit_exceeded": {"maxUsage": 0},
        "period_limit_reached": {"limits": {"perDay": 0}},
        "budget_used_up": {"limits": {"budget": "0.99"}},
        # The coupon's amounts mean nothing in this currency. A coupon without any is good in all.
        "currency_mismatch": {
            "currency": "JPY",
            "type": "fixed",
            "expiresAt": "2001-01-01T00:00:00Z",
        },
    }
    codes = {name: shop.new(**terms)["code"] for name, terms in told.items()}
    before = voucher_books()

    for name, code in codes.items():
        assert refused(buy(carol, kind, discount_code=code)) == name
    assert refused(buy(carol, kind, discount_code="NO-SUCH-CODE")) == "coupon_not_found"

    assert voucher_books() == before


def test_a_discount_that_does_not_make_up_for_the_credit_is_not_taken(
    alice, kind, shop, voucher_books
):
    coupon = shop.new(discount=50, maxUsage=1, limits={"perCustomer": 1, "budget": 100})
    before = voucher_books()

    assert refusal(buy(alice, kind, discount_code=coupon["code"]), "vouchers") == (
        402,
        "insufficient_credit",
    )

    assert voucher_books() == before


def test_a_refusal_is_kept_under_its_idempotency_key(carol, kind, shop):
    coupon = shop.new(isActive=False)
    answers = []
    for is_active in (False, True):
        shop.patch(f"/api/v1/coupons/{coupon['id']}", json={"isActive": is_active})
        answers.append(
            buy(carol, kind, discount_code=coupon["code"], headers={"Idempotency-Key": "k"})
        )

    assert [refused(answer) for answer in answers] == ["coupon_inactive"] * 2
    assert answers[0].data == answers[1].data


def test_a_use_that_goes_between_the_price_and_the_purchase_is_named(
    carol, kind, shop, monkeypatch, voucher_books
):
    coupon = shop.new(maxUsage=1, limits={"perCustomer": 1})
    judge = judging.judge

    def judged_and_gone(*args):
        monkeypatch.setattr(judging, "judge", judge)
        judgement = judge(*args)
        assert shop.redeem(coupon["code"], customerId="somebody").status_code == 201
        books.append(voucher_books())
        return judgement

    books = []
    monkeypatch.setattr(judging, "judge", judged_and_gone)

    assert refused(buy(carol, kind, discount_code=coupon["code"])) == "usage_limit_exceeded"
    assert [voucher_books()] == books


def test_where_the_discount_is_changed_at_every_try_one_is_asked_to_come_back(
    carol, kind, shop, monkeypatch, voucher_books
):
    coupon = shop.new()
    claim, tries = redeem.claim, []

    def changed_first(caller, decision, order_id):
        tries.append(decision)
        # What an administrator's change raises.
        (judgement,) = decision.judgements
        stale = replace(judgement.coupon, version=judgement.coupon.version - 1)
        judgements = (replace(judgement, coupon=stale),)
        return claim(caller, replace(decision, judgements=judgements), order_id)

    before = voucher_books()
    monkeypatch.setattr(redeem, "claim", changed_first)

    assert refusal(buy(carol, kind, discount_code=coupon["code"]), "vouchers") == (
        503,
        "service_unavailable",
    )
    assert len(tries) == TRIES
    assert voucher_books() == before


def test_wrong_codes_are_guesses(configured_app, person, voucher_books):
    app = configured_app(rate_limits_enabled=True)
    carol, admin = person(credit=10_000), person(role="administrator")
    carol.client = admin.client = app.test_client()
    kind = sell(admin)
    before = voucher_books()

    assert [refused(buy(carol, kind, discount_code="WRONG")) for _ in range(10)] == [
        "coupon_not_found"
    ] * 10
    answer = buy(carol, kind, discount_code="WRONG")
    assert refusal(answer, "vouchers") == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) > 0
    assert voucher_books() == before
    assert db.session.scalar(sa.select(sa.func.count()).select_from(GuessLog)) == 2
    # Without a code nothing is guessed.
    assert buy(carol, kind).status_code == 201


def test_a_shop_can_not_roll_back_what_belongs_to_a_purchase(carol, kind, shop, voucher_books):
    coupon = shop.new(maxUsage=1)
    buy(carol, kind, discount_code=coupon["code"])
    redemption_id = db.session.scalar(sa.select(OrderRedemption.id))
    before = voucher_books()

    answer = shop.roll_back(str(redemption_id))

    assert refusal(answer, "discount_coupons") == (409, "belongs_to_purchase")
    assert voucher_books() == before


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({}, None),
        ({"type": "fixed", "discount": 1}, "currency_mismatch"),
        ({"couponFor": "minPurchase", "minPurchaseAmount": 1}, "currency_mismatch"),
        ({"maxDiscountAmount": 5}, "currency_mismatch"),
        ({"limits": {"budget": 500}}, "currency_mismatch"),
        ({"limits": {"perDay": 1}}, None),
        ({"type": "fixed", "discount": 1, "isActive": False}, "coupon_inactive"),
    ],
    ids=str,
)
def test_a_percentage_is_good_in_any_currency_and_amounts_in_their_own(
    carol, kind, shop, terms, name
):
    code = shop.new(currency="JPY", **{"discount": 10, **terms})["code"]

    answer = buy(carol, kind, discount_code=code)

    if name is None:
        assert (answer.status_code, answer.json["discount_applied"]) == (201, 1)
        order = db.session.execute(sa.select(OrderRedemption)).scalar_one()
        assert (order.currency, order.original, order.discount) == ("USD", 1000, 100)
    else:
        assert refused(answer) == name
