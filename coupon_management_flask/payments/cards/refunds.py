"""Refund a payment: take the goods back, ask Stripe to send the money back, note that it has gone.

Where Stripe refuses, the goods are given again. In between the payment is `refunding`. Whoever
finds it so (the same request sent again, reconciliation) goes on from there.
"""

from datetime import timedelta
from uuid import UUID

from ... import config
from ...core import clock
from ...db.failures import retried
from ...db.session import transaction
from ...identity import change_log
from ...models import PaymentStatus, PaymentTransaction
from .. import gateway
from ..errors import (
    CreditSpent,
    PaymentNotRefundable,
    PaymentProviderError,
    RefundPeriodOver,
    TransactionNotFound,
    VoucherUsed,
)
from . import goods, history, settlement, states
from .history import Transaction
from .states import FIRST_LOOK, Payment, TopUp


def refund(
    account_id: UUID, transaction_id: UUID, *, reason: str, is_administrator: bool
) -> Transaction:
    """Send a payment back and take back what it bought.

    Its owner may do that in the first REFUND_DAYS, an administrator at any time.

    Raises: TransactionNotFound; PaymentNotRefundable; RefundPeriodOver; VoucherUsed or CreditSpent;
    PaymentsNotConfigured; PaymentProviderError. With Stripe away the goods stay taken back and
    the refund goes on later. With Stripe refusing, all is as it was.
    """
    payment = states.find(PaymentTransaction.id == transaction_id)
    if payment is None or not (is_administrator or payment.account_id == account_id):
        raise TransactionNotFound
    if payment.amount:
        # Nothing is taken back where nobody can be asked for the money.
        gateway.current()
    if payment.status is PaymentStatus.COMPLETED:
        if not is_administrator and _is_too_old(payment):
            raise RefundPeriodOver
        payment = _begin(payment, reason)
    elif payment.status is not PaymentStatus.REFUNDING:
        raise PaymentNotRefundable
    go_on(payment)
    return history.read_transaction(None, transaction_id)


def _is_too_old(payment: Payment) -> bool:
    # A CHECK of the table holds this.
    assert payment.completed_at is not None
    return payment.completed_at <= clock.now() - timedelta(days=config.current().refund_days)


@retried
def _begin(payment: Payment, reason: str) -> Payment:
    """Take the goods back, all or nothing. From now on no voucher of them is redeemed."""
    with transaction(at_once=True):
        begun = states.step(
            payment.id,
            PaymentStatus.REFUNDING,
            due_at=clock.now() + FIRST_LOOK,
            refund_reason=reason,
            refund_attempts=PaymentTransaction.refund_attempts + 1,
        )
        if begun is None:
            raise PaymentNotRefundable
        if not goods.take_back(begun):
            raise CreditSpent if isinstance(begun.goods, TopUp) else VoucherUsed
        if not begun.amount:
            # Nothing was paid, so that nothing has to be sent back.
            settlement.finish_refund(begun)
        _note(payment.id, payment.status, {"status": PaymentStatus.REFUNDING, "reason": reason})
        return begun


def _note(payment_id: UUID, was: PaymentStatus, now: change_log.Facts) -> None:
    change_log.note(
        PaymentTransaction.__tablename__,
        payment_id,
        before={"status": was},
        after=now,
    )


def go_on(payment: Payment) -> None:
    """Bring a refund that was begun to its end.

    Raises: PaymentProviderError.
    """
    if not payment.amount:
        return
    # What was paid was paid through an intent.
    assert payment.intent_id is not None
    stripe = gateway.current()
    # Stripe keeps a refusal under its key, so that a new try needs a new key. Whatever the key, it
    # never sends back more than came in.
    attempt = "" if payment.refund_attempts == 1 else f":{payment.refund_attempts}"
    try:
        stripe.refund(payment.intent_id, f"refund:{payment.id}{attempt}")
    except PaymentProviderError as error:
        if error.is_final:
            settlement.settle(payment.id, stripe.read(payment.intent_id))
            _undo(payment.id)
        raise
    settlement.settle(payment.id, stripe.read(payment.intent_id))


@retried
def _undo(payment_id: UUID) -> None:
    """Make a payment what it was before its refund, unless its money has gone back another way."""
    with transaction(at_once=True):
        payment = states.step(
            payment_id,
            PaymentStatus.COMPLETED,
            came_from=(PaymentStatus.REFUNDING,),
            due_at=None,
        )
        if payment is not None:
            goods.give_again(payment)
            _note(payment.id, PaymentStatus.REFUNDING, {"status": PaymentStatus.COMPLETED})
