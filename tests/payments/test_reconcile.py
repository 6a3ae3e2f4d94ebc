"""`flask payments reconcile`, and the same by the clock: Stripe is asked what nobody told us."""

import threading
from datetime import timedelta

import pytest

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db
from coupon_management_flask.messaging import loop
from coupon_management_flask.models import Lease
from coupon_management_flask.payments.cards import reconciliation

from ..support.payments import goods, make_voucher_type, transaction_row, transactions
from ..support.refusals import refusal
from ..support.stripe import CREATE, READ, REFUND

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def flask(app, stripe):
    return lambda *arguments: app.test_cli_runner().invoke(args=list(arguments))


@pytest.fixture
def in_time(time_is):
    """Set the clock to so long after the test's start.

    Set it back before speaking HTTP: tokens expire meanwhile.
    """
    start = clock.now()
    return lambda later: time_is(start + later)


def test_a_payment_that_nobody_confirmed_is_delivered(buyer, stripe, flask):
    paid, open_, declined, gone = (buyer.intent(make_voucher_type()) for _ in range(4))
    stripe.pay(paid["payment_intent_id"])
    stripe.decline(declined["payment_intent_id"])
    stripe.cancel_on_dashboard(gone["payment_intent_id"])

    ran = flask("payments", "reconcile")

    assert (ran.exit_code, ran.output) == (0, "4 asked about, 2 of them decided.\n")
    assert [buyer.status(intent) for intent in (paid, open_, declined, gone)] == [
        "completed",
        "pending",
        "failed",
        "cancelled",
    ]
    assert goods() == (1, 1)
    assert flask("audit").output == "The books add up.\n"
    assert flask("payments", "reconcile").output == "2 asked about, 0 of them decided.\n"


def test_stripe_down_for_an_hour_loses_nothing(buyer, exam, shop, stripe, flask, in_time):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    paid, held = buyer.intent(exam), buyer.intent(credit_amount=100)
    refunded = buyer.bought(credit_amount=70)
    stripe.pay(paid["payment_intent_id"])
    stripe.pay(held["payment_intent_id"])
    with stripe.down():
        assert buyer.ask(make_voucher_type(), discount_code=coupon["code"]).status_code == 502
        assert buyer.confirm(paid).status_code == 502
        assert buyer.refund(refunded).status_code == 502
        in_time(10 * MINUTE)
        ran = flask("payments", "reconcile")
        assert (ran.exit_code, ran.output.splitlines()[-1]) == (
            1,
            "Error: Stripe could not be asked; the rest is asked about later.",
        )
        assert flask("audit").exit_code == 0
    assert shop.use(coupon) == 1

    in_time(HOUR)
    assert flask("payments", "reconcile").exit_code == 0

    in_time(MINUTE)
    assert [row.status for row in transactions()] == [
        "completed",
        "completed",
        "refunded",
        "cancelled",
    ]
    assert (goods(), buyer.credit(), shop.use(coupon)) == ((1, 1), 200, 0)
    assert (
        stripe.taken(refunded["transaction_id"]),
        stripe.given_back(refunded["transaction_id"]),
    ) == (70, 70)
    assert {intent["status"] for intent in stripe.intents.values()} == {"succeeded", "canceled"}
    assert flask("payments", "reconcile").output == "0 asked about, 0 of them decided.\n"
    assert buyer.ask(exam, discount_code=coupon["code"]).status_code == 201


