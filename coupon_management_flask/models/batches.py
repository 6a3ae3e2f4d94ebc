"""Batches of generated codes."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, JsonObject


class CouponBatch(Model):
    """Coupons of one template, made bit by bit: `done` of `size` are there.

    `message_id` is the message that asks for the next ones, until all are made. `template` is what
    was asked for, as it was written. `pattern` is in upper case.
    """

    __tablename__ = "coupon_batches"

    id: Mapped[Id]
    account_id: Mapped[AccountId | None]
    pattern: Mapped[str] = mapped_column(index=True)
    template: Mapped[JsonObject] = mapped_column(sa.JSON)
    size: Mapped[int]
    done: Mapped[int]
    message_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint("size > 0", name="size_positive"),
        sa.CheckConstraint("done >= 0 AND done <= size", name="done_within_size"),
    )
