"""A payment by card bought what was paid for, and what was refunded was taken back or is owed."""

from uuid import UUID

import sqlalchemy as sa

from ..core import money
from ..models import (
    LedgerEntry,
    OrderRedemption,
    PaymentDebt,
    PaymentReturn,
    PaymentStatus,
    PaymentTransaction,
    ReturnKind,
    ReturnStatus,
    Voucher,
    VoucherPurchase,
)
from .rule import Rule, rule

# In these the buyer has what was bought.
_STANDING = (PaymentStatus.COMPLETED, PaymentStatus.REFUND_FAILED)
_IS_STANDING = PaymentTransaction.status.in_(_STANDING)
_IS_DISPUTED = PaymentTransaction.status == PaymentStatus.DISPUTED


def _payments_have_their_goods() -> Rule:
    """Every completed payment has the purchase or the credit that it paid for.

    What was refunded is cancelled. What is disputed is frozen, or cancelled once that is lost.
    """
    is_frozen = sa.exists().where(
        Voucher.purchase_id == VoucherPurchase.id, Voucher.frozen_at.is_not(None)
    )
    is_right = sa.case(
        (_IS_STANDING, sa.and_(VoucherPurchase.refunded_at.is_(None), ~is_frozen)),
        (_IS_DISPUTED, VoucherPurchase.refunded_at.is_(None) == is_frozen),
        else_=VoucherPurchase.refunded_at.is_not(None),
    )
    bought = sa.exists().where(
        VoucherPurchase.id == PaymentTransaction.id,
        VoucherPurchase.account_id == PaymentTransaction.account_id,
        VoucherPurchase.quantity == PaymentTransaction.quantity,
        VoucherPurchase.total == PaymentTransaction.amount,
        VoucherPurchase.currency == PaymentTransaction.currency,
        VoucherPurchase.credits.is_(None),
        is_right,
    )
    credited = sa.exists().where(
        LedgerEntry.reference == PaymentTransaction.id,
        LedgerEntry.account_id == PaymentTransaction.account_id,
        LedgerEntry.reason == "top-up",
        LedgerEntry.amount == PaymentTransaction.credits,
    )
    has_goods = sa.or_(
        sa.and_(PaymentTransaction.credits.is_(None), bought),
        sa.and_(PaymentTransaction.credits.is_not(None), credited),
    )
    return rule(
        sa.select(PaymentTransaction.id).where(
            PaymentTransaction.completed_at.is_not(None), ~has_goods
        ),
        lambda payment_id: (
            f"payment {payment_id}: it is completed, and what it paid for is not there"
        ),
    )


def _goods_have_their_payment() -> Rule:
    paid = sa.exists().where(
        PaymentTransaction.id == VoucherPurchase.id, PaymentTransaction.completed_at.is_not(None)
    )
    return rule(
        sa.select(VoucherPurchase.id).where(VoucherPurchase.credits.is_(None), ~paid),
        lambda purchase_id: (
            f"voucher purchase {purchase_id}: it was paid neither with credit"
            " nor by a payment that is completed"
        ),
    )


