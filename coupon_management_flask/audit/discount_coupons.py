"""An order's discount is that of its codes, each with a redemption of its own."""

from uuid import UUID

import sqlalchemy as sa

from ..models import OrderRedemption, OrderRedemptionCode, Redemption, RedemptionKind
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


RULES = (
    _orders_have_codes(),
    _codes_have_their_redemptions(),
    _orders_are_the_sum_of_their_codes(),
)
