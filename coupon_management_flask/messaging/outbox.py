"""The outbox: what must happen after a commit (a mail, a webhook) is written in that commit.

A message is delivered at least once. It is leased while somebody delivers it. The lease of a worker
that died lapses, and another worker takes over.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from ..core import clock
from ..db.dialects import is_postgresql, rows_changed, table
from ..db.failures import is_unavailable
from ..db.session import db, transaction
from ..models import OutboxMessage, new_id
from .lanes import InFlight, Lanes, first_due

LEASE = timedelta(seconds=30)
# How long to wait after each failure; from then on hourly for a day.
WAITS = [
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=60),
]
LATER = timedelta(hours=1)
# Tries are counted, not timed: a message that lay here for days because nobody could deliver any
# still has all its tries before it.
MOST_ATTEMPTS = 1 + len(WAITS) + 24
# How long to wait for a database that went away during a delivery. Only when the delivery is noted
# is it certain that the message is not delivered again.
NOTE_FOR = timedelta(minutes=10)
PAUSE_SECONDS = 0.2

Payload = dict[str, Any]
"""JSON that the topic's handler understands."""

Handler = Callable[[UUID, Payload], None]
"""Does what a message asks for, given its id and payload; raises where it could not.

The exception may have a `reason`, where its type says too little, and a `retry_after`, before which
the message is not tried again.
"""


class Refused(Exception):
    """A message that its receiver says it will never take.

    It is tried once more an hour later, for receivers are wrong at times, and then given up.
    """


class OverAndDone(Exception):
    """A message that there is nobody left to deliver to. It is given up at once."""


