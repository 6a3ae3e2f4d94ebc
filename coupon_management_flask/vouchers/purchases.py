"""Vouchers: what they cost, their delivery, and what takes them back.

However somebody pays, it goes `quote`, `hold`, `deliver`; locks are taken in the order of all: wallet, stock, redemption, code.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, codes, errors, money, stock
from ..db.dialects import upsert
from ..db.session import AnyRow, db
from ..discount_coupons import redeem as orders
from ..discount_coupons import rules
from ..discount_coupons.pricing.combine import Cart, Combined, Item
from ..discount_coupons.refusals import CouponNotFound, CurrencyMismatch
from ..discount_coupons.rules import Caller, Judgement
from ..identity import failed_attempts
from ..models import Stock, Voucher, VoucherPurchase, VoucherType, new_id

# 31 ** 12 codes: a million vouchers leave a guess a chance of one in 10 ** 11.
CODE_LENGTH = 12
TRIES = 5

STATUSES = ("active", "used", "expired", "cancelled")

_types: Any = VoucherType.__table__
_purchases: Any = VoucherPurchase.__table__
_vouchers: Any = Voucher.__table__
_stocks: Any = Stock.__table__


# --- Paying


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount code that could be used for a purchase, and what it takes off."""

    judgement: Judgement
    combined: Combined
    cart: Cart


@dataclass(frozen=True, slots=True)
class Quote:
    """What so many vouchers of a type cost at this moment; amounts are in minor units of `currency`."""

    voucher_type: AnyRow
    quantity: int
    applied: Discount | None

    @property
    def currency(self) -> str:
        return str(self.voucher_type.currency)

    @property
    def unit_price(self) -> int:
        return int(self.voucher_type.price)

    @property
    def discount(self) -> int:
        return (
            0
            if self.applied is None
            else money.to_minor(self.applied.combined.discount, self.currency)
        )

    @property
    def total(self) -> int:
        return self.unit_price * self.quantity - self.discount


def quote(
    buyer_id: UUID,
    voucher_type_id: UUID,
    quantity: int,
    discount_code: str | None,
    guess_limits: failed_attempts.Limits,
    *,
    currency: str | None = None,
) -> Quote:
    """The price now; takes nothing. With `currency`, of a type that is sold in it.

    Raises Invalid for a type that can't be bought, FieldRefused on `discount_code` for a code that can't be used (an unknown one counts as a guess),
    and RateLimited.
    """
    kind = db.session.execute(
        sa.select(_types).where(_types.c.id == voucher_type_id, _types.c.is_active)
    ).one_or_none()
    if kind is None:
        raise errors.Invalid({"voucher_type_id": ["There is no such voucher type on sale."]})
    if currency not in (None, kind.currency):
        raise errors.Invalid(
            {
                "voucher_type_id": [
                    f"It is sold in {kind.currency}, and credit is worth {currency}: pay by card."
                ]
            }
        )
    if discount_code is None:
        return Quote(kind, quantity, None)
    caller = Caller(buyer_id, manages=False, customer_id=str(buyer_id), guess_limits=guess_limits)
    try:
        return Quote(kind, quantity, _discount(caller, discount_code.upper(), kind, quantity))
    except (errors.Refused, CouponNotFound) as refusal:
        raise errors.FieldRefused("discount_code", refusal) from refusal


def _discount(caller: Caller, code: str, kind: AnyRow, quantity: int) -> Discount:
    coupon = rules.find(caller, [code]).get(code)
    if coupon is None:
        raise CouponNotFound
    if coupon.currency != kind.currency:
        raise CurrencyMismatch
    item = Item(
        str(kind.id), quantity, money.from_minor(kind.price, kind.currency), kind.service_type
    )
    cart = Cart(item.total, items=(item,))
    judgement = rules.judge(
        coupon, rules.see([coupon], caller.customer_id), caller.customer_id, cart
    )
    if judgement.refusal is not None:
        raise judgement.refusal
    return Discount(judgement, rules.combine_all([judgement], cart), cart)


