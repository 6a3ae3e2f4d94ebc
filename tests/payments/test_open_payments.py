"""A buyer's open payment: it gives way to the next one, is cancelled, or is paid after all."""

from contextlib import nullcontext

import pytest

from coupon_management_flask.core import clock
from coupon_management_flask.payments.cards import open_payments, reconciliation

from ..support.payments import goods, make_voucher_type, transaction_row, transactions
from ..support.refusals import TOLD, refusal
from ..support.stripe import CANCEL, CREATE
from ..support.vouchers import buy

pytestmark = pytest.mark.both_databases

AWAY = (502, "payment_provider_error")
CANCELLED, OPEN = "canceled", "requires_payment_method"


@pytest.fixture
def once(shop):
    """A code with one use, of which each limit and the budget leave room for one purchase."""
    limits = {"perCustomer": 1, "perDay": 1, "budget": 5}
    return shop.new(discount=50, maxUsage=1, currency="USD", firstOrderOnly=True, limits=limits)


@pytest.fixture
def call(buyer):
    return lambda name, intent, **options: buyer.person.post(
        f"/api/payments/{name}/", json={"transaction_id": intent["transaction_id"]}, **options
    )


def at_stripe(stripe, *intents):
    return [stripe.intents[intent["payment_intent_id"]]["status"] for intent in intents]


# --- Another takes its place


@pytest.mark.parametrize("before", ["pending", "failed"])
def test_a_new_intent_takes_the_place_of_the_open_one_and_of_its_use_of_the_code(
    buyer, other, exam, shop, once, stripe, before
):
    first = buyer.intent(exam, discount_code=once["code"])
    if before == "failed":
        buyer.hear(stripe.decline(first["payment_intent_id"]))

    second = buyer.intent(exam, discount_code=once["code"])

    assert (buyer.status(first), buyer.status(second)) == ("cancelled", "pending")
    assert at_stripe(stripe, first, second) == [CANCELLED, OPEN]
    assert (second["amount"], shop.use(once)) == (5, 1)
    assert other.ask(exam, discount_code=once["code"]).json["error_code"] == "usage_limit_exceeded"
    # Stripe tells of the cancellation now. That gives nothing back that somebody holds.
    buyer.hear(stripe.events[-1])
    stripe.pay(second["payment_intent_id"])
    assert buyer.confirm(second).status_code == 200
    assert (goods(), shop.use(once)) == ((1, 1), 1)


def test_where_another_code_or_none_is_named_the_use_is_given_back(
    buyer, other, exam, shop, once, stripe
):
    buyer.intent(exam, discount_code=once["code"])
    others = shop.new(discount=10, currency="USD", firstOrderOnly=True)

    assert buyer.intent(exam, discount_code=others["code"])["amount"] == 9
    assert (shop.use(once), shop.use(others)) == (0, 1)
    assert buyer.intent(exam)["amount"] == 10
    assert (shop.use(once), shop.use(others)) == (0, 0)
    assert other.intent(exam, discount_code=once["code"])["amount"] == 5
    assert [row.status for row in transactions()] == ["cancelled"] * 2 + ["pending"] * 2


def test_a_purchase_with_credit_takes_its_place_too(carol, buyer, shop, once, stripe):
    buyer.person = carol
    kind = {"id": str(make_voucher_type()["id"])}
    intent = buyer.intent(kind, quantity=1, discount_code=once["code"])

    answer = buy(carol, kind, discount_code=once["code"])

    assert (answer.status_code, answer.json["total_paid"]) == (201, 5)
    assert (buyer.status(intent), at_stripe(stripe, intent)) == ("cancelled", [CANCELLED])
    assert (shop.use(once), goods()) == (1, (1, 1))


def test_a_payment_for_another_type_or_of_somebody_else_stays(buyer, other, exam, stripe):
    theirs, of_another_type, top_up = (
        other.intent(exam),
        buyer.intent(make_voucher_type()),
        buyer.intent(credit_amount=100),
    )

    buyer.intent(exam)

    assert at_stripe(stripe, theirs, of_another_type, top_up) == [OPEN] * 3


def test_all_else_is_checked_before_the_open_one_is_touched(
    carol, buyer, exam, shop, once, stripe, payment_books
):
    intent = buyer.intent(exam, discount_code=once["code"])
    before, asked = payment_books(), list(stripe.asked)

    assert buyer.ask(exam, discount_code="NOBODYS").status_code == 400
    # More than the budget leaves, even if its own use came back.
    answer = buyer.ask(exam, quantity=2, discount_code=once["code"])
    assert answer.json["error_code"] == "budget_used_up"
    answer = buy(buyer.person, {"id": str(exam["id"])})
    assert refusal(answer, "vouchers") == (402, "insufficient_credit")

    assert (payment_books(), stripe.asked) == (before, asked)
    assert at_stripe(stripe, intent) == [OPEN]


def test_one_that_was_paid_meanwhile_is_handed_out_and_nothing_new_begins(
    buyer, exam, shop, once, stripe
):
    intent = buyer.intent(exam, discount_code=once["code"])
    stripe.pay(intent["payment_intent_id"])

    assert refusal(buyer.ask(exam), "vouchers") == (409, "already_paid")

    assert (buyer.status(intent), goods(), len(transactions())) == ("completed", (1, 1), 1)
    assert (shop.use(once), transaction_row(intent).replacing_until) == (1, None)
    assert buyer.ask(exam).status_code == 201


