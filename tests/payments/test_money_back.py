"""Refunds that the bank decides about, and disputes: in whatever order they are heard of.

The money, the goods, the debt and the revenue always tell the same story.
"""

from itertools import permutations
from random import Random

import pytest

from coupon_management_flask.audit import rules
from coupon_management_flask.core import wallet
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import PaymentDebt, PaymentReturn, ReturnKind, ReturnStatus
from coupon_management_flask.payments.cards import reconciliation, returns

from ..support.payments import Buyer, make_voucher_type, transaction_row
from ..support.refusals import refusal
from ..support.stripe import READ, REFUND

pytestmark = pytest.mark.both_databases


@pytest.fixture
def revenue(admin):
    return lambda: admin.get("/api/analytics/dashboard/").json["revenue"].get("USD")


@pytest.fixture
def told(buyer):
    """Look at a transaction: its status, and what of it went back."""

    def look(intent):
        answer = buyer.person.get(f"/api/payments/transaction/{intent['transaction_id']}/").json
        return answer["status"], answer["refunded_amount"]

    return look


def spend(buyer, amount):
    with transaction():
        wallet.debit(buyer.person.id, amount, reason="a test")


def owed():
    live = db.session.query(PaymentDebt).filter(PaymentDebt.cancelled_at.is_(None))
    return {str(debt.transaction_id): debt.amount for debt in live}


def statuses(buyer):
    return [voucher["status"] for voucher in buyer.vouchers()]


# --- Refunds that are on their way, and that fail


