"""A purchase has its vouchers, its payment and its discount, and a voucher's use its proof."""

from uuid import UUID

import sqlalchemy as sa

from ..models import (
    LedgerEntry,
    OrderRedemption,
    Redemption,
    RedemptionKind,
    SaleChange,
    Voucher,
    VoucherPurchase,
    VoucherUsage,
)
from .rule import Rule, rule


def _purchases_have_their_vouchers() -> Rule:
    """As many as were bought, of the right type and owner.

    All of them are cancelled if the purchase was refunded, and none if it was not.
    """
    is_right = sa.and_(
        Voucher.account_id == VoucherPurchase.account_id,
        Voucher.voucher_type_id == VoucherPurchase.voucher_type_id,
        Voucher.cancelled_at.is_not(None) == VoucherPurchase.refunded_at.is_not(None),
    )
    number = sa.func.count(Voucher.id)
    rightly = sa.func.coalesce(sa.func.sum(sa.case((is_right, 1), else_=0)), 0)
    return rule(
        sa.select(VoucherPurchase.id, VoucherPurchase.quantity, number, rightly)
        .outerjoin(Voucher, Voucher.purchase_id == VoucherPurchase.id)
        .group_by(VoucherPurchase.id, VoucherPurchase.quantity)
        .having(sa.or_(number != VoucherPurchase.quantity, rightly != VoucherPurchase.quantity)),
        _vouchers_are_wrong,
    )


def _vouchers_are_wrong(purchase_id: UUID, quantity: int, number: int, rightly: int) -> str:
    return (
        f"voucher purchase {purchase_id}: it is of {quantity} and has {number} vouchers,"
        f" {rightly} of them as they should be"
    )


def _purchases_with_credit_were_paid() -> Rule:
    paid = sa.exists().where(
        LedgerEntry.account_id == VoucherPurchase.account_id,
        LedgerEntry.reference == VoucherPurchase.id,
        LedgerEntry.reason == "voucher",
        LedgerEntry.amount == -VoucherPurchase.credits,
    )
    return rule(
        sa.select(VoucherPurchase.id).where(VoucherPurchase.credits.is_not(None), ~paid),
        lambda purchase_id: f"voucher purchase {purchase_id}: no ledger entry paid for it",
    )


def _refunded_purchases_gave_their_credit_back() -> Rule:
    """Once, and no others did."""
    entries = (
        sa.select(LedgerEntry.reference, sa.func.sum(LedgerEntry.amount).label("credits"))
        .where(LedgerEntry.reason == "voucher refunded")
        .group_by(LedgerEntry.reference)
        .subquery()
    )
    came_back = sa.func.coalesce(entries.c.credits, 0)
    should = sa.case((VoucherPurchase.refunded_at.is_not(None), VoucherPurchase.credits), else_=0)
    return rule(
        sa.select(VoucherPurchase.id, should, came_back)
        .outerjoin(entries, entries.c.reference == VoucherPurchase.id)
        .where(VoucherPurchase.credits.is_not(None), came_back != should),
        _credit_is_wrong,
    )


def _credit_is_wrong(purchase_id: UUID, credits: int | None, found: int) -> str:
    return (
        f"voucher purchase {purchase_id}: {credits} credits should have come back, and {found} did"
    )


def _sales_lost_what_went_back() -> Rule:
    """A purchase that was taken back has lost all of its vouchers, and never more than its price.

    With credit, it has lost its price then and nothing otherwise.
    """
    changes = (
        sa.select(
            SaleChange.purchase_id,
            sa.func.sum(SaleChange.vouchers).label("vouchers"),
            sa.func.sum(SaleChange.amount).label("amount"),
        )
        .group_by(SaleChange.purchase_id)
        .subquery()
    )
    vouchers, amount = (
        sa.func.coalesce(changes.c.vouchers, 0),
        sa.func.coalesce(changes.c.amount, 0),
    )
    is_taken_back = VoucherPurchase.refunded_at.is_not(None)
    is_wrong = sa.or_(
        vouchers != sa.case((is_taken_back, -VoucherPurchase.quantity), else_=0),
        amount > 0,
        amount < -VoucherPurchase.total,
        sa.and_(
            VoucherPurchase.credits.is_not(None),
            amount != sa.case((is_taken_back, -VoucherPurchase.total), else_=0),
        ),
    )
    return rule(
        sa.select(VoucherPurchase.id, vouchers, amount)
        .outerjoin(changes, changes.c.purchase_id == VoucherPurchase.id)
        .where(is_wrong),
        lambda purchase_id, vouchers, amount: (
            f"voucher purchase {purchase_id}: its changes add up to {vouchers} vouchers"
            f" and {amount}, which is not what went back"
        ),
    )


def _entries_for_vouchers_have_their_purchase() -> Rule:
    bought = sa.exists().where(VoucherPurchase.id == LedgerEntry.reference)
    return rule(
        sa.select(LedgerEntry.id).where(
            LedgerEntry.reason.in_(("voucher", "voucher refunded")), ~bought
        ),
        lambda entry_id: f"ledger entry {entry_id}: it is for vouchers that were not delivered",
    )


def _purchases_have_the_discount_of_their_order() -> Rule:
    is_right = sa.and_(
        OrderRedemption.account_id == VoucherPurchase.account_id,
        OrderRedemption.currency == VoucherPurchase.currency,
        OrderRedemption.original == VoucherPurchase.unit_price * VoucherPurchase.quantity,
        OrderRedemption.discount == VoucherPurchase.discount,
    )
    return rule(
        sa.select(VoucherPurchase.id, VoucherPurchase.discount, OrderRedemption.discount)
        .join(OrderRedemption, OrderRedemption.id == VoucherPurchase.order_redemption_id)
        .where(~is_right),
        lambda purchase_id, discount, given: (
            f"voucher purchase {purchase_id}: its discount says {discount},"
            f" the order redemption that it cites is another one, of {given}"
        ),
    )


def _redemptions_say_what_they_were_for() -> Rule:
    told = sa.exists().where(VoucherUsage.redemption_id == Redemption.id)
    return rule(
        sa.select(Redemption.id).where(
            Redemption.kind == RedemptionKind.VOUCHER, Redemption.rolled_back_at.is_(None), ~told
        ),
        lambda redemption_id: (
            f"redemption {redemption_id}: nothing says what the voucher was used for"
        ),
    )


def _uses_are_of_their_voucher() -> Rule:
    """Each by the voucher's owner, and live."""
    is_right = sa.and_(
        Redemption.kind == RedemptionKind.VOUCHER,
        Redemption.rolled_back_at.is_(None),
        Redemption.stock_id == Voucher.stock_id,
        Redemption.account_id == Voucher.account_id,
    )
    return rule(
        sa.select(VoucherUsage.redemption_id)
        .join(Redemption, Redemption.id == VoucherUsage.redemption_id)
        .join(Voucher, Voucher.id == VoucherUsage.voucher_id)
        .where(~is_right),
        lambda redemption_id: (
            f"voucher usage {redemption_id}: its redemption is rolled back, or of something else"
        ),
    )


RULES = (
    _purchases_have_their_vouchers(),
    _purchases_with_credit_were_paid(),
    _refunded_purchases_gave_their_credit_back(),
    _sales_lost_what_went_back(),
    _entries_for_vouchers_have_their_purchase(),
    _purchases_have_the_discount_of_their_order(),
    _redemptions_say_what_they_were_for(),
    _uses_are_of_their_voucher(),
)
