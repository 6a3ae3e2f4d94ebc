"""What was redeemed: lists of it, and one by its id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from ..core import money
from ..db.pages import Page
from ..db.session import db
from ..models import OrderRedemption, OrderRedemptionCode
from .refusals import RedemptionNotFound
from .stored import Json

Value = TypeVar("Value")


class RedemptionStatus(StrEnum):
    REDEEMED = "redeemed"
    PARTLY_ROLLED_BACK = "partly_rolled_back"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order that was given a discount, without what explains it."""

    id: UUID
    order_id: str
    customer_id: str | None
    currency: str
    original: int
    discount: int
    rollbacks: list[Json]
    created_at: datetime
    rolled_back_at: datetime | None

    @property
    def status(self) -> RedemptionStatus:
        if self.rolled_back_at is not None:
            return RedemptionStatus.ROLLED_BACK
        return RedemptionStatus.PARTLY_ROLLED_BACK if self.rollbacks else RedemptionStatus.REDEEMED


# As ListedOrder takes them.
_LISTED = (
    OrderRedemption.id,
    OrderRedemption.order_id,
    OrderRedemption.customer_id,
    OrderRedemption.currency,
    OrderRedemption.original,
    OrderRedemption.discount,
    OrderRedemption.rollbacks,
    OrderRedemption.created_at,
    OrderRedemption.rolled_back_at,
)


@dataclass(frozen=True, slots=True)
class RedeemedCode:
    code: str
    coupon_id: UUID
    discount_amount: Decimal


@dataclass(frozen=True, slots=True)
class RedemptionShown:
    """An order's redemption as it is shown, with amounts in its currency."""

    redemption_id: UUID
    order_id: str
    customer_id: str | None
    codes: list[RedeemedCode]
    currency: str
    discount_amount: Decimal
    original_amount: Decimal
    final_amount: Decimal
    status: RedemptionStatus
    redeemed_at: datetime
    rolled_back_at: datetime | None
    rollbacks: list[Json]


def list_redemptions(
    *,
    page: int,
    limit: int,
    code: str | None = None,
    order_id: str | None = None,
    customer_id: str | None = None,
) -> Page:
    """Return a page of what was redeemed, newest first."""
    conditions: list[sa.ColumnElement[bool]] = []
    if code is not None:
        with_it = sa.select(OrderRedemptionCode.order_redemption_id).where(
            OrderRedemptionCode.code == code
        )
        conditions.append(OrderRedemption.id.in_(with_it))
    if order_id is not None:
        conditions.append(OrderRedemption.order_id == order_id)
    if customer_id is not None:
        conditions.append(OrderRedemption.customer_id == customer_id)
    counted = sa.select(sa.func.count()).select_from(OrderRedemption).where(*conditions)
    total = db.session.scalar(counted) or 0
    rows = db.session.execute(
        sa.select(*_LISTED)
        .where(*conditions)
        .order_by(OrderRedemption.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    orders = [ListedOrder(*row) for row in rows]
    codes = codes_of([order.id for order in orders]) if orders else {}
    return Page([_shown(order, codes[order.id]) for order in orders], total, page, limit)


def read_redemption(redemption_id: UUID) -> RedemptionShown:
    """Raises: RedemptionNotFound."""
    order = read_order(redemption_id)
    return _shown(order, codes_of([redemption_id])[redemption_id])


def read_order(redemption_id: UUID) -> ListedOrder:
    """Raises: RedemptionNotFound."""
    row = db.session.execute(
        sa.select(*_LISTED).where(OrderRedemption.id == redemption_id)
    ).one_or_none()
    if row is None:
        raise RedemptionNotFound
    return ListedOrder(*row)


def read_order_with(
    redemption_id: UUID, column: InstrumentedAttribute[Value]
) -> tuple[ListedOrder, Value]:
    """Read an order's redemption with one more column of it.

    Raises: RedemptionNotFound.
    """
    row = db.session.execute(
        sa.select(*_LISTED, column).where(OrderRedemption.id == redemption_id)
    ).one_or_none()
    if row is None:
        raise RedemptionNotFound
    *listed, value = row
    return ListedOrder(*listed), value


def codes_of(redemption_ids: Sequence[UUID]) -> dict[UUID, list[OrderRedemptionCode]]:
    """Return the codes of each order's redemption, in the order in which they were applied."""
    found: dict[UUID, list[OrderRedemptionCode]] = {
        redemption_id: [] for redemption_id in redemption_ids
    }
    codes = db.session.scalars(
        sa.select(OrderRedemptionCode)
        .where(OrderRedemptionCode.order_redemption_id.in_(redemption_ids))
        .order_by(OrderRedemptionCode.order_redemption_id, OrderRedemptionCode.position)
    )
    for code in codes:
        found[code.order_redemption_id].append(code)
    return found


def _shown(order: ListedOrder, codes: Sequence[OrderRedemptionCode]) -> RedemptionShown:
    def amount(units: int) -> Decimal:
        return money.from_minor(units, order.currency)

    return RedemptionShown(
        redemption_id=order.id,
        order_id=order.order_id,
        customer_id=order.customer_id,
        codes=[RedeemedCode(code.code, code.coupon_id, amount(code.amount)) for code in codes],
        currency=order.currency,
        discount_amount=amount(order.discount),
        original_amount=amount(order.original),
        final_amount=amount(order.original - order.discount),
        status=order.status,
        redeemed_at=order.created_at,
        rolled_back_at=order.rolled_back_at,
        rollbacks=order.rollbacks,
    )
