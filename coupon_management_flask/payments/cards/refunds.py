"""Refunds: the goods are taken back first, then Stripe is asked to send the money back, then it is done; or the goods are given again.

In between the transaction is `refunding`: whoever finds it so (the same request sent again, reconciliation) goes on from there.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ... import config
from ...core import clock
from ...db.failures import retried
from ...db.session import AnyRow, db, transaction
from ...models import PaymentTransaction
from .. import gateway
from ..errors import (
    CreditSpent,
    PaymentNotRefundable,
    PaymentProviderError,
    RefundPeriodOver,
    TransactionNotFound,
    VoucherUsed,
)
from . import intents, settlement
from .settlement import COMPLETED, FIRST_LOOK, REFUNDING

_transactions: Any = PaymentTransaction.__table__


def refund(
    account_id: UUID, transaction_id: UUID, *, reason: str, is_administrator: bool
) -> dict[str, Any]:
    """Sends a payment back and takes back what it bought: its owner's, in the first REFUND_DAYS, or anyone's for an administrator.

    Raises TransactionNotFound, PaymentNotRefundable, RefundPeriodOver, VoucherUsed or CreditSpent, PaymentsNotConfigured, and PaymentProviderError:
    with Stripe away the goods stay taken back, and the refund goes on later; with Stripe refusing, all is as it was.
    """
    row = db.session.execute(
        sa.select(_transactions).where(_transactions.c.id == transaction_id)
    ).one_or_none()
    if row is None or not (is_administrator or row.account_id == account_id):
        raise TransactionNotFound
    if row.amount:
        gateway.current()
    if row.status == COMPLETED:
        if not is_administrator and row.completed_at <= clock.now() - timedelta(
            days=config.current().refund_days
        ):
            raise RefundPeriodOver
        row = _begin(row, reason)
    elif row.status != REFUNDING:
        raise PaymentNotRefundable
    go_on(row)
    return intents.read_transaction(None, transaction_id)


@retried
def _begin(row: AnyRow, reason: str) -> AnyRow:
    """Takes the goods back, all or nothing. No voucher is redeemed any more."""
    with transaction(at_once=True):
        begun = settlement.step(
            row.id,
            REFUNDING,
            due_at=clock.now() + FIRST_LOOK,
            refund_reason=reason,
            refund_attempts=_transactions.c.refund_attempts + 1,
        )
        if begun is None:
            raise PaymentNotRefundable
        if not settlement.take_back(begun):
            raise CreditSpent if begun.credits is not None else VoucherUsed
        if not begun.amount:
            # Nothing was paid: nothing is to be sent back.
            settlement.finish_refund(begun)
        return begun


def go_on(row: AnyRow) -> None:
    """Brings a refund that was begun to its end. Raises PaymentProviderError."""
    if not row.amount:
        return
    stripe = gateway.current()
    intent_id = row.stripe_payment_intent_id
    # A refusal is kept under its key by Stripe: another try after it needs another one. It never sends back more than came in.
    attempt = "" if row.refund_attempts == 1 else f":{row.refund_attempts}"
    try:
        stripe.refund(intent_id, f"refund:{row.id}{attempt}")
    except PaymentProviderError as error:
        if error.is_final:
            settlement.settle(row.id, stripe.read(intent_id))
            _undo(row.id)
        raise
    settlement.settle(row.id, stripe.read(intent_id))


@retried
def _undo(transaction_id: UUID) -> None:
    """Stripe has refused: the payment is what it was, unless the money has gone back another way."""
    with transaction(at_once=True):
        row = settlement.step(transaction_id, COMPLETED, came_from=(REFUNDING,), due_at=None)
        if row is not None:
            settlement.give_again(row)
