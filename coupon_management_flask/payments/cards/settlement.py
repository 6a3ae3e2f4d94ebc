"""What Stripe says becomes what is: the one place that changes a payment which may be paid.

Goods, holds and debts follow a step in the same transaction. Locks: the payment's row first, then
in the order that holds everywhere.
"""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
import structlog

from ...core import clock, errors
from ...core.claims import LOST
from ...db.dialects import upsert
from ...db.failures import retried
from ...db.session import db, transaction
from ...models import (
    OrderRedemption,
    PaymentEvent,
    PaymentStatus,
    PaymentTransaction,
)
from .. import gateway
from ..gateway import Intent
from ..sales import discounts, quotes
from ..sales.quotes import Quote
from . import debts, goods, returns, states
from .returns import MoneyBack
from .states import FIRST_LOOK, STEPS, UNPAID, Holding, Payment, VouchersOf

# When Stripe is asked again about money that is on its way, if no event tells of it.
LOOK_AGAIN = {
    PaymentStatus.REFUNDING: FIRST_LOOK,
    PaymentStatus.REFUND_PENDING: timedelta(hours=1),
    PaymentStatus.DISPUTED: timedelta(days=1),
}

log = structlog.get_logger(__name__)


def was_handled(event_id: str) -> bool:
    """Return whether an event of Stripe has been handled already."""
    return bool(db.session.scalar(sa.select(sa.exists().where(PaymentEvent.id == event_id))))


def settle(payment_id: UUID, seen: Intent, *, event: gateway.Event | None = None) -> None:
    """Bring a payment to what Stripe has just said of its intent.

    Calls may come in any order and any number of times: a payment is completed and delivered once,
    and what went back of it follows from all that was ever heard.
    An event is handled together with it or not at all, and once.
    Money that is not what was asked for buys nothing; the audit tells of it.
    """
    try:
        _settle(payment_id, seen, event, _quote_again(payment_id, seen))
    except LOST:
        # The discount's use went to somebody else between two looks. What is paid is delivered all
        # the same.
        _settle(payment_id, seen, event, None)


@retried
def _settle(
    payment_id: UUID, seen: Intent, event: gateway.Event | None, again: Quote | None
) -> None:
    # Commit at once and not with the request's stored answer: this must last even if the request
    # fails, and settling again changes nothing.
    with transaction(at_once=True):
        if event is not None and not _note(event):
            return
        payment = _know_intent(payment_id, seen)
        if payment is None:
            return
        if seen.is_paid:
            _take_note_of_money(payment, seen, event, again)
        elif seen.is_cancelled:
            _close_unless_replaced(payment)
        elif seen.was_declined:
            states.step(payment_id, PaymentStatus.FAILED)


def _note(event: gateway.Event) -> bool:
    """Note that an event is handled, and return whether this is the first time."""
    insert = (
        upsert(PaymentEvent)
        .values(id=event.id, type=event.type, received_at=clock.now())
        .on_conflict_do_nothing(index_elements=[PaymentEvent.id])
        .returning(PaymentEvent.id)
    )
    return db.session.scalar(insert) is not None


def _know_intent(payment_id: UUID, seen: Intent) -> Payment | None:
    """Lock and return the payment that an intent belongs to, and note the intent's id.

    Whoever asked for the intent may have died before the id was noted.
    Returns None for a payment that has another intent.
    """
    known = PaymentTransaction.stripe_payment_intent_id
    payment = states.change(
        sa.update(PaymentTransaction)
        .where(
            PaymentTransaction.id == payment_id,
            sa.or_(known.is_(None), known == seen.id),
            PaymentTransaction.id == seen.transaction_id,
        )
        .values(stripe_payment_intent_id=seen.id)
    )
    if payment is None:
        _mark(payment_id, seen, "another_intent")
    return payment


