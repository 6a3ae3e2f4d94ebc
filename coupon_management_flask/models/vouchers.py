"""Vouchers: what is sold, what was bought, and what it was used for."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, Json, where


class VoucherType(Model):
    """A service that is sold, at `price` in minor units of `currency`.

    A voucher keeps the uses and the days that its type gave when it was bought.
    """

    __tablename__ = "voucher_types"

    id: Mapped[Id]
    name: Mapped[str]
    description: Mapped[str]
    price: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    service_type: Mapped[str]
    is_active: Mapped[bool]
    validity_days: Mapped[int]
    max_uses: Mapped[int]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint("price >= 0", name="price_not_negative"),
        sa.CheckConstraint("validity_days > 0", name="validity_days_positive"),
        sa.CheckConstraint("max_uses > 0", name="max_uses_positive"),
    )


class VoucherPurchase(Model):
    """Vouchers of a type, paid with `credits`, or by card where that is null.

    Amounts are in minor units of `currency`. `total` is what was paid. It differs by `rounding`
    from the price less the discount: credits are whole, and cards know no single fils.
    `order_redemption_id` is the discount that was given, an order under this purchase's id.
    """

    __tablename__ = "voucher_purchases"

    id: Mapped[Id]
    account_id: Mapped[AccountId]
    voucher_type_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("voucher_types.id"))
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(sa.BigInteger)
    discount: Mapped[int] = mapped_column(sa.BigInteger)
    rounding: Mapped[int] = mapped_column(sa.BigInteger, server_default=sa.text("0"))
    total: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    credits: Mapped[int | None] = mapped_column(sa.BigInteger)
    order_redemption_id: Mapped[UUID | None] = mapped_column(
        sa.Uuid, sa.ForeignKey("order_redemptions.id"), unique=True
    )
    created_at: Mapped[CreatedAt]
    refunded_at: Mapped[datetime | None]
    refund_reason: Mapped[str | None]

    __table_args__ = (
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.CheckConstraint(
            "discount >= 0 AND (discount = 0 OR order_redemption_id IS NOT NULL)", name="discount"
        ),
        sa.CheckConstraint(
            "total >= 0 AND total = unit_price * quantity - discount + rounding", name="total"
        ),
        sa.CheckConstraint("credits >= 0", name="credits_not_negative"),
    )


class SaleChange(Model):
    """What a purchase lost, or got again, after it was delivered. Append-only.

    `vouchers` is how many were cancelled (below zero) or given again, `used_up` how many of them
    had no uses left, `amount` the money in minor units of `currency`.
    """

    __tablename__ = "sale_changes"

    id: Mapped[Id]
    purchase_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("voucher_purchases.id"), index=True
    )
    vouchers: Mapped[int]
    used_up: Mapped[int]
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    created_at: Mapped[CreatedAt]


class Voucher(Model):
    """A prepaid right to as many uses as its stock has, until `expiry_date`.

    `position` counts the vouchers of a purchase from 0.
    """

    __tablename__ = "vouchers"

    id: Mapped[Id]
    code: Mapped[str]
    code_key: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[AccountId]
    voucher_type_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("voucher_types.id"))
    purchase_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("voucher_purchases.id"))
    position: Mapped[int]
    stock_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("stocks.id"), unique=True)
    purchase_date: Mapped[datetime]
    expiry_date: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    frozen_at: Mapped[datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("purchase_id", "position"),
        # Somebody's vouchers, read backwards: the newest first.
        sa.Index(None, "account_id", "id"),
        # The frozen ones are few, and counted one by one.
        sa.Index("ix_vouchers_frozen", "frozen_at", **where("frozen_at IS NOT NULL")),
        sa.CheckConstraint("position >= 0", name="position_not_negative"),
        sa.CheckConstraint("purchase_date < expiry_date", name="window"),
    )


class VoucherUsage(Model):
    """What a voucher was redeemed for. The redemption that proves it says who did, and when."""

    __tablename__ = "voucher_usages"

    redemption_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("redemptions.id"), primary_key=True
    )
    voucher_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("vouchers.id"), index=True)
    service_type: Mapped[str]
    details: Mapped[Json | None] = mapped_column(sa.JSON(none_as_null=True))
