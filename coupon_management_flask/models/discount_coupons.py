"""Shop discounts: the coupons' terms, and the orders that were given one."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, JsonObject, is_among, where
from .kinds import CouponFor, DiscountBase, DiscountType, TargetKind

# No currency has more decimals, and a percentage needs none.
AMOUNT_DECIMALS = 4


class Amount(sa.types.TypeDecorator[Decimal]):
    """A decimal, stored as a whole number of ten-thousandths.

    So it is exact and sorts right on SQLite too, which has no decimals of its own.
    """

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value.scaleb(AMOUNT_DECIMALS))

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-AMOUNT_DECIMALS)


class DiscountCoupon(Model):
    """The terms of a discount. Its stock says how often it was used.

    `version` rises with every change of the terms. `is_public` is false for codes that were made
    for one person, which shoppers are never shown. What is searched stands in columns of its own
    and in DiscountCouponTarget: `is_bound` says that `customer_ids` names somebody, and
    `for_every_product` that the coupon asks for no product and for no category. The lists stand as
    they were written.
    """

    __tablename__ = "discount_coupons"

    id: Mapped[Id]
    # "C" sorts the same everywhere, and as SQLite does.
    code: Mapped[str] = mapped_column(
        sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), unique=True
    )
    description: Mapped[str | None]
    type: Mapped[DiscountType]
    discount: Mapped[Decimal] = mapped_column(Amount)
    currency: Mapped[str] = mapped_column(sa.String(3))
    coupon_for: Mapped[CouponFor]
    products: Mapped[list[str]] = mapped_column(sa.JSON)
    categories: Mapped[list[str]] = mapped_column(sa.JSON)
    excluded_products: Mapped[list[str]] = mapped_column(sa.JSON)
    excluded_categories: Mapped[list[str]] = mapped_column(sa.JSON)
    min_purchase_amount: Mapped[Decimal | None] = mapped_column(Amount)
    max_discount_amount: Mapped[Decimal | None] = mapped_column(Amount)
    starts_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    schedule: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    customer_ids: Mapped[list[str]] = mapped_column(sa.JSON)
    first_order_only: Mapped[bool]
    limits: Mapped[JsonObject] = mapped_column(sa.JSON)
    combinable: Mapped[bool]
    exclusive_group: Mapped[str | None]
    priority: Mapped[int]
    base: Mapped[DiscountBase]
    is_active: Mapped[bool]
    is_public: Mapped[bool]
    is_bound: Mapped[bool]
    for_every_product: Mapped[bool]
    batch_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    stock_id: Mapped[UUID] = mapped_column(sa.Uuid, sa.ForeignKey("stocks.id"), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint(is_among("type", DiscountType), name="type"),
        sa.CheckConstraint(is_among("coupon_for", CouponFor), name="coupon_for"),
        sa.CheckConstraint(is_among("base", DiscountBase), name="base"),
        sa.CheckConstraint(
            "discount >= 0 AND (type <> 'percentage' OR discount <= 1000000)", name="discount"
        ),
        sa.CheckConstraint("min_purchase_amount >= 0", name="min_purchase_amount"),
        sa.CheckConstraint(
            "coupon_for <> 'minPurchase' OR min_purchase_amount IS NOT NULL",
            name="min_purchase_asked",
        ),
        sa.CheckConstraint("max_discount_amount >= 0", name="max_discount_amount"),
        sa.CheckConstraint("starts_at < expires_at", name="window"),
        # The list of all coupons in each of its orders; the list that shoppers see; and what can
        # apply to any product.
        sa.Index("ix_discount_coupons_newest", "created_at", "id"),
        sa.Index("ix_discount_coupons_updated", "updated_at", "id"),
        sa.Index("ix_discount_coupons_expiry", "expires_at", "id"),
        sa.Index("ix_discount_coupons_priority", "priority", "id"),
        sa.Index(
            "ix_discount_coupons_batch",
            "batch_id",
            "id",
            **where("batch_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_discount_coupons_public",
            "created_at",
            "id",
            **where("is_active AND is_public", sqlite="is_active = 1 AND is_public = 1"),
        ),
        sa.Index(
            "ix_discount_coupons_everything",
            "priority",
            "id",
            **where(
                "is_active AND for_every_product", sqlite="is_active = 1 AND for_every_product = 1"
            ),
        ),
        sa.Index(
            "ix_discount_coupons_public_everything",
            "priority",
            "id",
            **where(
                "is_active AND is_public AND for_every_product",
                sqlite="is_active = 1 AND is_public = 1 AND for_every_product = 1",
            ),
        ),
    )


class DiscountCouponTarget(Model):
    """A product or category that a coupon lists or excludes, or a customer that it is bound to.

    A coupon is found by these.
    """

    __tablename__ = "discount_coupon_targets"

    kind: Mapped[TargetKind] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    coupon_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("discount_coupons.id"), primary_key=True, index=True
    )

    __table_args__ = (sa.CheckConstraint(is_among("kind", TargetKind), name="kind"),)


class OrderRedemption(Model):
    """A shop's order that was given a discount, by one code or several.

    It is live while `order_key`, the order's id, is there. `original` and `discount` are in minor
    units of `currency`. `answer` is what the shop was told, and `snapshot` what that was decided
    by. `rollbacks` lists what was taken back since, in turn.
    """

    __tablename__ = "order_redemptions"

    id: Mapped[Id]
    account_id: Mapped[AccountId]
    order_id: Mapped[str] = mapped_column(index=True)
    order_key: Mapped[str | None]
    fingerprint: Mapped[str]
    customer_id: Mapped[str | None]
    currency: Mapped[str] = mapped_column(sa.String(3))
    original: Mapped[int] = mapped_column(sa.BigInteger)
    discount: Mapped[int] = mapped_column(sa.BigInteger)
    answer: Mapped[JsonObject] = mapped_column(sa.JSON)
    snapshot: Mapped[JsonObject] = mapped_column(sa.JSON)
    rollbacks: Mapped[list[JsonObject]] = mapped_column(sa.JSON)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[CreatedAt]
    rolled_back_at: Mapped[datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("account_id", "order_key"),
        sa.Index(None, "customer_id", "id"),
        sa.CheckConstraint(
            "(order_key IS NULL) = (rolled_back_at IS NOT NULL)", name="live_or_rolled_back"
        ),
        sa.CheckConstraint("discount >= 0 AND discount <= original", name="discount"),
    )


class OrderRedemptionCode(Model):
    """One code of an order's redemption, at its place among those that were applied.

    `lines` has its share of each line of the cart in minor units.
    """

    __tablename__ = "order_redemption_codes"

    order_redemption_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("order_redemptions.id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str]
    coupon_id: Mapped[UUID] = mapped_column(sa.Uuid)
    redemption_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("redemptions.id"), unique=True
    )
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    lines: Mapped[list[int]] = mapped_column(sa.JSON)

    __table_args__ = (
        sa.Index(None, "code", "order_redemption_id"),
        sa.CheckConstraint("amount >= 0", name="amount_not_negative"),
    )
