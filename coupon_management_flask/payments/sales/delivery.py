"""Delivery of vouchers that are paid, and what takes them back.

All of it is called inside an open transaction. Locks are taken in the order that holds
everywhere: wallet, stock, redemption, code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from uuid import UUID

import sqlalchemy as sa

from ...core import clock, codes, errors, stock
from ...db.dialects import table, upsert
from ...db.session import db
from ...models import SaleChange, Stock, Voucher, VoucherPurchase, VoucherType, new_id
from ...text.codes import comparable
from ...vouchers import vouchers
from ...vouchers.vouchers import OwnedVoucher

# 31 ** 12 codes: with a million vouchers a guess has a chance of one in 10 ** 11.
CODE_LENGTH = 12
TRIES = 5


@dataclass(frozen=True, slots=True)
class Sale:
    """Vouchers of a type that somebody has paid for; amounts are in minor units of `currency`.

    `total` is what was paid, rounding included. `credits` is what was paid with the wallet, None
    where it was paid by card.
    `order_redemption_id` is the discount, as `discounts.hold` returned it.
    """

    purchase_id: UUID
    buyer_id: UUID
    voucher_type_id: UUID
    quantity: int
    unit_price: int
    discount: int
    total: int
    currency: str
    credits: int | None = None
    order_redemption_id: UUID | None = None


def deliver(sale: Sale) -> Sequence[OwnedVoucher]:
    """Write down a purchase and its vouchers, once: called again, it returns the same vouchers.

    The type may have been taken off sale meanwhile: what was paid for is delivered.
    """
    now = clock.now()
    insert = (
        upsert(table(VoucherPurchase))
        .values(
            id=sale.purchase_id,
            account_id=sale.buyer_id,
            voucher_type_id=sale.voucher_type_id,
            quantity=sale.quantity,
            unit_price=sale.unit_price,
            discount=sale.discount,
            rounding=sale.total - (sale.unit_price * sale.quantity - sale.discount),
            total=sale.total,
            currency=sale.currency,
            credits=sale.credits,
            order_redemption_id=sale.order_redemption_id,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(table(VoucherPurchase).c.id)
    )
    if db.session.scalar(insert) is not None:
        _make_vouchers(sale, now)
    return vouchers.list_of_purchase(sale.purchase_id)


def _make_vouchers(sale: Sale, now: datetime) -> None:
    validity_days, max_uses = db.session.execute(
        sa.select(VoucherType.validity_days, VoucherType.max_uses).where(
            VoucherType.id == sale.voucher_type_id
        )
    ).one()
    missing = {
        position: {
            "id": new_id(),
            "account_id": sale.buyer_id,
            "voucher_type_id": sale.voucher_type_id,
            "purchase_id": sale.purchase_id,
            "position": position,
            "stock_id": stock.create(max_uses),
            "purchase_date": now,
            "expiry_date": now + timedelta(days=validity_days),
        }
        for position in range(sale.quantity)
    }
    for _ in range(TRIES):
        rows = [{**voucher, **_draw_code()} for voucher in missing.values()]
        insert = (
            upsert(table(Voucher))
            .values(rows)
            .on_conflict_do_nothing(index_elements=["code_key"])
            .returning(table(Voucher).c.position)
        )
        # A voucher whose code exists already is missing still, and draws another.
        for position in db.session.scalars(insert):
            del missing[position]
        if not missing:
            return
    raise errors.Unavailable


def _draw_code() -> dict[str, str]:
    code = codes.generate(CODE_LENGTH)
    return {"code": code, "code_key": comparable(code)}


def change(purchase_id: UUID, *, is_cancelled: bool, is_frozen: bool = False, lost: int) -> None:
    """See to it that a purchase's vouchers are cancelled, frozen, or their buyer's.

    None that is cancelled or frozen is redeemed from now on, and what was redeemed stays so.
    `lost` is how much of its money is gone. What changes is written down once: called again, this
    does nothing, and neither does it for what was never delivered.
    """
    # Nobody redeems a voucher while its stock is locked, which is until this is committed.
    stock.lock(_stocks_of(purchase_id))
    found = db.session.execute(
        sa.select(VoucherPurchase.refunded_at, VoucherPurchase.currency).where(
            VoucherPurchase.id == purchase_id
        )
    ).one_or_none()
    if found is None:
        return
    now = clock.now()
    was_cancelled = found.refunded_at is not None
    vouchers = sa.update(Voucher).where(Voucher.purchase_id == purchase_id)
    is_news = Voucher.frozen_at.is_(None) if is_frozen else Voucher.frozen_at.is_not(None)
    _execute(vouchers.where(is_news).values(frozen_at=now if is_frozen else None))
    if was_cancelled != is_cancelled:
        moment = now if is_cancelled else None
        _execute(vouchers.values(cancelled_at=moment))
        _execute(
            sa.update(VoucherPurchase)
            .where(VoucherPurchase.id == purchase_id)
            .values(refunded_at=moment)
        )
    _write_down(purchase_id, found.currency, int(was_cancelled) - int(is_cancelled), lost)


def cancel(purchase_id: UUID) -> None:
    """Cancel a purchase's vouchers and write down that all of its money is gone."""
    total = sa.select(VoucherPurchase.total).where(VoucherPurchase.id == purchase_id)
    change(purchase_id, is_cancelled=True, lost=db.session.scalar(total) or 0)


def _execute(statement: sa.Update) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))


def _write_down(purchase_id: UUID, currency: str, sign: int, lost: int) -> None:
    """Write down what a purchase loses, or gets again: its vouchers by `sign`, and money."""
    amount = sa.select(sa.func.sum(SaleChange.amount)).where(SaleChange.purchase_id == purchase_id)
    difference = -lost - int(db.session.scalar(amount) or 0)
    if not (sign or difference):
        return
    count, used_up = db.session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(
                sa.func.sum(sa.case((Stock.claimed >= Stock.capacity, 1), else_=0)), 0
            ),
        )
        .join_from(Voucher, Stock, Stock.id == Voucher.stock_id)
        .where(Voucher.purchase_id == purchase_id)
    ).one()
    db.session.execute(
        sa.insert(table(SaleChange)).values(
            id=new_id(),
            purchase_id=purchase_id,
            vouchers=sign * count,
            used_up=sign * int(used_up),
            amount=difference,
            currency=currency,
            created_at=clock.now(),
        )
    )


def is_unused(purchase_id: UUID) -> bool:
    """Return whether no voucher of a purchase was redeemed.

    It stays true until the open transaction ends: the vouchers' stocks are locked.
    """
    stock_ids = _stocks_of(purchase_id)
    stock.lock(stock_ids)
    return not db.session.scalar(
        sa.select(sa.exists().where(Stock.id.in_(stock_ids), Stock.claimed > 0))
    )


def used_share(purchase_id: UUID) -> Fraction:
    """Return how much of all the uses of a purchase's vouchers was redeemed."""
    used, uses = db.session.execute(
        sa.select(sa.func.sum(Stock.claimed), sa.func.sum(Stock.capacity))
        .join(Voucher, Voucher.stock_id == Stock.id)
        .where(Voucher.purchase_id == purchase_id)
    ).one()
    return Fraction(int(used or 0), int(uses or 1))


def _stocks_of(purchase_id: UUID) -> Sequence[UUID]:
    return db.session.scalars(
        sa.select(Voucher.stock_id).where(Voucher.purchase_id == purchase_id)
    ).all()
