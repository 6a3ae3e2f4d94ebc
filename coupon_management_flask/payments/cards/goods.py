"""What a payment by card buys, vouchers or credit: handed out, frozen, taken back, given again.

All of it is called inside an open transaction that holds the payment's row.
"""

from fractions import Fraction
from uuid import UUID

import sqlalchemy as sa

from ...core import errors, wallet
from ...db.session import db
from ...models import LedgerEntry
from ..sales import delivery
from ..sales.delivery import Sale
from . import debts
from .states import Holding, Payment, TopUp

# Reasons in the ledger, by which the audit finds a top-up's entries.
TOP_UP, TOP_UP_REFUNDED, TOP_UP_RESTORED = "top-up", "top-up refunded", "top-up refund undone"
_REASONS = (TOP_UP, TOP_UP_REFUNDED, TOP_UP_RESTORED)


def hand_out(payment: Payment, order_redemption_id: UUID | None) -> None:
    """Hand out what a payment has bought; its caller sees to it that this happens once."""
    if isinstance(payment.goods, TopUp):
        wallet.credit(
            payment.account_id, payment.goods.credits, reason=TOP_UP, reference=payment.id
        )
        return
    delivery.deliver(
        Sale(
            purchase_id=payment.id,
            buyer_id=payment.account_id,
            voucher_type_id=payment.goods.voucher_type_id,
            quantity=payment.goods.quantity,
            unit_price=payment.goods.unit_price,
            discount=payment.discount_amount,
            total=payment.amount,
            currency=payment.currency,
            order_redemption_id=order_redemption_id,
        )
    )


def take_back_all(payment: Payment) -> bool:
    """Take all goods of a payment back, or nothing and return False where any of them was used."""
    if isinstance(payment.goods, TopUp):
        try:
            wallet.debit(
                payment.account_id,
                _credits_held(payment),
                reason=TOP_UP_REFUNDED,
                reference=payment.id,
            )
        except errors.InsufficientCredit:
            return False
        return True
    if not delivery.is_unused(payment.id):
        return False
    delivery.change(payment.id, is_cancelled=True, lost=payment.amount)
    return True


def bring_to(payment: Payment, holding: Holding, *, lost: int) -> Fraction:
    """See to it that goods that were handed out are where they belong.

    `lost` is how much of the money is not ours any more. Returns how much of the goods is missing:
    it was used, and is to be taken back. Called again, it changes nothing.
    """
    if isinstance(payment.goods, TopUp):
        return _bring_credit_to(payment, payment.goods.credits, holding)
    is_taken_back = holding is Holding.TAKEN_BACK
    delivery.change(
        payment.id, is_cancelled=is_taken_back, is_frozen=holding is Holding.FROZEN, lost=lost
    )
    return delivery.used_share(payment.id) if is_taken_back else Fraction(0)


def _bring_credit_to(payment: Payment, credits: int, holding: Holding) -> Fraction:
    held = _credits_held(payment)
    if holding is Holding.WITH_BUYER:
        if held < credits:
            wallet.credit(
                payment.account_id, credits - held, reason=TOP_UP_RESTORED, reference=payment.id
            )
        return Fraction(0)
    # Credit that is frozen is out of the wallet too: nothing tells one credit from another. It is
    # taken once. What comes into the wallet later is not looked for, and the debt stays.
    if held < credits or debts.is_owed(payment.id):
        return Fraction(held, credits)
    while True:
        there = min(wallet.balance_of(payment.account_id) or 0, held)
        try:
            if there:
                wallet.debit(
                    payment.account_id, there, reason=TOP_UP_REFUNDED, reference=payment.id
                )
        except errors.InsufficientCredit:
            # Somebody has spent of it since the balance was read: read it again.
            continue
        return Fraction(held - there, credits)


def _credits_held(payment: Payment) -> int:
    """Return how much of a top-up was given and not taken back, whether or not it was spent."""
    entries = sa.select(sa.func.sum(LedgerEntry.amount)).where(
        # The account's entries have an index.
        LedgerEntry.account_id == payment.account_id,
        LedgerEntry.reference == payment.id,
        LedgerEntry.reason.in_(_REASONS),
    )
    return int(db.session.scalar(entries) or 0)
