"""The gateway: what Stripe says in plain values, and its failures as two kinds of one error."""

import pytest

from coupon_management_flask.models import new_id
from coupon_management_flask.payments import gateway
from coupon_management_flask.payments.errors import PaymentProviderError
from coupon_management_flask.payments.gateway import Gateway
from coupon_management_flask.web import idempotency, observability

from ..support.payments import Buyer, make_voucher_type
from ..support.people import make_user, sign_in
from ..support.stripe import CREATE, EXPANDED, READ, REFUND, SECRET_KEY

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def stripe_account(stripe):
    return Gateway(SECRET_KEY, stripe.url + "/")


def failure(ask):
    with pytest.raises(PaymentProviderError) as failed:
        ask()
    return failed.value.is_final, failed.value.code


def test_the_same_transaction_has_the_same_intent(stripe_account, stripe):
    transaction_id = new_id()

    first, second = (stripe_account.create(transaction_id, 1000, "USD") for _ in range(2))

    assert first == second
    assert (first.transaction_id, first.amount, first.currency, first.is_paid) == (
        transaction_id,
        1000,
        "USD",
        False,
    )
    assert len(stripe.intents) == 1
    # Other terms under its key are a mistake of ours, and no answer about the intent.
    assert failure(lambda: stripe_account.create(transaction_id, 1001, "USD")) == (False, None)


def test_a_no_is_final_and_silence_is_not(stripe_account, stripe):
    intent = stripe_account.create(new_id(), 1000, "USD")
    assert failure(lambda: stripe_account.read("pi_unknown")) == (True, "resource_missing")
    assert failure(lambda: stripe_account.refund(intent.id, "key")) == (True, None)
    assert failure(lambda: stripe_account.create(new_id(), 1, "USD")) == (True, "amount_too_small")
    with stripe.refusing(CREATE, "lock_timeout", status=429):
        assert failure(lambda: stripe_account.create(new_id(), 1000, "USD"))[0] is False
    with stripe.down():
        assert failure(lambda: stripe_account.read(intent.id)) == (False, None)
    with stripe.broken(READ):
        assert failure(lambda: stripe_account.read(intent.id))[0] is False
    # Somebody has mistyped the key: that says nothing about the payment.
    assert failure(lambda: Gateway("sk_test_another", stripe.url).read(intent.id))[0] is False


def test_who_takes_too_long_is_not_waited_for(stripe, monkeypatch):
    monkeypatch.setattr(gateway, "ANSWER_SECONDS", 0.1)
    account = Gateway(SECRET_KEY, stripe.url)
    with stripe.holding(READ) as held:
        assert failure(lambda: account.read("pi_1")) == (False, None)
        held.wait_for(1 + gateway.RETRIES)


def test_both_tries_of_a_call_fit_into_the_lease_of_an_idempotency_key():
    tries = 1 + gateway.RETRIES
    assert (
        tries * (gateway.CONNECT_SECONDS + gateway.ANSWER_SECONDS) + gateway.RETRIES
        < idempotency.LEASE.total_seconds()
    )


def test_a_refund_is_made_once_under_a_key_and_what_is_refunded_has_none_left(
    stripe_account, stripe
):
    intent = stripe_account.create(new_id(), 1000, "USD")
    stripe.pay(intent.id)

    first, second = (stripe_account.refund(intent.id, "a") for _ in range(2))

    assert first == second
    assert failure(lambda: stripe_account.refund(intent.id, "b")) == (
        True,
        gateway.CHARGE_REFUNDED,
    )
    assert stripe_account.read(intent.id).returns == (first,)
    assert stripe.number_asked(REFUND) == 3


def test_all_refunds_and_disputes_of_a_payment_are_read_however_many(stripe_account, stripe):
    intent = stripe_account.create(new_id(), 2000, "USD")
    stripe.pay(intent.id)
    for _ in range(EXPANDED + 2):
        stripe.refund_on_dashboard(intent.id, 100)
    stripe.dispute(intent.id, 700)

    told = stripe_account.read(intent.id).returns

    assert sorted(one.amount for one in told) == [100] * (EXPANDED + 2) + [700]
    assert {one.id for one in told} == {*stripe.refunds, *stripe.disputes}


def test_what_can_not_be_cancelled_any_more_is_what_it_has_become(stripe_account, stripe):
    cancelled, paid = (stripe_account.create(new_id(), 1000, "USD") for _ in range(2))
    stripe.pay(paid.id)

    assert stripe_account.cancel(cancelled.id).is_cancelled
    assert stripe_account.cancel(cancelled.id).is_cancelled
    assert stripe_account.cancel(paid.id).is_paid


def test_amounts_survive_the_way_to_stripe_and_back():
    for currency, amount in (
        ("USD", 1999),
        ("JPY", 500),
        ("KWD", 1250),
        ("ISK", 500),
        ("UGX", 7),
        ("MGA", 200_000),
        ("BHD", 10),
    ):
        counted = gateway.units(amount, currency)
        assert counted is not None
        assert gateway.from_units(counted, currency) == amount
    assert [gateway.units(*pair) for pair in ((1255, "KWD"), (150, "MGA"))] == [None, None]


def test_three_decimals_are_rounded_half_up_to_stripes_step_and_never_to_nothing():
    assert [gateway.payable(amount, "KWD") for amount in (4717, 4714, 4715, 5, 0, 4)] == [
        4720,
        4710,
        4720,
        10,
        0,
        None,
    ]
    assert [gateway.payable(*pair) for pair in ((4717, "USD"), (150, "MGA"), (7, "UGX"))] == [
        4717,
        None,
        7,
    ]


@pytest.fixture
def logged(capsys, app):
    """What was logged by an application that is made from now on."""
    yield lambda: capsys.readouterr().err
    # Logging is the process's: what comes later must not write to what is closed by then.
    with capsys.disabled():
        observability.configure_logging(app.extensions["settings"])


def test_no_key_secret_or_client_secret_is_ever_logged(
    logged, configured_app, stripe_settings, stripe
):
    app = configured_app(**stripe_settings, log_level="DEBUG")
    buyer = Buyer(sign_in(app.test_client(), *make_user()), stripe)
    intent = buyer.intent(make_voucher_type())
    with stripe.down():
        buyer.confirm(intent)
    with stripe.refusing(REFUND, "balance_insufficient"):
        stripe.pay(intent["payment_intent_id"])
        buyer.hear(stripe.events[-1])
        buyer.refund(intent)

    text = logged()
    assert "balance_insufficient" in text
    assert "confirm-payment" in text
    assert not [
        secret for secret in (SECRET_KEY, intent["client_secret"], "whsec_") if secret in text
    ]
