"""POST /api/payments/refund/, and refunds on Stripe's own dashboard.

The money goes back once, and what it bought comes back.
"""

from datetime import timedelta
from uuid import UUID

import pytest

from coupon_management_flask.audit import rules
from coupon_management_flask.core import clock, wallet
from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import AdminChange, PaymentDebt, PaymentTransaction

from ..support.payments import Buyer, goods, make_voucher_type, transaction_row
from ..support.refusals import TOLD, refusal
from ..support.stripe import READ, REFUND

pytestmark = pytest.mark.both_databases

AWAY = (502, "payment_provider_error")


def spend(buyer, amount):
    with transaction():
        wallet.debit(buyer.person.id, amount, reason="a test")


def debts():
    return [
        (str(debt.transaction_id), debt.account_id, debt.amount, debt.currency)
        for debt in db.session.query(PaymentDebt)
    ]


def statuses(buyer):
    return {voucher["status"] for voucher in buyer.vouchers()}


def test_the_owner_gets_the_money_back_and_the_vouchers_are_cancelled(buyer, exam, shop, stripe):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    bought = buyer.bought(exam, quantity=2, discount_code=coupon["code"])

    answer = buyer.refund(bought)

    assert answer.status_code == 200
    assert set(answer.json) == {"message", "transaction", "payment"}
    assert answer.json["transaction"]["status"] == buyer.status(bought) == "refunded"
    assert (
        stripe.given_back(bought["transaction_id"])
        == stripe.taken(bought["transaction_id"])
        == 1000
    )
    assert statuses(buyer) == {"cancelled"}
    assert refusal(buyer.redeem(bought["vouchers"][0]), "vouchers") == (400, "voucher_cancelled")
    assert shop.use(coupon) == 0
    assert (debts(), transaction_row(bought).refund_reason) == ([], "changed my mind")


def test_a_refunded_top_up_takes_its_credit_back(buyer, stripe):
    bought = buyer.bought(credit_amount=250)
    assert buyer.credit() == 350

    assert buyer.refund(bought).status_code == 200

    assert buyer.credit() == 100
    assert stripe.given_back(bought["transaction_id"]) == 250


def test_a_refund_twice_gives_back_once(buyer, exam, stripe):
    bought = buyer.bought(exam)
    assert buyer.refund(bought).status_code == 200

    assert refusal(buyer.refund(bought), "vouchers") == (409, "payment_not_refundable")

    assert stripe.given_back(bought["transaction_id"]) == 1000
    assert stripe.number_asked(REFUND) == 1


def test_the_same_request_again_gets_the_same_answer(buyer, exam, stripe):
    bought = buyer.bought(exam)

    first, second = (buyer.refund(bought, headers={"Idempotency-Key": "r"}) for _ in range(2))

    assert (first.status_code, first.json["transaction"]["status"], first.data) == (
        200,
        "refunded",
        second.data,
    )
    assert len(stripe.refunds) == 1


def test_what_is_not_completed_can_not_be_refunded(buyer, stripe):
    intents = [buyer.intent(make_voucher_type()) for _ in range(3)]
    buyer.hear(stripe.decline(intents[1]["payment_intent_id"]))
    buyer.hear(stripe.cancel_on_dashboard(intents[2]["payment_intent_id"]))

    for intent in intents:
        assert refusal(buyer.refund(intent), "vouchers") == (409, "payment_not_refundable")

    assert stripe.number_asked(REFUND) == 0


def test_what_is_used_is_not_refunded_whoever_asks(buyer, exam, admin, stripe, payment_books):
    vouchers, top_up = buyer.bought(exam, quantity=2), buyer.bought(credit_amount=50)
    assert buyer.redeem(vouchers["vouchers"][1]).status_code == 200
    spend(buyer, 101)
    before = payment_books()

    for who in (buyer, Buyer(admin, stripe)):
        assert refusal(who.refund(vouchers), "vouchers") == (409, "voucher_used")
        assert refusal(who.refund(top_up), "vouchers") == (409, "credit_spent")

    assert payment_books() == before
    assert stripe.number_asked(REFUND) == 0


def test_an_owner_has_fourteen_days_and_an_administrator_any_time(buyer, exam, admin, stripe):
    early, late = buyer.bought(exam), buyer.bought(exam)
    # Tokens live an hour: the payments are made older instead of time going on.
    with transaction():
        for bought, age in ((early, timedelta(days=14, minutes=-1)), (late, timedelta(days=14))):
            db.session.query(PaymentTransaction).filter_by(
                id=UUID(bought["transaction_id"])
            ).update({"completed_at": clock.now() - age})

    assert buyer.refund(early).status_code == 200
    assert refusal(buyer.refund(late), "vouchers") == (409, "refund_period_over")
    assert buyer.status(late) == "completed"
    assert Buyer(admin, stripe).refund(late).json["transaction"]["user"] == str(buyer.person.id)
    # What owners do with their own money is no change of an administrator.
    (noted,) = db.session.query(AdminChange)
    assert (noted.account_id, noted.row_id) == (admin.id, late["transaction_id"])
    assert (noted.table_name, noted.before) == ("payment_transactions", {"status": "completed"})
    assert noted.after == {"status": "refunding", "reason": "changed my mind"}
    assert buyer.status(late) == "refunded"


