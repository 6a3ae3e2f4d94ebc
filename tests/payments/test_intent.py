"""POST /api/payments/create-payment-intent/.

A transaction is written down, a discount is held, Stripe is asked.
"""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from coupon_management_flask.core import clock
from coupon_management_flask.models import new_id

from ..support.payments import goods, make_voucher_type, transaction_row, transactions
from ..support.people import make_user, sign_in
from ..support.refusals import TOLD, refusal
from ..support.stripe import CREATE, PUBLISHABLE_KEY


def test_vouchers_are_asked_for_under_the_transactions_id(buyer, exam, stripe):
    answer = buyer.ask(exam, quantity=3)

    assert answer.status_code == 201
    (row,) = transactions()
    (intent,) = stripe.intents.values()
    assert answer.json == {
        "transaction_id": str(row.id),
        "payment_id": str(row.id),
        "payment_intent_id": intent["id"],
        "client_secret": intent["client_secret"],
        "amount": 30,
        "currency": "USD",
        "publishable_key": PUBLISHABLE_KEY,
    }
    assert (intent["amount"], intent["currency"], intent["metadata"]) == (
        3000,
        "usd",
        {"transaction_id": str(row.id)},
    )
    assert [asked.key for asked in stripe.asked] == [str(row.id)]
    assert (row.status, row.quantity, row.amount, row.stripe_payment_intent_id) == (
        "pending",
        3,
        3000,
        intent["id"],
    )
    assert goods() == (0, 0)
    assert buyer.status(answer.json) == "pending"


def test_a_top_up_costs_what_its_credits_are_worth(buyer, stripe):
    intent = buyer.intent(credit_amount=1234)

    assert (intent["amount"], intent["currency"]) == (12.34, "USD")
    assert stripe.intents[intent["payment_intent_id"]]["amount"] == 1234
    assert transaction_row(intent).credits == 1234
    assert buyer.credit() == 100


def test_a_wrong_field_is_named_and_nothing_is_begun(buyer, exam, stripe, payment_books):
    before = payment_books()
    for answer, fields in (
        (buyer.ask(), {"voucher_type_id"}),
        (buyer.ask(voucher_type_id=str(new_id())), {"voucher_type_id"}),
        (buyer.ask(exam, quantity=0), {"quantity"}),
        (buyer.ask(exam, discount_code="NOBODYS"), {"discount_code"}),
        (buyer.ask(exam, credit_amount=100), {"voucher_type_id"}),
    ):
        assert (answer.status_code, set(answer.json) - TOLD) == (400, fields)
    assert payment_books() == before
    assert stripe.asked == []


def test_a_type_that_left_the_sale_can_not_be_bought(buyer, stripe):
    answer = buyer.ask(make_voucher_type(is_active=False))

    assert answer.status_code == 400
    assert set(answer.json) == {"voucher_type_id", *TOLD}
    assert stripe.asked == []


def test_nobody_asks_without_signing_in(client, stripe, exam):
    for path in ("create-payment-intent", "confirm-payment", "refund", "history"):
        method = "GET" if path == "history" else "POST"
        assert refusal(
            client.open(f"/api/payments/{path}/", method=method, json={}), "vouchers"
        ) == (401, "authentication_required")
    assert stripe.asked == []


def test_a_discount_is_held_with_its_price_from_now_on(buyer, other, exam, shop, stripe):
    coupon = shop.new(discount=25, maxUsage=1, currency="USD")

    intent = buyer.intent(exam, quantity=2, discount_code=coupon["code"].lower())

    assert intent["amount"] == 15
    assert stripe.intents[intent["payment_intent_id"]]["amount"] == 1500
    assert shop.use(coupon) == 1
    late = other.ask(exam, discount_code=coupon["code"])
    assert (late.status_code, late.json) == (
        400,
        {
            "discount_code": ["Coupon usage limit exceeded"],
            "error_code": "usage_limit_exceeded",
            "message": "discount_code: Coupon usage limit exceeded",
        },
    )
    assert len(transactions()) == 1


