"""Codes that visitors of websites got for their e-mail addresses, and who wants no mails."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import CreatedAt, Id


class EmailCoupon(Model):
    """A code of a pair of an e-mail address and a website, both in one form, however they were typed. `number` counts the pair's codes from 1.

    Code, discount and expiry stand in the discount coupon; a shop may delete that, and then there is no code any more. `message_id` is the
    mail in the outbox that was written last.
    """

    __tablename__ = "email_coupons"

    id: Mapped[Id]
    email: Mapped[str]
    website: Mapped[str]
    number: Mapped[int]
    coupon_id: Mapped[UUID | None] = mapped_column(
        sa.Uuid, sa.ForeignKey("discount_coupons.id", ondelete="SET NULL"), unique=True
    )
    message_id: Mapped[UUID] = mapped_column(sa.Uuid)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        # Of two who make the next code of a pair at one moment, the key lets one.
        sa.UniqueConstraint("email", "website", "number"),
        sa.Index(None, "website", "id"),
        sa.CheckConstraint("number > 0", name="number"),
    )


class UnsubscribedAddress(Model):
    """An e-mail address, in that form, that gets no mails any more."""

    __tablename__ = "unsubscribed_addresses"

    email: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