def test_an_intent_whose_answer_was_lost_is_found_and_cancelled_for_nobody_can_pay_it(
    buyer, exam, shop, stripe, in_time
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    with stripe.losing_answers(CREATE):
        assert buyer.ask(exam, discount_code=coupon["code"]).status_code == 502
    # Whoever asked for it may still be waiting.
    assert reconciliation.reconcile(at_once=True).asked == 0

    in_time(6 * MINUTE)
    assert reconciliation.reconcile().decided == 1

    (row,), (intent,) = transactions(), stripe.intents.values()
    assert (row.status, intent["status"], row.stripe_payment_intent_id) == (
        "cancelled",
        "canceled",
        intent["id"],
    )
    in_time(MINUTE)
    assert shop.use(coupon) == 0


def test_an_intent_that_stripe_refuses_to_make_has_failed_for_good(
    buyer, exam, shop, stripe, in_time
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    with stripe.refusing(CREATE, "account_closed"):
        assert buyer.ask(exam, discount_code=coupon["code"]).status_code == 502

    in_time(6 * MINUTE)
    assert reconciliation.reconcile().decided == 1

    assert [(row.status, row.due_at) for row in transactions()] == [("failed", None)]
    in_time(MINUTE)
    assert shop.use(coupon) == 0


@pytest.mark.parametrize("before", ["pending", "failed"])
def test_after_24_hours_without_money_stripe_is_asked_once_more_and_the_payment_cancelled(
    buyer, exam, shop, stripe, in_time, before
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    intent = buyer.intent(exam, discount_code=coupon["code"])
    if before == "failed":
        buyer.hear(stripe.decline(intent["payment_intent_id"]))

    in_time(23 * HOUR)
    reconciliation.reconcile()
    assert (
        transaction_row(intent).status,
        stripe.intents[intent["payment_intent_id"]]["status"],
    ) == (before, "requires_payment_method")

    in_time(24 * HOUR + MINUTE)
    assert reconciliation.reconcile().decided == 1
    assert (
        transaction_row(intent).status,
        stripe.intents[intent["payment_intent_id"]]["status"],
    ) == ("cancelled", "canceled")
    in_time(MINUTE)
    assert shop.use(coupon) == 0


def test_a_payment_made_in_the_last_moment_is_delivered_and_not_cancelled(
    buyer, exam, stripe, in_time
):
    intent = buyer.intent(exam)
    in_time(25 * HOUR)
    with stripe.holding("POST /v1/payment_intents/<id>/cancel") as held:

        def pay():
            held.wait_for(1)
            stripe.pay(intent["payment_intent_id"])
            held.released.set()

        payer = threading.Thread(target=pay)
        payer.start()
        reconciliation.reconcile()
        payer.join()

    assert (transaction_row(intent).status, goods()) == ("completed", (1, 1))


def test_a_bank_that_takes_days_is_waited_for(buyer, exam, stripe, in_time):
    intent = buyer.intent(exam)
    stripe.process(intent["payment_intent_id"])
    for hours in (25, 50):
        in_time(hours * HOUR)
        assert reconciliation.reconcile().decided == 0
    assert transaction_row(intent).status == "pending"

    stripe.pay(intent["payment_intent_id"])
    in_time(52 * HOUR)
    assert reconciliation.reconcile().decided == 1
    assert (transaction_row(intent).status, goods()) == ("completed", (1, 1))


def test_stripe_is_asked_ever_more_rarely(buyer, exam, stripe, in_time):
    buyer.intent(exam)
    for minutes in range(0, 24 * 60, 5):
        in_time(minutes * MINUTE)
        reconciliation.reconcile()

    assert 5 <= stripe.number_asked(READ) <= 12


def test_a_refund_that_was_begun_is_finished(buyer, exam, stripe, in_time):
    done, undone = buyer.bought(exam), buyer.bought(exam)
    with stripe.losing_answers(REFUND):
        assert buyer.refund(done).status_code == 502
    with stripe.down():
        assert buyer.refund(undone).status_code == 502

    in_time(10 * MINUTE)
    assert reconciliation.reconcile().decided == 2

    assert [row.status for row in transactions()] == ["refunded", "refunded"]
    assert [stripe.given_back(bought["transaction_id"]) for bought in (done, undone)] == [
        1000,
        1000,
    ]
    assert len(stripe.refunds) == 2


def test_a_refund_that_stripe_refuses_later_is_undone(buyer, exam, stripe, in_time):
    bought = buyer.bought(exam)
    with stripe.down():
        assert buyer.refund(bought).status_code == 502

    in_time(10 * MINUTE)
    with stripe.refusing(REFUND, "balance_insufficient"):
        reconciliation.reconcile()

    in_time(MINUTE)
    assert (buyer.status(bought), buyer.vouchers()[0]["status"]) == ("completed", "active")
    assert buyer.redeem(bought["vouchers"][0]).status_code == 200


def test_one_that_stripe_will_not_hear_of_does_not_keep_the_others_waiting(
    buyer, exam, stripe, in_time
):
    unknown, paid = buyer.intent(exam), buyer.intent(make_voucher_type())
    del stripe.intents[unknown["payment_intent_id"]]
    stripe.pay(paid["payment_intent_id"])

    in_time(6 * MINUTE)
    done = reconciliation.reconcile()

    assert (done.asked, done.decided, done.is_away) == (2, 1, False)
    in_time(MINUTE)
    assert (buyer.status(unknown), buyer.status(paid)) == ("pending", "completed")


def test_a_confirmation_comes_after_reconciliation_has_delivered(buyer, exam, stripe):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])
    reconciliation.reconcile(at_once=True)

    assert len(buyer.confirm(intent).json["vouchers"]) == 1
    assert goods() == (1, 1)
    assert refusal(buyer.confirm({"payment_intent_id": "x"}), "vouchers") == (
        404,
        "transaction_not_found",
    )


def test_the_worker_reconciles_now_and_then_and_of_many_one_does(buyer, exam, stripe, in_time):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])
    in_time(6 * MINUTE)

    for _ in range(3):
        loop.turn(["reconcile payments"])

    assert (transaction_row(intent).status, stripe.number_asked(READ)) == ("completed", 1)
    assert [lease.name for lease in db.session.query(Lease) if "payments" in lease.name] == [
        "reconcile payments"
    ]
    second = buyer.intent(exam)
    stripe.pay(second["payment_intent_id"])
    in_time(12 * MINUTE)
    loop.turn(["reconcile payments"])
    assert transaction_row(second).status == "completed"


def test_without_a_key_the_worker_has_nothing_to_do(configured_app):
    app = configured_app()
    with app.app_context():
        loop.turn(["reconcile payments"])
    assert app.test_cli_runner().invoke(args=["payments", "reconcile"]).exit_code == 1
