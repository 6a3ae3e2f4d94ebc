"""What the service needs to run safely."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, JsonObject, where


class IdempotencyKey(Model):
    """A request that must happen once. It is leased while it runs.

    `status` and `body` are its answer, stored by the transaction that did the work.
    """

    __tablename__ = "idempotency_keys"

    id: Mapped[Id]
    account_id: Mapped[AccountId]
    key: Mapped[str]
    fingerprint: Mapped[str]
    lease_id: Mapped[UUID] = mapped_column(sa.Uuid)
    leased_until: Mapped[datetime]
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    created_at: Mapped[CreatedAt] = mapped_column(index=True)

    __table_args__ = (sa.UniqueConstraint("account_id", "key"),)


class OutboxMessage(Model):
    """Something that must be done after a commit, written down in that commit.

    It is due at `due_at`, and leased while somebody does it. `lane` is whose it is, where a topic's
    receivers must not wait for one another. `refused_at` is when its receiver first said that it
    will never take it.
    """

    __tablename__ = "outbox_messages"

    id: Mapped[Id]
    topic: Mapped[str]
    lane: Mapped[str] = mapped_column(server_default="")
    payload: Mapped[JsonObject] = mapped_column(sa.JSON)
    created_at: Mapped[CreatedAt]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    refused_at: Mapped[datetime | None]
    lease_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    delivered_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    last_error: Mapped[str | None]

    __table_args__ = (
        # By topic and lane, so that what waits for one receiver is in no other's way.
        sa.Index(
            "ix_outbox_messages_lanes",
            "topic",
            "lane",
            "due_at",
            **where("delivered_at IS NULL AND given_up_at IS NULL"),
        ),
        # A few among many. Every scrape of the metrics counts them.
        sa.Index(
            "ix_outbox_messages_given_up",
            "topic",
            "given_up_at",
            **where("given_up_at IS NOT NULL"),
        ),
    )


class Lease(Model):
    """A periodic job, taken until `leased_until`, so that only one of many workers does it."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    leased_until: Mapped[datetime]


class Outage(Model):
    """A service that we depend on and that failed when it was last asked, whoever asked.

    The row is there from the first failure until the service answers again.
    """

    __tablename__ = "outages"

    name: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    error: Mapped[str]


class MailRefusal(Model):
    """A recipient whose mail the server refused for good since it last accepted any.

    It may be the recipient's fault. Once there are two of them it is hardly theirs. An address is
    kept as a keyed hash.
    """

    __tablename__ = "mail_refusals"

    recipient_digest: Mapped[str] = mapped_column(primary_key=True)
    refused_at: Mapped[datetime]
