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
    CANCEL,
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
        one["discount_code"] == ["Coupon usage limit exceeded"]
        and one["error_code"] == "usage_limit_exceeded"
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
            (409, "already_refunded"),
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

        assert set(outcomes(answers)) <= {
            200,
            (409, "payment_not_refundable"),
            (409, "already_refunded"),
        }
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


def begin(user, kind, **more):
    body = {"voucher_type_id": str(kind["id"]), **more}
    return user.request("POST", "/api/payments/create-payment-intent/", body)


def the_other_way(user, name, intent):
    return user.request(
        "POST", f"/api/payments/{name}/", {"transaction_id": intent["transaction_id"]}
    )


def open_intents(stripe):
    return [
        intent_id
        for intent_id, intent in stripe.intents.items()
        if intent["status"] == "requires_payment_method"
    ]


def uses_of(track, coupon):
    return new_shop(RemoteClient(track.server)).use(coupon)


def test_of_a_buyers_intents_at_once_one_stays_open_and_holds_the_code_once(track, stripe):
    kind, user, stranger = make_voucher_type(), track.user(), track.user()
    coupon = new_shop(RemoteClient(track.server)).new(discount=50, maxUsage=1, currency="USD")
    code = {"discount_code": coupon["code"]}
    first = created(track, user, voucher_type_id=str(kind["id"]), **code)

    answers = track.at_once([begin(user, kind, **code)] * 6 + [begin(stranger, kind, **code)] * 3)

    assert {answer.json["error_code"] for answer in answers[6:]} == {"usage_limit_exceeded"}
    assert {answer.status_code for answer in answers[:6]} <= {201, 409, 503}
    assert 201 in {answer.status_code for answer in answers[:6]}
    (left,) = open_intents(stripe)
    assert left != first["payment_intent_id"]
    statuses = Counter(
        db.session.scalars(
            sa.select(PaymentTransaction.status).where(PaymentTransaction.account_id == user.id)
        )
    )
    assert (statuses["pending"], uses_of(track, coupon)) == (1, 1)
    assert set(statuses) == {"pending", "cancelled"}


def pay_during(held, stripe, intent):
    """Pay while a request to cancel is held back at Stripe, and let that go on."""
    held.wait_for(1)
    stripe.pay(intent["payment_intent_id"])
    held.released.set()


def test_cancelling_and_paying_at_once_come_to_one_end(track, stripe):
    kind, user = make_voucher_type(), track.user()
    for _ in range(4):
        intent = created(track, user, voucher_type_id=str(kind["id"]))
        with stripe.holding(CANCEL) as held:
            payer = threading.Thread(target=pay_during, args=[held, stripe, intent])
            payer.start()
            answers = track.at_once([the_other_way(user, "cancel", intent)] * 3)
            payer.join()
        track.at_once([heard(stripe, stripe.events[-1]), the_other_way(user, "cancel", intent)])

        assert outcomes(answers) == {(409, "already_paid"): 3}
        assert (row(intent).status, len(vouchers_of(intent))) == ("completed", 1)


def test_resuming_and_cancelling_at_once_leave_what_was_cancelled_cancelled(track, stripe):
    kind, user = make_voucher_type(), track.user()
    for _ in range(4):
        intent = created(track, user, voucher_type_id=str(kind["id"]))

        answers = track.at_once(
            [the_other_way(user, "resume", intent), the_other_way(user, "cancel", intent)] * 4
        )

        assert set(outcomes(answers[::2])) <= {200, (409, "payment_closed")}
        assert outcomes(answers[1::2]) == {200: 4}
        assert (row(intent).status, open_intents(stripe)) == ("cancelled", [])


def test_a_purchase_with_credit_against_a_pending_intent_uses_the_code_once(track, stripe):
    kind = make_voucher_type()
    shop = new_shop(RemoteClient(track.server))
    for is_paid in (False, True, False, True):
        user = track.user(credit=500)
        coupon = shop.new(discount=50, maxUsage=1, currency="USD")
        body = {"voucher_type_id": str(kind["id"]), "discount_code": coupon["code"]}
        intent = created(track, user, **body)
        buying = [user.request("POST", "/api/vouchers/purchase/", body)] * 3
        if is_paid:
            buying.append(heard(stripe, stripe.pay(intent["payment_intent_id"])))

        answers = track.at_once(buying)

        with_credit = sum(answer.status_code == 201 for answer in answers)
        status = row(intent).status
        assert (with_credit, status) == ((0, "completed") if is_paid else (1, "cancelled"))
        assert uses_of(track, coupon) == 1
        assert stripe.taken(intent["transaction_id"]) == (500 if is_paid else 0)


@pytest.mark.parametrize("seed", range(3))
def test_refunds_and_disputes_heard_at_once_come_to_what_is_so_at_stripe(track, stripe, seed):
    kind, user = make_voucher_type(), track.user()
    payment = bought(track, stripe, user, voucher_type_id=str(kind["id"]))
    intent_id = payment["payment_intent_id"]
    told = [stripe.refund_on_dashboard(intent_id)]
    (refund_id,) = stripe.refunds
    told += [stripe.end_refund(refund_id, "failed"), stripe.dispute(intent_id)]
    (dispute_id,) = stripe.disputes
    told.append(stripe.close_dispute(dispute_id, "lost" if seed else "won"))

    answers = track.at_once([heard(stripe, event) for event in told] * 3)

    assert outcomes(answers) == {200: 12}
    (voucher,) = vouchers_of(payment)
    assert (row(payment).status, voucher.cancelled_at is None) == (
        ("disputed", False) if seed else ("refund_failed", True)
    )


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
        alice, bob = track.users(2)
        # Of one type they would replace each other.
        bodies = [{"voucher_type_id": str(make_voucher_type()["id"])} for _ in range(8)] + [
            {"credit_amount": 400}
        ] * 8

        answers = track.at_once(
            user.request("POST", "/api/payments/create-payment-intent/", body)
            for body in bodies
            for user in (alice, bob)
        )

        assert outcomes(answers) == {201: 10, (429, "too_many_open_payments"): 22}
        open_payments = db.session.execute(
            sa.select(PaymentTransaction.account_id, sa.func.count()).group_by(
                PaymentTransaction.account_id
            )
        )
        assert dict(map(tuple, open_payments)) == {alice.id: 5, bob.id: 5}
