"""The shapes of webhooks."""

from enum import StrEnum

import marshmallow as ma
from marshmallow import validate

from ...messaging.webhooks import addresses, recording
from ...models import WebhookDelivery
from ...web.body import BoundedList, BoundedSchema, Moment, Text
from ..schemas.fields import PageSchema


class DeliveryStatus(StrEnum):
    """Worked out from the facts, never stored."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class NewWebhook(BoundedSchema):
    url = Text(
        longest=addresses.LONGEST_URL,
        required=True,
        metadata={
            "format": "uri",
            "pattern": "^https://",
            "description": "https, to a public address.",
        },
    )
    events = BoundedList(
        ma.fields.String(validate=validate.OneOf(recording.EVENTS)), 1, 100, required=True
    )


class WebhookSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    url = ma.fields.String(required=True)
    events = ma.fields.List(ma.fields.String(), required=True)
    createdAt = Moment(attribute="created_at", required=True)


class WebhookCreatedSchema(WebhookSchema):
    secret = ma.fields.String(
        required=True,
        metadata={
            "description": "Verifies what is sent, as Standard Webhooks describes. "
            "It is shown here and never again."
        },
    )


class DeliverySchema(ma.Schema):
    """One attempt. `messageId` is what the receiver sees as `webhook-id`."""

    id = ma.fields.UUID(required=True)
    messageId = ma.fields.UUID(attribute="message_id", required=True)
    event = ma.fields.String(required=True)
    status = ma.fields.Function(
        lambda delivery: _status(delivery),
        required=True,
        metadata={"type": "string", "enum": [*map(str, DeliveryStatus)]},
    )
    responseStatus = ma.fields.Integer(attribute="response_status", required=True, allow_none=True)
    error = ma.fields.String(required=True, allow_none=True)
    startedAt = Moment(attribute="started_at", required=True)
    finishedAt = Moment(attribute="finished_at", required=True, allow_none=True)


def _status(delivery: WebhookDelivery) -> DeliveryStatus:
    if delivery.finished_at is None:
        return DeliveryStatus.STARTED
    return DeliveryStatus.SUCCEEDED if delivery.error is None else DeliveryStatus.FAILED


class WebhooksPage(PageSchema):
    results = ma.fields.List(ma.fields.Nested(WebhookSchema()), attribute="items", required=True)


class DeliveriesPage(PageSchema):
    results = ma.fields.List(ma.fields.Nested(DeliverySchema()), attribute="items", required=True)
