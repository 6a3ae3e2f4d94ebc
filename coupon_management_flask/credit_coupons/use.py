"""A user buys a coupon with credit and uses it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors, stock, wallet
from ..core.claims import claim_or_explain
from ..db.failures import retried
from ..db.pages import Page, paginate
from ..db.session import db, transaction
from ..db.types import Moment
from ..identity import failed_attempts
from ..models import CreditCoupon, Redemption, RedemptionKind, Stock, Wallet, new_id
from ..text.codes import keys
from . import coupons
from .coupons import Coupon, RevealedCoupon
from .errors import (
    CouponAlreadyUsed,
    CouponExhausted,
    CouponExpired,
    CouponInactive,
    WrongHiddenCode,
)

_CLAIMING = stock.Claiming(
    RedemptionKind.CREDIT,
    "credit_coupon",
    only_if=[
        sa.exists().where(
            CreditCoupon.id == stock.given("coupon_id", sa.Uuid),
            CreditCoupon.is_active,
            CreditCoupon.expiration_date > stock.given("now", Moment),
            # Somebody may have changed the price since it was read. Nobody pays what is no longer
            # asked.
            CreditCoupon.value == stock.given("price", sa.BigInteger),
        )
    ],
)


@dataclass(frozen=True, slots=True)
class Use:
    """What a user bought: the coupon, and what it cost then."""

    id: UUID
    coupon: Coupon
    credit_spent: int
    redeemed_at: datetime


@dataclass(frozen=True, slots=True)
class CouponUse:
    """A use of a coupon, and the credit that its user has left."""

    redemption: Use
    credit: int


def use_by_code(
    account_id: UUID, hidden_code: str, attempt_limits: failed_attempts.Limits
) -> CouponUse:
    """Buy and use the coupon with that hidden code.

    Raises: what `coupons.look_up` and `use` raise.
    """
    return use(account_id, coupons.look_up(hidden_code, attempt_limits))


def use_chosen(
    account_id: UUID, coupon_id: UUID, hidden_code: str, attempt_limits: failed_attempts.Limits
) -> CouponUse:
    """Buy and use that coupon.

    Raises: CouponNotFound, WrongHiddenCode, which counts as a failed attempt, RateLimited, and what
    `use` raises.
    """
    failed_attempts.check(attempt_limits)
    coupon = coupons.find(coupon_id)
    if coupon.hidden_code_key not in keys(hidden_code):
        failed_attempts.record(attempt_limits)
        raise WrongHiddenCode
    return use(account_id, coupon)


@retried
def use(account_id: UUID, coupon: RevealedCoupon) -> CouponUse:
    """Take one use of the coupon and pay for it with credit, in one transaction.

    Raises: CouponInactive, CouponExpired, CouponExhausted, CouponAlreadyUsed or
    InsufficientCredit, the first that applies in this order.
    """

    def explain() -> RevealedCoupon:
        _explain(account_id, coupon.id)
        return coupons.find(coupon.id)

    return claim_or_explain(
        lambda seen: _claim(account_id, seen), coupon, explain, lost=(errors.Refused,)
    )


def _claim(account_id: UUID, coupon: RevealedCoupon) -> CouponUse:
    redemption_id = new_id()
    with transaction():
        entry = wallet.debit(account_id, coupon.value, reason="coupon", reference=redemption_id)
        claimed = _CLAIMING.claim(
            coupon.stock_id,
            claim_key=stock.once_each_user(account_id),
            account_id=account_id,
            code=coupon.hidden_code,
            amount=coupon.value,
            redemption_id=redemption_id,
            coupon_id=coupon.id,
            price=coupon.value,
            now=clock.now(),
        )
    assert claimed.capacity is not None, "a credit coupon has a number of uses"
    left = claimed.capacity - claimed.claimed
    shown = replace(coupon.concealed(), number_left=left)
    return CouponUse(
        Use(redemption_id, shown, coupon.value, claimed.redeemed_at), entry.balance_after
    )


def _explain(account_id: UUID, coupon_id: UUID) -> None:
    """Refuse by the first rule of the contract's order that applies as things stand.

    Return where none does.

    Raises: what `use` raises.
    """
    used = sa.exists().where(
        Redemption.stock_id == CreditCoupon.stock_id,
        Redemption.claim_key == stock.once_each_user(account_id),
    )
    is_active, expiration_date, left, price, is_used, balance = db.session.execute(
        sa.select(
            CreditCoupon.is_active,
            CreditCoupon.expiration_date,
            coupons.NUMBER_LEFT,
            CreditCoupon.value,
            used,
            Wallet.balance,
        )
        .join(Stock, Stock.id == CreditCoupon.stock_id)
        .outerjoin(Wallet, Wallet.account_id == account_id)
        .where(CreditCoupon.id == coupon_id)
    ).one()
    if not is_active:
        raise CouponInactive
    if expiration_date <= clock.now():
        raise CouponExpired
    assert left is not None, "a credit coupon has a number of uses"
    if left < 1:
        raise CouponExhausted
    if is_used:
        raise CouponAlreadyUsed
    if (balance or 0) < price:
        raise errors.InsufficientCredit


def list_uses(account_id: UUID, *, page: int, per_page: int) -> Page:
    """List what this user bought, newest first."""
    found = paginate(
        sa.select(Redemption.id, Redemption.amount, Redemption.created_at, *coupons.COLUMNS)
        .join(CreditCoupon, CreditCoupon.stock_id == Redemption.stock_id)
        .join(Stock, Stock.id == Redemption.stock_id)
        .where(Redemption.account_id == account_id, Redemption.kind == RedemptionKind.CREDIT)
        .order_by(Redemption.created_at.desc(), Redemption.id.desc()),
        page,
        per_page,
    )
    uses = [
        Use(redemption_id, Coupon(*columns), amount, redeemed_at)
        for redemption_id, amount, redeemed_at, *columns in found.items
    ]
    return replace(found, items=uses)
