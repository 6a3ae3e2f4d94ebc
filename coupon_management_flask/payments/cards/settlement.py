"""What Stripe says becomes what is: the one place that changes a payment which may be paid.

Goods, holds and debts follow a step in the same transaction. Locks: the payment's row first, then
in the order that holds everywhere.
"""

from fractions import Fraction
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
    PaymentDebt,
    PaymentEvent,
    PaymentStatus,
    PaymentTransaction,
)
from .. import gateway
from ..gateway import Intent
from ..sales import discounts, quotes
from ..sales.quotes import Quote
from . import goods, states
from .states import STEPS, Payment, VouchersOf

log = structlog.get_logger(__name__)


def was_handled(event_id: str) -> bool:
    """Return whether an event of Stripe has been handled already."""
    return bool(db.session.scalar(sa.select(sa.exists().where(PaymentEvent.id == event_id))))


def settle(payment_id: UUID, seen: Intent, *, event: gateway.Event | None = None) -> None:
    """Bring a payment to what Stripe has just said of its intent.

    Calls may come in any order and any number of times: a payment is completed, delivered and
    given back once.
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
        if seen.is_refunded:
            _refund(payment)
        elif seen.is_paid:
            _complete(payment, seen, again)
        elif seen.is_cancelled:
            close(payment_id, PaymentStatus.CANCELLED)
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


def _complete(payment: Payment, seen: Intent, again: Quote | None) -> None:
    asked = gateway.units(payment.amount, payment.currency)
    if seen.currency != payment.currency or seen.amount_received != asked:
        if payment.completed_at is None:
            _mark(payment.id, seen, "another_amount")
        return
    # A part may have gone back on Stripe's dashboard; it is noted and takes nothing away.
    refunded = gateway.from_units(seen.amount_refunded, payment.currency)
    db.session.execute(
        sa.update(PaymentTransaction)
        .where(PaymentTransaction.id == payment.id, PaymentTransaction.amount_refunded < refunded)
        .values(amount_refunded=refunded)
        .execution_options(synchronize_session=False)
    )
    fulfil(payment.id, again)


def fulfil(payment_id: UUID, again: Quote | None = None) -> None:
    """Hand out what was paid, once, inside an open transaction.

    `again` is the quote of a discount whose hold was given back before the money came.
    """
    payment = states.step(
        payment_id, PaymentStatus.COMPLETED, completed_at=clock.now(), due_at=None
    )
    if payment is None:
        return
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


def close(payment_id: UUID, status: PaymentStatus) -> None:
    """End a payment without money and give its discount back, inside an open transaction."""
    undecided = (PaymentStatus.PENDING, PaymentStatus.FAILED)
    payment = states.step(payment_id, status, came_from=undecided, due_at=None)
    if payment is not None:
        _give_discount_back(payment)


def _give_discount_back(payment: Payment) -> None:
    if payment.order_redemption_id is not None:
        discounts.give_back(payment.order_redemption_id)


# --- Money went back


def _refund(payment: Payment) -> None:
    # The goods of a refund that was begun here are taken back already.
    if finish_refund(payment) and payment.status is PaymentStatus.COMPLETED:
        _owe(payment, goods.take_back_what_is_left(payment))


def finish_refund(payment: Payment) -> bool:
    """Note that all the money has gone back, and give the discount's use back.

    Inside an open transaction. Returns False where that was done before.
    """
    refunded = states.step(
        payment.id, PaymentStatus.REFUNDED, due_at=None, amount_refunded=payment.amount
    )
    if refunded is None:
        return False
    _give_discount_back(payment)
    return True


def _owe(payment: Payment, missing: Fraction) -> None:
    """Note the debt for goods that were used though their money went back."""
    if not missing:
        return
    # Rounded half up, and never to nothing where something is missing.
    owed = int(payment.amount * missing + Fraction(1, 2)) or 1
    log.warning(
        "payment.debt", transaction_id=str(payment.id), amount=owed, currency=payment.currency
    )
    db.session.execute(
        sa.insert(PaymentDebt).values(
            transaction_id=payment.id,
            account_id=payment.account_id,
            amount=owed,
            currency=payment.currency,
            created_at=clock.now(),
        )
    )