@dataclass(frozen=True, slots=True)
class Topic:
    """How the messages of one topic are delivered.

    While `only_while` returns False they wait untouched: nobody tries to deliver them. A topic with
    `lanes` has many receivers, and a process delivers `at_once` of its messages side by side.
    """

    deliver: Handler
    only_while: Callable[[], bool] = lambda: True
    lanes: Callable[[], Lanes] | None = None
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that this process is delivering."""

    id: UUID
    topic: str
    lane: str
    payload: Payload
    attempts: int
    refused_at: datetime | None
    lease_id: UUID | None


log = structlog.get_logger(__name__)
_in_flight = InFlight()
_WAITING = sa.and_(OutboxMessage.delivered_at.is_(None), OutboxMessage.given_up_at.is_(None))
_GIVEN_UP = OutboxMessage.given_up_at.is_not(None)


def _update(*conditions: sa.ColumnElement[bool]) -> sa.Update:
    # The session has loaded no message, so there is nothing to keep up to date.
    options = {"synchronize_session": False}
    return sa.update(OutboxMessage).where(*conditions).execution_options(**options)


def write(topic: str, payload: Payload, lane: str = "") -> UUID:
    """Write a message down; it can be delivered once the transaction around is committed.

    `lane` names its receiver, where the topic has lanes.
    """
    message_id = new_id()
    now = clock.now()
    db.session.execute(
        sa.insert(table(OutboxMessage)).values(
            id=message_id,
            topic=topic,
            lane=lane,
            payload=payload,
            created_at=now,
            due_at=now,
            attempts=0,
        )
    )
    return message_id


def send_again(message_id: UUID) -> bool:
    """Make a message due now, with all its tries before it, whatever became of it.

    Return False where it is gone, or where somebody is delivering it at this moment.
    """
    now = clock.now()
    not_leased = sa.or_(OutboxMessage.lease_id.is_(None), OutboxMessage.due_at <= now)
    again = _update(OutboxMessage.id == message_id, not_leased).values(
        due_at=now,
        attempts=0,
        refused_at=None,
        lease_id=None,
        delivered_at=None,
        given_up_at=None,
        last_error=None,
    )
    return rows_changed(db.session.execute(again)) == 1


def end_lane(topic: str, lane: str, reason: str) -> int:
    """Give up all that waits in a lane, but for what is being delivered; return how many."""
    now = clock.now()
    not_leased = sa.or_(OutboxMessage.lease_id.is_(None), OutboxMessage.due_at <= now)
    over = _update(
        _WAITING, OutboxMessage.topic == topic, OutboxMessage.lane == lane, not_leased
    ).values(lease_id=None, given_up_at=now, last_error=reason)
    return rows_changed(db.session.execute(over))


def deliver_due(
    topics: Mapping[str, Topic], most: int = 100, stop: threading.Event | None = None
) -> int:
    """Deliver what is due of these topics, until `stop` is set; return how many succeeded.

    Messages are delivered one by one, each under its own lease.
    """
    delivered = 0
    for _ in range(most):
        if stop is not None and stop.is_set():
            break
        message = take(topics)
        if message is None:
            break
        delivered += deliver(message, topics[message.topic])
    return delivered


@dataclass(frozen=True, slots=True)
class Queue:
    """The messages of a topic that are not delivered yet, also those being delivered.

    While a message is delivered it is due again only when its lease lapses.
    """

    waiting: int
    first_due: datetime


def look() -> dict[str, Queue]:
    """Return the queue of each topic that has one."""
    by_topic = (
        sa.select(OutboxMessage.topic, sa.func.count(), sa.func.min(OutboxMessage.due_at))
        .where(_WAITING)
        .group_by(OutboxMessage.topic)
    )
    return {
        topic: Queue(waiting, first_due)
        for topic, waiting, first_due in db.session.execute(by_topic)
    }


def count_given_up() -> dict[str, int]:
    """Count the messages of each topic that were given up and are not purged yet."""
    by_topic = (
        sa.select(OutboxMessage.topic, sa.func.count())
        .where(_GIVEN_UP)
        .group_by(OutboxMessage.topic)
    )
    return dict(db.session.execute(by_topic).all())


def take(topics: Mapping[str, Topic]) -> Leased | None:
    """Lease the message of these topics that has been due for longest, if there is any.

    Whoever takes it hands it to `deliver`.
    """
    open_now = {name: topic for name, topic in topics.items() if topic.only_while()}
    if not open_now:
        return None
    with _in_flight.held():
        message = _lease_first(open_now)
        if message is not None:
            _in_flight.begin(message.topic, message.lane)
    return message


def _lease_first(topics: Mapping[str, Topic]) -> Leased | None:
    now = clock.now()
    # A look must neither ask for SQLite's one lock nor begin a transaction once a second.
    found: list[tuple[datetime, list[str], str]] = []
    in_one_line = [name for name, topic in topics.items() if topic.lanes is None]
    if in_one_line:
        first = _due(in_one_line, "", now).with_only_columns(OutboxMessage.due_at)
        due_at = db.session.scalar(first)
        if due_at is not None:
            found.append((due_at, in_one_line, ""))
    for name, topic in topics.items():
        if topic.lanes is not None:
            without = _in_flight.without(name, topic.lanes(), topic.at_once)
            row = db.session.execute(first_due(name, without, now)).one_or_none()
            if row is not None:
                found.append((row.due_at, [name], row.lane))
    if not found:
        return None
    _, names, lane = min(found)
    return _lease_one(names, lane, now)


def _due(topics: list[str], lane: str, now: datetime) -> sa.Select[UUID]:
    return (
        sa.select(OutboxMessage.id)
        .where(
            _WAITING,
            OutboxMessage.due_at <= now,
            OutboxMessage.topic.in_(topics),
            OutboxMessage.lane == lane,
        )
        .order_by(OutboxMessage.due_at)
        .limit(1)
    )


def _lease_one(topics: list[str], lane: str, now: datetime) -> Leased | None:
    due = _due(topics, lane, now)
    if is_postgresql():
        due = due.with_for_update(skip_locked=True)
    # A leased message is due again only when its lease lapses: one column says both.
    lease = (
        _update(OutboxMessage.id == due.scalar_subquery())
        .values(lease_id=new_id(), due_at=now + LEASE)
        .returning(
            OutboxMessage.id,
            OutboxMessage.topic,
            OutboxMessage.lane,
            OutboxMessage.payload,
            OutboxMessage.attempts,
            OutboxMessage.refused_at,
            OutboxMessage.lease_id,
        )
    )
    with transaction():
        row = db.session.execute(lease).one_or_none()
    return None if row is None else Leased(*row)


def deliver(message: Leased, topic: Topic) -> bool:
    """Deliver a message that was taken, and note how that went; return whether it succeeded."""
    try:
        return _deliver(message, topic.deliver)
    finally:
        _in_flight.end(message.topic, message.lane)


def _deliver(message: Leased, handler: Handler) -> bool:
    attempts = message.attempts + 1
    try:
        with _lease_kept(message):
            handler(message.id, message.payload)
    except Exception as error:
        # Whatever the handler met, the message must not be lost. The error's text may name a
        # person; its type does not.
        reason = str(getattr(error, "reason", type(error).__name__))
        log.warning(
            "outbox.failed",
            topic=message.topic,
            message_id=str(message.id),
            attempts=attempts,
            error=reason,
        )
        _note_failure(message, attempts, reason, error)
        return False
    _note(message, delivered_at=clock.now(), attempts=attempts, last_error=None)
    return True


@contextmanager
def _lease_kept(message: Leased) -> Iterator[None]:
    """Renew the lease for as long as the block takes.

    A slow worker is not a dead one: nobody else may begin meanwhile.
    """
    # The thread has no session of ours, so it is given the engine.
    is_done = threading.Event()
    heartbeat = threading.Thread(
        target=_renew, args=(db.engine, message, is_done), name="lease", daemon=True
    )
    heartbeat.start()
    try:
        yield
    finally:
        is_done.set()
        heartbeat.join()


def _is_held(message: Leased) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return OutboxMessage.id == message.id, OutboxMessage.lease_id == message.lease_id


def _renew(engine: sa.Engine, message: Leased, is_done: threading.Event) -> None:
    pause = LEASE.total_seconds() / 3
    while not is_done.wait(pause):
        renewal = _update(*_is_held(message)).values(due_at=clock.now() + LEASE)
        try:
            with engine.begin() as connection:
                # The lease is lost where the database was away for too long, and somebody else
                # delivers the message now.
                if rows_changed(connection.execute(renewal)) == 0:
                    return
            pause = LEASE.total_seconds() / 3
        except sa.exc.SQLAlchemyError as error:
            log.warning(
                "outbox.lease_not_renewed", message_id=str(message.id), error=type(error).__name__
            )
            pause = LEASE.total_seconds() / 30


def _note_failure(message: Leased, attempts: int, reason: str, error: Exception) -> None:
    """Have the message tried again later, or give it up after its last try."""
    now = clock.now()
    noted: dict[str, object] = {"attempts": attempts, "last_error": reason}
    is_refused = isinstance(error, Refused)
    if (
        attempts >= MOST_ATTEMPTS
        or isinstance(error, OverAndDone)
        or (is_refused and message.refused_at is not None)
    ):
        log.error("outbox.given_up", topic=message.topic, message_id=str(message.id), error=reason)
        _note(message, **noted, given_up_at=now)
    elif is_refused:
        _note(message, **noted, due_at=now + LATER, refused_at=now)
    else:
        wait = WAITS[attempts - 1] if attempts <= len(WAITS) else LATER
        at_least: timedelta = getattr(error, "retry_after", None) or wait
        _note(message, **noted, due_at=now + max(wait, at_least))


def _note(message: Leased, **values: object) -> None:
    # Whoever has lost the lease may not say how it went.
    note = _update(*_is_held(message)).values(lease_id=None, **values)
    pause, until = threading.Event(), monotonic() + NOTE_FOR.total_seconds()
    while True:
        try:
            with transaction():
                db.session.execute(note)
            return
        except Exception as error:
            db.session.remove()
            if not is_unavailable(error) or monotonic() >= until:
                raise
        pause.wait(PAUSE_SECONDS)
