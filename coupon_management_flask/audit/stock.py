"""Rules of the books: stock."""

from collections.abc import Iterator

import sqlalchemy as sa

from ..models import (
    LimitUse,
    Redemption,
    RedemptionTake,
    Stock,
)
from .rule import rows


def claimed_is_what_was_redeemed() -> Iterator[str]:
    redeemed = (
        sa.select(Redemption.stock_id, sa.func.sum(Redemption.units).label("units"))
        .where(Redemption.rolled_back_at.is_(None))
        .group_by(Redemption.stock_id)
        .subquery()
    )
    units = sa.func.coalesce(redeemed.c.units, 0)
    for row in rows(
        sa.select(Stock.id, Stock.claimed, units.label("units"))
        .outerjoin(redeemed, redeemed.c.stock_id == Stock.id)
        .where(Stock.claimed != units)
    ):
        yield f"stock {row.id}: claimed says {row.claimed}, its live redemptions say {row.units}"


def redemptions_have_a_stock() -> Iterator[str]:
    missing = sa.select(Redemption.id, Redemption.stock_id).where(
        ~sa.exists().where(Stock.id == Redemption.stock_id)
    )
    for row in rows(missing):
        yield f"redemption {row.id}: its stock {row.stock_id} does not exist"


def limits_are_what_was_taken() -> Iterator[str]:
    """Every limit is used by what redemptions took of it and have not given back."""
    names = ("owner_id", "rule", "customer", "period")
    zero = sa.literal(0, sa.BigInteger)
    kept = sa.select(
        *(getattr(LimitUse, name) for name in names),
        LimitUse.used.label("used"),
        zero.label("taken"),
    )
    taken = sa.select(
        *(getattr(RedemptionTake, name) for name in names), zero, RedemptionTake.units
    )
    both = sa.union_all(kept, taken).subquery()
    by = [both.c[name] for name in names]
    sums = [sa.func.sum(both.c[name]) for name in ("used", "taken")]
    for row in rows(
        sa.select(*by, sums[0].label("used"), sums[1].label("taken"))
        .group_by(*by)
        .having(sums[0] != sums[1])
    ):
        whose = (
            f" of a customer in {row.period or 'all time'}"
            if row.customer
            else f" in {row.period or 'all time'}"
        )
        yield f"limit {row.rule} of {row.owner_id}{whose}: used says {row.used}, redemptions took {row.taken}"