def in_credits(amount: int, currency: str, credit_value: Decimal) -> int:
    """What an amount in minor units is in credits, of which each is worth `credit_value`."""
    return int(
        (money.from_minor(amount, currency) / credit_value).quantize(Decimal(1), ROUND_HALF_UP)
    )


def hold(priced: Quote, purchase_id: UUID, buyer_id: UUID) -> UUID | None:
    """Takes the use of the quote's discount, inside an open transaction; the redemption of an order whose id is the purchase's, None without a discount.

    Raises Exhausted (LimitReached) where it is used up or was changed meanwhile: the transaction must be rolled back, and a new quote says why.
    """
    if priced.applied is None:
        return None
    caller = Caller(buyer_id, manages=False, customer_id=str(buyer_id))
    answer = orders.claim(
        caller,
        [priced.applied.judgement],
        priced.applied.combined,
        str(purchase_id),
        priced.applied.cart,
    )
    return UUID(answer["redemption_id"])


def give_back(order_redemption_id: UUID, *, reason: str = "cancelled") -> None:
    """Gives back all that `hold` has taken, exactly once."""
    orders.roll_back(
        order_redemption_id,
        reason=reason,
        restore={"use": True, "customer": True, "budget": True},
        lines=None,
    )


# --- Goods


def deliver(
    purchase_id: UUID,
    *,
    account_id: UUID,
    voucher_type_id: UUID,
    quantity: int,
    unit_price: int,
    discount: int,
    currency: str,
    credits: int | None = None,
    order_redemption_id: UUID | None = None,
) -> list[dict[str, Any]]:
    """Writes down a purchase that is paid, and its vouchers, inside an open transaction. Once: asked again, the same vouchers.

    The type may have left the sale meanwhile: what was paid is delivered. `credits` is what was paid with the wallet.
    """
    now = clock.now()
    written = db.session.scalar(
        upsert(_purchases)
        .values(
            id=purchase_id,
            account_id=account_id,
            voucher_type_id=voucher_type_id,
            quantity=quantity,
            unit_price=unit_price,
            discount=discount,
            total=unit_price * quantity - discount,
            currency=currency,
            credits=credits,
            order_redemption_id=order_redemption_id,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[_purchases.c.id])
        .returning(_purchases.c.id)
    )
    if written is not None:
        _make(purchase_id, account_id, voucher_type_id, quantity, now)
    return of_purchase(purchase_id)


def _make(
    purchase_id: UUID, account_id: UUID, voucher_type_id: UUID, quantity: int, now: datetime
) -> None:
    kind = db.session.execute(sa.select(_types).where(_types.c.id == voucher_type_id)).one()
    alike = {
        "account_id": account_id,
        "voucher_type_id": voucher_type_id,
        "purchase_id": purchase_id,
        "purchase_date": now,
        "expiry_date": now + timedelta(days=kind.validity_days),
    }
    missing = {
        position: {
            **alike,
            "id": new_id(),
            "position": position,
            "stock_id": stock.create(kind.max_uses),
        }
        for position in range(quantity)
    }
    for _ in range(TRIES):
        rows = [{**voucher, **_code()} for voucher in missing.values()]
        insert = (
            upsert(_vouchers)
            .values(rows)
            .on_conflict_do_nothing(index_elements=[_vouchers.c.code_key])
        )
        # A code that somebody has already is drawn again.
        for position in db.session.scalars(insert.returning(_vouchers.c.position)):
            del missing[position]
        if not missing:
            return
    raise errors.Unavailable


def _code() -> dict[str, str]:
    code = codes.generate(CODE_LENGTH)
    return {"code": code, "code_key": codes.comparable(code)}


def cancel(purchase_id: UUID) -> None:
    """Nobody redeems a voucher of this purchase any more; what was redeemed was. Inside an open transaction; again it does nothing."""
    _set_cancelled(purchase_id, clock.now())


