"""The day that the feed's states are at, and how they come to the next one.

Nothing runs at midnight. Whoever first looks at the feed of a new day brings the states up to date.
"""

from datetime import date
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import current_app

from ...core import clock, validity
from ...db.dialects import upsert
from ...db.session import db, transaction
from ...models import FeedDay, Promo, Stock
from . import entries

_IS_THE_DAY = FeedDay.id == 1
_BATCH = 10_000


def today(timezone: ZoneInfo) -> date:
    return clock.now().astimezone(timezone).date()


def turn_to(day: date, timezone: str) -> None:
    """Bring the states to that day, if they are at another.

    This concerns the promos whose window opens or closes between the two days.
    A server whose clock is a little behind finds the states a day ahead and leaves them there.
    After a change of the time zone they follow.
    """
    known = current_app.extensions.setdefault("feed_day", {})
    if known.get("day") == (day, timezone):
        return
    with transaction(at_once=True):
        _turn(day, timezone)
    known["day"] = (day, timezone)


def held_day(today: date) -> date:
    """Return the day that the states are at, and keep it until the transaction ends.

    A state that is worked out for this day is turned with all others.
    Around midnight the day may differ from the caller's own `today`, when another server has come
    first. It is locked before any stock, as in turning.
    """
    return (
        db.session.scalar(sa.select(FeedDay.day).where(_IS_THE_DAY).with_for_update(read=True))
        or today
    )


def _turn(day: date, timezone: str) -> None:
    db.session.execute(
        upsert(FeedDay).values(id=1, day=day, timezone=timezone).on_conflict_do_nothing()
    )
    at, at_timezone = db.session.execute(
        sa.select(FeedDay.day, FeedDay.timezone).where(_IS_THE_DAY).with_for_update()
    ).one()
    if at == day or (at_timezone == timezone and 0 < (at - day).days <= 1):
        return
    first, last = sorted((at, day))
    moving = sa.or_(
        sa.and_(Promo.active_from > first, Promo.active_from <= last),
        sa.and_(Promo.active_until >= first, Promo.active_until < last),
    )
    _lock_stocks(moving)
    is_active = sa.and_(
        validity.contains(Promo.active_from, Promo.active_until, day),
        Stock.claimed < Stock.capacity,
    )
    for state in (True, False):
        ids = db.session.scalars(
            sa.select(Promo.id)
            .join(Stock, Stock.id == Promo.stock_id)
            .where(moving, Promo.is_active != state, is_active if state else sa.not_(is_active))
        ).all()
        for start in range(0, len(ids), _BATCH):
            some = ids[start : start + _BATCH]
            db.session.execute(
                sa.update(Promo)
                .where(Promo.id.in_(some))
                .values(is_active=state)
                .execution_options(synchronize_session=False)
            )
            entries.flip(some, is_active=state)
    db.session.execute(
        sa.update(FeedDay)
        .where(_IS_THE_DAY)
        .values(day=day, timezone=timezone)
        .execution_options(synchronize_session=False)
    )


def _lock_stocks(moving: sa.ColumnElement[bool]) -> None:
    """Lock the stocks of these promos, in the order of their ids, before anything else.

    Whoever takes a last unit meanwhile flips the promo's state too. Each must see what the other
    has done.
    """
    stocks = sa.select(Promo.stock_id).where(moving)
    db.session.execute(
        sa.select(Stock.id).where(Stock.id.in_(stocks)).order_by(Stock.id).with_for_update()
    ).all()
