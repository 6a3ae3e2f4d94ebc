"""Rules of the books: vouchers."""

from collections.abc import Iterator

import sqlalchemy as sa

from ..models import (
    LedgerEntry,
    OrderRedemption,
    Redemption,
    Voucher,
    VoucherPurchase,
    VoucherUsage,
)
from .rule import rows


def purchases_have_their_vouchers() -> Iterator[str]:
    """Each has as many as were bought, of its type, for who bought them; all are cancelled if it was refunded, and none if not."""
    is_right = sa.and_(
        Voucher.account_id == VoucherPurchase.account_id,
        Voucher.voucher_type_id == VoucherPurchase.voucher_type_id,
        Voucher.cancelled_at.is_not(None) == VoucherPurchase.refunded_at.is_not(None),
    )
    number = sa.func.coalesce(sa.func.sum(sa.case((is_right, 1), else_=0)), 0)
    for row in rows(
        sa.select(
            VoucherPurchase.id,
            VoucherPurchase.quantity,
            sa.func.count(Voucher.id).label("n"),
            number.label("rightly"),
        )
        .outerjoin(Voucher, Voucher.purchase_id == VoucherPurchase.id)
        .group_by(VoucherPurchase.id, VoucherPurchase.quantity)
        .having(
            sa.or_(
                sa.func.count(Voucher.id) != VoucherPurchase.quantity,
                number != VoucherPurchase.quantity,
            )
        )
    ):
        yield f"voucher purchase {row.id}: it is of {row.quantity} and has {row.n} vouchers, {row.rightly} of them as they should be"


def purchases_with_credit_were_paid() -> Iterator[str]:
    paid = sa.exists().where(
        LedgerEntry.account_id == VoucherPurchase.account_id,
        LedgerEntry.reference == VoucherPurchase.id,
        LedgerEntry.reason == "voucher",
        LedgerEntry.amount == -VoucherPurchase.credits,
    )
    for row in rows(
        sa.select(VoucherPurchase.id).where(VoucherPurchase.credits.is_not(None), ~paid)
    ):
        yield f"voucher purchase {row.id}: no ledger entry paid for it"
    bought = sa.exists().where(VoucherPurchase.id == LedgerEntry.reference)
    for row in rows(sa.select(LedgerEntry.id).where(LedgerEntry.reason == "voucher", ~bought)):
        yield f"ledger entry {row.id}: it paid for vouchers that were not delivered"


def purchases_have_the_discount_of_their_order() -> Iterator[str]:
    is_right = sa.and_(
        OrderRedemption.account_id == VoucherPurchase.account_id,
        OrderRedemption.currency == VoucherPurchase.currency,
        OrderRedemption.original == VoucherPurchase.unit_price * VoucherPurchase.quantity,
        OrderRedemption.discount == VoucherPurchase.discount,
    )
    for row in rows(
        sa.select(
            VoucherPurchase.id, VoucherPurchase.discount, OrderRedemption.discount.label("given")
        )
        .join(OrderRedemption, OrderRedemption.id == VoucherPurchase.order_redemption_id)
        .where(~is_right)
    ):
        yield f"voucher purchase {row.id}: its discount says {row.discount}, the order redemption that it cites is another one, of {row.given}"


def uses_of_vouchers_are_redemptions() -> Iterator[str]:
    """Every live redemption of a voucher says what it was for, and every use was of that voucher, by its owner."""
    told = sa.exists().where(VoucherUsage.redemption_id == Redemption.id)
    for row in rows(
        sa.select(Redemption.id).where(
            Redemption.kind == "voucher", Redemption.rolled_back_at.is_(None), ~told
        )
    ):
        yield f"redemption {row.id}: nothing says what the voucher was used for"
    is_right = sa.and_(
        Redemption.kind == "voucher",
        Redemption.rolled_back_at.is_(None),
        Redemption.stock_id == Voucher.stock_id,
        Redemption.account_id == Voucher.account_id,
    )
    for row in rows(
        sa.select(VoucherUsage.redemption_id)
        .join(Redemption, Redemption.id == VoucherUsage.redemption_id)
        .join(Voucher, Voucher.id == VoucherUsage.voucher_id)
        .where(~is_right)
    ):
        yield f"voucher usage {row.redemption_id}: its redemption is rolled back, or of something else"
