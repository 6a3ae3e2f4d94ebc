"""What is paid is what is said to be paid: nothing rounds to nothing, or to something untold."""

from decimal import Decimal

import pytest

from coupon_management_flask.audit import rules
from coupon_management_flask.db.session import db
from coupon_management_flask.models import VoucherPurchase

from ..support.payments import Buyer, make_voucher_type
from ..support.people import make_user, sign_in
from ..support.refusals import TOLD, refusal
from ..support.vouchers import buy


@pytest.mark.parametrize(
    ("price", "quantity", "paid"),
    [("4.717", 1, 4.72), ("4.714", 1, 4.71), ("4.715", 1, 4.72), ("4.717", 3, 14.15)],
)
def test_three_decimals_are_paid_by_card_in_stripes_step_and_the_amount_says_so(
    buyer, admin, stripe, price, quantity, paid
):
    kind = make_voucher_type(currency="KWD", price=Decimal(price))

    made = buyer.bought(kind, quantity=quantity)

    assert made["amount"] == made["transaction"]["amount"] == paid
    assert stripe.taken(made["transaction_id"]) == round(paid * 1000)
    assert admin.get("/api/analytics/dashboard/").json["revenue"] == {"KWD": paid}
    assert buyer.refund(made).json["transaction"]["refunded_amount"] == paid
    assert stripe.given_back(made["transaction_id"]) == round(paid * 1000)
    assert admin.get("/api/analytics/dashboard/").json["revenue"] == {"KWD": 0}


def test_the_discount_is_exact_and_what_is_left_is_rounded_once(buyer, shop):
    coupon = shop.new(discount=33, currency="KWD")
    kind = make_voucher_type(currency="KWD", price=Decimal("4.717"))

    made = buyer.bought(kind, quantity=2, discount_code=coupon["code"])

    # 9.434 less 3.113 is 6.321.
    assert (made["amount"], made["transaction"]["discount_amount"]) == (6.32, 3.113)
    (purchase,) = db.session.query(VoucherPurchase)
    assert (purchase.discount, purchase.rounding, purchase.total) == (3113, -1, 6320)


def test_a_top_up_in_three_decimals_says_what_is_paid(configured_app, stripe_settings, stripe):
    app = configured_app(**stripe_settings, currency="KWD", credit_value="0.0013")
    buyer = Buyer(sign_in(app.test_client(), *make_user()), stripe)

    intent = buyer.intent(credit_amount=1000)
    assert (intent["amount"], intent["currency"]) == (1.3, "KWD")
    assert buyer.intent(credit_amount=1003)["amount"] == 1.3
    assert buyer.intent(credit_amount=1005)["amount"] == 1.31
    assert set(buyer.ask(credit_amount=3).json) == {"credit_amount", *TOLD}


@pytest.mark.parametrize(
    ("value", "price", "credits", "paid"),
    [
        ("0.03", "0.01", 1, 0.03),
        ("0.0033", "0.01", 4, 0.01),
        ("7", "0.01", 1, 7),
        ("0.01", "10", 1000, 10),
    ],
)
def test_credits_are_rounded_up_and_the_answer_says_what_they_are_worth(
    configured_app, person, value, price, credits, paid
):
    app = configured_app(credit_value=value)
    buyer, admin = person(credit=1000), person(role="administrator")
    buyer.client = admin.client = app.test_client()
    kind = {"id": str(make_voucher_type(price=Decimal(price))["id"])}

    answer = buy(buyer, kind)

    assert (answer.json["total_paid"], answer.json["credit"]) == (paid, 1000 - credits)
    assert admin.get("/api/analytics/dashboard/").json["revenue"] == {"USD": paid}
    (voucher,) = answer.json["vouchers"]
    body = {"voucher_id": voucher["id"], "reason": "x"}
    assert buyer.post("/api/vouchers/refund/", json=body).json["credit"] == 1000
    assert admin.get("/api/analytics/dashboard/").json["revenue"] == {"USD": 0}


def test_a_buyer_without_credit_does_not_get_a_cheap_voucher_for_nothing(configured_app, person):
    app = configured_app(credit_value="0.03")
    poor = person(credit=0)
    poor.client = app.test_client()
    cheap = {"id": str(make_voucher_type(price=Decimal("0.01"))["id"])}

    assert refusal(buy(poor, cheap), "vouchers") == (402, "insufficient_credit")


def test_a_debt_is_never_rounded_to_nothing(buyer, admin, stripe):
    made = buyer.bought(make_voucher_type(price=Decimal("0.50"), max_uses=1000))
    assert buyer.redeem(made["vouchers"][0]).status_code == 200

    buyer.hear(stripe.refund_on_dashboard(made["payment_intent_id"]))

    (note,) = rules.notes()
    assert "owes 0.01 USD" in note
