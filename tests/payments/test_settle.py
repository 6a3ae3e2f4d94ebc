"""Confirmation and webhooks: in any order and however often heard, delivered once."""

from itertools import permutations

import pytest

from coupon_management_flask.audit import rules
from coupon_management_flask.db.session import db
from coupon_management_flask.models import PaymentEvent
from coupon_management_flask.payments.sales import delivery

from ..support.payments import goods, make_voucher_type, transaction_row, transactions
from ..support.refusals import TOLD, refusal
from ..support.stripe import READ

pytestmark = pytest.mark.both_databases

NOT_COMPLETED = (400, "payment_not_completed")


def events():
    return db.session.query(PaymentEvent).count()


def test_a_paid_intent_is_confirmed_and_the_vouchers_are_there(buyer, exam, stripe):
    intent = buyer.intent(exam, quantity=2)
    stripe.pay(intent["payment_intent_id"])

    first, second = buyer.confirm(intent), buyer.confirm(intent)

    assert first.status_code == second.status_code == 200
    assert first.json == second.json
    assert set(first.json) == {"message", "transaction", "vouchers", "payment", "voucher_codes"}
    assert first.json["transaction"]["status"] == "completed"
    assert first.json["vouchers"] == buyer.vouchers()[::-1]
    assert len(first.json["vouchers"]) == 2
    assert goods() == (1, 2)
    assert buyer.redeem(first.json["vouchers"][0]).status_code == 200


def test_a_confirmed_top_up_is_credit_once(buyer, stripe):
    intent = buyer.intent(credit_amount=250)
    stripe.pay(intent["payment_intent_id"])

    answers = [buyer.confirm(intent) for _ in range(3)]

    assert [(answer.status_code, answer.json["vouchers"]) for answer in answers] == [(200, [])] * 3
    assert buyer.credit() == 350


def test_with_an_idempotency_key_it_is_confirmed_just_so(buyer, exam, stripe):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])

    first, second = (buyer.confirm(intent, headers={"Idempotency-Key": "c"}) for _ in range(2))

    assert (
        first.status_code,
        first.json["transaction"]["status"],
        len(first.json["vouchers"]),
    ) == (200, "completed", 1)
    assert first.data == second.data
    assert goods() == (1, 1)


def test_what_is_confirmed_already_needs_no_stripe(buyer, exam, stripe):
    bought = buyer.bought(exam)

    with stripe.down():
        assert buyer.confirm(bought).json["vouchers"] == bought["vouchers"]


def test_what_is_not_paid_is_not_completed_whatever_it_waits_for(buyer, stripe):
    untouched, secured, slow, declined = (buyer.intent(make_voucher_type()) for _ in range(4))
    stripe.require_action(secured["payment_intent_id"])
    stripe.process(slow["payment_intent_id"])
    stripe.decline(declined["payment_intent_id"])

    for intent in (untouched, secured, slow, declined):
        assert refusal(buyer.confirm(intent), "vouchers") == NOT_COMPLETED

    assert [buyer.status(intent) for intent in (untouched, secured, slow, declined)] == [
        "pending",
        "pending",
        "pending",
        "failed",
    ]
    assert goods() == (0, 0)


def test_after_3_d_secure_and_after_a_decline_it_can_still_be_paid(buyer, exam, shop, stripe):
    coupon = shop.new(discount=50, maxUsage=2, currency="USD")
    secured, declined = (
        buyer.intent(make_voucher_type(), discount_code=coupon["code"]) for _ in range(2)
    )
    stripe.require_action(secured["payment_intent_id"])
    assert buyer.hear(stripe.decline(declined["payment_intent_id"])).status_code == 200
    assert buyer.status(declined) == "failed"
    assert shop.use(coupon) == 2

    for intent in (secured, declined):
        stripe.pay(intent["payment_intent_id"])
        assert buyer.confirm(intent).json["transaction"]["status"] == "completed"

    assert goods() == (2, 2)
    assert shop.use(coupon) == 2


