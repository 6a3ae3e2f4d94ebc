"""Outbox: what must happen after a commit (a mail, a webhook) is written down in that commit and done afterwards.

Delivered at least once. A message is leased while somebody delivers it; the lease of a worker that died lapses and another takes over.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from ..core import clock
from ..db.dialects import is_postgresql, rows_changed
from ..db.failures import is_unavailable
from ..db.session import AnyRow, db, transaction
from ..models import OutboxMessage, new_id

LEASE = timedelta(seconds=30)
# After each failure the next wait; from then on hourly for a day.
WAITS = [
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=60),
]
LATER = timedelta(hours=1)
# Counted, not timed: a message that lay here for days, because nobody could deliver any, has all its tries before it.
MOST_ATTEMPTS = 1 + len(WAITS) + 24
# How long a database that went away during a delivery is waited for, so that what was delivered is not delivered again.
NOTE_FOR = timedelta(minutes=10)
PAUSE_SECONDS = 0.2

Handler = Callable[[UUID, dict[str, Any]], None]
"""Does what a topic's message asks for, given the message's id and payload; raises if it could not, with a `reason` where its type says too little."""


@dataclass(frozen=True, slots=True)
class Topic:
    """How the messages of one topic are delivered.

    While `only_while` returns False they wait untouched: nobody tries to deliver them.
    """

    deliver: Handler
    only_while: Callable[[], bool] = lambda: True


log = structlog.get_logger(__name__)
_messages: Any = OutboxMessage.__table__
_WAITING = sa.and_(_messages.c.delivered_at.is_(None), _messages.c.given_up_at.is_(None))
_GIVEN_UP = _messages.c.given_up_at.is_not(None)


def write(topic: str, payload: dict[str, Any]) -> UUID:
    """Writes a message down; it becomes deliverable with the commit of the transaction around."""
    message_id = new_id()
    now = clock.now()
    db.session.execute(
        sa.insert(_messages).values(
            id=message_id, topic=topic, payload=payload, created_at=now, due_at=now, attempts=0
        )
    )
    return message_id


def send_again(message_id: UUID) -> bool:
    """Makes a message due now, with all its tries before it, whatever became of it. False where it is gone, or somebody is delivering it at this moment."""
    now = clock.now()
    again = {
        "due_at": now,
        "attempts": 0,
        "lease_id": None,
        "delivered_at": None,
        "given_up_at": None,
        "last_error": None,
    }
    not_leased = sa.or_(_messages.c.lease_id.is_(None), _messages.c.due_at <= now)
    return (
        rows_changed(
            db.session.execute(
                sa.update(_messages).where(_messages.c.id == message_id, not_leased).values(**again)
            )
        )
        == 1
    )


def deliver_due(
    topics: Mapping[str, Topic], most: int = 100, stop: threading.Event | None = None
) -> int:
    """Delivers what is due, one by one and each under its own lease, until `stop` is set; says how many succeeded. A topic without a handler stays."""
    names = [name for name, topic in topics.items() if topic.only_while()]
    delivered = 0
    for _ in range(most):
        if not names or (stop is not None and stop.is_set()):
            break
        message = _lease_one(names)
        if message is None:
            break
        delivered += _deliver(message, topics[message.topic].deliver)
    return delivered


def count_waiting() -> dict[str, int]:
    """How many messages of each topic are still to be delivered, also those that somebody is delivering now."""
    return _count(_WAITING)


def count_given_up() -> dict[str, int]:
    """How many messages of each topic were given up and not purged yet."""
    return _count(_GIVEN_UP)


def _count(condition: sa.ColumnElement[bool]) -> dict[str, int]:
    return {
        row.topic: row.size
        for row in db.session.execute(
            sa.select(_messages.c.topic, sa.func.count().label("size"))
            .where(condition)
            .group_by("topic")
        )
    }


def _lease_one(topics: list[str]) -> AnyRow | None:
    now = clock.now()
    due = (
        sa.select(_messages.c.id)
        .where(_WAITING, _messages.c.due_at <= now, _messages.c.topic.in_(topics))
        .order_by(_messages.c.due_at)
        .limit(1)
    )
    # Who only looks must not ask for SQLite's one lock, nor begin a transaction, once a second.
    if db.session.scalar(due) is None:
        return None
    if is_postgresql():
        due = due.with_for_update(skip_locked=True)
    # While it is leased it is due again only when the lease lapses: one column says both.
    with transaction():
        return db.session.execute(
            sa.update(_messages)
            .where(_messages.c.id == due.scalar_subquery())
            .values(lease_id=new_id(), due_at=now + LEASE)
            .returning(
                _messages.c.id,
                _messages.c.topic,
                _messages.c.payload,
                _messages.c.attempts,
                _messages.c.lease_id,
            )
        ).one_or_none()


def _deliver(message: AnyRow, handler: Handler) -> bool:
    try:
        with _lease_kept(message):
            handler(message.id, message.payload)
    except Exception as error:
        # Whatever the handler met, the message must not be lost for it; its text may name a person, its type may not.
        reason = str(getattr(error, "reason", type(error).__name__))
        log.warning(
            "outbox.failed",
            topic=message.topic,
            message_id=str(message.id),
            attempts=message.attempts + 1,
            error=reason,
        )
        _note(message, _after_failure(message, reason))
        return False
    _note(
        message, {"delivered_at": clock.now(), "attempts": message.attempts + 1, "last_error": None}
    )
    return True


@contextmanager
def _lease_kept(message: AnyRow) -> Iterator[None]:
    """Renews the lease for as long as the block takes: slow is not dead, and nobody else must begin."""
    # A thread of its own has no session of ours.
    engine, is_done = db.engine, threading.Event()
    heartbeat = threading.Thread(
        target=_renew,
        args=(engine, message.id, message.lease_id, is_done),
        name="lease",
        daemon=True,
    )
    heartbeat.start()
    try:
        yield
    finally:
        is_done.set()
        heartbeat.join()


def _renew(engine: sa.Engine, message_id: UUID, lease_id: UUID, is_done: threading.Event) -> None:
    held = (_messages.c.id == message_id, _messages.c.lease_id == lease_id)
    pause = LEASE.total_seconds() / 3
    while not is_done.wait(pause):
        try:
            with engine.begin() as connection:
                # Lost: the database was away for too long, and somebody else is at it.
                if (
                    rows_changed(
                        connection.execute(
                            sa.update(_messages).where(*held).values(due_at=clock.now() + LEASE)
                        )
                    )
                    == 0
                ):
                    return
            pause = LEASE.total_seconds() / 3
        except sa.exc.SQLAlchemyError as error:
            log.warning(
                "outbox.lease_not_renewed", message_id=str(message_id), error=type(error).__name__
            )
            pause = LEASE.total_seconds() / 30


def _after_failure(message: AnyRow, reason: str) -> dict[str, Any]:
    now, attempts = clock.now(), message.attempts + 1
    noted = {"attempts": attempts, "last_error": reason}
    if attempts >= MOST_ATTEMPTS:
        log.error("outbox.given_up", topic=message.topic, message_id=str(message.id), error=reason)
        return {**noted, "given_up_at": now}
    return {**noted, "due_at": now + (WAITS[attempts - 1] if attempts <= len(WAITS) else LATER)}


def _note(message: AnyRow, values: dict[str, Any]) -> None:
    # Only who still holds the lease may say how it went.
    note = (
        sa.update(_messages)
        .where(_messages.c.id == message.id, _messages.c.lease_id == message.lease_id)
        .values(lease_id=None, **values)
    )
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