def test_what_was_held_is_the_price_that_is_paid_whatever_becomes_of_the_code(
    buyer, exam, shop, stripe
):
    coupon = shop.new(discount=25, currency="USD")
    intent = buyer.intent(exam, discount_code=coupon["code"])
    assert (
        shop.patch(
            f"/api/v1/coupons/{coupon['id']}", json={"discount": 1, "isActive": False}
        ).status_code
        == 200
    )

    stripe.pay(intent["payment_intent_id"])
    answer = buyer.confirm(intent)

    assert answer.status_code == 200
    assert (
        answer.json["transaction"]["amount"],
        answer.json["transaction"]["discount_amount"],
    ) == (7.5, 2.5)
    assert stripe.taken(intent["transaction_id"]) == 750


def test_what_costs_nothing_is_delivered_at_once_without_stripe(buyer, exam, shop, stripe):
    coupon = shop.new(discount=100, maxUsage=1, currency="USD")

    intent = buyer.intent(exam, quantity=2, discount_code=coupon["code"])

    assert (intent["amount"], intent["payment_intent_id"], intent["client_secret"]) == (
        0,
        None,
        None,
    )
    assert stripe.asked == []
    assert buyer.status(intent) == "completed"
    assert [voucher["status"] for voucher in buyer.vouchers()] == ["active", "active"]
    assert shop.use(coupon) == 1


@pytest.mark.parametrize(
    ("currency", "price", "counted"),
    [
        ("JPY", "1000", 1000),
        ("KWD", "1.250", 1250),
        ("BHD", "2.340", 2340),
        ("ISK", "500", 50_000),
        ("UGX", "500", 50_000),
        ("MGA", "2000", 2000),
        ("EUR", "0.99", 99),
    ],
    ids=lambda value: str(value),
)
def test_amounts_go_to_stripe_in_its_unit_of_the_currency(buyer, stripe, currency, price, counted):
    bought = buyer.bought(make_voucher_type(currency=currency, price=Decimal(price)))

    assert (
        stripe.intents[bought["payment_intent_id"]]["amount"]
        == stripe.taken(bought["transaction_id"])
        == counted
    )
    assert bought["amount"] == bought["transaction"]["amount"] == float(price)
    assert bought["transaction"]["status"] == "completed"
    assert buyer.refund(bought).status_code == 200
    assert stripe.given_back(bought["transaction_id"]) == counted


@pytest.mark.parametrize(("currency", "price"), [("KWD", "0.004"), ("MGA", "0.50")])
def test_an_amount_that_stripe_can_not_write_is_refused_before_anything_is_begun(
    buyer, stripe, currency, price
):
    answer = buyer.ask(make_voucher_type(currency=currency, price=Decimal(price)))

    assert (answer.status_code, answer.json) == (
        400,
        {
            "voucher_type_id": [f"{price} {currency} can't be paid by card."],
            "error_code": "validation_error",
            "message": f"voucher_type_id: {price} {currency} can't be paid by card.",
        },
    )
    assert transactions() == []
    assert stripe.asked == []


def test_an_amount_that_stripe_does_not_take_is_told_on_its_field_and_is_over(
    buyer, exam, shop, stripe
):
    coupon = shop.new(discount=99, maxUsage=1, currency="USD")
    answers = [
        buyer.ask(credit_amount=49),
        buyer.ask(credit_amount=100_000_000),
        buyer.ask(exam, discount_code=coupon["code"]),
    ]

    assert [(answer.status_code, next(iter(answer.json))) for answer in answers] == [
        (400, "credit_amount")
    ] * 2 + [(400, "voucher_type_id")]
    assert [(row.status, row.due_at) for row in transactions()] == [("failed", None)] * 3
    assert shop.use(coupon) == 0


def test_stripe_away_or_refusing_is_502_and_the_transaction_stays_pending(buyer, shop, stripe):
    coupon = shop.new(discount=10, maxUsage=9, currency="USD")
    for trouble in (
        stripe.down(),
        stripe.broken(CREATE),
        stripe.refusing(CREATE, "account_closed"),
    ):
        with trouble:
            answer = buyer.ask(make_voucher_type(), discount_code=coupon["code"])
            assert refusal(answer, "vouchers") == (502, "payment_provider_error")

    assert [(row.status, row.stripe_payment_intent_id) for row in transactions()] == [
        ("pending", None)
    ] * 3
    assert shop.use(coupon) == 3
    assert stripe.intents == {}