def test_somebody_elses_intent_and_an_unknown_one_are_not_there(buyer, other, exam, stripe):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])

    for asked in (intent, {"payment_intent_id": "pi_nobodys"}):
        assert refusal(other.confirm(asked), "vouchers") == (404, "transaction_not_found")

    assert stripe.number_asked(READ) == 0
    assert buyer.status(intent) == "pending"
    assert goods() == (0, 0)


def test_a_confirmation_that_names_no_intent_is_refused_by_field(buyer, stripe):
    answer = buyer.person.post("/api/payments/confirm-payment/", json={})

    assert (answer.status_code, set(answer.json)) == (400, {"payment_intent_id", *TOLD})
    assert stripe.asked == []


def test_an_answer_lost_after_the_money_was_taken_is_502_and_the_next_try_delivers(
    buyer, exam, stripe
):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])
    with stripe.losing_answers(READ):
        assert refusal(buyer.confirm(intent), "vouchers") == (502, "payment_provider_error")
    with stripe.down():
        assert refusal(buyer.confirm(intent), "vouchers") == (502, "payment_provider_error")
    assert (buyer.status(intent), goods()) == ("pending", (0, 0))

    assert buyer.confirm(intent).status_code == 200
    assert goods() == (1, 1)
    assert stripe.taken(intent["transaction_id"]) == 1000


def test_a_payment_whose_browser_died_is_delivered_by_the_webhook(buyer, exam, stripe):
    intent, top_up = buyer.intent(exam), buyer.intent(credit_amount=100)

    for one in (intent, top_up):
        answer = buyer.hear(stripe.pay(one["payment_intent_id"]))
        assert (answer.status_code, answer.json) == (200, {"received": True})

    assert (buyer.status(intent), buyer.status(top_up)) == ("completed", "completed")
    assert (goods(), buyer.credit()) == ((1, 1), 200)
    assert len(buyer.confirm(intent).json["vouchers"]) == 1


def test_a_webhook_that_comes_before_stripes_own_answer_has_arrived_delivers(buyer, exam, stripe):
    """Stripe's answer with the intent is lost, and somebody pays it all the same."""
    with stripe.losing_answers("POST /v1/payment_intents"):
        assert buyer.ask(exam).status_code == 502
    (intent_id,) = stripe.intents

    assert buyer.hear(stripe.pay(intent_id)).status_code == 200

    (row,) = transactions()
    assert (row.status, row.stripe_payment_intent_id, goods()) == ("completed", intent_id, (1, 1))


def test_every_webhook_five_times_in_every_order_delivers_once_and_gives_back_once(
    buyer, exam, shop, stripe
):
    """A decline, the payment after it, and a full refund on Stripe's dashboard, in any order."""
    for order in permutations(range(3)):
        coupon = shop.new(discount=50, maxUsage=1, currency="USD")
        intent = buyer.intent(exam, discount_code=coupon["code"])
        happened = [
            stripe.decline(intent["payment_intent_id"]),
            stripe.pay(intent["payment_intent_id"]),
            stripe.refund_on_dashboard(intent["payment_intent_id"]),
        ]

        for place in order:
            assert [buyer.hear(happened[place]).status_code for _ in range(5)] == [200] * 5

        assert buyer.status(intent) == "refunded"
        assert shop.use(coupon) == 0
        assert all(voucher["status"] == "cancelled" for voucher in buyer.vouchers())
    assert events() == 3 * 6


def test_events_that_are_heard_while_things_happen_leave_nothing_undone(buyer, exam, stripe):
    intent = buyer.intent(exam)
    declined = stripe.decline(intent["payment_intent_id"])
    paid = stripe.pay(intent["payment_intent_id"])

    # What is heard first is old news; what Stripe says now counts.
    assert buyer.hear(declined).status_code == 200
    assert (buyer.status(intent), goods()) == ("completed", (1, 1))
    for event in (paid, declined, paid):
        assert buyer.hear(event).status_code == 200

    assert (buyer.status(intent), goods()) == ("completed", (1, 1))
    assert list(rules.notes()) == []


def test_an_event_that_was_handled_is_not_asked_about_again(buyer, exam, stripe):
    intent = buyer.intent(exam)
    event = stripe.pay(intent["payment_intent_id"])

    for _ in range(5):
        buyer.hear(event)

    assert stripe.number_asked(READ) == 1