@pytest.mark.parametrize("why", ["the bank works on it", "Stripe is away", "Stripe is broken"])
def test_one_that_can_not_be_cancelled_stays_as_it_was(
    carol, buyer, exam, once, stripe, payment_books, why
):
    buyer.person, kind = carol, {"id": str(exam["id"])}
    intent = buyer.intent(exam, discount_code=once["code"])
    if why == "the bank works on it":
        stripe.process(intent["payment_intent_id"])
    before = payment_books()

    trouble = {
        "the bank works on it": nullcontext,
        "Stripe is away": stripe.down,
        "Stripe is broken": lambda: stripe.broken(CANCEL),
    }[why]
    name = (409, "payment_in_progress") if trouble is nullcontext else AWAY
    with trouble():
        assert refusal(buyer.ask(exam, discount_code=once["code"]), "vouchers") == name
        assert refusal(buy(carol, kind, discount_code=once["code"]), "vouchers") == name

    assert payment_books() == before


def test_one_whose_intent_was_never_heard_of_gives_way_all_the_same(buyer, exam, once, stripe):
    with stripe.losing_answers(CREATE):
        assert buyer.ask(exam, discount_code=once["code"]).status_code == 502

    second = buyer.intent(exam, discount_code=once["code"])

    assert [row.status for row in transactions()] == ["cancelled", "pending"]
    assert sorted(intent["status"] for intent in stripe.intents.values()) == [CANCELLED, OPEN]
    assert at_stripe(stripe, second) == [OPEN]


def test_nobody_else_closes_one_that_is_being_replaced_and_a_crash_holds_the_code_for_a_minute(
    buyer, exam, shop, once, stripe, time_is, monkeypatch
):
    intent = buyer.intent(exam, discount_code=once["code"])
    now = clock.now()
    with monkeypatch.context() as dying:
        # The process dies between Stripe's answer and the transaction.
        dying.setattr(open_payments, "close_replaced", lambda *_: 1 / 0)
        dying.setattr(open_payments, "_let_close", lambda _: None)
        assert buyer.ask(exam, discount_code=once["code"]).status_code == 500
    assert at_stripe(stripe, intent) == [CANCELLED]
    buyer.hear(stripe.events[-1])
    assert (buyer.status(intent), shop.use(once)) == ("pending", 1)

    time_is(now + 2 * open_payments.REPLACING)
    assert reconciliation.reconcile().decided == 1
    time_is(now)

    assert (buyer.status(intent), shop.use(once)) == ("cancelled", 0)


# --- Cancelling and resuming


def test_the_owner_cancels_what_is_not_paid_and_the_code_is_free_at_once(
    buyer, other, exam, shop, once, stripe, call
):
    pending = buyer.intent(exam, discount_code=once["code"])
    failed = buyer.intent(make_voucher_type())
    buyer.hear(stripe.decline(failed["payment_intent_id"]))
    assert buyer.ask(credit_amount=1).status_code == 400
    never_begun = {"transaction_id": str(transactions()[-1].id)}

    for intent in (pending, failed, never_begun):
        first, second = call("cancel", intent), call("cancel", intent)
        assert (first.status_code, first.json["transaction"]["status"]) == (200, "cancelled")
        assert first.json == second.json
        assert refusal(call("resume", intent), "vouchers") == (409, "payment_closed")

    assert at_stripe(stripe, pending, failed) == [CANCELLED] * 2
    assert shop.use(once) == 0
    assert other.intent(exam, discount_code=once["code"])["amount"] == 5


def test_what_is_not_paid_is_resumed_with_the_answer_of_its_creation(
    buyer, exam, once, stripe, call
):
    pending = buyer.intent(exam, quantity=1, discount_code=once["code"])
    failed = buyer.intent(credit_amount=100)
    buyer.hear(stripe.decline(failed["payment_intent_id"]))
    with stripe.losing_answers(CREATE):
        assert buyer.ask(make_voucher_type()).status_code == 502
    unheard_of = {"transaction_id": str(transactions()[-1].id)}

    for intent in (pending, failed):
        answer = call("resume", intent)
        assert (answer.status_code, answer.json) == (200, intent)
    resumed = call("resume", unheard_of).json

    assert resumed["transaction_id"] == unheard_of["transaction_id"]
    stripe.pay(resumed["payment_intent_id"])
    assert buyer.confirm(resumed).status_code == 200


def test_what_is_over_is_neither_cancelled_nor_resumed(
    buyer, other, exam, stripe, call, payment_books
):
    paid, refunded = buyer.bought(exam), buyer.bought(exam)
    assert buyer.refund(refunded).status_code == 200
    slow, cancelled = buyer.intent(exam), buyer.intent(make_voucher_type())
    stripe.process(slow["payment_intent_id"])
    before = payment_books()

    for name in ("cancel", "resume"):
        assert refusal(call(name, paid), "vouchers") == (409, "already_paid")
        assert refusal(call(name, refunded), "vouchers") == (409, "payment_closed")
        answer = other.person.post(
            f"/api/payments/{name}/", json={"transaction_id": slow["transaction_id"]}
        )
        assert refusal(answer, "vouchers") == (404, "transaction_not_found")
        answer = buyer.person.post(f"/api/payments/{name}/", json={"transaction_id": 5})
        assert (answer.status_code, set(answer.json)) == (400, {"transaction_id", *TOLD})
    assert refusal(call("cancel", slow), "vouchers") == (409, "payment_in_progress")
    with stripe.down():
        assert refusal(call("cancel", cancelled), "vouchers") == AWAY
        assert refusal(call("resume", cancelled), "vouchers") == AWAY
    assert payment_books() == before

    # What Stripe alone knows yet is told by either.
    stripe.cancel_on_dashboard(cancelled["payment_intent_id"])
    assert refusal(call("resume", cancelled), "vouchers") == (409, "payment_closed")
    stripe.pay(slow["payment_intent_id"])
    assert refusal(call("cancel", slow), "vouchers") == (409, "already_paid")
    assert (buyer.status(slow), buyer.status(cancelled)) == ("completed", "cancelled")
