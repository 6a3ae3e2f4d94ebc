"""Coupons that cost credit and carry a hidden code."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import CreatedAt, Id


class CreditCoupon(Model):
    """A coupon that costs `value` credits. Its stock says how much of it is left."""

    __tablename__ = "credit_coupons"

    id: Mapped[Id]
    name: Mapped[str]
    value: Mapped[int] = mapped_column(sa.BigInteger)
    hidden_code: Mapped[str]
    hidden_code_key: Mapped[str] = mapped_column(unique=True)
    stock_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("stocks.id"), unique=True)
    expiration_date: Mapped[datetime]
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[CreatedAt]

    __table_args__ = (sa.CheckConstraint("value >= 0", name="value_not_negative"),)