def test_a_cancelled_payment_gives_its_discount_back_and_a_later_success_wins(
    buyer, exam, shop, stripe
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    intent = buyer.intent(exam, discount_code=coupon["code"])
    assert buyer.hear(stripe.cancel_on_dashboard(intent["payment_intent_id"])).status_code == 200
    assert (buyer.status(intent), shop.use(coupon)) == ("cancelled", 0)
    assert refusal(buyer.confirm(intent), "vouchers") == NOT_COMPLETED

    stripe.revive(intent["payment_intent_id"])
    assert buyer.hear(stripe.pay(intent["payment_intent_id"])).status_code == 200

    assert (buyer.status(intent), goods(), shop.use(coupon)) == ("completed", (1, 1), 1)
    assert list(rules.notes()) == []


@pytest.mark.parametrize("gone", ["to somebody else", "for good"])
def test_money_that_comes_in_when_its_discount_is_gone_is_delivered_all_the_same_and_noted(
    buyer, other, exam, shop, stripe, gone
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    intent = buyer.intent(exam, discount_code=coupon["code"])
    buyer.hear(stripe.cancel_on_dashboard(intent["payment_intent_id"]))
    if gone == "to somebody else":
        other.intent(exam, discount_code=coupon["code"])
    else:
        assert shop.delete(f"/api/v1/coupons/{coupon['id']}").status_code == 204
    stripe.revive(intent["payment_intent_id"])

    assert buyer.hear(stripe.pay(intent["payment_intent_id"])).status_code == 200

    assert (buyer.status(intent), goods(), len(buyer.vouchers())) == ("completed", (1, 1), 1)
    (note,) = rules.notes()
    assert intent["transaction_id"] in note
    assert "discount" in note


# --- What is no event of ours


def test_a_webhook_that_stripe_has_not_signed_lately_is_refused_and_does_nothing(
    buyer, exam, stripe, payment_books
):
    intent = buyer.intent(exam)
    event = stripe.pay(intent["payment_intent_id"])
    good = stripe.webhook(event)
    signature = good["headers"]["Stripe-Signature"]
    before = payment_books()
    wrong = [
        stripe.webhook(event, secret="whsec_another"),
        stripe.webhook(event, age=301),
        {**good, "data": good["data"].replace(b"payment_failed", b"succeeded") + b" "},
        *(
            {**good, "headers": {"Stripe-Signature": header}}
            for header in (
                "",
                "x",
                "t=,v1=",
                "v1=" + "0" * 64,
                f"t={'9' * 5000},v1=é",
                signature + "0",
                "t=1,v0=1",
            )
        ),
        {**good, "headers": {}},
        {**stripe.webhook(event), "data": b"\xff\xfe"},
    ]

    for sent in wrong:
        assert refusal(buyer.person.client.post("/api/payments/webhook/", **sent), "vouchers") == (
            400,
            "invalid_signature",
        ), sent["headers"]

    assert payment_books() == before
    assert stripe.number_asked(READ) == 0
    assert buyer.hear(event, age=290).status_code == 200


def test_a_signed_body_that_is_no_event_is_refused(buyer, stripe):
    for body in ([], {}, {"object": "event", "id": "evt_1", "type": "x"}, "text", None):
        assert refusal(buyer.hear(body), "vouchers") == (400, "invalid_signature")


@pytest.mark.parametrize(
    "written",
    [
        b"[" * 500_000,
        b'{"a":' * 200_000,
        b'{"id":"evt_1","type":"x","data":{"object":' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        *(
            b'{"id":"%b","object":"event","type":"payment_intent.succeeded",'
            b'"data":{"object":{"object":"payment_intent","id":"%b"}}}' % names
            for names in (
                (rb"evt\u0000", b"pi_1"),
                (rb"evt\ud800", b"pi_1"),
                (b"e" * 256, b"pi_1"),
                (b"", b"pi_1"),
                (b"evt_1", rb"pi\u0000"),
                (b"evt_1", rb"pi\udfff"),
                (b"evt_1", b"p" * 256),
            )
        ),
    ],
    ids=lambda written: repr(written[:60]),
)
def test_a_signed_body_that_no_database_or_stack_could_hold_is_refused(
    buyer, stripe, payment_books, written
):
    before = payment_books()
    sent = stripe.webhook(None, written=written)

    answer = buyer.person.client.post("/api/payments/webhook/", **sent)

    assert refusal(answer, "vouchers") == (400, "invalid_signature")
    assert payment_books() == before
    assert stripe.number_asked(READ) == 0


def test_the_webhook_asks_for_no_token_and_keeps_no_idempotency_key(buyer, exam, stripe):
    sent = stripe.webhook(stripe.pay(buyer.intent(exam)["payment_intent_id"]))
    sent["headers"]["Idempotency-Key"] = "a"

    for _ in range(2):
        answer = buyer.person.client.post("/api/payments/webhook", **sent)
        assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)


def test_a_body_that_is_too_long_is_refused(client, stripe):
    assert client.post("/api/payments/webhook/", data=b" " * (1024 * 1024 + 1)).status_code == 413


def test_events_of_other_kinds_and_of_other_payments_are_nothing_to_us(
    buyer, exam, stripe, payment_books
):
    intent = buyer.intent(exam)
    theirs = stripe.intent_beside(intent["payment_intent_id"], metadata={})
    nobodys = stripe.intent_beside(
        intent["payment_intent_id"],
        metadata={"transaction_id": "01890000-0000-7000-8000-000000000000"},
    )
    before = payment_books()

    heard = [
        stripe.require_action(intent["payment_intent_id"]),
        {**stripe.require_action(intent["payment_intent_id"]), "type": "customer.created"},
        stripe.pay(theirs),
        stripe.pay(nobodys),
        {
            "id": "evt_x",
            "object": "event",
            "type": "charge.refunded",
            "data": {"object": {"object": "charge", "payment_intent": None}},
        },
    ]
    assert [buyer.hear(event).status_code for event in heard] == [200] * 5

    assert payment_books() == before


def test_what_fails_on_our_side_is_sent_again(buyer, exam, stripe):
    event = stripe.pay(buyer.intent(exam)["payment_intent_id"])
    with stripe.broken(READ):
        assert refusal(buyer.hear(event), "vouchers") == (502, "payment_provider_error")
    assert (events(), goods()) == (0, (0, 0))

    assert buyer.hear(event).status_code == 200
    assert (events(), goods()) == (1, (1, 1))


def test_an_event_and_what_it_brings_are_committed_together_or_not_at_all(
    buyer, exam, stripe, monkeypatch
):
    intent = buyer.intent(exam)
    event = stripe.pay(intent["payment_intent_id"])
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "deliver", lambda *_, **__: 1 / 0)
        assert buyer.hear(event).status_code == 500
    assert (events(), goods(), buyer.status(intent)) == (0, (0, 0), "pending")

    assert buyer.hear(event).status_code == 200
    assert (events(), goods(), buyer.status(intent)) == (1, (1, 1), "completed")


