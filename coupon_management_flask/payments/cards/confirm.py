"""Confirm a payment: the payer's browser says that it is made, and Stripe is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ...core import errors
from ...models import PaymentTransaction
from ...vouchers import vouchers
from ...vouchers.vouchers import OwnedVoucher
from .. import gateway
from ..errors import PaymentNotCompleted, TransactionNotFound
from . import history, settlement, states
from .history import Transaction
from .states import TopUp, VouchersOf


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A payment that is completed, and the vouchers that it bought."""

    transaction: Transaction
    vouchers: Sequence[OwnedVoucher]


def confirm(
    account_id: UUID,
    payment_intent_id: str,
    *,
    voucher_type_id: UUID | None = None,
    quantity: int | None = None,
) -> Confirmed:
    """Ask Stripe whether an intent is paid, and hand out what was bought; again, the same.

    Raises: TransactionNotFound, also for somebody else's intent; Invalid where it is not for that
    voucher type or quantity; PaymentNotCompleted; PaymentsNotConfigured; PaymentProviderError.
    """
    payment = states.find(
        PaymentTransaction.stripe_payment_intent_id == payment_intent_id,
        PaymentTransaction.account_id == account_id,
    )
    if payment is None:
        raise TransactionNotFound
    _check_goods(payment.goods, voucher_type_id, quantity)
    if payment.completed_at is None:
        settlement.settle(payment.id, gateway.current().read(payment_intent_id))
        if states.read(payment.id).completed_at is None:
            raise PaymentNotCompleted
    return Confirmed(
        history.read_transaction(account_id, payment.id), vouchers.list_of_purchase(payment.id)
    )


def _check_goods(
    goods: VouchersOf | TopUp, voucher_type_id: UUID | None, quantity: int | None
) -> None:
    is_for = (None, None) if isinstance(goods, TopUp) else (goods.voucher_type_id, goods.quantity)
    given = {"voucher_type_id": voucher_type_id, "quantity": quantity}
    wrong = [
        name
        for (name, value), bought in zip(given.items(), is_for, strict=True)
        if value not in (None, bought)
    ]
    if wrong:
        raise errors.Invalid({name: ["It is not what this payment is for."] for name in wrong})
