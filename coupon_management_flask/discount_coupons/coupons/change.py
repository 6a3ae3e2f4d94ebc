"""Use cases of a shop's coupons: make them, change them, find them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ...core import clock, errors, stock
from ...db.failures import broken_constraint, retried
from ...db.session import AnyRow, db, transaction
from ...identity import failed_attempts
from ...models import DiscountCoupon, DiscountCouponTarget, LimitUse, Stock, new_id
from ...web.pagination import Page
from .. import coupon_limits, events
from .. import terms as coupon_terms
from ..errors import CodeTaken, MaxUsageTooLow
from ..refusals import CouponNotFound
from ..rules import SELECT, Caller

MOST_OF_A_PRODUCT = 100

_coupons: Any = DiscountCoupon.__table__
_targets: Any = DiscountCouponTarget.__table__
_stocks: Any = Stock.__table__

_BY_ID = SELECT.where(_coupons.c.id == sa.bindparam("coupon_id", type_=sa.Uuid))


def _write_targets(coupon_id: UUID, terms: dict[str, Any]) -> None:
    rows = [
        {"kind": kind, "target": target, "coupon_id": coupon_id}
        for kind, target in coupon_terms.targets(terms)
    ]
    if rows:
        db.session.execute(sa.insert(_targets), rows)


def create_coupon(
    *, currency: str, is_public: bool = True, batch_id: UUID | None = None, **terms: Any
) -> AnyRow:
    """A new coupon of these terms; what is not said is the default. Shoppers are never shown one that is not public. Raises Invalid, CodeTaken."""
    whole = coupon_terms.complete({"currency": currency, **terms})
    coupon_id, now = new_id(), clock.now()
    with transaction(), _unique_code():
        db.session.execute(
            sa.insert(_coupons).values(
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
        return coupon


@retried
def change_coupon(coupon_id: UUID, changes: dict[str, Any]) -> AnyRow:
    """Changes the named terms and nothing else; lists, `limits` and `schedule` each as a whole. A new limit counts what was used before it.

    Raises CouponNotFound, Invalid where the whole would contradict itself, CodeTaken, MaxUsageTooLow.
    """
    with transaction(), _unique_code():
        # Whoever holds the stock decides about the coupon: no claim and no other change happens until this is committed.
        stock.lock([by_id(coupon_id).stock_id])
        before = by_id(coupon_id)
        terms = {name: changes.get(name, getattr(before, name)) for name in coupon_terms.TERMS}
        coupon_terms.check(terms)
        if terms["currency"] != before.currency and _gave_money(coupon_id):
            raise errors.Invalid({"currency": ["Its budget is used in another currency already."]})
        if terms["max_usage"] != before.max_usage:
            _set_max_usage(before.stock_id, terms["max_usage"])
        # Two changes in one tick of the clock are two.
        now = max(clock.now(), before.updated_at)
        db.session.execute(
            sa.update(_coupons)
            .where(_coupons.c.id == coupon_id)
            .values(version=_coupons.c.version + 1, updated_at=now, **coupon_terms.columns(terms))
        )
        if any(
            terms[name] != getattr(before, name)
            for name in ("products", "excluded_products", "customer_ids")
        ):
            db.session.execute(sa.delete(_targets).where(_targets.c.coupon_id == coupon_id))
            _write_targets(coupon_id, terms)
        after = by_id(coupon_id)
        coupon_limits.count_what_was_used_before(
            after, sorted(after.limits.keys() - before.limits.keys()), now
        )
        events.coupon_updated(after)
        return after


def _gave_money(coupon_id: UUID) -> bool:
    uses = sa.exists().where(
        LimitUse.owner_id == coupon_id, LimitUse.rule == coupon_limits.BUDGET, LimitUse.used > 0
    )
    return bool(db.session.scalar(sa.select(uses)))


def _set_max_usage(stock_id: UUID, max_usage: int | None) -> None:
    try:
        stock.set_capacity(stock_id, max_usage)
    except errors.Exhausted as error:
        raise MaxUsageTooLow from error


@retried
def delete_coupon(coupon_id: UUID) -> None:
    """Its code is free again; what was redeemed stays, with its stock, and can be rolled back. Raises CouponNotFound."""
    with transaction():
        stock.lock([by_id(coupon_id).stock_id])
        by_id(coupon_id)
        db.session.execute(sa.delete(_targets).where(_targets.c.coupon_id == coupon_id))
        db.session.execute(sa.delete(_coupons).where(_coupons.c.id == coupon_id))


class _unique_code:
    """Names the one rule that the database may find broken in here."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        constraint = broken_constraint(error) if isinstance(error, IntegrityError) else ""
        if "discount_coupons_code" in constraint or "discount_coupons.code" in constraint:
            raise CodeTaken from error


# --- Finding them


def by_id(coupon_id: UUID) -> AnyRow:
    """Raises CouponNotFound."""
    coupon = db.session.execute(_BY_ID, {"coupon_id": coupon_id}).one_or_none()
    if coupon is None:
        raise CouponNotFound
    return coupon


