"""Summing up: what lies behind the marks is added to the figures, bit by bit."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from ...core import clock
from ...db.dialects import is_postgresql
from ...db.failures import retried
from ...db.session import db, transaction
from ...models import first_id_at
from .folding import fold_offers
from .streams import EPOCH, STREAMS, Mark, Stream, marks
from .sums import add_up, move_mark

# Longer than anybody takes from making an id to writing with it: waiting for a connection and for
# a lock (db/session.py), and clocks of several machines. A transaction that has written holds the
# horizon back for as long as it lasts.
MARGIN = timedelta(seconds=40)
EVERY = timedelta(seconds=15)
EVENTS_AT_ONCE = 20_000
STEPS_AT_ONCE = 50

# The oldest transaction that has written. Asked before the sums are read: a transaction that
# commits in between is read, and one that goes on is younger than this.
_OLDEST_WRITER = sa.text(
    "SELECT min(xact_start) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
)


def roll_up() -> int:
    """Sum up what nobody can add to any more, and return how many bits that was.

    It takes at most `STEPS_AT_ONCE` bits, and each once, whoever else does the same. A process
    that dies in the middle has summed up whole bits.
    """
    horizon, steps = _horizon(), 0
    for stream in STREAMS:
        while steps < STEPS_AT_ONCE and _sum_up_some(stream, horizon):
            steps += 1
    fold_offers()
    return steps


def _horizon() -> datetime:
    """Return a moment before which nothing happens any more.

    Whatever has an earlier id, or says that it was taken back earlier, is committed or never will
    be.
    """
    horizon = clock.now() - MARGIN
    if not is_postgresql():
        # One writes at a time, and nobody waits for that longer than half a minute.
        return horizon
    oldest = db.session.scalar(_OLDEST_WRITER)
    return horizon if oldest is None else min(horizon, oldest - MARGIN)


def _sum_up_some(stream: Stream, horizon: datetime) -> bool:
    """Sum up the next bit of a stream, and return whether there was one."""
    start = marks()[stream.name]
    end = _end(stream, start, horizon)
    if end is None:
        return False
    _add(stream, start, end)
    return True


def _end(stream: Stream, start: Mark, horizon: datetime) -> Mark | None:
    is_over = stream.id < first_id_at(horizon) if stream.moment is None else stream.moment < horizon
    bit = (
        sa.select(*stream.order)
        .where(stream.behind(start), is_over)
        .order_by(*stream.order)
        .limit(EVENTS_AT_ONCE)
        .subquery()
    )
    last = db.session.execute(
        sa.select(bit).order_by(*(column.desc() for column in bit.c)).limit(1)
    ).one_or_none()
    if last is None:
        return None
    return Mark(EPOCH if stream.moment is None else last[0], last[-1])


@retried
def _add(stream: Stream, start: Mark, end: Mark) -> None:
    """Add up what is behind `start` and not behind `end`.

    Nothing happens where somebody has moved the mark meanwhile.
    """
    is_new = sa.and_(stream.behind(start), stream.until(end))
    with transaction():
        if move_mark(stream.name, start, end):
            add_up(sa.union_all(*stream.facts(is_new)))
