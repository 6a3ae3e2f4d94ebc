"""Ask Stripe again about payments that are undecided.

Nobody has confirmed them, the answer with their intent was lost, or their refund was only begun.
`due_at` says when a payment is asked about next, at growing intervals. Whoever moves it asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import sqlalchemy as sa
import structlog

from ...core import clock, errors
from ...db.dialects import rows_changed
from ...db.session import db, transaction
from ...models import PaymentStatus, PaymentTransaction
from .. import gateway
from ..errors import PaymentProviderError
from . import open_payments, refunds, settlement, states
from .states import FIRST_LOOK, Payment

# How long money is waited for.
PAY_WITHIN = timedelta(hours=24)
# How often Stripe is asked after that, for as long as it has not let go of the payment.
LATER = timedelta(hours=1)
EVERY = timedelta(minutes=1)
# One turn of the worker ends here: others have their turns too.
MOST = 200
SECONDS = 30

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Reconciled:
    """How many payments were asked about, and how many of them are decided now.

    `is_away` means that Stripe could not be reached before the end.
    """

    asked: int = 0
    decided: int = 0
    is_away: bool = False


def reconcile(*, at_once: bool = False) -> Reconciled:
    """Ask Stripe about every undecided payment that is due, or with `at_once` about all of them.

    Each is settled in a transaction of its own. Where Stripe is away this stops, and what is left
    is asked about later.

    Raises: PaymentsNotConfigured.
    """
    gateway.current()
    done, end = Reconciled(), monotonic() + SECONDS
    for payment in _undecided() if at_once else _due():
        if not _take(payment):
            continue
        done.asked += 1
        try:
            _look(payment)
        except PaymentProviderError as error:
            if not error.is_final:
                done.is_away = True
                break
            # Stripe refuses this one only; the others must not wait for it.
            log.error("payment.not_reconciled", transaction_id=str(payment.id), code=error.code)
        except errors.Conflict as refused:
            # Its refund was refused for good, or somebody else is at it.
            log.warning("payment.not_reconciled", transaction_id=str(payment.id), code=refused.name)
        done.decided += states.read(payment.id).due_at is None
        if not at_once and monotonic() > end:
            break
    return done


def _due() -> list[Payment]:
    return states.select(
        sa.select(PaymentTransaction)
        .where(PaymentTransaction.due_at <= clock.now())
        .order_by(PaymentTransaction.due_at)
        .limit(MOST)
    )


def _undecided() -> Iterator[Payment]:
    # Whoever has just asked for an intent may still be waiting for it.
    is_known = sa.or_(
        PaymentTransaction.stripe_payment_intent_id.is_not(None),
        PaymentTransaction.due_at <= clock.now(),
    )
    ids = db.session.scalars(
        sa.select(PaymentTransaction.id)
        .where(PaymentTransaction.due_at.is_not(None), is_known)
        .order_by(PaymentTransaction.id)
    ).all()
    for payment_id in ids:
        yield states.read(payment_id)


def _take(payment: Payment) -> bool:
    """Return whether this payment is ours to ask about.

    If it is, nobody else asks before the next time. That time comes even if this process dies.
    """
    is_ours = sa.and_(
        PaymentTransaction.id == payment.id, PaymentTransaction.due_at == payment.due_at
    )
    with transaction():
        moved = db.session.execute(
            sa.update(PaymentTransaction)
            .where(is_ours)
            .values(due_at=_next_time(payment))
            .execution_options(synchronize_session=False)
        )
        return rows_changed(moved) == 1


def _next_time(payment: Payment) -> datetime:
    now = clock.now()
    age = now - payment.created_at
    if payment.status in settlement.LOOK_AGAIN:
        return now + settlement.LOOK_AGAIN[payment.status]
    if age >= PAY_WITHIN:
        return now + LATER
    return min(now + max(FIRST_LOOK, age), payment.created_at + PAY_WITHIN)


def _look(payment: Payment) -> None:
    if payment.status is PaymentStatus.REFUNDING:
        refunds.go_on(payment)
        return
    stripe = gateway.current()
    intent_id = payment.intent_id
    if intent_id is None:
        intent = open_payments.ask_for_intent(payment)
        if intent is None:
            return
        # Its answer was lost, and without that nobody can pay.
        intent_id, is_over = intent.id, True
    elif not payment.is_open:
        # Money is on its way back, or a bank wants it.
        settlement.settle(payment.id, stripe.read(intent_id))
        return
    else:
        settlement.settle(payment.id, stripe.read(intent_id))
        is_over = clock.now() - payment.created_at >= PAY_WITHIN
    if is_over and states.read(payment.id).due_at is not None:
        settlement.settle(payment.id, stripe.cancel(intent_id))


def work() -> None:
    """Reconcile, where there is a key to ask Stripe with."""
    if gateway.is_configured():
        done = reconcile()
        if done.asked:
            log.info(
                "worker.reconciled",
                asked=done.asked,
                decided=done.decided,
                stripe_is_away=done.is_away,
            )
