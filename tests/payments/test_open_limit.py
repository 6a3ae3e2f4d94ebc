"""At most so many payments of one account are open at once, whoever asks for them."""

import pytest

from ..support import people
from ..support.discounts import new_shop
from ..support.payments import Buyer, goods, make_voucher_type, transactions
from ..support.refusals import refusal
from ..support.stripe import CREATE

MOST = 3
TOO_MANY = (429, "too_many_open_payments")

pytestmark = pytest.mark.both_databases


@pytest.fixture
def limited(configured_app, stripe_settings):
    return configured_app(
        rate_limits_enabled=True,
        max_open_payments=MOST,
        rate_limit_payments="1000 per hour",
        **stripe_settings,
    ).test_client()


@pytest.fixture
def buyer(limited, stripe):
    return Buyer(people.sign_in(limited, *people.make_user()), stripe)


@pytest.fixture
def other(limited, stripe):
    return Buyer(people.sign_in(limited, *people.make_user()), stripe)


@pytest.fixture
def shop(limited):
    return new_shop(limited)


def test_one_more_payment_than_may_be_open_is_refused_and_takes_nothing(
    buyer, other, shop, stripe, payment_books
):
    coupon = shop.new(discount=50, maxUsage=100, currency="USD")
    code = {"discount_code": coupon["code"]}
    for _ in range(MOST - 1):
        buyer.intent(make_voucher_type(), **code)
    buyer.intent(credit_amount=500)
    before, asked = payment_books(), stripe.number_asked(CREATE)

    for answer in (
        buyer.ask(make_voucher_type(), **code),
        buyer.ask(credit_amount=500),
        buyer.ask(credit_amount=500, headers={"Idempotency-Key": "a"}),
        buyer.ask(credit_amount=500, headers={"Idempotency-Key": "a"}),
    ):
        assert refusal(answer, "vouchers") == TOO_MANY
        assert "Idempotent-Replayed" not in answer.headers
        assert 23 * 3600 < int(answer.headers["Retry-After"]) <= 24 * 3600

    assert payment_books() == before
    assert stripe.number_asked(CREATE) == asked
    assert shop.use(coupon) == MOST - 1
    other.intent(credit_amount=500)


def test_a_payment_that_is_decided_makes_room_and_a_declined_one_does_not(buyer, stripe):
    paid, cancelled, declined = (buyer.intent(credit_amount=500) for _ in range(MOST))
    buyer.hear(stripe.decline(declined["payment_intent_id"]))
    assert buyer.status(declined) == "failed"
    assert refusal(buyer.ask(credit_amount=500), "vouchers") == TOO_MANY

    stripe.pay(paid["payment_intent_id"])
    assert buyer.confirm(paid).status_code == 200
    buyer.intent(credit_amount=500)
    assert refusal(buyer.ask(credit_amount=500), "vouchers") == TOO_MANY

    buyer.hear(stripe.cancel_on_dashboard(cancelled["payment_intent_id"]))
    buyer.intent(credit_amount=500)
    assert refusal(buyer.ask(credit_amount=500), "vouchers") == TOO_MANY


def test_what_costs_nothing_is_delivered_however_many_payments_are_open(buyer, shop):
    free = shop.new(discount=100, currency="USD")
    for _ in range(MOST):
        buyer.intent(credit_amount=500)

    buyer.intent(make_voucher_type(), discount_code=free["code"])

    assert goods() == (1, 1)
    assert len(transactions()) == MOST + 1
