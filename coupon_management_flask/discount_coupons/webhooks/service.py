"""What a shop does with its webhooks.

They belong to the shop, not to an account: whoever manages coupons manages all of them. None
shows its secret twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ... import config
from ...core import clock, errors
from ...db.dialects import rows_changed
from ...db.pages import Page
from ...db.session import db, transaction
from ...identity import change_log
from ...messaging import outbox
from ...messaging.webhooks import addresses, delivery, recording
from ...models import Webhook, WebhookDelivery, WebhookSubscription, new_id
from ..refusals import DeliveryNotFound, WebhookNotFound

_TABLE = Webhook.__tablename__


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A webhook as its clients see it. `secret` is known once, when it is made.

    It is active until it answers that it is gone.
    """

    id: UUID
    url: str
    events: list[str]
    created_at: datetime
    gone_at: datetime | None = None
    secret: str | None = None

    @property
    def is_active(self) -> bool:
        return self.gone_at is None


def create(url: str, events: list[str], *, allow_private: bool) -> Subscriber:
    """Make a webhook that is told of these events from now on.

    It comes with the secret that signs what it is sent.

    Raises: Invalid where the URL may not be called.
    """
    refusal = addresses.refuse_url(url, allow_private=allow_private)
    if refusal is not None:
        raise errors.Invalid({"url": [refusal]})
    webhook = Subscriber(
        new_id(), url, _in_order(events), clock.now(), secret=recording.new_secret()
    )
    with transaction():
        db.session.execute(
            sa.insert(Webhook).values(
                id=webhook.id, url=url, secret=webhook.secret, created_at=webhook.created_at
            )
        )
        db.session.execute(
            sa.insert(WebhookSubscription),
            [{"event": event, "webhook_id": webhook.id} for event in webhook.events],
        )
        change_log.note(_TABLE, webhook.id, after=webhook)
    return webhook


def _in_order(events: Collection[str]) -> list[str]:
    return [event for event in recording.EVENTS if event in events]


def list_webhooks(page: int, limit: int) -> Page:
    """Return a page of the webhooks, oldest first."""
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Webhook)) or 0
    found = db.session.scalars(
        sa.select(Webhook).order_by(Webhook.id).limit(limit).offset((page - 1) * limit)
    ).all()
    return Page(_shown(found), total, page, limit)


def read(webhook_id: UUID) -> Subscriber:
    """Raises: WebhookNotFound."""
    return _shown([_existing(webhook_id)])[0]


def _existing(webhook_id: UUID) -> Webhook:
    webhook = db.session.scalars(sa.select(Webhook).where(Webhook.id == webhook_id)).one_or_none()
    if webhook is None:
        raise WebhookNotFound
    return webhook


def _shown(found: Sequence[Webhook]) -> list[Subscriber]:
    events: dict[UUID, set[str]] = {webhook.id: set() for webhook in found}
    subscriptions = db.session.scalars(
        sa.select(WebhookSubscription).where(WebhookSubscription.webhook_id.in_(events))
    )
    for subscription in subscriptions:
        events[subscription.webhook_id].add(subscription.event)
    return [
        Subscriber(
            webhook.id,
            webhook.url,
            _in_order(events[webhook.id]),
            webhook.created_at,
            webhook.gone_at,
        )
        for webhook in found
    ]


def delete(webhook_id: UUID) -> None:
    """Delete a webhook with its deliveries. What was not delivered yet never is.

    Raises: WebhookNotFound.
    """
    with transaction():
        before = read(webhook_id)
        deleted = db.session.execute(
            sa.delete(Webhook)
            .where(Webhook.id == webhook_id)
            .execution_options(synchronize_session=False)
        )
        if rows_changed(deleted) == 0:
            raise WebhookNotFound
        change_log.note(_TABLE, webhook_id, before=before)


def list_deliveries(webhook_id: UUID, page: int, limit: int) -> Page:
    """Return a page of the attempts to deliver something to a webhook, latest first.

    Raises: WebhookNotFound.
    """
    _existing(webhook_id)
    of_webhook = WebhookDelivery.webhook_id == webhook_id
    total = db.session.scalar(
        sa.select(sa.func.count()).select_from(WebhookDelivery).where(of_webhook)
    )
    found = db.session.scalars(
        sa.select(WebhookDelivery)
        .where(of_webhook)
        .order_by(WebhookDelivery.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(list(found), total or 0, page, limit)


def resend(webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Make the message of a delivery due again, under the id that it had.

    A message that is being delivered at this moment is left to that attempt. Returns the delivery
    that is repeated.

    Raises: WebhookNotFound, DeliveryNotFound.
    """
    _existing(webhook_id)
    with transaction():
        delivery = db.session.scalars(
            sa.select(WebhookDelivery).where(
                WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.id == delivery_id
            )
        ).one_or_none()
        if delivery is None:
            raise DeliveryNotFound
        outbox.send_again(delivery.message_id)
        # Whoever asks for it has mended something: the webhook need not rest any longer, and is not
        # gone any more.
        db.session.execute(
            sa.update(Webhook)
            .where(Webhook.id == webhook_id)
            .values(rests_until=None, gone_at=None)
            .execution_options(synchronize_session=False)
        )
        change_log.note(
            WebhookDelivery.__tablename__, delivery_id, before={}, after={"sent_again": True}
        )
    return delivery


def deliver(message_id: UUID, payload: dict[str, Any]) -> None:
    delivery.deliver(message_id, payload, allow_private=config.current().webhooks_allow_private)