def test_a_request_whose_answer_was_lost_is_tried_again_under_its_key_and_makes_one_intent(
    buyer, exam, stripe
):
    with stripe.losing_answers(CREATE):
        assert buyer.ask(exam).status_code == 502

    assert stripe.number_asked(CREATE) == 2
    assert len(stripe.intents) == 1


def test_the_same_idempotency_key_makes_one_transaction_and_a_502_is_not_kept(buyer, exam, stripe):
    key = {"Idempotency-Key": "a"}
    with stripe.down():
        assert buyer.ask(exam, headers=key).status_code == 502

    first, second = buyer.ask(exam, headers=key), buyer.ask(exam, headers=key)

    assert (first.status_code, second.status_code, first.data) == (201, 201, second.data)
    assert second.headers["Idempotent-Replayed"] == "true"
    # What Stripe had not answered gave way: nobody can pay it.
    replaced, begun = transactions()
    assert (replaced.status, begun.status) == ("cancelled", "pending")
    assert begun.stripe_payment_intent_id == first.json["payment_intent_id"]
    assert [
        stripe.intents[row.stripe_payment_intent_id]["status"] for row in (replaced, begun)
    ] == [
        "canceled",
        "requires_payment_method",
    ]
    assert buyer.confirm(first.json).status_code == 400


def test_without_a_key_payments_are_not_configured_and_credit_still_pays(configured_app):
    app = configured_app()
    account = make_user(credit=1000)
    exam = make_voucher_type()
    person = sign_in(app.test_client(), *account)
    for path, body in (
        ("create-payment-intent", {"voucher_type_id": str(exam["id"])}),
        ("create-payment-intent", {"credit_amount": 100}),
        ("webhook", {}),
    ):
        answer = person.post(f"/api/payments/{path}/", json=body)
        assert refusal(answer, "vouchers") == (503, "payments_not_configured")
        assert answer.headers["Retry-After"]
        assert "credit" in answer.json["error"]
    assert transactions() == []

    bought = person.post("/api/vouchers/purchase/", json={"voucher_type_id": str(exam["id"])})

    assert bought.status_code == 201, bought.text
    assert (
        app.test_cli_runner().invoke(args=["payments", "reconcile"]).output
        == "Error: payments not configured\n"
    )


def test_history_and_transaction_show_ones_own_newest_first(buyer, other, exam, stripe):
    other.intent(credit_amount=100)
    first, second = buyer.bought(exam, quantity=2), buyer.intent(credit_amount=500)

    page = buyer.person.get("/api/payments/history/?page_size=1").json
    everything = buyer.person.get("/api/payments/history/").json["results"]

    assert (page["count"], page["previous"], [one["id"] for one in page["results"]]) == (
        2,
        None,
        [second["transaction_id"]],
    )
    assert page["next"].endswith("/api/payments/history/?page_size=1&page=2")
    row = transaction_row(first)
    assert (
        everything[1]
        == first["transaction"]
        == buyer.person.get(f"/api/payments/transaction/{first['transaction_id']}/").json
    )
    assert everything[1] == {
        "id": str(row.id),
        "user": str(buyer.person.id),
        "voucher_type": buyer.vouchers()[0]["voucher_type"],
        "quantity": 2,
        "amount": 20,
        "refunded_amount": 0,
        "discount_amount": 0,
        "currency": "USD",
        "status": "completed",
        "stripe_payment_intent_id": first["payment_intent_id"],
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }
    assert {
        name: everything[0][name] for name in ("voucher_type", "quantity", "amount", "status")
    } == {
        "voucher_type": None,
        "quantity": None,
        "amount": 5,
        "status": "pending",
    }
    assert row.created_at - clock.now() < timedelta(minutes=1)


def test_somebody_elses_transaction_is_not_there_for_an_administrator_neither(
    buyer, other, exam, admin
):
    intent = buyer.intent(exam)

    path = f"/api/payments/transaction/{intent['transaction_id']}/"
    for nosy in (other.person, admin):
        assert refusal(nosy.get(path), "vouchers") == (404, "transaction_not_found")
        assert nosy.get("/api/payments/history/").json["count"] == 0
    assert refusal(other.person.get(f"/api/payments/transaction/{UUID(int=0)}/"), "vouchers") == (
        404,
        "transaction_not_found",
    )
