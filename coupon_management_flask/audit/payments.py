"""Rules of the books: payments."""

from collections.abc import Iterator

import sqlalchemy as sa

from ..core import money
from ..models import (
    LedgerEntry,
    OrderRedemption,
    PaymentDebt,
    PaymentTransaction,
    VoucherPurchase,
)
from .rule import rows


def card_payments_have_their_goods() -> Iterator[str]:
    """Every completed payment has the purchase or the credit that it paid for."""
    bought = sa.exists().where(
        VoucherPurchase.id == PaymentTransaction.id,
        VoucherPurchase.account_id == PaymentTransaction.account_id,
        VoucherPurchase.quantity == PaymentTransaction.quantity,
        VoucherPurchase.total == PaymentTransaction.amount,
        VoucherPurchase.currency == PaymentTransaction.currency,
        VoucherPurchase.credits.is_(None),
        (PaymentTransaction.status == "completed") == VoucherPurchase.refunded_at.is_(None),
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
    for row in rows(
        sa.select(PaymentTransaction.id).where(
            PaymentTransaction.completed_at.is_not(None), ~has_goods
        )
    ):
        yield f"payment {row.id}: it is completed, and what it paid for is not there"
    paid = sa.exists().where(
        PaymentTransaction.id == VoucherPurchase.id, PaymentTransaction.completed_at.is_not(None)
    )
    for row in rows(sa.select(VoucherPurchase.id).where(VoucherPurchase.credits.is_(None), ~paid)):
        yield f"voucher purchase {row.id}: it was paid neither with credit nor by a payment that is completed"


def unpaid_payments_have_none() -> Iterator[str]:
    """Credit came from a completed payment, once for each."""
    top_ups = (
        sa.select(LedgerEntry.reference, sa.func.count().label("n"))
        .where(LedgerEntry.reason == "top-up")
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    wrong = (
        sa.select(top_ups.c.reference, top_ups.c.n)
        .outerjoin(
            PaymentTransaction,
            sa.and_(
                PaymentTransaction.id == top_ups.c.reference,
                PaymentTransaction.completed_at.is_not(None),
            ),
        )
        .where(sa.or_(PaymentTransaction.id.is_(None), top_ups.c.n != 1))
    )
    for row in rows(wrong):
        yield f"payment {row.reference}: credit was given for it {row.n} times, and it is not completed or was one"


def refunded_payments_have_none_left() -> Iterator[str]:
    """What a refunded top-up gave was taken back, or is owed; and of one that was not refunded it was not."""
    entries = (
        sa.select(LedgerEntry.reference, sa.func.sum(LedgerEntry.amount).label("credits"))
        .where(LedgerEntry.reason.in_(("top-up", "top-up refunded", "top-up refund undone")))
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    has_debt = sa.exists().where(PaymentDebt.transaction_id == PaymentTransaction.id)
    is_wrong = sa.case(
        (PaymentTransaction.status == "completed", entries.c.credits != PaymentTransaction.credits),
        (PaymentTransaction.status == "refunding", entries.c.credits != 0),
        else_=sa.or_(entries.c.credits < 0, (entries.c.credits > 0) != has_debt),
    )
    statement = sa.select(PaymentTransaction.id, PaymentTransaction.status, entries.c.credits).join(
        entries, entries.c.reference == PaymentTransaction.id
    )
    for row in rows(statement.where(is_wrong)):
        yield f"payment {row.id}: it is {row.status}, and the wallet has {row.credits} credits of it"


def holds_are_what_payments_say() -> Iterator[str]:
    """A payment that may still be made holds its discount, and one that is over without money does not."""
    is_unpaid = PaymentTransaction.completed_at.is_(None)
    is_open = sa.and_(is_unpaid, PaymentTransaction.due_at.is_not(None))
    is_over = sa.or_(
        PaymentTransaction.status == "refunded",
        sa.and_(is_unpaid, PaymentTransaction.due_at.is_(None)),
    )
    is_held = OrderRedemption.rolled_back_at.is_(None)
    for row in rows(
        sa.select(PaymentTransaction.id, PaymentTransaction.status)
        .join(OrderRedemption, OrderRedemption.id == PaymentTransaction.order_redemption_id)
        .where(
            sa.or_(
                sa.and_(is_open, ~is_held),
                sa.and_(is_over, is_held),
                OrderRedemption.discount != PaymentTransaction.discount_amount,
            )
        )
    ):
        yield f"payment {row.id}: it is {row.status}, and its discount is not what it should be: held, given back, or of that amount"


def money_bought_what_was_asked_for() -> Iterator[str]:
    for row in rows(
        sa.select(PaymentTransaction.id, PaymentTransaction.problem).where(
            PaymentTransaction.problem.is_not(None), PaymentTransaction.status != "refunded"
        )
    ):
        yield f"payment {row.id}: Stripe took money for it that is not what was asked for ({row.problem}); refund it at Stripe"


def debts() -> Iterator[str]:
    for row in rows(sa.select(PaymentDebt.__table__).order_by(PaymentDebt.transaction_id)):
        amount = money.written(money.from_minor(row.amount, row.currency), row.currency)
        yield f"note: {row.account_id} owes {amount} {row.currency} for payment {row.transaction_id}, which Stripe sent back after its goods were used"


def discounts_without_a_use() -> Iterator[str]:
    for row in rows(
        sa.select(PaymentTransaction.id)
        .join(OrderRedemption, OrderRedemption.id == PaymentTransaction.order_redemption_id)
        .where(
            PaymentTransaction.status == "completed", OrderRedemption.rolled_back_at.is_not(None)
        )
    ):
        yield f"note: payment {row.id} came in after its discount was given back, and has it all the same"
