"""Stock and limits are used by what redemptions took of them."""

from uuid import UUID

import sqlalchemy as sa

from ..models import LimitRule, LimitUse, Redemption, RedemptionTake, Stock
from .rule import Rule, rule


def _claimed_is_what_was_redeemed() -> Rule:
    redeemed = (
        sa.select(Redemption.stock_id, sa.func.sum(Redemption.units).label("units"))
        .where(Redemption.rolled_back_at.is_(None))
        .group_by(Redemption.stock_id)
        .subquery()
    )
    units = sa.func.coalesce(redeemed.c.units, 0)
    return rule(
        sa.select(Stock.id, Stock.claimed, units)
        .outerjoin(redeemed, redeemed.c.stock_id == Stock.id)
        .where(Stock.claimed != units),
        lambda stock_id, claimed, units: (
            f"stock {stock_id}: claimed says {claimed}, its live redemptions say {units}"
        ),
    )


def _redemptions_have_a_stock() -> Rule:
    return rule(
        sa.select(Redemption.id, Redemption.stock_id).where(
            ~sa.exists().where(Stock.id == Redemption.stock_id)
        ),
        lambda redemption_id, stock_id: (
            f"redemption {redemption_id}: its stock {stock_id} does not exist"
        ),
    )


def _limits_are_what_was_taken() -> Rule:
    zero = sa.literal(0, sa.BigInteger)
    kept = sa.select(
        LimitUse.owner_id,
        LimitUse.rule,
        LimitUse.customer,
        LimitUse.period,
        LimitUse.used.label("used"),
        zero.label("taken"),
    )
    taken = sa.select(
        RedemptionTake.owner_id,
        RedemptionTake.rule,
        RedemptionTake.customer,
        RedemptionTake.period,
        zero,
        RedemptionTake.units,
    )
    both = sa.union_all(kept, taken).subquery().c
    used, units = sa.func.sum(both.used), sa.func.sum(both.taken)
    by = (both.owner_id, both.rule, both.customer, both.period)
    return rule(sa.select(*by, used, units).group_by(*by).having(used != units), _limit_is_wrong)


def _limit_is_wrong(
    owner_id: UUID, limit: LimitRule, customer: str, period: str, used: int, taken: int
) -> str:
    whose = f"{' of a customer' if customer else ''} in {period or 'all time'}"
    return f"limit {limit} of {owner_id}{whose}: used says {used}, redemptions took {taken}"


RULES = (
    _claimed_is_what_was_redeemed(),
    _redemptions_have_a_stock(),
    _limits_are_what_was_taken(),
)