def _mark(payment_id: UUID, seen: Intent, problem: str) -> None:
    """Note that money came in that is not what was asked for, or that it was sent back again."""
    mark = (
        sa.update(PaymentTransaction)
        .where(PaymentTransaction.id == payment_id)
        .execution_options(synchronize_session=False)
    )
    if seen.is_refunded:
        db.session.execute(mark.where(PaymentTransaction.problem == problem).values(problem=None))
    elif seen.is_paid:
        log.error(
            "payment.not_as_asked",
            transaction_id=str(payment_id),
            intent_id=seen.id,
            problem=problem,
        )
        db.session.execute(mark.values(problem=problem))


# --- Money came in


def _take_note_of_money(
    payment: Payment, seen: Intent, event: gateway.Event | None, again: Quote | None
) -> None:
    asked = gateway.units(payment.amount, payment.currency)
    if seen.currency != payment.currency or seen.amount_received != asked:
        if payment.completed_at is None:
            _mark(payment.id, seen, "another_amount")
            if seen.is_refunded:
                _close_refunded(payment)
        return
    returns.note(payment, seen.returns)
    if event is not None:
        # What Stripe says now is mostly newer. Where it is not, it says so with its next event.
        returns.note(payment, event.returns)
    money_back = MoneyBack.read(payment)
    # What is paid and disputed is delivered, frozen. What went back before anybody heard of the
    # money never was.
    if payment.completed_at is None and not money_back.is_refunded:
        payment = fulfil(payment.id, again) or payment
    _follow(payment, money_back)


def fulfil(payment_id: UUID, again: Quote | None = None) -> Payment | None:
    """Hand out what was paid, once, inside an open transaction, and return the payment.

    `again` is the quote of a discount whose hold was given back before the money came. Returns None
    where it was handed out before.
    """
    payment = states.step(
        payment_id,
        PaymentStatus.COMPLETED,
        PaymentTransaction.completed_at.is_(None),
        completed_at=clock.now(),
        due_at=None,
    )
    if payment is None:
        return None
    order_id = payment.order_redemption_id
    if again is not None and not _is_held(order_id):
        order_id = discounts.hold(again.applied, payment.id, payment.account_id)
        db.session.execute(
            sa.update(PaymentTransaction)
            .where(PaymentTransaction.id == payment.id)
            .values(order_redemption_id=order_id)
            .execution_options(synchronize_session=False)
        )
    goods.hand_out(payment, order_id)
    return payment


def _quote_again(payment_id: UUID, seen: Intent) -> Quote | None:
    """Return a quote of the same discount at the same price, to take it once more.

    It is wanted where money came in after the discount's hold was given back. None where it is not
    wanted, or can't be had any more.
    """
    if not seen.is_paid or seen.is_refunded:
        return None
    payment = states.read(payment_id)
    if (
        not isinstance(payment.goods, VouchersOf)
        or payment.status not in STEPS[PaymentStatus.COMPLETED]
        or payment.order_redemption_id is None
        or _is_held(payment.order_redemption_id)
    ):
        return None
    wanted = payment.goods
    try:
        quote = quotes.quote(
            payment.account_id,
            wanted.voucher_type_id,
            wanted.quantity,
            payment.discount_code,
            attempt_limits={},
        )
    except errors.DomainError:
        return None
    is_same = (quote.discount, quote.unit_price) == (payment.discount_amount, wanted.unit_price)
    return quote if is_same else None


def _is_held(order_redemption_id: UUID | None) -> bool:
    live = sa.exists().where(
        OrderRedemption.id == order_redemption_id, OrderRedemption.rolled_back_at.is_(None)
    )
    return bool(db.session.scalar(sa.select(live)))


# --- No money will come


def close(payment_id: UUID, status: PaymentStatus) -> Payment | None:
    """End a payment without money and give its discount back, inside an open transaction.

    Returns None where it had ended before.
    """
    payment = states.end_unpaid(payment_id, status)
    if payment is not None:
        _give_discount_back(payment)
    return payment