def test_while_the_bank_is_on_it_a_refund_is_pending_and_then_it_arrives(
    buyer, exam, shop, stripe, revenue, told
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    bought = buyer.bought(exam, discount_code=coupon["code"])
    stripe.refund_status = "pending"

    answer = buyer.refund(bought)

    assert (answer.status_code, answer.json["transaction"]["status"]) == (200, "refund_pending")
    assert told(bought) == ("refund_pending", 0)
    assert (statuses(buyer), shop.use(coupon), revenue()) == (["cancelled"], 1, 0)
    assert refusal(buyer.refund(bought), "vouchers") == (409, "payment_not_refundable")

    (refund_id,) = stripe.refunds
    assert buyer.hear(stripe.end_refund(refund_id, "succeeded")).status_code == 200
    assert told(bought) == ("refunded", 5)
    assert (statuses(buyer), shop.use(coupon), revenue()) == (["cancelled"], 0, 0)


@pytest.mark.parametrize("arrived", [False, True], ids=["on its way", "after it had arrived"])
def test_a_refund_that_fails_at_the_bank_gives_the_goods_again_and_is_told_until_it_is_tried_anew(
    buyer, admin, exam, shop, stripe, revenue, told, arrived
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    vouchers, top_up = (
        buyer.bought(exam, discount_code=coupon["code"]),
        buyer.bought(credit_amount=250),
    )
    stripe.refund_status = "succeeded" if arrived else "pending"
    for bought in (vouchers, top_up):
        assert buyer.refund(bought).status_code == 200
    assert (statuses(buyer), buyer.credit()) == (["cancelled"], 100)

    for refund_id in list(stripe.refunds):
        event = stripe.end_refund(refund_id, "failed")
        assert [buyer.hear(event).status_code for _ in range(2)] == [200, 200]

    assert (told(vouchers), told(top_up)) == (("refund_failed", 0), ("refund_failed", 0))
    assert (statuses(buyer), buyer.credit(), revenue()) == (["active"], 350, 5)
    # The code's use came back with the money alone, and is not taken anew.
    assert shop.use(coupon) == (0 if arrived else 1)
    notes = list(rules.notes())
    assert [
        bought["transaction_id"] in note
        for bought, note in zip((vouchers, top_up), notes, strict=True)
    ] == [
        True,
        True,
    ]
    assert all("failed at the bank" in note for note in notes)

    stripe.refund_status = "succeeded"
    assert buyer.refund(vouchers).status_code == 200
    assert Buyer(admin, stripe).refund(top_up).status_code == 200
    assert (told(vouchers), told(top_up)) == (("refunded", 5), ("refunded", 2.5))
    assert (statuses(buyer), buyer.credit(), shop.use(coupon)) == (["cancelled"], 100, 0)
    assert list(rules.notes()) == []
    assert stripe.given_back(vouchers["transaction_id"]) == 500


def test_what_was_used_is_not_refunded_once_more(buyer, exam, stripe):
    bought = buyer.bought(exam)
    stripe.refund_status = "failed"
    assert refusal(buyer.refund(bought), "vouchers") == (409, "refund_failed")
    assert buyer.redeem(bought["vouchers"][0]).status_code == 200

    assert refusal(buyer.refund(bought), "vouchers") == (409, "voucher_used")
    assert buyer.status(bought) == "refund_failed"


def test_a_dashboard_refund_of_used_goods_that_fails_cancels_the_debt(buyer, stripe, revenue):
    vouchers = buyer.bought(make_voucher_type(max_uses=2), quantity=2)
    top_up = buyer.bought(credit_amount=500)
    assert buyer.redeem(vouchers["vouchers"][0]).status_code == 200
    spend(buyer, 400)
    for bought in (vouchers, top_up):
        buyer.hear(stripe.refund_on_dashboard(bought["payment_intent_id"]))
    assert owed() == {vouchers["transaction_id"]: 500, top_up["transaction_id"]: 300}
    assert (statuses(buyer), buyer.credit(), revenue()) == (["cancelled"] * 2, 0, 0)

    for refund_id in list(stripe.refunds):
        buyer.hear(stripe.end_refund(refund_id, "failed"))

    assert (owed(), statuses(buyer), buyer.credit()) == ({}, ["active"] * 2, 200)
    assert (buyer.status(vouchers), buyer.status(top_up), revenue()) == (
        "refund_failed",
        "refund_failed",
        20,
    )
    assert [voucher["uses_remaining"] for voucher in buyer.vouchers()] == [2, 1]


def test_credit_that_comes_later_is_not_taken_for_an_old_debt(buyer, stripe):
    top_up = buyer.bought(credit_amount=500)
    spend(buyer, 600)
    buyer.hear(stripe.refund_on_dashboard(top_up["payment_intent_id"]))
    assert (owed(), buyer.credit()) == ({top_up["transaction_id"]: 500}, 0)

    buyer.bought(credit_amount=300)
    (refund_id,) = stripe.refunds
    again = {**stripe.events[-1], "id": "evt_again", "type": "refund.updated"}
    buyer.hear({**again, "data": {"object": stripe.refunds[refund_id]}})

    assert (owed(), buyer.credit()) == ({top_up["transaction_id"]: 500}, 300)


def test_a_part_that_goes_back_leaves_revenue_and_comes_again_where_it_fails(
    buyer, exam, stripe, revenue, told
):
    bought = buyer.bought(exam, quantity=2)

    buyer.hear(stripe.refund_on_dashboard(bought["payment_intent_id"], 450))

    assert (told(bought), statuses(buyer), revenue()) == (("completed", 4.5), ["active"] * 2, 15.5)
    (refund_id,) = stripe.refunds
    buyer.hear(stripe.end_refund(refund_id, "failed"))
    assert (told(bought), statuses(buyer), revenue()) == (("completed", 0), ["active"] * 2, 20)


def test_money_that_had_gone_back_unheard_of_and_then_had_not_buys_what_it_was_for(
    buyer, exam, stripe
):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])
    buyer.hear(stripe.refund_on_dashboard(intent["payment_intent_id"]))
    assert (buyer.status(intent), buyer.vouchers()) == ("refunded", [])

    (refund_id,) = stripe.refunds
    buyer.hear(stripe.end_refund(refund_id, "failed"))

    assert (buyer.status(intent), statuses(buyer)) == ("refund_failed", ["active"])


def test_a_refund_whose_event_is_lost_is_asked_about_by_the_clock(buyer, exam, stripe):
    bought = buyer.bought(exam)
    stripe.refund_status = "pending"
    buyer.refund(bought)
    (refund_id,) = stripe.refunds
    assert reconciliation.reconcile(at_once=True).decided == 0
    stripe.end_refund(refund_id, "failed")

    assert reconciliation.reconcile(at_once=True).decided == 1

    assert (buyer.status(bought), statuses(buyer)) == ("refund_failed", ["active"])


