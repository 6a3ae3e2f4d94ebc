"""Coupons that nobody can use any more, as they stand or as the worker has counted them last."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from ..db.session import db
from ..discount_coupons.coupons.coupon import IS_THERE
from ..models import CreditCoupon, DailyFigure, DiscountCoupon, Promo
from .figures.measures import Measure
from .window import Window

# So many coupons that have expired, say, are counted when somebody asks.
COUNTED_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class CouponFigures:
    """Credit coupons, promos and discount coupons (those for e-mail addresses too)."""

    expired: int
    expiring: int
    deactivated: int


def count_ended(window: Window) -> CouponFigures:
    """Count the coupons of a window.

    Of very many, the number is the one that the worker has counted last.
    """
    in_days, one_day = timedelta(days=window.days), timedelta(days=1)
    past, coming = (window.since, window.today - one_day), (window.today, window.today + in_days)
    expired = _ends((window.begin, window.now), past)
    expiring = _ends((window.now + timedelta(microseconds=1), window.now + in_days), coming)
    deactivated = _at_most(sa.and_(sa.not_(DiscountCoupon.is_active), IS_THERE)) + _at_most(
        sa.not_(CreditCoupon.is_active)
    )
    seen = db.session.execute(sa.select(expired, expiring, deactivated)).one()
    if max(seen) < COUNTED_AT_ONCE:
        return CouponFigures(*seen)
    return CouponFigures(
        *(
            max(number, counted) if number >= COUNTED_AT_ONCE else number
            for number, counted in zip(seen, _counted(past, coming), strict=True)
        )
    )


def _ends(moments: tuple[datetime, datetime], days: tuple[date, date]) -> sa.ColumnElement[int]:
    return (
        _at_most(sa.and_(DiscountCoupon.expires_at.between(*moments), IS_THERE))
        + _at_most(CreditCoupon.expiration_date.between(*moments))
        + _at_most(Promo.active_until.between(*days))
    )


def _at_most(condition: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    """Return how many rows fulfil a condition. Counting stops at COUNTED_AT_ONCE."""
    some = sa.select(sa.literal(1)).where(condition).limit(COUNTED_AT_ONCE).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def _counted(past: tuple[date, date], coming: tuple[date, date]) -> tuple[int, ...]:
    """Return what the worker has counted: expired, expiring and deactivated coupons."""
    is_ending = DailyFigure.measure == Measure.ENDING
    conditions = (
        sa.and_(is_ending, DailyFigure.day.between(*past)),
        sa.and_(is_ending, DailyFigure.day.between(*coming)),
        DailyFigure.measure == Measure.SWITCHED_OFF,
    )
    number = sa.cast(sa.func.coalesce(sa.func.sum(DailyFigure.number), 0), sa.BigInteger)
    sums = (sa.select(number).where(condition).scalar_subquery() for condition in conditions)
    return tuple(db.session.execute(sa.select(*sums)).one())