def _credit_came_from_a_completed_payment() -> Rule:
    """Once for each payment."""
    top_ups = (
        sa.select(LedgerEntry.reference, sa.func.count().label("number"))
        .where(LedgerEntry.reason == "top-up")
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    is_its_payment = sa.and_(
        PaymentTransaction.id == top_ups.c.reference, PaymentTransaction.completed_at.is_not(None)
    )
    return rule(
        sa.select(top_ups.c.reference, top_ups.c.number)
        .outerjoin(PaymentTransaction, is_its_payment)
        .where(sa.or_(PaymentTransaction.id.is_(None), top_ups.c.number != 1)),
        lambda payment_id, number: (
            f"payment {payment_id}: credit was given for it {number} times,"
            " and it is not completed or was one"
        ),
    )


def _refunded_top_ups_were_taken_back() -> Rule:
    """What a refunded top-up gave was taken back, or is owed. Of one that stands nothing was."""
    entries = (
        sa.select(LedgerEntry.reference, sa.func.sum(LedgerEntry.amount).label("credits"))
        .where(LedgerEntry.reason.in_(("top-up", "top-up refunded", "top-up refund undone")))
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    has_debt = sa.exists().where(
        PaymentDebt.transaction_id == PaymentTransaction.id, PaymentDebt.cancelled_at.is_(None)
    )
    is_wrong = sa.case(
        (_IS_STANDING, entries.c.credits != PaymentTransaction.credits),
        (PaymentTransaction.status == PaymentStatus.REFUNDING, entries.c.credits != 0),
        else_=sa.or_(entries.c.credits < 0, (entries.c.credits > 0) != has_debt),
    )
    return rule(
        sa.select(PaymentTransaction.id, PaymentTransaction.status, entries.c.credits)
        .join(entries, entries.c.reference == PaymentTransaction.id)
        .where(is_wrong),
        _wallet_is_wrong,
    )


def _wallet_is_wrong(payment_id: UUID, status: PaymentStatus, credits: int) -> str:
    return f"payment {payment_id}: it is {status}, and the wallet has {credits} credits of it"


def _debts_are_of_money_that_went_back() -> Rule:
    return rule(
        sa.select(PaymentDebt.transaction_id, PaymentTransaction.status)
        .join(PaymentTransaction, PaymentTransaction.id == PaymentDebt.transaction_id)
        .where(PaymentDebt.cancelled_at.is_(None), _IS_STANDING),
        lambda payment_id, status: f"payment {payment_id}: it is {status}, and something is owed",
    )


def _refunded_amounts_are_what_arrived() -> Rule:
    arrived = sa.case((PaymentReturn.status == ReturnStatus.DONE, PaymentReturn.amount), else_=0)
    refunds = (
        sa.select(PaymentReturn.transaction_id, sa.func.sum(arrived).label("amount"))
        .where(PaymentReturn.kind == ReturnKind.REFUND)
        .group_by(PaymentReturn.transaction_id)
        .subquery()
    )
    most = sa.case(
        (refunds.c.amount > PaymentTransaction.amount, PaymentTransaction.amount),
        else_=refunds.c.amount,
    )
    return rule(
        sa.select(PaymentTransaction.id, PaymentTransaction.amount_refunded, refunds.c.amount)
        .join(refunds, refunds.c.transaction_id == PaymentTransaction.id)
        .where(
            PaymentTransaction.completed_at.is_not(None),
            PaymentTransaction.amount_refunded != most,
        ),
        _amount_is_wrong,
    )


def _amount_is_wrong(payment_id: UUID, noted: int, arrived: int) -> str:
    return f"payment {payment_id}: it says that {noted} went back, and its refunds say {arrived}"


def _holds_are_what_payments_say() -> Rule:
    """An open payment holds its discount. One that is over without money does not."""
    is_unpaid = PaymentTransaction.status.in_(
        (PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.CANCELLED)
    )
    is_open = sa.and_(is_unpaid, PaymentTransaction.due_at.is_not(None))
    is_over = sa.or_(
        PaymentTransaction.status == PaymentStatus.REFUNDED,
        sa.and_(is_unpaid, PaymentTransaction.due_at.is_(None)),
    )
    is_held = OrderRedemption.rolled_back_at.is_(None)
    is_wrong = sa.or_(
        sa.and_(is_open, ~is_held),
        sa.and_(is_over, is_held),
        OrderRedemption.discount != PaymentTransaction.discount_amount,
    )
    return rule(
        sa.select(PaymentTransaction.id, PaymentTransaction.status)
        .join(OrderRedemption, OrderRedemption.id == PaymentTransaction.order_redemption_id)
        .where(is_wrong),
        lambda payment_id, status: (
            f"payment {payment_id}: it is {status}, and its discount is not what it should be:"
            " held, given back, or of that amount"
        ),
    )


def _money_bought_what_was_asked_for() -> Rule:
    return rule(
        sa.select(PaymentTransaction.id, PaymentTransaction.problem).where(
            PaymentTransaction.problem.is_not(None),
            PaymentTransaction.status != PaymentStatus.REFUNDED,
        ),
        lambda payment_id, problem: (
            f"payment {payment_id}: Stripe took money for it that is not what was asked for"
            f" ({problem}); refund it at Stripe"
        ),
    )


def _debts() -> Rule:
    return rule(
        sa.select(
            PaymentDebt.account_id,
            PaymentDebt.amount,
            PaymentDebt.currency,
            PaymentDebt.transaction_id,
        )
        .where(PaymentDebt.cancelled_at.is_(None))
        .order_by(PaymentDebt.transaction_id),
        _debt,
    )


def _debt(account_id: UUID, units: int, currency: str, payment_id: UUID) -> str:
    amount = money.written(money.from_minor(units, currency), currency)
    return (
        f"note: {account_id} owes {amount} {currency} for payment {payment_id},"
        " whose money went back after its goods were used"
    )


def _refunds_that_failed() -> Rule:
    return rule(
        sa.select(PaymentTransaction.id, PaymentTransaction.account_id)
        .where(PaymentTransaction.status == PaymentStatus.REFUND_FAILED)
        .order_by(PaymentTransaction.id),
        lambda payment_id, account_id: (
            f"note: the refund of payment {payment_id} failed at the bank, and {account_id} has"
            " its goods again; refund it once more"
        ),
    )


def _discounts_without_a_use() -> Rule:
    return rule(
        sa.select(PaymentTransaction.id)
        .join(OrderRedemption, OrderRedemption.id == PaymentTransaction.order_redemption_id)
        .where(
            PaymentTransaction.status == PaymentStatus.COMPLETED,
            OrderRedemption.rolled_back_at.is_not(None),
        ),
        lambda payment_id: (
            f"note: payment {payment_id} came in after its discount was given back,"
            " and has it all the same"
        ),
    )


RULES = (
    _payments_have_their_goods(),
    _goods_have_their_payment(),
    _credit_came_from_a_completed_payment(),
    _refunded_top_ups_were_taken_back(),
    _debts_are_of_money_that_went_back(),
    _refunded_amounts_are_what_arrived(),
    _holds_are_what_payments_say(),
    _money_bought_what_was_asked_for(),
)

NOTES = (_debts(), _refunds_that_failed(), _discounts_without_a_use())
