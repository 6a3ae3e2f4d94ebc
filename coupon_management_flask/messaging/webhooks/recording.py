"""Recording an event for the webhooks that want it, and signing what they are sent.

An event is recorded in the transaction that it tells of, as one outbox message for each webhook
that wants it. The message's id is `webhook-id`: by that a receiver knows what it gets twice, after
a retry as after a resend.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from standardwebhooks import Webhook as Signer

from ...core import clock
from ...db.dialects import one_of
from ...db.statements import Prepared
from ...models import Webhook, WebhookSubscription
from .. import outbox

TOPIC = "webhook"
EVENTS = (
    "coupon.created",
    "coupon.updated",
    "coupon.exhausted",
    "redemption.created",
    "redemption.rolled_back",
)

_IS_THERE = sa.and_(Webhook.id == WebhookSubscription.webhook_id, Webhook.gone_at.is_(None))

_SUBSCRIBED = Prepared(
    "webhooks_of_event",
    sa.select(WebhookSubscription.webhook_id)
    .join(Webhook, _IS_THERE)
    .where(WebhookSubscription.event == sa.bindparam("event", type_=sa.Text))
    .order_by(WebhookSubscription.webhook_id),
)

_ARE_WANTED = Prepared(
    "webhooks_of_events",
    lambda on_postgresql: sa.select(
        sa.exists()
        .where(
            one_of(WebhookSubscription.event, "events", sa.Text, on_postgresql=on_postgresql),
            _IS_THERE,
        )
        .label("wanted")
    ),
)


def are_wanted(events: Sequence[str]) -> bool:
    """Return whether any webhook wants any of these events at this moment."""
    return bool(_ARE_WANTED.execute({"events": list(events)}).one().wanted)


def record(event: str, facts: Callable[[], Mapping[str, object]]) -> None:
    """Have every webhook that wants the event told of it once the transaction is committed.

    `facts` returns JSON as the contract shows it. It is called only where somebody wants the event.
    """
    subscribed = _SUBSCRIBED.execute({"event": event})
    if not subscribed:
        return
    told = {
        "type": event,
        "timestamp": clock.now().isoformat().replace("+00:00", "Z"),
        "data": facts(),
    }
    body = json.dumps(told, separators=(",", ":"))
    for row in subscribed:
        webhook_id = str(row.webhook_id)
        outbox.write(
            TOPIC, {"webhook_id": webhook_id, "event": event, "body": body}, lane=webhook_id
        )


def new_secret() -> str:
    """Return 32 random bytes as a signing secret of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(secret: str, message_id: UUID, body: str) -> dict[str, str]:
    """Return the headers with which a body is sent."""
    now = clock.now()
    return {
        "Content-Type": "application/json",
        "User-Agent": "coupon-management",
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(secret).sign(str(message_id), now, body),
    }
