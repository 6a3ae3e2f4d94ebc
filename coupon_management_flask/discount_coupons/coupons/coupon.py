"""A coupon as it is read: its terms, and how much of it is used."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...db.session import db
from ...models import CouponBatch, DiscountCoupon, Stock
from ...models.kinds import CouponFor, DiscountBase, DiscountType
from ..refusals import CouponNotFound


@dataclass(frozen=True, slots=True)
class Coupon:
    """A row of discount_coupons in the order of its columns, with what its stock says."""

    id: UUID
    code: str
    description: str | None
    type: DiscountType
    discount: Decimal
    currency: str
    coupon_for: CouponFor
    products: list[str]
    categories: list[str]
    excluded_products: list[str]
    excluded_categories: list[str]
    min_purchase_amount: Decimal | None
    max_discount_amount: Decimal | None
    starts_at: datetime | None
    expires_at: datetime | None
    schedule: dict[str, Any] | None
    customer_ids: list[str]
    first_order_only: bool
    limits: dict[str, int | str]
    combinable: bool
    exclusive_group: str | None
    priority: int
    base: DiscountBase
    is_active: bool
    is_public: bool
    is_bound: bool
    for_every_product: bool
    batch_id: UUID | None
    stock_id: UUID
    version: int
    created_at: datetime
    updated_at: datetime
    usage_count: int
    max_usage: int | None

    @property
    def is_exhausted(self) -> bool:
        return self.max_usage is not None and self.usage_count >= self.max_usage


COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    **{column.name: column for column in DiscountCoupon.__table__.c},
    "usage_count": Stock.claimed.label("usage_count"),
    "max_usage": Stock.capacity.label("max_usage"),
}

# The coupons of a batch are there once all are: one row of its table says so of all of them. So
# whoever looks for coupons asks for these, and nobody sees or uses one before. The few batches that
# are not done are read once for a statement, however many coupons it looks at.
_NOT_DONE = sa.select(CouponBatch.id).where(CouponBatch.done < CouponBatch.size)
IS_HIDDEN: sa.ColumnElement[bool] = DiscountCoupon.batch_id.in_(_NOT_DONE)
IS_THERE: sa.ColumnElement[bool] = sa.or_(
    DiscountCoupon.batch_id.is_(None), DiscountCoupon.batch_id.not_in(_NOT_DONE)
)

# The columns follow the class, so that a row's values are its arguments.
SELECT: sa.Select[*tuple[Any, ...]] = (
    sa.select(*(COLUMNS[field.name] for field in fields(Coupon)))
    .join(Stock, Stock.id == DiscountCoupon.stock_id)
    .where(IS_THERE)
)

_BY_CODE = SELECT.where(DiscountCoupon.code == sa.bindparam("code", type_=sa.Text))
_BY_ID = SELECT.where(DiscountCoupon.id == sa.bindparam("coupon_id", type_=sa.Uuid))


def coupons(rows: Iterable[Iterable[Any]]) -> list[Coupon]:
    """Return what `SELECT` has found."""
    return [Coupon(*row) for row in rows]


def by_id(coupon_id: UUID) -> Coupon:
    """Raises: CouponNotFound."""
    row = db.session.execute(_BY_ID, {"coupon_id": coupon_id}).one_or_none()
    if row is None:
        raise CouponNotFound
    return Coupon(*row)


def by_code(code: str) -> Coupon:
    """Return the coupon with this code, in the form in which codes are stored.

    Raises: CouponNotFound.
    """
    row = db.session.execute(_BY_CODE, {"code": code}).one_or_none()
    if row is None:
        raise CouponNotFound
    return Coupon(*row)