# --- What Stripe refuses for good


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        ("charge_disputed", 400, "payment_disputed"),
        ("resource_missing", 404, "payment_unknown"),
        ("charge_not_refundable", 400, "refund_refused"),
    ],
)
def test_what_stripe_refuses_for_good_has_a_name_and_leaves_all_as_it_was(
    buyer, exam, stripe, code, status, name
):
    bought = buyer.bought(exam)

    with stripe.refusing(REFUND, code, status=status):
        assert refusal(buyer.refund(bought), "vouchers") == (409, name)

    assert (buyer.status(bought), statuses(buyer)) == ("completed", ["active"])
    assert buyer.refund(bought).status_code == 200


def test_a_payment_that_stripe_does_not_know_any_more_is_told_so(buyer, exam, stripe):
    bought = buyer.bought(exam)
    del stripe.intents[bought["payment_intent_id"]]

    assert refusal(buyer.refund(bought), "vouchers") == (409, "payment_unknown")

    assert (buyer.status(bought), statuses(buyer)) == ("completed", ["active"])
    # And so is every other call that has to ask for it. What is told of it is no business of ours.
    intent = buyer.intent(exam)
    del stripe.intents[intent["payment_intent_id"]]
    body = {"transaction_id": intent["transaction_id"]}
    for answer in (buyer.confirm(intent), buyer.person.post("/api/payments/resume/", json=body)):
        assert refusal(answer, "vouchers") == (409, "payment_unknown")
    event = {**stripe.events[-1], "id": "evt_unknown"}
    assert buyer.hear(event).status_code == 200
    # It stands in nobody's way.
    other = buyer.intent(exam)
    assert (buyer.status(intent), buyer.status(other)) == ("cancelled", "pending")
    del stripe.intents[other["payment_intent_id"]]
    body = {"transaction_id": other["transaction_id"]}
    assert buyer.person.post("/api/payments/cancel/", json=body).status_code == 200
    assert buyer.status(other) == "cancelled"


def test_a_refund_that_is_refused_when_it_goes_on_by_the_clock_gives_the_goods_again(
    buyer, exam, stripe
):
    bought = buyer.bought(exam)
    with stripe.down():
        assert buyer.refund(bought).status_code == 502
    assert statuses(buyer) == ["cancelled"]

    with stripe.refusing(REFUND, "charge_not_refundable"):
        done = reconciliation.reconcile(at_once=True)

    assert (done.asked, done.decided, done.is_away) == (1, 1, False)
    assert (buyer.status(bought), statuses(buyer)) == ("completed", ["active"])


# --- Disputes


def test_a_dispute_freezes_vouchers_and_takes_credit_and_a_won_one_gives_all_again(
    buyer, exam, stripe, revenue, told
):
    vouchers, top_up = buyer.bought(exam, quantity=2), buyer.bought(credit_amount=500)
    assert buyer.redeem(vouchers["vouchers"][0]).status_code == 200
    spend(buyer, 250)

    opened = [stripe.dispute(bought["payment_intent_id"]) for bought in (vouchers, top_up)]
    for event in opened:
        assert [buyer.hear(event).status_code for _ in range(2)] == [200, 200]

    assert (told(vouchers), told(top_up)) == (("disputed", 0), ("disputed", 0))
    assert (statuses(buyer), buyer.credit()) == (["frozen"] * 2, 0)
    assert (owed(), revenue()) == ({top_up["transaction_id"]: 150}, 0)
    for voucher in vouchers["vouchers"]:
        assert refusal(buyer.redeem(voucher), "vouchers") == (400, "voucher_frozen")
    for bought in (vouchers, top_up):
        assert refusal(buyer.refund(bought), "vouchers") == (409, "payment_disputed")
    assert buyer.person.get("/api/vouchers/my-vouchers/?status=frozen").json["count"] == 2

    for dispute_id in list(stripe.disputes):
        buyer.hear(stripe.close_dispute(dispute_id, "won"))

    assert (told(vouchers), told(top_up)) == (("completed", 0), ("completed", 0))
    assert (statuses(buyer), buyer.credit()) == (["active", "used"], 350)
    assert (owed(), revenue()) == ({}, 20)
    assert buyer.redeem(vouchers["vouchers"][1]).status_code == 200


