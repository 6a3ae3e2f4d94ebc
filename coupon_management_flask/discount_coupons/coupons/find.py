"""Coupons are found: by id, by code, by product, and in lists."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from ...core import clock
from ...db.pages import Page
from ...db.session import db
from ...identity import failed_attempts
from ...models import DiscountCoupon, DiscountCouponTarget, Stock
from ...models.kinds import CouponFor, DiscountType, TargetKind
from ...text import codes
from ..caller import Caller
from ..refusals import CouponNotFound
from .coupon import COLUMNS, IS_HIDDEN, IS_THERE, SELECT, Coupon, coupons

MOST_OF_A_PRODUCT = 100


def is_running(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a coupon is switched on and in its window."""
    return sa.and_(
        DiscountCoupon.is_active,
        sa.or_(DiscountCoupon.starts_at.is_(None), DiscountCoupon.starts_at <= now),
        sa.or_(DiscountCoupon.expires_at.is_(None), DiscountCoupon.expires_at > now),
    )


def public_for(customer_id: str | None, now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a coupon is shown to this shopper.

    Shoppers see running coupons that are public, and of those bound to customers their own.
    """
    own = _has_target(TargetKind.CUSTOMER, customer_id)
    return sa.and_(DiscountCoupon.is_public, is_running(now), sa.or_(~DiscountCoupon.is_bound, own))


def shown(coupon: Coupon, caller: Caller) -> Coupon:
    """Return a coupon as the caller may see it: a shopper is not told who else has it."""
    if caller.manages or not coupon.customer_ids:
        return coupon
    own = [customer for customer in coupon.customer_ids if customer == caller.customer_id]
    return replace(coupon, customer_ids=own)


def list_coupons(
    caller: Caller,
    *,
    page: int,
    limit: int,
    sort_by: Sequence[tuple[str, bool]],
    code: str | None = None,
    type: DiscountType | None = None,
    coupon_for: CouponFor | None = None,
    is_active: bool | None = None,
) -> Page:
    """Return a page of the coupons, those of a shopper the public ones alone.

    `sort_by` has names of fields, each with whether it is descending. A field without a value
    comes last in either direction.
    """
    filters = {"code": code, "type": type, "coupon_for": coupon_for, "is_active": is_active}
    conditions: list[sa.ColumnElement[bool]] = [
        COLUMNS[name] == value for name, value in filters.items() if value is not None
    ]
    if not caller.manages:
        conditions.append(public_for(caller.customer_id, clock.now()))
    counted = sa.select(sa.func.count()).select_from(DiscountCoupon).where(*conditions)
    # Counting those that are there would read every row, counting all reads an index.
    counts = (counted, counted.where(IS_HIDDEN))
    total = db.session.scalar(sa.select(_difference(*counts))) or 0
    # Ids sort by creation, so newest first holds within one moment of the clock too.
    order = [*sort_by, ("id", sort_by[0][1])]
    rows = db.session.execute(
        SELECT.where(*conditions)
        .order_by(*(_ordered(*one) for one in order))
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page([shown(coupon, caller) for coupon in coupons(rows)], total, page, limit)


def _difference(one: sa.Select[int], other: sa.Select[int]) -> sa.ColumnElement[int]:
    return one.scalar_subquery() - other.scalar_subquery()


_SORTED_BY = {**COLUMNS, "usage_count": Stock.claimed, "max_usage": Stock.capacity}


def _ordered(name: str, descending: bool) -> sa.UnaryExpression[Any]:
    column = _SORTED_BY[name]
    ordered = column.desc() if descending else column.asc()
    return ordered.nulls_last() if getattr(column, "nullable", False) else ordered


def read_coupon(caller: Caller, coupon_id: UUID) -> Coupon:
    """Raises: CouponNotFound, for a shopper also where the coupon is not public."""
    return _read(caller, DiscountCoupon.id == coupon_id)


def read_by_code(caller: Caller, code: str) -> Coupon:
    """Return the coupon with this code; one that a shopper does not find is a failed attempt.

    Raises: CouponNotFound, for a shopper also where the coupon is not public; RateLimited.
    """
    failed_attempts.check(caller.attempt_limits)
    try:
        return _read(caller, DiscountCoupon.code == codes.discount(code))
    except CouponNotFound:
        failed_attempts.record(caller.attempt_limits)
        raise


def _read(caller: Caller, which: sa.ColumnElement[bool]) -> Coupon:
    conditions = [which] if caller.manages else [which, public_for(caller.customer_id, clock.now())]
    row = db.session.execute(SELECT.where(*conditions)).one_or_none()
    if row is None:
        raise CouponNotFound
    return shown(Coupon(*row), caller)


# Asked coupon by coupon: joined, PostgreSQL would rather read all stocks there are than look for
# a few hundred.
_HAS_USES_LEFT = (
    sa.select(sa.or_(Stock.capacity.is_(None), Stock.claimed < Stock.capacity))
    .where(Stock.id == DiscountCoupon.stock_id)
    .correlate(DiscountCoupon)
    .scalar_subquery()
)


def list_for_product(
    caller: Caller, product_id: str, *, category: str | None = None
) -> list[Coupon]:
    """Return running coupons with uses left that can apply to a product.

    They list it, or its category where that is known, or ask for neither; and they exclude none of
    the two. Those of the highest priority come first.
    """
    now = clock.now()
    listed = [(TargetKind.PRODUCT, product_id)]
    excluded = [(TargetKind.EXCLUDED, product_id)]
    if category is not None:
        listed.append((TargetKind.CATEGORY, category))
        excluded.append((TargetKind.EXCLUDED_CATEGORY, category))
    conditions = [
        is_running(now) if caller.manages else public_for(caller.customer_id, now),
        IS_THERE,
        _HAS_USES_LEFT,
        *(~_has_target(*one) for one in excluded),
    ]
    order: list[sa.ColumnElement[Any]] = [DiscountCoupon.priority.desc(), DiscountCoupon.id.desc()]
    ids = sa.select(DiscountCoupon.id).where(*conditions).order_by(*order).limit(MOST_OF_A_PRODUCT)
    # Each part is found by its own index, as far as it is needed.
    parts = [
        *(_listing(ids, *one) for one in listed),
        ids.where(DiscountCoupon.for_every_product),
    ]
    found = sa.union(*(sa.select(part.subquery().c.id) for part in parts)).subquery()
    rows = db.session.execute(
        SELECT.join(found, found.c.id == DiscountCoupon.id)
        .order_by(*order)
        .limit(MOST_OF_A_PRODUCT)
    )
    return [shown(coupon, caller) for coupon in coupons(rows)]


def _has_target(kind: TargetKind, target: str | None) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        DiscountCouponTarget.kind == kind,
        DiscountCouponTarget.target == target,
        DiscountCouponTarget.coupon_id == DiscountCoupon.id,
    )


def _listing(ids: sa.Select[UUID], kind: TargetKind, target: str) -> sa.Select[UUID]:
    """Return those of the coupons that list this."""
    listing = aliased(DiscountCouponTarget)
    return ids.join(listing, listing.coupon_id == DiscountCoupon.id).where(
        listing.kind == kind, listing.target == target
    )
