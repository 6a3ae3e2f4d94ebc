"""Background work: one loop, whoever runs it. It delivers the outbox, and now and then does a periodic job; of many loops one does it at a time."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
import structlog

from ..core import clock
from ..db.dialects import upsert
from ..db.failures import is_unavailable
from ..db.session import db, transaction
from ..models import Lease
from ..tasks import purge
from . import outbox

PAUSE_SECONDS = 1.0

# What each topic of the outbox asks for. A feature that writes messages registers how they are delivered.
HANDLERS: dict[str, outbox.Handler] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again, in a loop of its own: one that takes its time holds up nothing else."""

    every: timedelta
    work: Callable[[], object]


log = structlog.get_logger(__name__)


def _purge() -> None:
    log.info("worker.purged", **purge.spent())


# A feature that has something to do by the clock registers it, under a name that is no topic's.
JOBS: dict[str, Job] = {"purge": Job(timedelta(hours=1), _purge)}


def names() -> list[str]:
    """Every topic and every periodic job: what has a loop of its own where there are several."""
    return sorted([*HANDLERS, *JOBS])


def run(stop: threading.Event, topics: Collection[str] | None = None) -> None:
    """Works on these topics and jobs, or on all, until `stop` is set. A database that is away is waited for."""
    while not stop.is_set():
        try:
            delivered = turn(topics, stop)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("worker.database_unavailable")
            delivered = 0
        finally:
            db.session.remove()
        if not delivered:
            stop.wait(PAUSE_SECONDS)


def turn(topics: Collection[str] | None = None, stop: threading.Event | None = None) -> int:
    """Does what is due of these topics, or of all, and the periodic jobs whose turn it is; says how many messages were delivered."""
    handlers = {
        topic: handler for topic, handler in HANDLERS.items() if topics is None or topic in topics
    }
    delivered = outbox.deliver_due(handlers, stop=stop)
    for name, job in JOBS.items():
        if (topics is None or name in topics) and take_turn(name, job.every):
            job.work()
    return delivered


def take_turn(name: str, every: timedelta) -> bool:
    """Whether it is this caller's turn to do a periodic job: True for one caller in each period, whoever asks."""
    now = clock.now()
    # Who only looks must not ask for SQLite's one lock.
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