def test_somebody_elses_payment_is_not_there(buyer, other, exam, stripe):
    bought = buyer.bought(exam)

    assert refusal(other.refund(bought), "vouchers") == (404, "transaction_not_found")

    assert (buyer.status(bought), statuses(buyer)) == ("completed", {"active"})


def test_a_wrong_field_is_named_and_nothing_moves(buyer, exam, stripe, payment_books):
    bought = buyer.bought(exam)
    before = payment_books()
    asked = list(stripe.asked)

    body = {"transaction_id": bought["transaction_id"], "reason": "", "amount": 1}
    answer = buyer.person.post("/api/payments/refund/", json=body)

    assert (answer.status_code, set(answer.json)) == (400, {"reason", "amount", *TOLD})
    assert (payment_books(), stripe.asked) == (before, asked)


def test_what_cost_nothing_is_given_back_without_stripe(buyer, exam, shop, stripe):
    coupon = shop.new(discount=100, maxUsage=1, currency="USD")
    bought = buyer.intent(exam, discount_code=coupon["code"])

    assert (
        buyer.refund(bought, headers={"Idempotency-Key": "r"}).json["transaction"]["status"]
        == "refunded"
    )

    assert (statuses(buyer), shop.use(coupon), stripe.asked) == ({"cancelled"}, 0, [])


# --- Stripe away, refusing, dying in the middle


def test_while_stripe_has_not_answered_nothing_of_it_can_be_used_and_the_next_try_goes_on(
    buyer, exam, stripe
):
    vouchers, top_up = buyer.bought(exam), buyer.bought(credit_amount=50)
    for bought in (vouchers, top_up):
        with stripe.losing_answers(REFUND):
            assert refusal(buyer.refund(bought), "vouchers") == AWAY
        assert buyer.status(bought) == "completed"
    assert refusal(buyer.redeem(vouchers["vouchers"][0]), "vouchers") == (400, "voucher_cancelled")
    assert buyer.credit() == 100

    for bought in (vouchers, top_up):
        assert buyer.refund(bought).status_code == 200
        assert stripe.given_back(bought["transaction_id"]) == stripe.taken(bought["transaction_id"])
    assert (buyer.status(vouchers), buyer.status(top_up), buyer.credit()) == (
        "refunded",
        "refunded",
        100,
    )
    assert len(stripe.refunds) == 2
    # In all tries of one refund the key was the same.
    assert len({asked.key for asked in stripe.asked if str(asked) == REFUND}) == 2


@pytest.mark.parametrize("how", ["refused", "failed"])
def test_a_refund_that_stripe_refuses_leaves_all_as_it_was_and_can_be_tried_again(
    buyer, exam, shop, stripe, how
):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    vouchers, top_up = (
        buyer.bought(exam, discount_code=coupon["code"]),
        buyer.bought(credit_amount=50),
    )
    if how == "failed":
        stripe.refund_status = "failed"
        assert [refusal(buyer.refund(bought), "vouchers") for bought in (vouchers, top_up)] == [
            (409, "refund_failed")
        ] * 2
        stripe.refund_status = "succeeded"
    else:
        with stripe.refusing(REFUND, "balance_insufficient"):
            assert [refusal(buyer.refund(bought), "vouchers") for bought in (vouchers, top_up)] == [
                AWAY
            ] * 2
    status = "completed" if how == "refused" else "refund_failed"
    assert (buyer.status(vouchers), buyer.status(top_up), statuses(buyer), buyer.credit()) == (
        status,
        status,
        {"active"},
        150,
    )
    assert shop.use(coupon) == 1
    assert list(rules.discrepancies()) == []

    for bought in (vouchers, top_up):
        assert buyer.refund(bought).status_code == 200
        assert stripe.given_back(bought["transaction_id"]) == stripe.taken(bought["transaction_id"])
    assert (statuses(buyer), buyer.credit(), shop.use(coupon)) == ({"cancelled"}, 100, 0)


def test_a_refund_that_was_made_and_could_not_be_read_is_finished_by_its_webhook(
    buyer, exam, stripe
):
    bought = buyer.bought(exam)
    with stripe.broken(READ):
        assert refusal(buyer.refund(bought), "vouchers") == AWAY
    assert buyer.status(bought) == "completed"

    assert buyer.hear(stripe.events[-1]).status_code == 200

    assert (buyer.status(bought), debts(), goods()) == ("refunded", [], (1, 1))


