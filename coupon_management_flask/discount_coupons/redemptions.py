"""Use cases of what was redeemed: look at it, explain it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import money
from ..db.session import AnyRow, db
from ..models import DiscountCoupon, OrderRedemption, OrderRedemptionCode
from ..web.pagination import Page
from . import redeem as orders
from . import rules
from .pricing import combine as pricing
from .pricing.combine import Cart, Item
from .rules import SELECT

_coupons: Any = DiscountCoupon.__table__
_orders: Any = OrderRedemption.__table__
_codes: Any = OrderRedemptionCode.__table__


def list_redemptions(
    *,
    page: int,
    limit: int,
    code: str | None = None,
    order_id: str | None = None,
    customer_id: str | None = None,
) -> Page:
    """A page of what was redeemed, newest first."""
    conditions = []
    if code is not None:
        conditions.append(
            _orders.c.id.in_(sa.select(_codes.c.order_redemption_id).where(_codes.c.code == code))
        )
    if order_id is not None:
        conditions.append(_orders.c.order_id == order_id)
    if customer_id is not None:
        conditions.append(_orders.c.customer_id == customer_id)
    total = (
        db.session.scalar(sa.select(sa.func.count()).select_from(_orders).where(*conditions)) or 0
    )
    rows = db.session.execute(
        sa.select(*orders.LISTED)
        .where(*conditions)
        .order_by(_orders.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    ).all()
    codes = orders.codes_of([row.id for row in rows]) if rows else {}
    return Page([_shown(row, codes[row.id]) for row in rows], total, page, limit)


def read_redemption(redemption_id: UUID) -> dict[str, Any]:
    """Raises RedemptionNotFound."""
    return _shown(orders.read_order(redemption_id), orders.codes_of([redemption_id])[redemption_id])


def _shown(order: AnyRow, codes: Sequence[AnyRow]) -> dict[str, Any]:
    status = (
        "rolled_back"
        if order.rolled_back_at is not None
        else "partly_rolled_back"
        if order.rollbacks
        else "redeemed"
    )
    return {
        "redemption_id": order.id,
        "order_id": order.order_id,
        "customer_id": order.customer_id,
        "codes": [
            {
                "code": code.code,
                "coupon_id": code.coupon_id,
                "discount_amount": money.from_minor(code.amount, order.currency),
            }
            for code in codes
        ],
        "currency": order.currency,
        "discount_amount": money.from_minor(order.discount, order.currency),
        "original_amount": money.from_minor(order.original, order.currency),
        "final_amount": money.from_minor(order.original - order.discount, order.currency),
        "status": status,
        "redeemed_at": order.created_at,
        "rolled_back_at": order.rolled_back_at,
        "rollbacks": order.rollbacks,
    }


def explain(redemption_id: UUID) -> dict[str, Any]:
    """How a redemption came about: terms, rules and figures as they were then, and the same decided now. Raises RedemptionNotFound."""
    order = orders.read_order(redemption_id, _orders.c.snapshot)
    told = order.snapshot["cart"]
    items = tuple(
        Item(item["productId"], item["quantity"], Decimal(item["unitPrice"]), item.get("category"))
        for item in told.get("items", ())
    )
    cart = Cart(Decimal(told["cartTotal"]), frozenset(told.get("productIds", ())), items)
    return {
        "redemption_id": redemption_id,
        "order_id": order.order_id,
        "customer_id": order.customer_id,
        "cart": {
            **told,
            "cartTotal": money.number(cart.total),
            **({"items": [_with_number(item) for item in told["items"]]} if items else {}),
        },
        "redeemed": order.snapshot["redeemed"],
        "now": _decided_now(order, orders.codes_of([redemption_id])[redemption_id], cart),
    }


def _with_number(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "unitPrice": money.number(Decimal(item["unitPrice"]))}


def _decided_now(order: AnyRow, codes: Sequence[AnyRow], cart: Cart) -> dict[str, Any]:
    rows = {
        row.id: row
        for row in db.session.execute(
            SELECT.where(_coupons.c.id.in_([code.coupon_id for code in codes]))
        )
    }
    seen = rules.see(list(rows.values()), order.customer_id)
    judgements = [
        rules.judge(rows[code.coupon_id], seen, order.customer_id, cart)
        for code in codes
        if code.coupon_id in rows
    ]
    usable = [judgement for judgement in judgements if judgement.refusal is None]
    combined = pricing.combine([rules.terms_of(judgement.coupon) for judgement in usable], cart)
    part = orders.part(judgements, combined, cart, seen.now)
    gone: dict[str, Any] = {
        "coupon": None,
        "rules": [],
        "discount_amount": None,
        "steps": [],
        "error_code": "coupon_not_found",
    }
    part["codes"] += [{"code": code.code, **gone} for code in codes if code.coupon_id not in rows]
    return part
