"""Outbox: what must happen after a commit (a mail, a webhook) is written down in that commit and done afterwards.

Delivered at least once. A message is leased while somebody delivers it; the lease of a worker that died lapses and another takes over.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from ..database import AnyRow, db, is_postgresql, rows_changed, transaction
from ..models import OutboxMessage, new_id
from . import clock

LEASE = timedelta(seconds=30)
# After each failure the next wait; from then on hourly until a day has passed.
WAITS = [timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=60)]
LATER = timedelta(hours=1)
GIVE_UP_AFTER = sum(WAITS, timedelta()) + timedelta(days=1)

Handler = Callable[[UUID, dict[str, Any]], None]
"""Does what a topic's message asks for, given the message's id and payload; raises if it could not."""

log = structlog.get_logger(__name__)
_messages: Any = OutboxMessage.__table__
_WAITING = sa.and_(_messages.c.delivered_at.is_(None), _messages.c.given_up_at.is_(None))


def write(topic: str, payload: dict[str, Any]) -> UUID:
    """Writes a message down; it becomes deliverable with the commit of the transaction around."""
    message_id = new_id()
    now = clock.now()
    db.session.execute(sa.insert(_messages).values(id=message_id, topic=topic, payload=payload, created_at=now, due_at=now, attempts=0))
    return message_id


def send_again(message_id: UUID) -> bool:
    """Makes a message due now, as if it had just been written, whatever became of it. False where it is gone, or somebody is delivering it at this moment."""
    now = clock.now()
    again = {"created_at": now, "due_at": now, "attempts": 0, "lease_id": None, "delivered_at": None, "given_up_at": None, "last_error": None}
    not_leased = sa.or_(_messages.c.lease_id.is_(None), _messages.c.due_at <= now)
    return rows_changed(db.session.execute(sa.update(_messages).where(_messages.c.id == message_id, not_leased).values(**again))) == 1


def deliver_due(handlers: Mapping[str, Handler], most: int = 100) -> int:
    """Delivers what is due, one by one and each under its own lease; says how many succeeded. A topic without a handler stays."""
    delivered = 0
    for _ in range(most):
        message = _lease_one(list(handlers))
        if message is None:
            break
        delivered += _deliver(message, handlers[message.topic])
    return delivered


def _lease_one(topics: list[str]) -> AnyRow | None:
    now = clock.now()
    due = sa.select(_messages.c.id).where(_WAITING, _messages.c.due_at <= now, _messages.c.topic.in_(topics)).order_by(_messages.c.due_at).limit(1)
    if is_postgresql():
        due = due.with_for_update(skip_locked=True)
    # While it is leased it is due again only when the lease lapses: one column says both.
    with transaction():
        return db.session.execute(
            sa.update(_messages)
            .where(_messages.c.id == due.scalar_subquery())
            .values(lease_id=new_id(), due_at=now + LEASE)
            .returning(_messages.c.id, _messages.c.topic, _messages.c.payload, _messages.c.attempts, _messages.c.created_at, _messages.c.lease_id)
        ).one_or_none()


def _deliver(message: AnyRow, handler: Handler) -> bool:
    try:
        handler(message.id, message.payload)
    except Exception as error:
        # Whatever the handler met, the message must not be lost for it; its text may name a person, its type may not.
        log.warning("outbox.failed", topic=message.topic, message_id=str(message.id), attempts=message.attempts + 1, error=type(error).__name__)
        _note(message, _after_failure(message, error))
        return False
    _note(message, {"delivered_at": clock.now(), "attempts": message.attempts + 1, "last_error": None})
    return True


def _after_failure(message: AnyRow, error: Exception) -> dict[str, Any]:
    now = clock.now()
    noted = {"attempts": message.attempts + 1, "last_error": type(error).__name__}
    if now - message.created_at >= GIVE_UP_AFTER:
        log.error("outbox.given_up", topic=message.topic, message_id=str(message.id))
        return {**noted, "given_up_at": now}
    wait = WAITS[message.attempts] if message.attempts < len(WAITS) else LATER
    return {**noted, "due_at": now + wait}


def _note(message: AnyRow, values: dict[str, Any]) -> None:
    # Only who still holds the lease may say how it went.
    with transaction():
        db.session.execute(sa.update(_messages).where(_messages.c.id == message.id, _messages.c.lease_id == message.lease_id).values(lease_id=None, **values))