# --- On Stripe's dashboard


def test_a_refund_on_the_dashboard_takes_back_what_is_not_used(buyer, exam, shop, stripe):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    vouchers, top_up = (
        buyer.bought(exam, quantity=2, discount_code=coupon["code"]),
        buyer.bought(credit_amount=50),
    )

    for bought in (vouchers, top_up):
        event = stripe.refund_on_dashboard(bought["payment_intent_id"])
        assert [buyer.hear(event).status_code for _ in range(3)] == [200] * 3

    assert (buyer.status(vouchers), buyer.status(top_up)) == ("refunded", "refunded")
    assert (statuses(buyer), buyer.credit(), shop.use(coupon), debts()) == (
        {"cancelled"},
        100,
        0,
        [],
    )
    assert refusal(buyer.refund(vouchers), "vouchers") == (409, "payment_not_refundable")


def test_what_was_used_of_goods_refunded_on_the_dashboard_is_owed_and_the_audit_tells(
    buyer, stripe
):
    vouchers, top_up = (
        buyer.bought(make_voucher_type(max_uses=2), quantity=2),
        buyer.bought(credit_amount=500),
    )
    assert buyer.redeem(vouchers["vouchers"][0]).status_code == 200
    spend(buyer, 300)

    for bought in (vouchers, top_up):
        event = stripe.refund_on_dashboard(bought["payment_intent_id"])
        assert [buyer.hear(event).status_code for _ in range(3)] == [200] * 3

    assert (buyer.status(vouchers), buyer.status(top_up)) == ("refunded", "refunded")
    assert (statuses(buyer), buyer.credit()) == ({"cancelled"}, 0)
    # One of four uses of 20.00, and 200 of 500 credits.
    assert debts() == [
        (vouchers["transaction_id"], buyer.person.id, 500, "USD"),
        (top_up["transaction_id"], buyer.person.id, 200, "USD"),
    ]
    notes = list(rules.notes())
    assert [("5.00 USD" in note, str(buyer.person.id) in note) for note in notes] == [
        (True, True),
        (False, True),
    ]
    assert "2.00 USD" in notes[1]


def test_a_part_sent_back_on_the_dashboard_is_noted_and_the_rest_can_still_be_refunded(
    buyer, exam, stripe
):
    bought = buyer.bought(exam, quantity=2)

    assert (
        buyer.hear(stripe.refund_on_dashboard(bought["payment_intent_id"], 500)).status_code == 200
    )
    assert (buyer.status(bought), statuses(buyer), transaction_row(bought).amount_refunded) == (
        "completed",
        {"active"},
        500,
    )

    assert buyer.refund(bought).status_code == 200
    assert (
        stripe.given_back(bought["transaction_id"]),
        [refund["amount"] for refund in stripe.refunds.values()],
    ) == (2000, [500, 1500])
    assert (buyer.status(bought), transaction_row(bought).amount_refunded) == ("refunded", 2000)


def test_parts_that_make_the_whole_are_a_refund(buyer, exam, stripe):
    bought = buyer.bought(exam)
    heard = [
        stripe.refund_on_dashboard(bought["payment_intent_id"], amount) for amount in (400, 600)
    ]

    for event in reversed(heard):
        buyer.hear(event)

    assert (buyer.status(bought), statuses(buyer)) == ("refunded", {"cancelled"})


def test_a_refund_on_the_dashboard_that_we_have_not_heard_of_is_not_made_twice(buyer, exam, stripe):
    bought = buyer.bought(exam)
    stripe.refund_on_dashboard(bought["payment_intent_id"])

    assert refusal(buyer.refund(bought), "vouchers") == (409, "already_refunded")

    assert (stripe.given_back(bought["transaction_id"]), buyer.status(bought)) == (1000, "refunded")
    assert refusal(buyer.refund(bought), "vouchers") == (409, "payment_not_refundable")


def test_money_that_went_back_before_it_was_heard_of_delivers_nothing(buyer, exam, shop, stripe):
    coupon = shop.new(discount=50, maxUsage=1, currency="USD")
    intent = buyer.intent(exam, discount_code=coupon["code"])
    paid = stripe.pay(intent["payment_intent_id"])
    refunded = stripe.refund_on_dashboard(intent["payment_intent_id"])

    for event in (refunded, paid):
        assert buyer.hear(event).status_code == 200

    assert (buyer.status(intent), goods(), shop.use(coupon)) == ("refunded", (0, 0), 0)
    assert refusal(buyer.confirm(intent), "vouchers") == (400, "payment_not_completed")
