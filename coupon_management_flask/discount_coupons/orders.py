"""Orders that are given a discount, and the statements that write them with what they take."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..core import limits, stock
from ..core.claims import Overtaken
from ..core.limits import Take
from ..core.stock import given
from ..db.dialects import is_postgresql, table
from ..db.failures import broken_constraint
from ..db.session import commits_alone, db, transaction
from ..models import DiscountCoupon, OrderRedemption, OrderRedemptionCode
from ..models.kinds import RedemptionKind
from . import events
from .coupons.coupon import Coupon
from .stored import Json

KIND = RedemptionKind.DISCOUNT


class OrderTaken(Overtaken):
    """Somebody has redeemed this order just now."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is given a discount; amounts are in minor units.

    `answer` is what the shop is told, `snapshot` what explains it later.
    """

    id: UUID
    account_id: UUID
    order_id: str
    fingerprint: str
    customer_id: str | None
    currency: str
    original: int
    discount: int
    answer: Json
    snapshot: Json
    created_at: datetime

    @property
    def claim_key(self) -> str:
        return f"order:{self.id}"


@dataclass(frozen=True, slots=True)
class OrderCode:
    """A use of one coupon that an order takes; amounts are in minor units."""

    coupon: Coupon
    redemption_id: UUID
    amount: int
    lines: tuple[int, ...]


# The terms must be those that were looked at: whoever changes them holds the stock and raises the
# version.
_UNCHANGED = sa.exists().where(
    DiscountCoupon.id == given("coupon_id", sa.Uuid),
    DiscountCoupon.version == given("version", sa.Integer),
)
CLAIMING = stock.Claiming(KIND, "discount", only_if=[_UNCHANGED], after=stock.LOCK)


def _write_order(taken: sa.FromClause) -> sa.Insert:
    """Write the order's row with its claim.

    JSON comes as text, because a prepared statement knows no other form of it.
    """
    columns = (
        OrderRedemption.account_id,
        OrderRedemption.order_id,
        OrderRedemption.fingerprint,
        OrderRedemption.customer_id,
        OrderRedemption.currency,
        OrderRedemption.original,
        OrderRedemption.discount,
        OrderRedemption.created_at,
    )
    texts = ("answer", "snapshot", "rollbacks")
    values: dict[str, sa.ColumnElement[Any]] = {
        "id": given("order_redemption_id", sa.Uuid),
        **{column.key: given(column.key, column.type) for column in columns},
        "order_key": given("order_id", sa.Text),
        **{name: sa.cast(given(name, sa.Text), sa.JSON) for name in texts},
        "version": sa.literal(1, sa.Integer),
    }
    return sa.insert(OrderRedemption).from_select(
        [*values], sa.select(*values.values()).select_from(taken), include_defaults=False
    )


def _write_only_code(taken: sa.FromClause) -> sa.Insert:
    columns = (
        OrderRedemptionCode.code,
        OrderRedemptionCode.coupon_id,
        OrderRedemptionCode.redemption_id,
        OrderRedemptionCode.amount,
    )
    values: dict[str, sa.ColumnElement[Any]] = {
        "order_redemption_id": given("order_redemption_id", sa.Uuid),
        "position": sa.literal(0, sa.Integer),
        **{column.key: given(column.key, column.type) for column in columns},
        "lines": sa.cast(given("lines", sa.Text), sa.JSON),
    }
    return sa.insert(OrderRedemptionCode).from_select(
        [*values], sa.select(*values.values()).select_from(taken), include_defaults=False
    )


# On PostgreSQL, an order that takes one use of one code and nothing else: one statement, which
# commits itself.
_CLAIMING_ORDER = stock.Claiming(
    KIND,
    "discount_order",
    only_if=[_UNCHANGED],
    riders=[_write_order, _write_only_code],
    after=stock.LOCK,
)


def write(order: Order, codes: Sequence[OrderCode], takes: Sequence[Take]) -> None:
    """Take what an order takes, and write the order with it.

    Raises: Exhausted where a coupon was used up or changed since it was read, LimitReached, and
        OrderTaken. An open transaction must then be rolled back.
    """
    try:
        # A webhook that is made at this very moment is told of the next order.
        if (
            is_postgresql()
            and commits_alone()
            and len(codes) == 1
            and not takes
            and not events.of_orders_are_wanted()
        ):
            _claim_in_one(order, codes[0])
        else:
            _claim_in_several(order, codes, takes)
    except IntegrityError as error:
        if "order_key" in broken_constraint(error):
            raise OrderTaken from error
        raise


def _claim_in_one(order: Order, code: OrderCode) -> None:
    _CLAIMING_ORDER.claim(
        code.coupon.stock_id,
        claim_key=order.claim_key,
        account_id=order.account_id,
        code=code.coupon.code,
        amount=code.amount,
        currency=order.currency,
        redemption_id=code.redemption_id,
        order_redemption_id=order.id,
        order_id=order.order_id,
        fingerprint=order.fingerprint,
        customer_id=order.customer_id,
        original=order.original,
        discount=order.discount,
        answer=_text(order.answer),
        snapshot=_text(order.snapshot),
        rollbacks=_text([]),
        coupon_id=code.coupon.id,
        version=code.coupon.version,
        lines=_text(code.lines),
    )


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _claim_in_several(order: Order, codes: Sequence[OrderCode], takes: Sequence[Take]) -> None:
    with transaction():
        for code in sorted(codes, key=lambda code: code.coupon.stock_id):
            claimed = CLAIMING.claim(
                code.coupon.stock_id,
                claim_key=order.claim_key,
                account_id=order.account_id,
                redemption_id=code.redemption_id,
                code=code.coupon.code,
                amount=code.amount,
                currency=order.currency,
                coupon_id=code.coupon.id,
                version=code.coupon.version,
            )
            if claimed.claimed == claimed.capacity:
                events.coupon_exhausted(code.coupon, uses=claimed.claimed)
        limits.take_within(takes)
        _write(order, codes)
        events.redeemed(order.answer, order_id=order.order_id, customer_id=order.customer_id)


def _write(order: Order, codes: Sequence[OrderCode]) -> None:
    db.session.execute(
        sa.insert(table(OrderRedemption)).values(
            id=order.id,
            account_id=order.account_id,
            order_id=order.order_id,
            order_key=order.order_id,
            fingerprint=order.fingerprint,
            customer_id=order.customer_id,
            currency=order.currency,
            original=order.original,
            discount=order.discount,
            answer=order.answer,
            snapshot=order.snapshot,
            rollbacks=[],
            version=1,
            created_at=order.created_at,
        )
    )
    db.session.execute(
        sa.insert(table(OrderRedemptionCode)),
        [
            {
                "order_redemption_id": order.id,
                "position": position,
                "code": code.coupon.code,
                "coupon_id": code.coupon.id,
                "redemption_id": code.redemption_id,
                "amount": code.amount,
                "lines": code.lines,
            }
            for position, code in enumerate(codes)
        ],
    )
