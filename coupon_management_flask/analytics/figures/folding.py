"""Folding: a day's offers become few once it is over, so that those of a year are read at once."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ...db.failures import retried
from ...db.session import db, transaction
from ...models import DailyFigure, RollUpMark
from .measures import COLUMNS, KEY, OTHER_OFFERS, Measure
from .streams import EPOCH, REDEMPTIONS, Mark
from .sums import add_up, move_mark

# Each kind keeps so many offers of a day. The rest are one.
OFFERS_OF_A_DAY = 30

_FOLDED = "folded"


@retried
def fold_offers() -> None:
    """Put all but the best offers of each kind together, of the days that are over."""
    rows = sa.select(RollUpMark.stream, RollUpMark.moment, RollUpMark.last_id)
    known = {stream: Mark(moment, last_id) for stream, moment, last_id in db.session.execute(rows)}
    if REDEMPTIONS.name not in known:
        return
    start = known.get(_FOLDED, Mark(EPOCH))
    # A day later no redemption of that day comes any more.
    milliseconds = known[REDEMPTIONS.name].last_id.int >> 80
    last_day = datetime.fromtimestamp(milliseconds / 1000, UTC) - timedelta(days=1)
    end = datetime.combine(last_day.date(), datetime.min.time(), UTC)
    if end <= start.moment:
        return
    with transaction():
        # Locks all marks, so that nobody sums up meanwhile: what was added to an offer in between
        # would be lost.
        db.session.execute(
            sa.update(RollUpMark).values(last_id=RollUpMark.last_id),
            execution_options={"synchronize_session": False},
        )
        if move_mark(_FOLDED, start, Mark(end)):
            _fold(start.moment, end)


def _fold(start: datetime, end: datetime) -> None:
    place = sa.func.row_number().over(
        partition_by=[DailyFigure.day, DailyFigure.kind],
        order_by=[DailyFigure.number.desc(), DailyFigure.label],
    )
    figure = DailyFigure.__table__.c
    ranked = (
        sa.select(*figure, place.label("place"))
        .where(
            DailyFigure.measure == Measure.OF_OFFER,
            DailyFigure.label != OTHER_OFFERS,
            DailyFigure.day >= start.date(),
            DailyFigure.day < end.date(),
        )
        .subquery()
    )
    others = (
        sa.select(*(ranked.c[name] for name in COLUMNS))
        .where(ranked.c.place > OFFERS_OF_A_DAY)
        .subquery()
    )
    together = {name: others.c[name] for name in COLUMNS} | {
        "label": sa.literal(OTHER_OFFERS, sa.Text)
    }
    add_up(sa.select(*(column.label(name) for name, column in together.items())))
    key = sa.tuple_(*(figure[name] for name in KEY))
    db.session.execute(
        sa.delete(DailyFigure).where(key.in_(sa.select(*(others.c[name] for name in KEY)))),
        execution_options={"synchronize_session": False},
    )
