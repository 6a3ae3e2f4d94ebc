"""Refund a payment: take the goods back, ask Stripe to send the money back, note what it says.

Where Stripe refuses, the goods are given again. In between the payment is `refunding`. Whoever
finds it so (the same request sent again, reconciliation) goes on from there.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ... import config
from ...core import clock, errors
from ...db.failures import retried
from ...db.session import transaction
from ...identity import change_log
from ...models import PaymentStatus, PaymentTransaction, ReturnStatus
from .. import gateway
from ..errors import (
    AlreadyRefunded,
    CreditSpent,
    PaymentDisputed,
    PaymentNotRefundable,
    PaymentProviderError,
    PaymentUnknown,
    RefundFailed,
    RefundPeriodOver,
    RefundRefused,
    TransactionNotFound,
    VoucherUsed,
)
from ..gateway import Gateway
from . import goods, history, returns, settlement, states
from .history import Transaction
from .states import FIRST_LOOK, Payment, TopUp

# In these a refund is begun, or begun anew.
_REFUNDABLE = states.STEPS[PaymentStatus.REFUNDING]


@dataclass(frozen=True, slots=True)
class Refunded:
    """A payment whose money is back, or on its way."""

    transaction: Transaction

    @property
    def message(self) -> str:
        is_back = self.transaction.status is PaymentStatus.REFUNDED
        return "Payment refunded." if is_back else "The refund is on its way."


def refund(
    account_id: UUID, transaction_id: UUID, *, reason: str, is_administrator: bool
) -> Refunded:
    """Send a payment back and take back what it bought.

    Its owner may do that in the first REFUND_DAYS, an administrator at any time.

    Raises: TransactionNotFound; PaymentDisputed, PaymentNotRefundable; RefundPeriodOver;
    VoucherUsed or CreditSpent; PaymentsNotConfigured; what `go_on` raises; AlreadyRefunded where
    somebody has refunded it on Stripe's dashboard.
    """
    payment = states.find(PaymentTransaction.id == transaction_id)
    if payment is None or not (is_administrator or payment.account_id == account_id):
        raise TransactionNotFound
    if payment.amount:
        # Nothing is taken back where nobody can be asked for the money.
        gateway.current()
    if payment.status in _REFUNDABLE:
        if not is_administrator and _is_too_old(payment):
            raise RefundPeriodOver
        made = go_on(_begin(payment, reason))
        if payment.amount and made is None:
            raise AlreadyRefunded
    elif payment.status is PaymentStatus.REFUNDING:
        go_on(payment)
    else:
        is_disputed = payment.status is PaymentStatus.DISPUTED
        raise PaymentDisputed if is_disputed else PaymentNotRefundable
    return Refunded(history.read_transaction(None, transaction_id))


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
        if not goods.take_back_all(begun):
            raise CreditSpent if isinstance(begun.goods, TopUp) else VoucherUsed
        if not begun.amount:
            settlement.finish_free_refund(begun)
        change_log.note(
            PaymentTransaction.__tablename__,
            payment.id,
            before={"status": payment.status},
            after={"status": PaymentStatus.REFUNDING, "reason": reason},
        )
        return begun


def go_on(payment: Payment) -> gateway.Return | None:
    """Bring a refund that was begun to its end, or to where a bank is working on it.

    Returns the refund, or None where all was refunded before.

    Raises: PaymentProviderError, after which the goods stay taken back and the refund goes on
    later, unless Stripe has refused it as things stand. After that all is as it was, and also after
    what Stripe refuses for good: PaymentDisputed, PaymentUnknown, RefundRefused, RefundFailed.
    """
    if not payment.amount:
        return None
    # What was paid was paid through an intent.
    assert payment.intent_id is not None
    stripe = gateway.current()
    # Stripe keeps a refusal under its key, so that a new try needs a new key. Whatever the key, it
    # never sends back more than came in.
    attempt = "" if payment.refund_attempts == 1 else f":{payment.refund_attempts}"
    try:
        made = stripe.refund(payment.intent_id, f"refund:{payment.id}{attempt}")
    except PaymentProviderError as error:
        if not error.is_final:
            raise
        # It may be refused because it went back another way.
        _look(stripe, payment)
        ended = settlement.end_refund(payment.id)
        if error.code != gateway.CHARGE_REFUNDED or ended.status in _REFUNDABLE:
            raise _why(error) from error
        return None
    _look(stripe, payment)
    settlement.end_refund(payment.id, made)
    if returns.status_of(payment.id, made.id) is ReturnStatus.UNDONE:
        raise RefundFailed
    return made


def _look(stripe: Gateway, payment: Payment) -> None:
    assert payment.intent_id is not None
    try:
        settlement.settle(payment.id, stripe.read(payment.intent_id))
    except PaymentProviderError as error:
        # Stripe knows no such payment, and has said so before.
        if not error.is_final:
            raise


def _why(error: PaymentProviderError) -> errors.DomainError:
    """Return what a refusal of Stripe means: trying again would help, or never will."""
    if error.code in gateway.NOT_NOW_CODES or isinstance(error, PaymentUnknown):
        return error
    return PaymentDisputed() if error.code in gateway.CHARGE_DISPUTED else RefundRefused()
