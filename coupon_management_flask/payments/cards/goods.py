"""What a payment by card buys, vouchers or credit: handed out, taken back and given again.

All of it is called inside an open transaction.
"""

from fractions import Fraction
from uuid import UUID

from ...core import errors, wallet
from ..sales import delivery
from ..sales.delivery import Sale
from .states import Payment, TopUp

# Reasons in the ledger, by which the audit finds a top-up's entries.
TOP_UP, TOP_UP_REFUNDED, TOP_UP_RESTORED = "top-up", "top-up refunded", "top-up refund undone"


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
            currency=payment.currency,
            order_redemption_id=order_redemption_id,
        )
    )


def take_back(payment: Payment) -> bool:
    """Take all goods of a payment back, or nothing and return False where any of them was used."""
    if isinstance(payment.goods, TopUp):
        try:
            wallet.debit(
                payment.account_id,
                payment.goods.credits,
                reason=TOP_UP_REFUNDED,
                reference=payment.id,
            )
        except errors.InsufficientCredit:
            return False
        return True
    if not delivery.is_unused(payment.id):
        return False
    delivery.cancel(payment.id)
    return True


def give_again(payment: Payment) -> None:
    """Undo `take_back`."""
    if isinstance(payment.goods, TopUp):
        wallet.credit(
            payment.account_id, payment.goods.credits, reason=TOP_UP_RESTORED, reference=payment.id
        )
    else:
        delivery.restore(payment.id)


def take_back_what_is_left(payment: Payment) -> Fraction:
    """Take back what is left of a payment's goods, and return how much of them is missing."""
    if take_back(payment):
        return Fraction(0)
    if not isinstance(payment.goods, TopUp):
        delivery.cancel(payment.id)
        return delivery.used_share(payment.id)
    credits = payment.goods.credits
    while True:
        there = min(wallet.balance_of(payment.account_id) or 0, credits)
        try:
            if there:
                wallet.debit(
                    payment.account_id, there, reason=TOP_UP_REFUNDED, reference=payment.id
                )
        except errors.InsufficientCredit:
            # Somebody has spent of it since the balance was read: read it again.
            continue
        return Fraction(credits - there, credits)
