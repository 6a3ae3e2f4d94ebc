"""Codes in bulk."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id


class CouponBatch(Model):
    """So many coupons of one template, made bit by bit: `done` of them are there. `message_id` asks for the next ones, until all are.

    `template` is what was asked for, as it was written; `pattern` in capitals.
    """

    __tablename__ = "coupon_batches"

    id: Mapped[Id]
    account_id: Mapped[AccountId | None]
    pattern: Mapped[str] = mapped_column(index=True)
    template: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    size: Mapped[int]
    done: Mapped[int]
    message_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint("size > 0", name="size_positive"),
        sa.CheckConstraint("done >= 0 AND done <= size", name="done_within_size"),
    )
