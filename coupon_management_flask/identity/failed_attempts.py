"""Limits on failed attempts: so many in ten minutes, then nothing more is tried, right or wrong.

The latest failures of a subject (an account, an address) are kept in one row and changed under its
lock: a true sliding window. Looking takes no lock, so that a right attempt costs no write. A burst
of parallel attempts can therefore be as wide as the server has threads; of its failures, only as
many as the limit allows are told that they were wrong.
"""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors
from ..db.dialects import upsert
from ..db.failures import retried
from ..db.session import db, transaction
from ..models import GuessLog

WINDOW = timedelta(minutes=10)
WRONG_CODES_PER_ACCOUNT = 10
# An office or a school behind one address has many people.
WRONG_CODES_PER_ADDRESS = 100

Limits = Mapping[str, int]
"""How many failures each subject may have in the window; empty where they are not limited."""


def code_limits(account_id: UUID, address: str | None) -> Limits:
    """Return how many wrong codes a caller may try, by account and by address.

    The address counts too because it can have many accounts. None means that nothing is limited.
    """
    if address is None:
        return {}
    return {
        f"code:account:{account_id}": WRONG_CODES_PER_ACCOUNT,
        f"code:address:{address}": WRONG_CODES_PER_ADDRESS,
    }


def check(limits: Limits) -> None:
    """Refuse where a subject has used up its attempts.

    Raises: RateLimited.
    """
    if not limits:
        return
    rows = db.session.execute(
        sa.select(GuessLog.subject, GuessLog.moments).where(GuessLog.subject.in_(list(limits)))
    )
    waits = {subject: _wait(_recent(moments), limits[subject]) for subject, moments in rows}
    _refuse(waits, limits)


@retried
def record(limits: Limits) -> None:
    """Record one failed attempt of each subject.

    It commits by itself: a failure is remembered whatever becomes of the request.

    Raises: RateLimited where this attempt was one too many. It is recorded all the same.
    """
    if not limits:
        return
    now = clock.now()
    waits = {}
    with transaction(at_once=True):
        for subject in sorted(limits):
            db.session.execute(
                upsert(GuessLog)
                .values(subject=subject, moments=[], updated_at=now)
                .on_conflict_do_update(index_elements=[GuessLog.subject], set_={"updated_at": now})
            )
            moments = _recent(
                db.session.scalar(sa.select(GuessLog.moments).where(GuessLog.subject == subject))
                or []
            )
            waits[subject] = _wait(moments, limits[subject])
            moments = [*moments, now.timestamp()][-limits[subject] :]
            db.session.execute(
                sa.update(GuessLog).where(GuessLog.subject == subject).values(moments=moments),
                execution_options={"synchronize_session": False},
            )
    _refuse(waits, limits)


def _refuse(waits: Mapping[str, int], limits: Limits) -> None:
    """Refuse where a subject has to wait, and name the limit for which it is longest.

    Raises: RateLimited.
    """
    subject = max(waits, key=lambda one: waits[one], default="")
    if subject and waits[subject]:
        kind, whose, *_ = subject.split(":")
        name = f"wrong_{kind}s" + ("_by_address" if whose == "address" else "")
        quota = errors.Quota(name, limits[subject], int(WINDOW.total_seconds()))
        raise errors.RateLimited(waits[subject], quota)


def _recent(moments: list[float]) -> list[float]:
    oldest = (clock.now() - WINDOW).timestamp()
    return [moment for moment in moments if moment > oldest]


def _wait(moments: list[float], limit: int) -> int:
    """Return the seconds until another attempt is allowed, 0 if it is allowed now."""
    if len(moments) < limit:
        return 0
    return max(1, ceil(moments[-limit] + WINDOW.total_seconds() - clock.now().timestamp()))
