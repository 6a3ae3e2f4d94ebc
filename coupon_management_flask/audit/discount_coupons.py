"""Rules of the books: discount coupons."""

from collections.abc import Iterator

import sqlalchemy as sa

from ..models import (
    OrderRedemption,
    OrderRedemptionCode,
    Redemption,
)
from .rule import rows


def orders_have_their_redemptions() -> Iterator[str]:
    """Every order has codes, each with a redemption of that code, and while the order is live those are."""
    has_codes = sa.exists().where(OrderRedemptionCode.order_redemption_id == OrderRedemption.id)
    for row in rows(sa.select(OrderRedemption.id).where(~has_codes)):
        yield f"order redemption {row.id}: it has no codes"
    wrong = (
        sa.select(OrderRedemptionCode.order_redemption_id, OrderRedemptionCode.position)
        .join(OrderRedemption, OrderRedemption.id == OrderRedemptionCode.order_redemption_id)
        .join(Redemption, Redemption.id == OrderRedemptionCode.redemption_id)
        .where(
            sa.or_(
                Redemption.kind != "discount",
                Redemption.code != OrderRedemptionCode.code,
                Redemption.amount != OrderRedemptionCode.amount,
                sa.and_(
                    OrderRedemption.rolled_back_at.is_(None), Redemption.rolled_back_at.is_not(None)
                ),
            )
        )
    )
    for row in rows(wrong):
        yield f"order redemption {row.order_redemption_id}: the redemption of its code number {row.position} is rolled back, or another one"


def orders_are_the_sum_of_their_codes() -> Iterator[str]:
    codes = (
        sa.select(
            OrderRedemptionCode.order_redemption_id,
            sa.func.sum(OrderRedemptionCode.amount).label("amount"),
        )
        .group_by(OrderRedemptionCode.order_redemption_id)
        .subquery()
    )
    for row in rows(
        sa.select(OrderRedemption.id, OrderRedemption.discount, codes.c.amount)
        .join(codes, codes.c.order_redemption_id == OrderRedemption.id)
        .where(OrderRedemption.discount != codes.c.amount)
    ):
        yield f"order redemption {row.id}: its discount says {row.discount}, its codes say {row.amount}"