def _close_refunded(payment: Payment) -> None:
    """End a payment whose money was not what was asked for, and went back."""
    closed = states.step(
        payment.id,
        PaymentStatus.REFUNDED,
        came_from=UNPAID,
        due_at=None,
        amount_refunded=payment.amount,
    )
    if closed is not None:
        _give_discount_back(closed)


def _close_unless_replaced(payment: Payment) -> None:
    """Close a payment that Stripe has cancelled.

    Whoever puts another in its place closes it, so that its discount passes to that one. Where this
    does not happen soon, reconciliation closes it.
    """
    if payment.replacing_until is None or payment.replacing_until <= clock.now():
        close(payment.id, PaymentStatus.CANCELLED)
    else:
        db.session.execute(
            sa.update(PaymentTransaction)
            .where(PaymentTransaction.id == payment.id, PaymentTransaction.due_at.is_not(None))
            .values(due_at=payment.replacing_until)
            .execution_options(synchronize_session=False)
        )


def _give_discount_back(payment: Payment) -> None:
    if payment.order_redemption_id is not None:
        discounts.give_back(payment.order_redemption_id)


# --- Money goes back


def _follow(payment: Payment, money_back: MoneyBack, *, is_refund_over: bool = False) -> Payment:
    """Bring a paid payment and its goods to what follows from the money that went back.

    The caller holds the payment's row. A refund that was begun here goes on until `is_refund_over`:
    nobody else knows whether Stripe has heard of it.
    """
    status, holding, lost = money_back.status, money_back.holding, money_back.lost
    if payment.status not in (*STEPS[status], status):
        log.error(
            "payment.impossible_step",
            transaction_id=str(payment.id),
            status=payment.status,
            told=status,
        )
        return payment
    is_begun = payment.status is PaymentStatus.REFUNDING and not is_refund_over
    if is_begun and holding is Holding.WITH_BUYER:
        status, holding, lost = PaymentStatus.REFUNDING, Holding.TAKEN_BACK, payment.amount
    elif payment.completed_at is None and holding is Holding.WITH_BUYER:
        # It was sent back before anybody heard of it, and then it was not.
        payment = fulfil(payment.id) or payment
    if payment.completed_at is not None:
        missing = goods.bring_to(payment, holding, lost=lost)
        debts.set_debt(payment, missing, at_most=lost)
    if status is PaymentStatus.REFUNDED:
        _give_discount_back(payment)
    return _step_to(payment, status, money_back)


def _step_to(payment: Payment, status: PaymentStatus, money_back: MoneyBack) -> Payment:
    due_at = payment.due_at
    if status is not payment.status:
        wait = LOOK_AGAIN.get(status)
        is_decided = wait is None or money_back.is_dispute_lost
        due_at = None if is_decided else clock.now() + (wait or FIRST_LOOK)
    elif money_back.is_dispute_lost:
        due_at = None
    if (status, due_at, money_back.refunded) == (
        payment.status,
        payment.due_at,
        payment.amount_refunded,
    ):
        return payment
    stepped = states.step(
        payment.id,
        status,
        came_from=(*STEPS[status], status),
        due_at=due_at,
        amount_refunded=money_back.refunded,
    )
    # Its row is held: nobody else can have moved it.
    assert stepped is not None, (payment.status, status)
    return stepped


def finish_free_refund(payment: Payment) -> None:
    """Note the refund of what cost nothing, for which nobody has to be asked.

    Inside an open transaction that holds the payment's row.
    """
    _follow(payment, MoneyBack(of=0), is_refund_over=True)


@retried
def end_refund(payment_id: UUID, *told: gateway.Return) -> Payment:
    """End a refund that was begun here by what Stripe has told of it, and return the payment.

    Where no money goes back, its goods are the buyer's again.
    """
    with transaction(at_once=True):
        payment = states.lock(payment_id)
        returns.note(payment, told)
        if payment.status is not PaymentStatus.REFUNDING:
            return payment
        return _follow(payment, MoneyBack.read(payment), is_refund_over=True)
