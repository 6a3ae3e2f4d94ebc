"""Delivering recorded events to their webhooks, each attempt on record."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.session import before_waiting, db, transaction
from ...models import Webhook, WebhookDelivery, new_id
from .. import outbox
from . import posting
from .posting import DeliveryFailed
from .recording import signed

# How long a webhook rests that did not answer in time: one slow address must not hold up what is
# due to all others.
REST = timedelta(minutes=1)


def deliver(message_id: UUID, payload: outbox.Payload, *, allow_private: bool) -> None:
    """Send a message to its webhook, unless that is gone, and note the attempt.

    Raises:
        DeliveryFailed: The webhook did not take it. At once, while the webhook rests.
    """
    found = sa.select(Webhook.id, Webhook.url, Webhook.secret, Webhook.rests_until).where(
        Webhook.id == UUID(payload["webhook_id"])
    )
    webhook = db.session.execute(found).one_or_none()
    if webhook is None:
        return
    body = str(payload["body"])
    delivery_id = _begin(webhook.id, message_id, payload["event"])
    before_waiting()
    try:
        if webhook.rests_until is not None and webhook.rests_until > clock.now():
            raise DeliveryFailed("resting")
        headers = signed(webhook.secret, message_id, body)
        status = posting.post(webhook.url, headers, body.encode(), allow_private=allow_private)
        if not 200 <= status < 300:
            reason = "redirected" if 300 <= status < 400 else "unexpected_status"
            raise DeliveryFailed(reason, status)
    except DeliveryFailed as failure:
        _end(delivery_id, failure.response_status, failure.reason)
        if failure.reason == "timed_out":
            _let_rest(webhook.id)
        raise
    _end(delivery_id, status, None)


def _begin(webhook_id: UUID, message_id: UUID, event: str) -> UUID:
    delivery_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(WebhookDelivery).values(
                id=delivery_id,
                webhook_id=webhook_id,
                message_id=message_id,
                event=event,
                started_at=clock.now(),
            )
        )
    return delivery_id


def _end(delivery_id: UUID, response_status: int | None, error: str | None) -> None:
    _change(
        sa.update(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id)
        .values(finished_at=clock.now(), response_status=response_status, error=error)
    )


def _let_rest(webhook_id: UUID) -> None:
    _change(
        sa.update(Webhook).where(Webhook.id == webhook_id).values(rests_until=clock.now() + REST)
    )


def _change(statement: sa.Update) -> None:
    with transaction():
        db.session.execute(statement, execution_options={"synchronize_session": False})
