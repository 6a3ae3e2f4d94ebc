"""Vouchers as their owner sees them: one of them, a list, and what they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, money
from ..db.pages import Page
from ..db.session import db
from ..identity import failed_attempts
from ..models import Stock, Voucher, VoucherPurchase, VoucherStatus, VoucherType
from ..text.codes import comparable
from .errors import VoucherNotFound

DAY = timedelta(days=1)

_Row = sa.Row[Voucher, VoucherType, str, int, int | None]


@dataclass(frozen=True, slots=True)
class OwnedVoucher:
    """A voucher as it stood at one moment."""

    id: UUID
    code: str
    stock_id: UUID
    voucher_type: VoucherType
    status: VoucherStatus
    uses_remaining: int
    total_uses: int
    purchase_date: datetime
    expiry_date: datetime
    days_until_expiry: int

    @property
    def is_active(self) -> bool:
        return self.status is VoucherStatus.ACTIVE

    @property
    def usage_count(self) -> int:
        return self.total_uses - self.uses_remaining


@dataclass(frozen=True, slots=True)
class VoucherFigures:
    """What the vouchers of one owner add up to."""

    total_vouchers: int
    active_vouchers: int
    used_vouchers: int
    expired_vouchers: int
    total_value: Decimal
    total_redemptions: int


def status_at(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[str]:
    """Return a voucher's status, as a column for a statement that joins the voucher's stock.

    The first condition that holds is the reason for which redeeming the voucher is refused.
    """
    return sa.case(
        (Voucher.cancelled_at.is_not(None), VoucherStatus.CANCELLED.value),
        (Voucher.frozen_at.is_not(None), VoucherStatus.FROZEN.value),
        (Voucher.expiry_date <= now, VoucherStatus.EXPIRED.value),
        (Stock.claimed >= Stock.capacity, VoucherStatus.USED.value),
        else_=VoucherStatus.ACTIVE.value,
    )


def _select(now: datetime) -> sa.Select[Voucher, VoucherType, str, int, int | None]:
    return (
        sa.select(Voucher, VoucherType, status_at(now), Stock.claimed, Stock.capacity)
        .join(Stock, Stock.id == Voucher.stock_id)
        .join(VoucherType, VoucherType.id == Voucher.voucher_type_id)
        # A second look must see what has changed since the first, also in objects that the session
        # has loaded before.
        .execution_options(populate_existing=True)
    )


def _owned(row: _Row, now: datetime) -> OwnedVoucher:
    voucher, voucher_type, status, claimed, capacity = row
    # A voucher's stock always has a limit.
    assert capacity is not None
    return OwnedVoucher(
        id=voucher.id,
        code=voucher.code,
        stock_id=voucher.stock_id,
        voucher_type=voucher_type,
        status=VoucherStatus(status),
        uses_remaining=capacity - claimed,
        total_uses=capacity,
        purchase_date=voucher.purchase_date,
        expiry_date=voucher.expiry_date,
        # A day that has begun counts: right after buying a voucher for 365 days it has 365 left,
        # and on its last day 1.
        days_until_expiry=max(0, ceil((voucher.expiry_date - now) / DAY)),
    )


def read(voucher_id: UUID) -> OwnedVoucher:
    """Return a voucher that is known to exist, as it is now."""
    now = clock.now()
    return _owned(db.session.execute(_select(now).where(Voucher.id == voucher_id)).one(), now)


def read_own(owner_id: UUID, code: str, attempt_limits: failed_attempts.Limits) -> OwnedVoucher:
    """Return the owner's voucher with this code.

    Raises: VoucherNotFound for an unknown code and for somebody else's, which both count as failed
    attempts; RateLimited after too many of these.
    """
    failed_attempts.check(attempt_limits)
    now = clock.now()
    own = _select(now).where(Voucher.code_key == comparable(code), Voucher.account_id == owner_id)
    row = db.session.execute(own).one_or_none()
    if row is None:
        failed_attempts.record(attempt_limits)
        raise VoucherNotFound
    return _owned(row, now)


def list_of_purchase(purchase_id: UUID) -> Sequence[OwnedVoucher]:
    """Return the vouchers of a purchase; none before it is delivered."""
    now = clock.now()
    rows = db.session.execute(
        _select(now).where(Voucher.purchase_id == purchase_id).order_by(Voucher.position)
    )
    return [_owned(row, now) for row in rows]


def list_own(
    owner_id: UUID, *, page: int, page_size: int, status: VoucherStatus | None = None
) -> Page:
    """Return a page of the owner's vouchers, newest first."""
    now = clock.now()
    conditions = [Voucher.account_id == owner_id]
    counted = sa.select(sa.func.count()).select_from(Voucher)
    if status is not None:
        conditions.append(status_at(now) == status.value)
        counted = counted.join(Stock, Stock.id == Voucher.stock_id)
    total = db.session.scalar(counted.where(*conditions)) or 0
    rows = db.session.execute(
        _select(now)
        .where(*conditions)
        .order_by(Voucher.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return Page([_owned(row, now) for row in rows], total, page, page_size)


def add_up(owner_id: UUID, *, currency: str) -> VoucherFigures:
    """Return how many vouchers the owner has by status, and how many uses were redeemed.

    The value is what those in `currency` that were not cancelled cost before discounts.
    """
    status = status_at(clock.now())

    def total(
        condition: sa.ColumnElement[bool], value: sa.SQLColumnExpression[int] | int = 1
    ) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, value), else_=0)), 0)

    worth_something = sa.and_(
        status != VoucherStatus.CANCELLED.value, VoucherPurchase.currency == currency
    )
    count, active, used, expired, value, redemptions = db.session.execute(
        sa.select(
            sa.func.count(),
            total(status == VoucherStatus.ACTIVE.value),
            total(status == VoucherStatus.USED.value),
            total(status == VoucherStatus.EXPIRED.value),
            total(worth_something, VoucherPurchase.unit_price),
            sa.func.coalesce(sa.func.sum(Stock.claimed), 0),
        )
        .select_from(Voucher)
        .join(Stock, Stock.id == Voucher.stock_id)
        .join(VoucherPurchase, VoucherPurchase.id == Voucher.purchase_id)
        .where(Voucher.account_id == owner_id)
    ).one()
    return VoucherFigures(
        total_vouchers=count,
        active_vouchers=active,
        used_vouchers=used,
        expired_vouchers=expired,
        total_value=money.from_minor(int(value), currency),
        total_redemptions=redemptions,
    )
