"""Guessing limits: so many wrong ones in ten minutes, then nothing more is tried, right or wrong.

The last wrong moments of a subject (an account, an address) are kept in one row, under whose lock they are changed: a true sliding window.
Looking is not locked, so that right guesses cost no write. A burst of parallel tries can therefore be as wide as the server has threads;
of its wrong ones, only as many as the limit allows are told that they were wrong.
"""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from typing import Any

import sqlalchemy as sa

from ..core import clock, errors
from ..db.dialects import upsert
from ..db.failures import retried
from ..db.session import db, transaction
from ..models import GuessLog

WINDOW = timedelta(minutes=10)

Limits = Mapping[str, int]
"""How many wrong guesses each subject may make; empty where guessing is not limited."""

_logs: Any = GuessLog.__table__


def check(limits: Limits) -> None:
    """Raises RateLimited where a subject has used up its guesses."""
    if not limits:
        return
    rows = db.session.execute(
        sa.select(_logs.c.subject, _logs.c.moments).where(_logs.c.subject.in_(list(limits)))
    )
    waits = [_wait(_recent(row.moments), limits[row.subject]) for row in rows]
    if any(waits):
        raise errors.RateLimited(max(waits))


@retried
def count_wrong(limits: Limits) -> None:
    """Notes one wrong guess of each subject; raises RateLimited (and still notes it) where that was one too many.

    Commits by itself: a wrong guess is remembered whatever becomes of the request.
    """
    if not limits:
        return
    now = clock.now()
    wait = 0
    with transaction(at_once=True):
        for subject in sorted(limits):
            db.session.execute(
                upsert(_logs)
                .values(subject=subject, moments=[], updated_at=now)
                .on_conflict_do_update(index_elements=[_logs.c.subject], set_={"updated_at": now})
            )
            moments = _recent(
                db.session.scalar(sa.select(_logs.c.moments).where(_logs.c.subject == subject))
                or []
            )
            wait = max(wait, _wait(moments, limits[subject]))
            moments = [*moments, now.timestamp()][-limits[subject] :]
            db.session.execute(
                sa.update(_logs).where(_logs.c.subject == subject).values(moments=moments)
            )
    if wait:
        raise errors.RateLimited(wait)


def _recent(moments: list[float]) -> list[float]:
    oldest = (clock.now() - WINDOW).timestamp()
    return [moment for moment in moments if moment > oldest]


def _wait(moments: list[float], limit: int) -> int:
    """Seconds until another guess is allowed, 0 if it is now."""
    if len(moments) < limit:
        return 0
    return max(1, ceil(moments[-limit] + WINDOW.total_seconds() - clock.now().timestamp()))
