"""Deleting what nobody can need any more."""

from datetime import timedelta

import sqlalchemy as sa
import structlog

from ..core import clock
from ..db.dialects import rows_changed
from ..db.failures import retried
from ..db.session import Model, db, transaction
from ..discount_coupons.bulk import batches
from ..identity import failed_attempts
from ..models import (
    AntifraudQuestion,
    AntifraudVerdict,
    CouponBatch,
    CouponImportPart,
    DiscountCoupon,
    GuessLog,
    IdempotencyKey,
    LoginSession,
    OutboxMessage,
    PasswordReset,
    PaymentEvent,
    first_id_at,
)

# Kept for a while, so that people can look into what happened.
KEEP_SESSIONS = timedelta(days=7)
KEEP_DELIVERED = timedelta(days=7)
KEEP_GIVEN_UP = timedelta(days=30)
KEEP_KEYS = timedelta(hours=24)
# Stripe sends an event again for three days.
KEEP_EVENTS = timedelta(days=30)
# A file that is still being written is not older.
KEEP_PARTS = timedelta(hours=1)
# In one transaction. On SQLite everybody who writes waits for it.
ROWS_AT_ONCE = 5_000

_AS_IT_IS = {"synchronize_session": False}

log = structlog.get_logger(__name__)


def work() -> None:
    """Purge, and log what was deleted."""
    log.info("worker.purged", **spent())


def spent() -> dict[str, int]:
    """Delete what nobody can need any more; return how many rows of each kind.

    Idempotency-Keys go after a day, expired sessions and delivered messages after a week, messages
    that were given up, batches that have failed and Stripe's events after 30 days. Guesses,
    verdicts and password links go as soon as they no longer count. What is there of a batch that
    was given up goes bit by bit, in the background.
    """
    now = clock.now()
    # While its batch is not done, a message says how that is going.
    is_asked_for = sa.exists().where(
        CouponBatch.message_id == OutboxMessage.id, CouponBatch.done < CouponBatch.size
    )
    is_imported = sa.exists().where(
        CouponBatch.id == CouponImportPart.batch_id, CouponBatch.done < CouponBatch.size
    )
    is_there = sa.or_(
        sa.exists().where(DiscountCoupon.batch_id == CouponBatch.id),
        sa.exists().where(CouponImportPart.batch_id == CouponBatch.id),
    )
    batches.fail_given_up()
    return {
        "coupon_batches": _delete(
            CouponBatch, sa.and_(CouponBatch.failed_at < now - KEEP_GIVEN_UP, ~is_there)
        ),
        "coupon_import_parts": _delete(
            CouponImportPart,
            sa.and_(CouponImportPart.batch_id < first_id_at(now - KEEP_PARTS), ~is_imported),
        ),
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


def _delete(model: type[Model], condition: sa.ColumnElement[bool]) -> int:
    deleted, some = 0, ROWS_AT_ONCE
    while some == ROWS_AT_ONCE:
        some = _delete_some(model, condition)
        deleted += some
    return deleted


@retried
def _delete_some(model: type[Model], condition: sa.ColumnElement[bool]) -> int:
    key = sa.tuple_(*model.__table__.primary_key)
    some = sa.select(*model.__table__.primary_key).where(condition).limit(ROWS_AT_ONCE)
    deletion = sa.delete(model).where(key.in_(some), condition)
    with transaction():
        return rows_changed(db.session.execute(deletion, execution_options=_AS_IT_IS))
