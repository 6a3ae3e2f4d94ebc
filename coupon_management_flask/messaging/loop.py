"""The loop that does the background work: it delivers the outbox and runs the periodic jobs.

A thread of the server, `flask worker` and Celery all call it. However many loops there are, each
job is done once in its period.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
import structlog
from flask import current_app

from ..core import clock
from ..db.dialects import upsert
from ..db.failures import is_unavailable
from ..db.session import db, transaction
from ..models import Lease
from . import outbox

PAUSE_SECONDS = 1.0
# Some job has its turn several times a minute, wherever the background runs.
SILENCE = timedelta(minutes=2)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is done again and again, at most once in each period, whoever does it."""

    every: timedelta
    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Background:
    """Everything that an application does in the background.

    A name stands for a topic or for a job, never for both. Where there are several loops, each name
    has one of its own: work that takes its time holds up nothing else.
    """

    topics: Mapping[str, outbox.Topic]
    jobs: Mapping[str, Job]

    def names(self) -> list[str]:
        return sorted([*self.topics, *self.jobs])

    def has_lanes(self, name: str) -> bool:
        return name in self.topics and self.topics[name].lanes is not None


def current() -> Background:
    """Return the background work of the application whose context is active."""
    return cast(Background, current_app.extensions["background"])


def run(stop: threading.Event, names: Collection[str] | None = None) -> None:
    """Work on these topics and jobs, or on all of them, until `stop` is set.

    While the database is away the loop waits for it.
    """
    while not stop.is_set():
        try:
            delivered = turn(names, stop)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("worker.database_unavailable")
            delivered = 0
        finally:
            db.session.remove()
        if not delivered:
            stop.wait(PAUSE_SECONDS)


def turn(names: Collection[str] | None = None, stop: threading.Event | None = None) -> int:
    """Deliver what is due and run the jobs whose turn it is; return how many were delivered.

    `names` limits the turn to these topics and jobs.
    """
    background = current()
    topics = {
        name: topic for name, topic in background.topics.items() if names is None or name in names
    }
    delivered = outbox.deliver_due(topics, stop=stop)
    for name, job in background.jobs.items():
        if (names is None or name in names) and take_turn(name, job.every):
            job.work()
    return delivered


def take_turn(name: str, every: timedelta) -> bool:
    """Take this period's turn at a job. Return True for one caller in each period."""
    now = clock.now()
    # A look must not ask for SQLite's one lock.
    if db.session.scalar(
        sa.select(sa.exists().where(Lease.name == name, Lease.leased_until > now))
    ):
        return False
    insert = upsert(Lease).values(name=name, leased_until=now + every)
    statement = insert.on_conflict_do_update(
        index_elements=[Lease.name],
        set_={"leased_until": now + every},
        where=Lease.leased_until <= now,
    ).returning(Lease.name)
    with transaction():
        return db.session.scalar(statement) is not None


def last_runs() -> dict[str, datetime]:
    """Return when each job had its last turn, whoever took it. One that never had any is left out.

    The leases tell it, so it is the same for a thread of a server, `flask worker` and Celery.
    """
    jobs = current().jobs
    leases = sa.select(Lease.name, Lease.leased_until).where(Lease.name.in_(jobs))
    return {name: until - jobs[name].every for name, until in db.session.execute(leases)}


def is_running() -> bool:
    """Return whether anybody runs the jobs at the moment, in whichever process.

    What was seen is believed for as long as it proves that: health is asked often.
    """
    since = clock.now() - SILENCE
    seen: datetime | None = current_app.extensions.get("background_ran")
    if seen is None or seen < since:
        seen = max(last_runs().values(), default=None)
        current_app.extensions["background_ran"] = seen
    return seen is not None and seen >= since
