"""Codes that visitors of websites got for their e-mail addresses, and who wants no mails."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model
from .columns import CreatedAt, Id


class EmailCoupon(Model):
    """A code of a pair of an e-mail address and a website: a discount coupon, whose code and expiry stand there. `number` counts the pair's codes from 1.

    `mailed_at` is when its mail was asked for last, `message_id` that mail in the outbox.
    """

    __tablename__ = "email_coupons"

    id: Mapped[Id]
    email: Mapped[str]
    website: Mapped[str]
    number: Mapped[int]
    # No foreign key: a shop may delete the coupon.
    coupon_id: Mapped[UUID] = mapped_column(sa.Uuid, unique=True)
    message_id: Mapped[UUID] = mapped_column(sa.Uuid)
    mailed_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # Of two who make the next code of a pair at one moment, the key lets one.
        sa.UniqueConstraint("email", "website", "number"),
        sa.Index(None, "website", "id"),
        sa.CheckConstraint("number > 0", name="number"),
    )


class UnsubscribedAddress(Model):
    """An e-mail address, in lower case, that gets no mails any more."""

    __tablename__ = "unsubscribed_addresses"

    email: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
