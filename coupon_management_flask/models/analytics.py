"""Figures by day, so that a dashboard over millions of redemptions scans none of them."""

from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import where
from .discount_coupons import DiscountCoupon
from .stock import Redemption
from .vouchers import Voucher


class DailyFigure(Model):
    """How much of something there was on a day (UTC), less what was taken back since.

    Changed by analytics/figures/ alone; measures.py names the measures. `kind` is of a redemption
    or of what was issued. `label` is what is told apart within it: a type, an offer. `amount` is in
    minor units of `currency`, in credits where that is empty. What a measure does not tell apart
    is empty.
    """

    __tablename__ = "daily_figures"

    measure: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(sa.String(3), primary_key=True)
    number: Mapped[int] = mapped_column(sa.BigInteger)
    amount: Mapped[int] = mapped_column(sa.BigInteger)


class RollUpMark(Model):
    """How far a stream of events is summed up: up to this moment and id, and including them.

    A stream in the order of ids has no moments.
    """

    __tablename__ = "roll_up_marks"

    stream: Mapped[str] = mapped_column(primary_key=True)
    moment: Mapped[datetime]
    last_id: Mapped[UUID] = mapped_column(sa.Uuid)


# Find what was taken back since a mark. No claim writes to them.
sa.Index(
    "ix_redemptions_rolled_back_at",
    Redemption.rolled_back_at,
    Redemption.id,
    **where("rolled_back_at IS NOT NULL"),
)

# Find the vouchers that expire today, and count the coupons that nobody can use any more.
sa.Index("ix_vouchers_expiry_date", Voucher.expiry_date)
sa.Index(
    "ix_discount_coupons_inactive",
    DiscountCoupon.id,
    **where("NOT is_active", sqlite="is_active = 0"),
)
