"""Counting coupons that end or are switched off. Their terms change at will: no event says how."""

from datetime import date, timedelta

import sqlalchemy as sa

from ...core import clock
from ...db.session import db, transaction
from ...discount_coupons.coupons.coupon import IS_THERE
from ...models import CreditCoupon, DailyFigure, DiscountCoupon, Promo, RollUpMark
from .facts import day_of
from .measures import Measure
from .streams import EPOCH, Mark
from .sums import move_mark

COUNT_EVERY = timedelta(minutes=5)

_COUNTED = "counted"


def count_coupons() -> None:
    """Count the coupons of each day on which they end, and those that are switched off."""
    counted_at = db.session.scalar(
        sa.select(RollUpMark.moment).where(RollUpMark.stream == _COUNTED)
    )
    figures = [
        _figure(Measure.ENDING, day, number) for day, number in db.session.execute(_ending())
    ]
    switched_off = db.session.scalars(sa.select(_switched_off())).one()
    figures.append(_figure(Measure.SWITCHED_OFF, EPOCH.date(), switched_off))
    with transaction():
        # Of two who have counted, one writes.
        if move_mark(_COUNTED, Mark(counted_at or EPOCH), Mark(clock.now())):
            db.session.execute(
                sa.delete(DailyFigure).where(
                    DailyFigure.measure.in_((Measure.ENDING, Measure.SWITCHED_OFF))
                ),
                execution_options={"synchronize_session": False},
            )
            db.session.execute(sa.insert(DailyFigure), figures)


def _ending() -> sa.Select[date, int]:
    discounts, credit = day_of(DiscountCoupon.expires_at), day_of(CreditCoupon.expiration_date)
    ends = (
        sa.select(discounts.label("day"), sa.func.count().label("number"))
        .where(discounts.is_not(None), IS_THERE)
        .group_by(discounts),
        sa.select(credit, sa.func.count()).where(credit.is_not(None)).group_by(credit),
        sa.select(Promo.active_until, sa.func.count())
        .where(Promo.active_until.is_not(None))
        .group_by(Promo.active_until),
    )
    by_day = sa.union_all(*ends).subquery()
    number = sa.cast(sa.func.sum(by_day.c.number), sa.BigInteger)
    return sa.select(by_day.c.day, number).group_by(by_day.c.day)


def _switched_off() -> sa.ColumnElement[int]:
    discounts, credit = (
        sa.select(sa.func.count()).where(*conditions).scalar_subquery()
        for conditions in (
            (sa.not_(DiscountCoupon.is_active), IS_THERE),
            (sa.not_(CreditCoupon.is_active),),
        )
    )
    return discounts + credit


def _figure(measure: Measure, day: date, number: int) -> dict[str, str | date | int]:
    return {
        "measure": measure,
        "day": day,
        "kind": "",
        "label": "",
        "currency": "",
        "number": number,
        "amount": 0,
    }
