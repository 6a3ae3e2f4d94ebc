"""Stock, limits, and the proof of each unit that was taken."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id
from .kinds import LimitRule, RedemptionKind


class Stock(Model):
    """How much there is of a limited thing (`capacity`, null = no limit) and how much is taken.

    Changed by core/stock.py alone.
    """

    __tablename__ = "stocks"

    id: Mapped[Id]
    capacity: Mapped[int | None] = mapped_column(sa.BigInteger)
    claimed: Mapped[int] = mapped_column(sa.BigInteger, default=0)

    __table_args__ = (
        sa.CheckConstraint("claimed >= 0", name="claimed_not_negative"),
        sa.CheckConstraint(
            "capacity IS NULL OR claimed <= capacity", name="claimed_within_capacity"
        ),
    )


class Redemption(Model):
    """The proof of a claim. It is live while `rolled_back_at` is null.

    `claim_key` carries the policy, and its uniqueness within a stock enforces it: `user:<id>` is
    once for each user, `order:<id>` once for each order, `user:<id>:<fresh>` as often as there are
    units. `amount` is in minor units of `currency`, in credits where that is null.

    There is no foreign key onto the hot stock row: its share lock would cost a quarter of the
    claims. `flask audit` checks the reference instead.
    """

    __tablename__ = "redemptions"

    id: Mapped[Id]
    stock_id: Mapped[UUID] = mapped_column(sa.Uuid)
    # With "C" one user's keys of a stock stand side by side in the index. One look tells whether
    # there are any.
    claim_key: Mapped[str | None] = mapped_column(
        sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    )
    units: Mapped[int] = mapped_column(sa.BigInteger, default=1)
    kind: Mapped[RedemptionKind]
    account_id: Mapped[AccountId]
    code: Mapped[str | None]
    amount: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    currency: Mapped[str | None] = mapped_column(sa.String(3))
    created_at: Mapped[CreatedAt]
    rolled_back_at: Mapped[datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("stock_id", "claim_key"),
        sa.Index(None, "account_id", "kind", "created_at"),
        sa.CheckConstraint("units > 0", name="units_positive"),
        sa.CheckConstraint(
            "(claim_key IS NULL) = (rolled_back_at IS NOT NULL)", name="live_or_rolled_back"
        ),
    )


class LimitUse(Model):
    """How much of a limit is used.

    A limit is of a rule (`perDay`, `budget`, ...), for a customer ("" = all together), in a period
    ("" = ever). The limit itself stands in the owner's terms, which may change. The count never
    rises above it. Changed by core/limits.py alone.
    """

    __tablename__ = "limit_uses"

    owner_id: Mapped[UUID] = mapped_column(sa.Uuid, primary_key=True)
    rule: Mapped[LimitRule] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(sa.BigInteger)

    __table_args__ = (sa.CheckConstraint("used >= 0", name="used_not_negative"),)


class RedemptionTake(Model):
    """What a redemption took of a limit and has not given back."""

    __tablename__ = "redemption_takes"

    redemption_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("redemptions.id"), primary_key=True
    )
    rule: Mapped[LimitRule] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(sa.Uuid)
    customer: Mapped[str]
    period: Mapped[str]
    units: Mapped[int] = mapped_column(sa.BigInteger)

    __table_args__ = (sa.CheckConstraint("units >= 0", name="units_not_negative"),)
