"""Use cases of webhooks. They are the shop's, not an account's: whoever manages coupons manages all of them, and none shows its secret twice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ... import config
from ...core import clock, errors
from ...db.dialects import rows_changed
from ...db.session import AnyRow, AnySelect, db, transaction
from ...messaging import outbox
from ...messaging.webhooks import addresses, delivery, recording
from ...models import Webhook, WebhookDelivery, WebhookSubscription, new_id
from ...web.pagination import Page, paginate

_webhooks: Any = Webhook.__table__
_deliveries: Any = WebhookDelivery.__table__
_subscriptions: Any = WebhookSubscription.__table__


class WebhookNotFound(errors.NotFound):
    name = "webhook_not_found"


class DeliveryNotFound(errors.NotFound):
    name = "delivery_not_found"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A webhook as its clients see it; `secret` is known once."""

    id: UUID
    url: str
    events: list[str]
    created_at: datetime
    secret: str | None = None


def create(url: str, events: list[str], *, allow_private: bool) -> Subscriber:
    """A webhook that is told of these events from now on, with the secret that signs what it is sent. Raises Invalid where the URL may not be called."""
    refusal = addresses.refuse_url(url, allow_private=allow_private)
    if refusal is not None:
        raise errors.Invalid({"url": [refusal]})
    webhook = Subscriber(new_id(), url, _in_order(events), clock.now(), recording.new_secret())
    with transaction():
        db.session.execute(
            sa.insert(_webhooks).values(
                id=webhook.id, url=url, secret=webhook.secret, created_at=webhook.created_at
            )
        )
        db.session.execute(
            sa.insert(_subscriptions),
            [{"event": event, "webhook_id": webhook.id} for event in webhook.events],
        )
    return webhook


def _in_order(events: Any) -> list[str]:
    return [event for event in recording.EVENTS if event in events]


def list_webhooks(page: int, limit: int) -> Page:
    """The webhooks, oldest first."""
    found = paginate(sa.select(_webhooks).order_by(_webhooks.c.id), page, limit)
    return Page(_shown(found.items), found.total, found.number, found.size)


def read(webhook_id: UUID) -> Subscriber:
    """Raises WebhookNotFound."""
    return _shown([_existing(webhook_id)])[0]


def _existing(webhook_id: UUID) -> AnyRow:
    webhook = db.session.execute(
        sa.select(_webhooks).where(_webhooks.c.id == webhook_id)
    ).one_or_none()
    if webhook is None:
        raise WebhookNotFound
    return webhook


def _shown(found: list[AnyRow]) -> list[Subscriber]:
    events: dict[UUID, set[str]] = {webhook.id: set() for webhook in found}
    for row in db.session.execute(
        sa.select(_subscriptions).where(_subscriptions.c.webhook_id.in_(events))
    ):
        events[row.webhook_id].add(row.event)
    return [
        Subscriber(webhook.id, webhook.url, _in_order(events[webhook.id]), webhook.created_at)
        for webhook in found
    ]


def delete(webhook_id: UUID) -> None:
    """Ends a webhook and forgets its deliveries; what was not delivered yet never is. Raises WebhookNotFound."""
    with transaction():
        if (
            rows_changed(
                db.session.execute(sa.delete(_webhooks).where(_webhooks.c.id == webhook_id))
            )
            == 0
        ):
            raise WebhookNotFound


def list_deliveries(webhook_id: UUID, page: int, limit: int) -> Page:
    """The attempts to deliver something to a webhook, latest first. Raises WebhookNotFound."""
    _existing(webhook_id)
    return paginate(_of(webhook_id).order_by(_deliveries.c.id.desc()), page, limit)


def _of(webhook_id: UUID) -> AnySelect:
    return sa.select(_deliveries).where(_deliveries.c.webhook_id == webhook_id)


def resend(webhook_id: UUID, delivery_id: UUID) -> AnyRow:
    """Makes the message of a delivery due again, under the id that it had; one that is being delivered at this moment is left to that.

    Says which delivery it was. Raises WebhookNotFound, DeliveryNotFound.
    """
    _existing(webhook_id)
    with transaction():
        delivery = db.session.execute(
            _of(webhook_id).where(_deliveries.c.id == delivery_id)
        ).one_or_none()
        if delivery is None:
            raise DeliveryNotFound
        outbox.send_again(delivery.message_id)
        # Whoever asks for it has mended something: it need not rest any longer.
        db.session.execute(
            sa.update(_webhooks).where(_webhooks.c.id == webhook_id).values(rests_until=None)
        )
    return delivery


def deliver(message_id: UUID, payload: dict[str, Any]) -> None:
    delivery.deliver(message_id, payload, allow_private=config.current().webhooks_allow_private)