def is_running(now: datetime) -> sa.ColumnElement[bool]:
    """That a coupon is switched on and in its window."""
    return sa.and_(
        _coupons.c.is_active,
        sa.or_(_coupons.c.starts_at.is_(None), _coupons.c.starts_at <= now),
        sa.or_(_coupons.c.expires_at.is_(None), _coupons.c.expires_at > now),
    )


def public_for(customer_id: str | None, now: datetime) -> sa.ColumnElement[bool]:
    """What shoppers are shown: running coupons that are public, and of the bound ones their own."""
    own = sa.exists().where(
        _targets.c.kind == "customer",
        _targets.c.target == customer_id,
        _targets.c.coupon_id == _coupons.c.id,
    )
    return sa.and_(_coupons.c.is_public, is_running(now), sa.or_(~_coupons.c.is_bound, own))


def shown(coupon: AnyRow, caller: Caller) -> dict[str, Any]:
    """A coupon as the caller may see it: a shopper is not told who else has it."""
    found = coupon._asdict()
    if not caller.manages:
        found["customer_ids"] = [
            customer for customer in coupon.customer_ids if customer == caller.customer_id
        ]
    return found


_COLUMNS = {
    **dict(_coupons.c.items()),
    "usage_count": _stocks.c.claimed,
    "max_usage": _stocks.c.capacity,
}


def list_coupons(
    caller: Caller, *, page: int, limit: int, sort_by: list[tuple[str, bool]], **filters: Any
) -> Page:
    """A page of the coupons, those of a shopper the public ones alone; a field without a value comes last in either direction."""
    conditions = [_coupons.c[name] == value for name, value in filters.items()]
    if not caller.manages:
        conditions.append(public_for(caller.customer_id, clock.now()))
    total = (
        db.session.scalar(sa.select(sa.func.count()).select_from(_coupons).where(*conditions)) or 0
    )
    # Ids sort by creation: who is asked for the newest first sees them so within one moment too.
    order = [*sort_by, ("id", sort_by[0][1])]
    rows = db.session.execute(
        SELECT.where(*conditions)
        .order_by(*(_ordered(*one) for one in order))
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page([shown(row, caller) for row in rows], total, page, limit)


def _ordered(name: str, descending: bool) -> Any:
    column = _COLUMNS[name]
    ordered = column.desc() if descending else column.asc()
    return ordered.nulls_last() if getattr(column, "nullable", False) else ordered


def read_coupon(caller: Caller, coupon_id: UUID) -> dict[str, Any]:
    """Raises CouponNotFound, for a shopper also where it is not public."""
    return _read(caller, _coupons.c.id == coupon_id)


def read_by_code(caller: Caller, code: str) -> dict[str, Any]:
    """Raises CouponNotFound, for a shopper also where it is not public (a wrong guess, which counts), and RateLimited."""
    failed_attempts.check(caller.guess_limits)
    try:
        return _read(caller, _coupons.c.code == code.upper())
    except CouponNotFound:
        failed_attempts.count_wrong(caller.guess_limits)
        raise


def _read(caller: Caller, which: sa.ColumnElement[bool]) -> dict[str, Any]:
    conditions = [which] if caller.manages else [which, public_for(caller.customer_id, clock.now())]
    coupon = db.session.execute(SELECT.where(*conditions)).one_or_none()
    if coupon is None:
        raise CouponNotFound
    return shown(coupon, caller)


# Asked coupon by coupon: joined, PostgreSQL would rather read all stocks there are than look for a few hundred.
_HAS_USES_LEFT = (
    sa.select(sa.or_(_stocks.c.capacity.is_(None), _stocks.c.claimed < _stocks.c.capacity))
    .where(_stocks.c.id == _coupons.c.stock_id)
    .correlate(_coupons)
    .scalar_subquery()
)


def list_for_product(caller: Caller, product_id: str) -> list[dict[str, Any]]:
    """Running coupons with uses left that can apply to a product, those of the highest priority first: they list it, or ask for none; and do not exclude it."""
    now = clock.now()
    excluded = sa.exists().where(
        _targets.c.kind == "excluded",
        _targets.c.target == product_id,
        _targets.c.coupon_id == _coupons.c.id,
    )
    conditions = [
        is_running(now) if caller.manages else public_for(caller.customer_id, now),
        ~excluded,
        _HAS_USES_LEFT,
    ]
    order = [_coupons.c.priority.desc(), _coupons.c.id.desc()]
    ids = sa.select(_coupons.c.id).where(*conditions).order_by(*order).limit(MOST_OF_A_PRODUCT)
    listing = _targets.alias()
    listed = ids.join(listing, listing.c.coupon_id == _coupons.c.id).where(
        listing.c.kind == "product", listing.c.target == product_id
    )
    # Each half by its own index, as far as it is needed.
    found = sa.union(
        *(
            sa.select(half.subquery().c.id)
            for half in (listed, ids.where(_coupons.c.for_every_product))
        )
    ).subquery()
    rows = db.session.execute(
        SELECT.join(found, found.c.id == _coupons.c.id).order_by(*order).limit(MOST_OF_A_PRODUCT)
    )
    return [shown(row, caller) for row in rows]
