"""An order's discount is that of its codes, each with a redemption of its own.

Nothing of a batch is used before it is done.
"""

from uuid import UUID

import sqlalchemy as sa

from ..models import (
    CouponBatch,
    CouponImportPart,
    DiscountCoupon,
    OrderRedemption,
    OrderRedemptionCode,
    Redemption,
    RedemptionKind,
    Stock,
)
from .rule import Rule, rule


def _orders_have_codes() -> Rule:
    has_codes = sa.exists().where(OrderRedemptionCode.order_redemption_id == OrderRedemption.id)
    return rule(
        sa.select(OrderRedemption.id).where(~has_codes),
        lambda order_id: f"order redemption {order_id}: it has no codes",
    )


def _codes_have_their_redemptions() -> Rule:
    """A live order's redemptions are live; every redemption is of the code that names it."""
    is_wrong = sa.or_(
        Redemption.kind != RedemptionKind.DISCOUNT,
        Redemption.code != OrderRedemptionCode.code,
        Redemption.amount != OrderRedemptionCode.amount,
        sa.and_(OrderRedemption.rolled_back_at.is_(None), Redemption.rolled_back_at.is_not(None)),
    )
    return rule(
        sa.select(OrderRedemptionCode.order_redemption_id, OrderRedemptionCode.position)
        .join(OrderRedemption, OrderRedemption.id == OrderRedemptionCode.order_redemption_id)
        .join(Redemption, Redemption.id == OrderRedemptionCode.redemption_id)
        .where(is_wrong),
        lambda order_id, position: (
            f"order redemption {order_id}: the redemption of its code number {position}"
            " is rolled back, or another one"
        ),
    )


def _orders_are_the_sum_of_their_codes() -> Rule:
    codes = (
        sa.select(
            OrderRedemptionCode.order_redemption_id,
            sa.func.sum(OrderRedemptionCode.amount).label("amount"),
        )
        .group_by(OrderRedemptionCode.order_redemption_id)
        .subquery()
    )
    return rule(
        sa.select(OrderRedemption.id, OrderRedemption.discount, codes.c.amount)
        .join(codes, codes.c.order_redemption_id == OrderRedemption.id)
        .where(OrderRedemption.discount != codes.c.amount),
        _discount_is_wrong,
    )


def _discount_is_wrong(order_id: UUID, discount: int, amount: int) -> str:
    return f"order redemption {order_id}: its discount says {discount}, its codes say {amount}"


_NOT_DONE = CouponBatch.done < CouponBatch.size


def _hidden_codes_are_not_used() -> Rule:
    return rule(
        sa.select(DiscountCoupon.id)
        .join(CouponBatch, CouponBatch.id == DiscountCoupon.batch_id)
        .join(Stock, Stock.id == DiscountCoupon.stock_id)
        .where(_NOT_DONE, Stock.claimed > 0),
        lambda coupon_id: f"coupon {coupon_id}: it was used, and its batch is not done",
    )


def _batches_go_on() -> Rule:
    """What is not done is asked for, or has failed."""
    return rule(
        sa.select(CouponBatch.id).where(
            _NOT_DONE, CouponBatch.failed_at.is_(None), CouponBatch.message_id.is_(None)
        ),
        lambda batch_id: f"batch {batch_id}: it is not done, and nothing asks for the rest",
    )


def _done_batches_wait_for_nothing() -> Rule:
    return rule(
        sa.select(CouponImportPart.batch_id, CouponImportPart.start)
        .join(CouponBatch, CouponBatch.id == CouponImportPart.batch_id)
        .where(~_NOT_DONE),
        lambda batch_id, start: f"batch {batch_id}: it is done, without its lines from {start} on",
    )


RULES = (
    _orders_have_codes(),
    _codes_have_their_redemptions(),
    _orders_are_the_sum_of_their_codes(),
    _hidden_codes_are_not_used(),
    _batches_go_on(),
    _done_batches_wait_for_nothing(),
)