def test_what_is_lost_is_cancelled_for_good_and_what_was_used_of_it_is_owed(
    buyer, exam, shop, stripe, revenue, told
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    vouchers = buyer.bought(exam, quantity=2, discount_code=coupon["code"])
    assert buyer.redeem(vouchers["vouchers"][0]).status_code == 200
    opened = stripe.dispute(vouchers["payment_intent_id"])
    (dispute_id,) = stripe.disputes
    lost = stripe.close_dispute(dispute_id, "lost")

    for event in (lost, opened):
        buyer.hear(event)

    assert (told(vouchers), statuses(buyer)) == (("disputed", 0), ["cancelled"] * 2)
    assert (owed(), revenue(), shop.use(coupon)) == ({vouchers["transaction_id"]: 500}, 0, 1)
    assert refusal(buyer.redeem(vouchers["vouchers"][1]), "vouchers") == (400, "voucher_cancelled")
    assert transaction_row(vouchers).due_at is None
    assert refusal(buyer.refund(vouchers), "vouchers") == (409, "payment_disputed")


def test_a_won_dispute_leaves_the_status_that_it_found(buyer, exam, stripe):
    failed, refunded = buyer.bought(exam), buyer.bought(exam)
    stripe.refund_status = "failed"
    assert buyer.refund(failed).status_code == 409
    stripe.refund_status = "succeeded"
    assert buyer.refund(refunded).status_code == 200
    for bought, status in ((failed, "refund_failed"), (refunded, "refunded")):
        event = stripe.dispute(bought["payment_intent_id"])
        buyer.hear(event)
        assert buyer.status(bought) == "disputed"
        buyer.hear(stripe.close_dispute(event["data"]["object"]["id"], "won"))
        assert buyer.status(bought) == status
    assert sorted(statuses(buyer)) == ["active", "cancelled"]


def test_what_is_paid_and_disputed_before_it_is_heard_of_is_delivered_frozen(buyer, exam, stripe):
    intent = buyer.intent(exam)
    stripe.pay(intent["payment_intent_id"])

    buyer.hear(stripe.dispute(intent["payment_intent_id"]))

    assert (buyer.status(intent), statuses(buyer)) == ("disputed", ["frozen"])
    (dispute_id,) = stripe.disputes
    # The event is lost; the clock tells.
    stripe.close_dispute(dispute_id, "won")
    assert reconciliation.reconcile(at_once=True).decided == 1
    assert (buyer.status(intent), statuses(buyer)) == ("completed", ["active"])


def test_a_refund_that_was_only_begun_ends_where_the_bank_takes_the_money(buyer, exam, stripe):
    bought = buyer.bought(exam)
    with stripe.down():
        assert buyer.refund(bought).status_code == 502
    event = stripe.dispute(bought["payment_intent_id"])
    buyer.hear(event)
    assert (buyer.status(bought), statuses(buyer)) == ("disputed", ["frozen"])

    buyer.hear(stripe.close_dispute(event["data"]["object"]["id"], "won"))

    assert (buyer.status(bought), statuses(buyer)) == ("completed", ["active"])
    assert stripe.given_back(bought["transaction_id"]) == 0


# --- Any order


def test_refunds_and_disputes_come_to_the_same_in_every_order():
    """Each says a last word, and it does not matter when the others are heard."""
    for kind in ReturnKind:
        ends = set()
        for story in permutations(ReturnStatus):
            known = None
            for status in story:
                if known is None or known in returns.REPLACES[kind, status]:
                    known = status
            ends.add(known)
        assert len(ends) == 1, kind


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_at_stripe_and_in_whatever_order_it_is_heard_the_end_is_the_same(
    buyer, stripe, revenue, told, seed
):
    chance = Random(seed)
    vouchers, top_up = (
        buyer.bought(make_voucher_type(), quantity=2),
        buyer.bought(credit_amount=900),
    )
    if chance.random() < 0.5:
        buyer.redeem(vouchers["vouchers"][0])
        spend(buyer, chance.randrange(0, 900))
    credit_before = buyer.credit()
    events = []
    for bought in (vouchers, top_up):
        intent_id = bought["payment_intent_id"]
        for _ in range(chance.randrange(1, 6)):
            events += _something_happens(chance, stripe, intent_id)
            # Some of it is heard at once, and some of that is old.
            if events and chance.random() < 0.3:
                assert buyer.hear(chance.choice(events)).status_code == 200
    # Late, mixed up, and some of it twice.
    heard = events + [event for event in events if chance.random() < 0.3]
    chance.shuffle(heard)
    for event in heard:
        assert buyer.hear(event).status_code == 200

    sold = 0
    for bought in (vouchers, top_up):
        status, refunded, lost = _truth(stripe, bought)
        assert told(bought) == (status, refunded / 100), seed
        sold += 2000 - lost if bought is vouchers else 0
        has_goods = status in ("completed", "refund_failed")
        if bought is top_up:
            held = buyer.credit() + 900 - credit_before - 900
            assert (held == 0) is has_goods or bought["transaction_id"] in owed(), seed
        else:
            wanted = {"active", "used"} if has_goods else {"frozen", "cancelled"}
            assert set(statuses(buyer)) <= wanted, seed
        if has_goods:
            assert bought["transaction_id"] not in owed()
    assert revenue() == sold / 100
    assert list(rules.discrepancies()) == []
    before = db.session.query(PaymentReturn).count()
    reconciliation.reconcile(at_once=True)
    assert (db.session.query(PaymentReturn).count(), revenue()) == (before, sold / 100)


def _something_happens(chance, stripe, intent_id):
    """Let something that is possible happen at Stripe, and return its events."""
    charge = stripe.charges[stripe.intents[intent_id]["latest_charge"]]
    of_intent = [
        one
        for one in (*stripe.refunds.values(), *stripe.disputes.values())
        if one["payment_intent"] == intent_id
    ]
    open_disputes = [one for one in of_intent if one["status"] == "needs_response"]
    lost = [one for one in of_intent if one["status"] == "lost"]
    undecided = [one for one in of_intent if one["status"] in ("pending", "succeeded")]
    left = charge["amount"] - charge["amount_refunded"]
    what = chance.choice(["refund", "end", "dispute", "close"])
    if what == "refund" and left and not open_disputes and not lost:
        stripe.refund_status = chance.choice(["pending", "succeeded"])
        return [stripe.refund_on_dashboard(intent_id, chance.choice([left, max(1, left // 2)]))]
    if what == "end" and undecided:
        refund = chance.choice(undecided)
        ends = ["failed"] if refund["status"] == "succeeded" else ["failed", "succeeded"]
        return [stripe.end_refund(refund["id"], chance.choice(ends))]
    if what == "dispute" and not open_disputes and not lost:
        return [stripe.dispute(intent_id)]
    if what == "close" and open_disputes:
        return [stripe.close_dispute(open_disputes[0]["id"], chance.choice(["won", "lost"]))]
    return []


def _truth(stripe, bought):
    """Return the status that follows from what is so at Stripe, what arrived, and what is lost."""
    intent_id = bought["payment_intent_id"]
    paid = stripe.intents[intent_id]["amount"]
    refunds = [one for one in stripe.refunds.values() if one["payment_intent"] == intent_id]
    by_status = {
        status: sum(one["amount"] for one in refunds if one["status"] == status)
        for status in ("succeeded", "pending", "failed")
    }
    disputed = any(
        one["payment_intent"] == intent_id and one["status"] != "won"
        for one in stripe.disputes.values()
    )
    arrived, coming = by_status["succeeded"], by_status["pending"]
    if disputed:
        status = "disputed"
    elif arrived >= paid:
        status = "refunded"
    elif arrived + coming >= paid:
        status = "refund_pending"
    elif arrived + coming + by_status["failed"] >= paid:
        status = "refund_failed"
    else:
        status = "completed"
    return status, arrived, paid if disputed else min(paid, arrived + coming)


def test_an_event_that_is_handled_is_not_asked_about_again(buyer, exam, stripe):
    bought = buyer.bought(exam)
    event = stripe.dispute(bought["payment_intent_id"])
    asked = stripe.number_asked(READ)

    for _ in range(3):
        buyer.hear(event)

    assert stripe.number_asked(READ) == asked + 1