def restore(purchase_id: UUID) -> None:
    """Takes a cancellation back, where the refund that it was for was refused. Inside an open transaction."""
    _set_cancelled(purchase_id, None)


def _set_cancelled(purchase_id: UUID, moment: datetime | None) -> None:
    # Whoever holds the stocks decides about the vouchers: no redemption happens until this is committed.
    stock.lock(_stocks_of(purchase_id))
    for table, column, which in (
        (_vouchers, _vouchers.c.cancelled_at, _vouchers.c.purchase_id),
        (_purchases, _purchases.c.refunded_at, _purchases.c.id),
    ):
        is_so = column.is_not(None) if moment is None else column.is_(None)
        db.session.execute(
            sa.update(table).where(which == purchase_id, is_so).values({column: moment})
        )


def is_unused(purchase_id: UUID) -> bool:
    """Whether no voucher of this purchase was redeemed; none will be until the open transaction ends."""
    stock_ids = _stocks_of(purchase_id)
    stock.lock(stock_ids)
    return not db.session.scalar(
        sa.select(sa.exists().where(_stocks.c.id.in_(stock_ids), _stocks.c.claimed > 0))
    )


def _stocks_of(purchase_id: UUID) -> list[UUID]:
    return list(
        db.session.scalars(
            sa.select(_vouchers.c.stock_id).where(_vouchers.c.purchase_id == purchase_id)
        )
    )


# --- Reading

TYPE_COLUMNS = [column.label(f"type_{column.name}") for column in _types.c]
"""Of a row that `type_of` reads."""


def status_at(now: Any) -> sa.ColumnElement[str]:
    """A voucher's status, for a statement that joins its stock: what redeeming it would be refused for, in that order."""
    return sa.case(
        (_vouchers.c.cancelled_at.is_not(None), "cancelled"),
        (_vouchers.c.expiry_date <= now, "expired"),
        (_stocks.c.claimed >= _stocks.c.capacity, "used"),
        else_="active",
    )


def select(now: datetime) -> Any:
    """Vouchers as `shown` takes them."""
    return (
        sa.select(
            *_vouchers.c,
            status_at(now).label("status"),
            _stocks.c.capacity,
            _stocks.c.claimed,
            *TYPE_COLUMNS,
        )
        .join(_stocks, _stocks.c.id == _vouchers.c.stock_id)
        .join(_types, _types.c.id == _vouchers.c.voucher_type_id)
    )


def shown(voucher: AnyRow, now: datetime) -> dict[str, Any]:
    """A voucher as the contract shows it."""
    return {
        "id": voucher.id,
        "code": voucher.code,
        "voucher_type": type_of(voucher),
        "status": voucher.status,
        "is_active": voucher.status == "active",
        "uses_remaining": voucher.capacity - voucher.claimed,
        "total_uses": voucher.capacity,
        "purchase_date": voucher.purchase_date,
        "expiry_date": voucher.expiry_date,
        # A day that has begun counts: bought for 365 days it has 365, and on its last one 1.
        "days_until_expiry": max(0, ceil((voucher.expiry_date - now) / timedelta(days=1))),
    }


def type_of(row: AnyRow) -> dict[str, Any]:
    """The voucher type in a row with TYPE_COLUMNS, as it is shown."""
    return type_shown({column.name: getattr(row, f"type_{column.name}") for column in _types.c})


def type_shown(kind: dict[str, Any]) -> dict[str, Any]:
    """A voucher type as the contract shows it: with its price as an amount."""
    return {**kind, "price": money.from_minor(kind["price"], kind["currency"])}


def of_purchase(purchase_id: UUID) -> list[dict[str, Any]]:
    """The vouchers of a purchase as they are shown; none before it is delivered."""
    now = clock.now()
    rows = db.session.execute(
        select(now).where(_vouchers.c.purchase_id == purchase_id).order_by(_vouchers.c.position)
    )
    return [shown(row, now) for row in rows]
