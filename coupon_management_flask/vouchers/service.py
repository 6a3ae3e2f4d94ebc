"""Use cases of vouchers: buy them with credit, redeem them, look at them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, codes, errors, money, stock, wallet
from ..core.claims import claim_or_explain
from ..db.failures import retried
from ..db.session import AnyRow, db, transaction
from ..db.types import Moment
from ..identity import failed_attempts
from ..models import Redemption, Stock, Voucher, VoucherPurchase, VoucherType, VoucherUsage, new_id
from ..web.pagination import Page
from . import purchases
from .errors import (
    VoucherCancelled,
    VoucherExpired,
    VoucherNotFound,
    VoucherUsedUp,
    WrongServiceType,
)
from .purchases import Quote

KIND = "voucher"

_vouchers: Any = Voucher.__table__
_types: Any = VoucherType.__table__
_purchases: Any = VoucherPurchase.__table__
_usages: Any = VoucherUsage.__table__
_redemptions: Any = Redemption.__table__
_stocks: Any = Stock.__table__


# --- Buying


@dataclass(frozen=True, slots=True)
class Credit:
    """What one credit is worth: so much of a currency."""

    value: Decimal
    currency: str


def purchase(
    buyer_id: UUID,
    *,
    voucher_type_id: UUID,
    quantity: int,
    discount_code: str | None = None,
    guess_limits: failed_attempts.Limits,
    credit: Credit,
) -> dict[str, Any]:
    """Buys so many vouchers with credit: all or none; and says what was paid in the currency, and what the wallet has left.

    Raises what `vouchers.quote` raises, and InsufficientCredit.
    """

    def quote() -> Quote:
        return purchases.quote(
            buyer_id,
            voucher_type_id,
            quantity,
            discount_code,
            guess_limits,
            currency=credit.currency,
        )

    def buy(priced: Quote) -> dict[str, Any]:
        price = purchases.in_credits(priced.total, credit.currency, credit.value)
        return _buy(buyer_id, priced, price)

    # Where the discount has gone since it was priced, a new quote says why.
    return claim_or_explain(buy, quote(), quote)


@retried
def _buy(buyer_id: UUID, priced: Quote, price: int) -> dict[str, Any]:
    purchase_id = new_id()
    with transaction():
        entry = wallet.debit(buyer_id, price, reason=KIND, reference=purchase_id)
        order_redemption_id = purchases.hold(priced, purchase_id, buyer_id)
        bought = purchases.deliver(
            purchase_id,
            account_id=buyer_id,
            voucher_type_id=priced.voucher_type.id,
            quantity=priced.quantity,
            unit_price=priced.unit_price,
            discount=priced.discount,
            currency=priced.currency,
            credits=price,
            order_redemption_id=order_redemption_id,
        )
    paid, saved = (
        money.from_minor(amount, priced.currency) for amount in (priced.total, priced.discount)
    )
    return {
        "vouchers": bought,
        "total_paid": paid,
        "discount_applied": saved,
        "credit": entry.balance_after,
    }


# --- Redeeming

_IS_FOR_THE_SERVICE = sa.exists().where(
    _types.c.id == _vouchers.c.voucher_type_id,
    _types.c.service_type == stock.given("service_type", sa.Text),
)

_CLAIMING = stock.Claiming(
    KIND,
    "voucher",
    only_if=[
        sa.exists().where(
            _vouchers.c.id == stock.given("voucher_id", sa.Uuid),
            _vouchers.c.cancelled_at.is_(None),
            _vouchers.c.expiry_date > stock.given("created_at", Moment),
            _IS_FOR_THE_SERVICE,
        )
    ],
    # Whoever cancels a voucher holds its stock.
    after=stock.LOCK,
)


def redeem(
    owner_id: UUID,
    *,
    code: str,
    service_type: str,
    details: Any = None,
    guess_limits: failed_attempts.Limits,
) -> dict[str, Any]:
    """Takes one use of the owner's voucher for a service: the voucher as it is then, and the use.

    Raises VoucherNotFound (for somebody else's too; a wrong guess, which counts), RateLimited, and VoucherCancelled, VoucherExpired, VoucherUsedUp or
    WrongServiceType: the first that applies, in this order.
    """

    def explain() -> AnyRow:
        voucher = _own(owner_id, code, guess_limits)
        _explain(voucher, service_type)
        return voucher

    return claim_or_explain(
        lambda voucher: _claim(voucher, service_type, details),
        _own(owner_id, code, guess_limits),
        explain,
    )


@retried
def _claim(voucher: AnyRow, service_type: str, details: Any) -> dict[str, Any]:
    redemption_id = new_id()
    with transaction():
        claimed = _CLAIMING.claim(
            voucher.stock_id,
            claim_key=stock.repeatable_key(voucher.account_id, redemption_id),
            account_id=voucher.account_id,
            redemption_id=redemption_id,
            code=voucher.code,
            voucher_id=voucher.id,
            service_type=service_type,
        )
        db.session.execute(
            sa.insert(_usages).values(
                redemption_id=redemption_id,
                voucher_id=voucher.id,
                service_type=service_type,
                details=details,
            )
        )
        now = clock.now()
        after = purchases.shown(
            db.session.execute(purchases.select(now).where(_vouchers.c.id == voucher.id)).one(), now
        )
    usage = {
        "id": redemption_id,
        "voucher_code": voucher.code,
        "voucher_type": after["voucher_type"],
        "service_type": service_type,
        "used_at": claimed.redeemed_at,
        "details": details,
    }
    return {"voucher": after, "usage": usage}


_REFUSALS: dict[str, type[errors.Refused]] = {
    "cancelled": VoucherCancelled,
    "expired": VoucherExpired,
    "used": VoucherUsedUp,
}


def _explain(voucher: AnyRow, service_type: str) -> None:
    """Raises the first rule of the contract's order that refuses as things stand; returns where none does."""
    if voucher.status in _REFUSALS:
        raise _REFUSALS[voucher.status]
    if voucher.type_service_type != service_type:
        raise WrongServiceType


# --- Looking


def _own(owner_id: UUID, code: str, guess_limits: failed_attempts.Limits) -> AnyRow:
    failed_attempts.check(guess_limits)
    own = purchases.select(clock.now()).where(
        _vouchers.c.code_key == codes.comparable(code), _vouchers.c.account_id == owner_id
    )
    voucher: AnyRow | None = db.session.execute(own).one_or_none()
    if voucher is None:
        failed_attempts.count_wrong(guess_limits)
        raise VoucherNotFound
    return voucher


def read_voucher(owner_id: UUID, code: str, guess_limits: failed_attempts.Limits) -> dict[str, Any]:
    """The owner's voucher with that code. Raises VoucherNotFound (for somebody else's too; a wrong guess, which counts) and RateLimited."""
    return purchases.shown(_own(owner_id, code, guess_limits), clock.now())


def list_vouchers(owner_id: UUID, *, page: int, page_size: int, status: str | None = None) -> Page:
    """The owner's vouchers, newest first."""
    now = clock.now()
    conditions = [_vouchers.c.account_id == owner_id]
    counted = sa.select(sa.func.count()).select_from(_vouchers)
    if status is not None:
        conditions.append(purchases.status_at(now) == status)
        counted = counted.join(_stocks, _stocks.c.id == _vouchers.c.stock_id)
    total = db.session.scalar(counted.where(*conditions)) or 0
    rows = db.session.execute(
        purchases.select(now)
        .where(*conditions)
        .order_by(_vouchers.c.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return Page([purchases.shown(row, now) for row in rows], total, page, page_size)


def stats(owner_id: UUID, *, currency: str) -> dict[str, Any]:
    """How many vouchers the owner has by status, what those in `currency` that were not cancelled are worth, and how many uses were redeemed."""
    status = purchases.status_at(clock.now())

    def total(condition: Any, value: Any = 1) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, value), else_=0)), 0)

    found = db.session.execute(
        sa.select(
            sa.func.count().label("total_vouchers"),
            *(
                total(status == name).label(f"{name}_vouchers")
                for name in ("active", "used", "expired")
            ),
            total(
                sa.and_(status != "cancelled", _purchases.c.currency == currency),
                _purchases.c.unit_price,
            ).label("total_value"),
            sa.func.coalesce(sa.func.sum(_stocks.c.claimed), 0).label("total_redemptions"),
        )
        .select_from(_vouchers)
        .join(_stocks, _stocks.c.id == _vouchers.c.stock_id)
        .join(_purchases, _purchases.c.id == _vouchers.c.purchase_id)
        .where(_vouchers.c.account_id == owner_id)
    ).one()
    return {**found._asdict(), "total_value": money.from_minor(int(found.total_value), currency)}


def list_usages(owner_id: UUID, *, page: int, page_size: int) -> Page:
    """What the owner has redeemed, newest first."""
    own = (_redemptions.c.account_id == owner_id, _redemptions.c.kind == KIND)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(_redemptions).where(*own)) or 0
    rows = db.session.execute(
        sa.select(
            _redemptions.c.id,
            _redemptions.c.code.label("voucher_code"),
            _redemptions.c.created_at.label("used_at"),
            _usages.c.service_type,
            _usages.c.details,
            *purchases.TYPE_COLUMNS,
        )
        .join(_usages, _usages.c.redemption_id == _redemptions.c.id)
        .join(_vouchers, _vouchers.c.id == _usages.c.voucher_id)
        .join(_types, _types.c.id == _vouchers.c.voucher_type_id)
        .where(*own)
        .order_by(_redemptions.c.created_at.desc(), _redemptions.c.id.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    return Page(
        [{**row._asdict(), "voucher_type": purchases.type_of(row)} for row in rows],
        total,
        page,
        page_size,
    )
