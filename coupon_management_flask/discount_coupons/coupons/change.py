"""Coupons are made, changed and deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...core import clock, errors, stock
from ...db.failures import broken_constraint, retried
from ...db.session import db, transaction
from ...identity import change_log
from ...models import DiscountCoupon, DiscountCouponTarget, LimitUse, Redemption, new_id
from ...models.kinds import LimitRule
from .. import coupon_limits, events
from .. import terms as coupon_terms
from ..refusals import CodeTaken, MaxUsageTooLow
from ..terms import Terms
from .coupon import Coupon, by_id

_TABLE = DiscountCoupon.__tablename__


def create_coupon(
    *, currency: str, is_public: bool = True, batch_id: UUID | None = None, **terms: Any
) -> Coupon:
    """Make a coupon of these terms; what is not said is the default.

    Shoppers are never shown one that is not public.

    Raises: Invalid, CodeTaken.
    """
    whole = coupon_terms.complete({"currency": currency, **terms})
    coupon_id, now = new_id(), clock.now()
    with transaction(), _unique_code():
        db.session.execute(
            sa.insert(DiscountCoupon).values(
                id=coupon_id,
                is_public=is_public,
                batch_id=batch_id,
                stock_id=stock.create(whole["max_usage"]),
                version=1,
                created_at=now,
                updated_at=now,
                **coupon_terms.columns(whole),
            )
        )
        _write_targets(coupon_id, whole)
        coupon = by_id(coupon_id)
        events.coupon_created(coupon)
        change_log.note(_TABLE, coupon_id, after=coupon)
        return coupon


@retried
def change_coupon(coupon_id: UUID, changes: Terms) -> Coupon:
    """Change the named terms and nothing else; lists, `limits` and `schedule` each as a whole.

    A new limit counts what was used before it.

    Raises: CouponNotFound, Invalid where the whole would contradict itself or what was used
        before, CodeTaken, MaxUsageTooLow.
    """
    with transaction(), _unique_code():
        # Whoever holds the stock decides about the coupon: no claim and no other change happens
        # until this is committed.
        stock.lock([by_id(coupon_id).stock_id])
        before = by_id(coupon_id)
        terms = {name: changes.get(name, getattr(before, name)) for name in coupon_terms.TERMS}
        coupon_terms.check(terms)
        if terms["currency"] != before.currency and _is_used(before):
            raise errors.Invalid({"currency": [f"It is used in {before.currency} already."]})
        sets_budget = terms["limits"].get(LimitRule.BUDGET) != before.limits.get(LimitRule.BUDGET)
        if sets_budget and LimitRule.BUDGET in terms["limits"] and _is_used_in_another(before):
            raise errors.Invalid(
                {"limits.budget": ["A budget can't count its uses in other currencies."]}
            )
        if terms["max_usage"] != before.max_usage:
            _set_max_usage(before.stock_id, terms["max_usage"])
        # Two changes in one tick of the clock are two.
        now = max(clock.now(), before.updated_at)
        db.session.execute(
            sa.update(DiscountCoupon)
            .where(DiscountCoupon.id == coupon_id)
            .values(
                version=DiscountCoupon.version + 1, updated_at=now, **coupon_terms.columns(terms)
            )
            .execution_options(synchronize_session=False)
        )
        if any(terms[name] != getattr(before, name) for name in coupon_terms.TARGETS):
            _delete_targets(coupon_id)
            _write_targets(coupon_id, terms)
        after = by_id(coupon_id)
        new_limits = sorted(after.limits.keys() - before.limits.keys())
        coupon_limits.count_what_was_used_before(after, map(LimitRule, new_limits), now)
        events.coupon_updated(after)
        # Nobody takes the last use of a coupon that has as many uses now as it has had.
        if after.is_exhausted and not before.is_exhausted:
            events.coupon_exhausted(after, uses=after.usage_count)
        change_log.note(_TABLE, coupon_id, before=before, after=after)
        return after


def _is_used(coupon: Coupon) -> bool:
    # A rollback may have left what a use took of the budget.
    gave_money = sa.exists().where(
        LimitUse.owner_id == coupon.id, LimitUse.rule == LimitRule.BUDGET, LimitUse.used > 0
    )
    return coupon.usage_count > 0 or bool(db.session.scalar(sa.select(gave_money)))


def _is_used_in_another(coupon: Coupon) -> bool:
    """Return whether a use stands in another currency than the coupon's.

    Uses are from before the currency was changed, which was possible once, or of carts in other
    currencies.
    """
    use = sa.exists().where(
        Redemption.stock_id == coupon.stock_id,
        Redemption.rolled_back_at.is_(None),
        Redemption.currency != coupon.currency,
    )
    return bool(db.session.scalar(sa.select(use)))


def _set_max_usage(stock_id: UUID, max_usage: int | None) -> None:
    try:
        stock.set_capacity(stock_id, max_usage)
    except errors.Exhausted as error:
        raise MaxUsageTooLow from error


@retried
def delete_coupon(coupon_id: UUID) -> None:
    """Delete a coupon; its code is free again.

    What was redeemed stays, with its stock, and can be rolled back.

    Raises: CouponNotFound.
    """
    with transaction():
        stock.lock([by_id(coupon_id).stock_id])
        before = by_id(coupon_id)
        _delete_targets(coupon_id)
        db.session.execute(
            sa.delete(DiscountCoupon)
            .where(DiscountCoupon.id == coupon_id)
            .execution_options(synchronize_session=False)
        )
        change_log.note(_TABLE, coupon_id, before=before)


def _write_targets(coupon_id: UUID, terms: Terms) -> None:
    rows = [
        {"kind": kind, "target": target, "coupon_id": coupon_id}
        for kind, target in coupon_terms.targets(terms)
    ]
    if rows:
        db.session.execute(
            sa.insert(DiscountCouponTarget).execution_options(dml_strategy="raw"), rows
        )


def _delete_targets(coupon_id: UUID) -> None:
    db.session.execute(
        sa.delete(DiscountCouponTarget)
        .where(DiscountCouponTarget.coupon_id == coupon_id)
        .execution_options(synchronize_session=False)
    )


@contextmanager
def _unique_code() -> Iterator[None]:
    """Name the one rule that the database may find broken inside.

    Raises: CodeTaken.
    """
    try:
        yield
    except IntegrityError as error:
        constraint = broken_constraint(error)
        if "discount_coupons_code" in constraint or "discount_coupons.code" in constraint:
            raise CodeTaken from error
        raise
