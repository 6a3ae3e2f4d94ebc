"""Deleting what nobody can need any more."""

from datetime import timedelta

import sqlalchemy as sa
import structlog

from ..core import clock
from ..db.dialects import rows_changed
from ..db.failures import retried
from ..db.session import db, transaction
from ..identity import failed_attempts
from ..models import (
    AntifraudQuestion,
    AntifraudVerdict,
    CouponBatch,
    GuessLog,
    IdempotencyKey,
    LoginSession,
    OutboxMessage,
    PasswordReset,
    PaymentEvent,
)

# Kept for a while, so that people can look into what happened.
KEEP_SESSIONS = timedelta(days=7)
KEEP_DELIVERED = timedelta(days=7)
KEEP_GIVEN_UP = timedelta(days=30)
KEEP_KEYS = timedelta(hours=24)
# Stripe sends an event again for three days.
KEEP_EVENTS = timedelta(days=30)

log = structlog.get_logger(__name__)


def work() -> None:
    """Purge, and log what was deleted."""
    log.info("worker.purged", **spent())


def spent() -> dict[str, int]:
    """Delete what nobody can need any more; return how many rows of each kind.

    Idempotency-Keys go after a day, expired sessions and delivered messages after a week, messages
    that were given up and Stripe's events after 30 days. Guesses, verdicts and password links go as
    soon as they no longer count.
    """
    now = clock.now()
    # A batch counts as failed because its message says so: the message stays until it is done.
    is_asked_for = sa.exists().where(
        CouponBatch.message_id == OutboxMessage.id, CouponBatch.done < CouponBatch.size
    )
    return {
        "idempotency_keys": _delete(IdempotencyKey, IdempotencyKey.created_at < now - KEEP_KEYS),
        "sessions": _delete(LoginSession, LoginSession.expires_at < now - KEEP_SESSIONS),
        "guess_logs": _delete(GuessLog, GuessLog.updated_at < now - failed_attempts.WINDOW),
        "password_resets": _delete(PasswordReset, PasswordReset.expires_at < now),
        "payment_events": _delete(PaymentEvent, PaymentEvent.received_at < now - KEEP_EVENTS),
        "antifraud_verdicts": _delete(AntifraudVerdict, AntifraudVerdict.valid_until < now),
        "antifraud_questions": _delete(
            AntifraudQuestion, AntifraudQuestion.leased_until < now - KEEP_KEYS
        ),
        "outbox_messages": _delete(OutboxMessage, OutboxMessage.delivered_at < now - KEEP_DELIVERED)
        + _delete(
            OutboxMessage, sa.and_(OutboxMessage.given_up_at < now - KEEP_GIVEN_UP, ~is_asked_for)
        ),
    }


@retried
def _delete(model: type[object], condition: sa.ColumnElement[bool]) -> int:
    with transaction():
        return rows_changed(db.session.execute(sa.delete(model).where(condition)))