# --- Money that is not what was asked for


@pytest.mark.parametrize("how", ["another_amount", "another_currency", "another_intent"])
def test_money_that_was_not_asked_for_buys_nothing_until_it_is_sent_back(buyer, exam, stripe, how):
    intent = buyer.intent(exam)
    paid = intent["payment_intent_id"]
    if how == "another_amount":
        event = stripe.pay(paid, received=999)
    elif how == "another_currency":
        stripe.intents[paid]["currency"] = "jpy"
        event = stripe.pay(paid)
    else:
        paid = stripe.intent_beside(paid)
        event = stripe.pay(paid)

    assert buyer.hear(event).status_code == 200
    assert refusal(buyer.confirm(intent), "vouchers") == NOT_COMPLETED

    assert (buyer.status(intent), goods()) == ("pending", (0, 0))
    (found,) = rules.discrepancies()
    assert intent["transaction_id"] in found
    assert ("another_intent" if how == "another_intent" else "another_amount") in found

    assert buyer.hear(stripe.refund_on_dashboard(paid)).status_code == 200
    assert list(rules.discrepancies()) == []
    if how == "another_intent":
        stripe.pay(intent["payment_intent_id"])
        assert buyer.confirm(intent).status_code == 200
    else:
        assert transaction_row(intent).status == "refunded"
