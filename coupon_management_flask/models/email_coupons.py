"""Codes for e-mail addresses, and the addresses that want no mails."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import CreatedAt, Id


class EmailCoupon(Model):
    """A code that somebody got for an e-mail address on a website.

    Address and website are normalised, however they were typed. `number` counts the codes of the
    pair from 1. Code, discount and expiry stand in the discount coupon. A shop may delete that, and
    then there is no code any more. `message_id` is the last mail about it in the outbox, and
    `mailed_to` the address as it was typed, where that is not `email`.
    """

    __tablename__ = "email_coupons"

    id: Mapped[Id]
    email: Mapped[str]
    mailed_to: Mapped[str | None]
    website: Mapped[str]
    number: Mapped[int]
    coupon_id: Mapped[UUID | None] = mapped_column(
        sa.Uuid, sa.ForeignKey("discount_coupons.id", ondelete="SET NULL"), unique=True
    )
    message_id: Mapped[UUID] = mapped_column(sa.Uuid)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # Of two who make the next code of a pair at the same moment, this lets one.
        sa.UniqueConstraint("email", "website", "number"),
        sa.Index(None, "website", "id"),
        sa.CheckConstraint("number > 0", name="number"),
    )


class UnsubscribedAddress(Model):
    """An e-mail address, normalised, that gets no mails any more."""

    __tablename__ = "unsubscribed_addresses"

    email: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
