"""Addresses that are told what happens, and each attempt to tell them."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import CreatedAt, Id


class Webhook(Model):
    """An address that is told of events.

    Nothing is sent to it before `rests_until`, when it has just kept somebody waiting in vain or
    has asked for a pause. That stays until it takes a message again. At `gone_at` it said that it
    is gone: it is told of nothing any more.

    The secret is stored in clear. What signs can't be a hash, and a key to encrypt it with would
    have to outlive SECRET_KEY, which operators change. The secret opens nothing of ours: whoever
    reads it can forge messages to this one address.
    """

    __tablename__ = "webhooks"

    id: Mapped[Id]
    url: Mapped[str]
    secret: Mapped[str]
    created_at: Mapped[CreatedAt]
    rests_until: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]


class WebhookSubscription(Model):
    """An event that a webhook wants to hear of."""

    __tablename__ = "webhook_subscriptions"

    event: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class WebhookDelivery(Model):
    """One attempt to deliver a message.

    It has failed if there is an `error`. An attempt without an end is running, or its worker died.
    It is deleted with its message, when that is purged, and with its webhook.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[Id]
    webhook_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("webhooks.id", ondelete="CASCADE")
    )
    message_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("outbox_messages.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    error: Mapped[str | None]

    __table_args__ = (
        sa.Index(None, "webhook_id", "id"),
        sa.CheckConstraint(
            "finished_at IS NOT NULL OR (response_status IS NULL AND error IS NULL)",
            name="outcome_at_the_end",
        ),
    )
