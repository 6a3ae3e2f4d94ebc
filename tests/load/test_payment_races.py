"""Payments reported from all sides at once: charged, delivered and refunded once."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import pytest
import requests
import sqlalchemy as sa

from coupon_management_flask.core import clock
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import (
    Lease,
    PaymentDebt,
    PaymentEvent,
    PaymentTransaction,
    Voucher,
    Wallet,
)

from ..conftest import DATABASES
from ..support.discounts import new_shop
from ..support.payments import make_voucher_type
from ..support.refusals import refusal
from ..support.remote import RemoteClient
from ..support.server import assert_books_add_up, run_flask
from ..support.stripe import (
    PUBLISHABLE_KEY,
    REFUND,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Stripe,
    running_stripe,
)
from ..support.waiting import wait_until
from .clients import Request
from .track import laid_track, one_race

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def stripe_server() -> Iterator[Stripe]:
    with running_stripe() as stripe:
        yield stripe


@pytest.fixture
def stripe(stripe_server):
    stripe_server.forget()
    return stripe_server


@pytest.fixture(scope="module")
def stripe_environment(stripe_server):
    return {
        "STRIPE_API_BASE": stripe_server.url,
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


@pytest.fixture(scope="module", params=DATABASES)
def payment_track(request, new_database, clients, stripe_environment):
    with laid_track(new_database(request.param), clients, **stripe_environment) as laid:
        yield laid


@pytest.fixture
def track(payment_track):
    with one_race(payment_track) as track:
        yield track


def created(track, user, **body):
    answer = track.send(user.request("POST", "/api/payments/create-payment-intent/", body))
    assert answer.status_code == 201, answer.text
    return answer.json


def confirm(user, intent):
    return user.request(
        "POST", "/api/payments/confirm-payment/", {"payment_intent_id": intent["payment_intent_id"]}
    )


def refund(user, intent):
    return user.request(
        "POST", "/api/payments/refund/", {"transaction_id": intent["transaction_id"], "reason": "x"}
    )


def heard(stripe, event):
    # The clients encode JSON as json.dumps does.
    signed = stripe.webhook(event, written=json.dumps(event).encode())
    return Request("POST", "/api/payments/webhook/", event, signed["headers"])


def bought(track, stripe, user, **body):
    intent = created(track, user, **body)
    stripe.pay(intent["payment_intent_id"])
    answer = track.send(confirm(user, intent))
    assert answer.status_code == 200, answer.text
    return {**intent, **answer.json}


def row(intent):
    return db.session.execute(
        sa.select(PaymentTransaction.__table__).where(
            PaymentTransaction.id == UUID(intent["transaction_id"])
        )
    ).one()


def vouchers_of(intent):
    return list(
        db.session.execute(
            sa.select(Voucher.__table__).where(
                Voucher.purchase_id == UUID(intent["transaction_id"])
            )
        )
    )


def outcomes(answers):
    return Counter(
        answer.status_code if answer.status_code < 400 else refusal(answer, "vouchers")
        for answer in answers
    )


def test_confirmations_and_webhooks_at_once_deliver_once(track, stripe):
    kind, user = make_voucher_type(), track.user()
    for body in ({"voucher_type_id": str(kind["id"]), "quantity": 3}, {"credit_amount": 400}):
        intent = created(track, user, **body)
        declined = stripe.decline(intent["payment_intent_id"])
        paid = stripe.pay(intent["payment_intent_id"])

        answers = track.at_once(
            [confirm(user, intent), heard(stripe, paid), heard(stripe, declined)] * 8
        )

        assert outcomes(answers) == {200: 24}
        assert len({answer.text for answer in answers[::3]}) == 1
        assert row(intent).status == "completed"
        assert (
            db.session.scalar(
                sa.select(sa.func.count())
                .select_from(PaymentEvent)
                .where(PaymentEvent.id.in_((paid["id"], declined["id"])))
            )
            == 2
        )
        assert len(vouchers_of(intent)) == body.get("quantity", 0)
        assert stripe.taken(intent["transaction_id"]) == row(intent).amount
    assert db.session.scalar(sa.select(Wallet.balance).where(Wallet.account_id == user.id)) == 400


def test_of_twenty_payments_one_holds_the_last_use_of_a_discount(track, stripe):
    kind, users = make_voucher_type(), track.users(20)
    shop = new_shop(RemoteClient(track.server))
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    body = {"voucher_type_id": str(kind["id"]), "discount_code": coupon["code"]}

    answers = track.at_once(
        user.request("POST", "/api/payments/create-payment-intent/", body) for user in users
    )

    refused = [answer.json for answer in answers if answer.status_code == 400]
    assert Counter(answer.status_code for answer in answers) == {201: 1, 400: 19}
    assert all(
        one
        == {"discount_code": ["Coupon usage limit exceeded"], "error_code": "usage_limit_exceeded"}
        for one in refused
    )
    assert [intent["amount"] for intent in stripe.intents.values()] == [500]


def test_refunds_from_all_sides_give_back_once(track, stripe):
    kind, user, admin = make_voucher_type(), track.user(), track.admin()
    for body in ({"voucher_type_id": str(kind["id"])}, {"credit_amount": 500}):
        payment = bought(track, stripe, user, **body)
        transaction_id = payment["transaction_id"]

        answers = track.at_once([refund(user, payment), refund(admin, payment)] * 10)

        assert set(outcomes(answers)) <= {
            200,
            (409, "payment_not_refundable"),
            (502, "payment_provider_error"),
        }
        assert outcomes(answers)[200] >= 1
        assert (row(payment).status, stripe.given_back(transaction_id), len(stripe.refunds)) == (
            "refunded",
            row(payment).amount,
            1,
        )
        told = [event for event in stripe.events if event["type"] == "charge.refunded"]
        assert outcomes(track.at_once([heard(stripe, told[-1])] * 5)) == {200: 5}
        assert all(voucher.cancelled_at is not None for voucher in vouchers_of(payment))
        stripe.refunds.clear()
    assert db.session.scalar(sa.select(Wallet.balance).where(Wallet.account_id == user.id)) == 0
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PaymentDebt)) == 0


def test_a_voucher_is_redeemed_or_refunded_never_both(track, stripe):
    kind, users = make_voucher_type(), track.users(6)
    for user in users:
        payment = bought(track, stripe, user, voucher_type_id=str(kind["id"]))
        redeem = user.request(
            "POST",
            "/api/vouchers/redeem/",
            {"code": payment["vouchers"][0]["code"], "service_type": "exam_results"},
        )

        redeemed, refunded = track.at_once([redeem, refund(user, payment)])

        (voucher,) = vouchers_of(payment)
        uses = db.session.scalar(
            sa.text("SELECT claimed FROM stocks WHERE id = :id").bindparams(
                sa.bindparam("id", voucher.stock_id, sa.Uuid)
            )
        )
        assert (uses, row(payment).status, stripe.given_back(payment["transaction_id"])) in (
            (1, "completed", 0),
            (0, "refunded", 1000),
        )
        assert redeemed.status_code in (200, 400)
        assert refunded.status_code in (200, 409)


def test_a_refund_here_and_one_on_the_dashboard_at_once_give_back_once(track, stripe):
    kind, user = make_voucher_type(), track.user()
    for _ in range(4):
        payment = bought(track, stripe, user, voucher_type_id=str(kind["id"]))
        with stripe.holding(REFUND) as held:
            event = stripe.refund_on_dashboard(payment["payment_intent_id"])
            threading.Timer(0.05, held.released.set).start()
            answers = track.at_once([refund(user, payment), heard(stripe, event)] * 3)

        assert set(outcomes(answers)) <= {200, (409, "payment_not_refundable")}
        assert (row(payment).status, stripe.given_back(payment["transaction_id"])) == (
            "refunded",
            1000,
        )
    assert db.session.scalar(sa.select(sa.func.count()).select_from(PaymentDebt)) == 0


def test_a_server_alone_reconciles_by_the_clock(track, stripe):
    intent = created(track, track.user(), credit_amount=300)
    stripe.pay(intent["payment_intent_id"])
    with transaction():
        # The payment is due, and nobody has taken this minute's turn.
        db.session.execute(
            sa.update(PaymentTransaction)
            .where(PaymentTransaction.id == UUID(intent["transaction_id"]))
            .values(due_at=clock.now())
        )
        db.session.execute(sa.delete(Lease).where(Lease.name == "reconcile payments"))

    wait_until(lambda: row(intent).status == "completed", "the payment is settled")


@pytest.mark.parametrize("kind", DATABASES)
def test_a_server_that_dies_in_the_middle_of_a_refund_leaves_one_that_is_finished(
    new_database, clients, stripe, stripe_environment, kind
):
    database_url = new_database(kind)
    with laid_track(database_url, clients, **stripe_environment) as laid, laid.app.app_context():
        user = laid.user()
        payment = bought(laid, stripe, user, voucher_type_id=str(make_voucher_type()["id"]))
        with stripe.holding(REFUND) as held:
            asking = threading.Thread(target=lambda: _unanswered(laid, refund(user, payment)))
            asking.start()
            held.wait_for(1)
            laid.server.kill()
        asking.join()
        assert row(payment).status == "refunding"

        ran = run_flask("payments", "reconcile", database_url=database_url, **stripe_environment)

        assert ran.stdout == "1 asked about, 1 of them decided.\n"
        assert (
            row(payment).status,
            stripe.given_back(payment["transaction_id"]),
            len(stripe.refunds),
        ) == ("refunded", 1000, 1)
    assert_books_add_up(database_url)


def _unanswered(track, request):
    with pytest.raises(requests.ConnectionError):
        track.server.request(
            request.method, request.path, json=request.json, headers=request.headers
        )


@pytest.mark.parametrize("database", DATABASES)
def test_of_payments_that_are_begun_at_once_as_many_are_open_as_may_be(
    new_database, clients, stripe, stripe_environment, database
):
    limits = {
        "RATE_LIMITS_ENABLED": "true",
        "RATE_LIMIT_PAYMENTS": "1000 per minute",
        "MAX_OPEN_PAYMENTS": "5",
    }
    with (
        laid_track(new_database(database), clients, **stripe_environment, **limits) as laid,
        one_race(laid) as track,
    ):
        kind, (alice, bob) = make_voucher_type(), track.users(2)
        bodies = ({"voucher_type_id": str(kind["id"])}, {"credit_amount": 400})

        answers = track.at_once(
            user.request("POST", "/api/payments/create-payment-intent/", body)
            for body in bodies * 8
            for user in (alice, bob)
        )

        assert outcomes(answers) == {201: 10, (429, "too_many_open_payments"): 22}
        open_payments = db.session.execute(
            sa.select(PaymentTransaction.account_id, sa.func.count()).group_by(
                PaymentTransaction.account_id
            )
        )
        assert dict(map(tuple, open_payments)) == {alice.id: 5, bob.id: 5}
