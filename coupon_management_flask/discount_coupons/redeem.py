"""Coupons are redeemed for an order, all of its codes or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..core import clock, errors, limits, money, stock
from ..core.claims import Overtaken, claim_or_explain
from ..core.limits import Take
from ..core.stock import given
from ..db.dialects import is_postgresql
from ..db.failures import broken_constraint, retried
from ..db.session import commits_alone, db, transaction
from ..db.statements import Prepared
from ..models import DiscountCoupon, OrderRedemption, OrderRedemptionCode, new_id
from ..models.kinds import RedemptionKind
from . import coupon_limits, events, rules
from .caller import Caller, Checkout
from .coupons.coupon import Coupon, by_id
from .pricing import Cart
from .refusals import OrderAlreadyRedeemed
from .rules import Decision
from .schemas import explanations
from .stored import Json, plain
from .totals import CodeAmount, amounts

KIND = RedemptionKind.DISCOUNT

# The terms must be those that were looked at: whoever changes them holds the stock and raises the
# version.
_UNCHANGED = sa.exists().where(
    DiscountCoupon.id == given("coupon_id", sa.Uuid),
    DiscountCoupon.version == given("version", sa.Integer),
)
_CLAIMING = stock.Claiming(KIND, "discount", only_if=[_UNCHANGED], after=stock.LOCK)


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

_EXISTING = Prepared(
    "order_redeemed",
    sa.select(OrderRedemption.fingerprint, OrderRedemption.answer).where(
        OrderRedemption.account_id == sa.bindparam("account_id", type_=sa.Uuid),
        OrderRedemption.order_key == sa.bindparam("order_key", type_=sa.Text),
    ),
)


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


def redeem(caller: Caller, codes: Sequence[str], order_id: str, cart: Cart) -> tuple[Json, bool]:
    """Take one use of each code for an order, all or none.

    Returns what the order is told, and whether it was redeemed just now rather than before.

    Raises: OrderAlreadyRedeemed for an order of the caller that has other codes, another cart or
        another customer; otherwise what `rules.decide` raises.
    """
    checkout = caller.checkout(codes, cart)

    def look() -> Json | Decision:
        answer = _earlier_answer(caller, order_id, checkout)
        if answer is not None:
            return answer
        try:
            return rules.decide(caller, checkout)
        except (errors.Refused, errors.NotFound):
            # What refuses may be this very order, redeemed by somebody between the two looks.
            answer = _earlier_answer(caller, order_id, checkout)
            if answer is None:
                raise
            return answer

    def claim_seen(seen: Json | Decision) -> tuple[Json, bool]:
        return (
            (claim(caller, seen, order_id), True) if isinstance(seen, Decision) else (seen, False)
        )

    return claim_or_explain(claim_seen, look(), look)


def _earlier_answer(caller: Caller, order_id: str, checkout: Checkout) -> Json | None:
    """Return what this order was told before, None for a new one.

    Raises: OrderAlreadyRedeemed.
    """
    existing = _EXISTING.execute(
        {"account_id": caller.account_id, "order_key": order_id}
    ).one_or_none()
    if existing is None:
        return None
    if existing.fingerprint != checkout.fingerprint:
        raise OrderAlreadyRedeemed
    answer: Json = existing.answer
    return answer


@retried
def claim(caller: Caller, decision: Decision, order_id: str) -> Json:
    """Take one use of each coupon of a decision, for an order that has none yet.

    Returns the answer that is kept with the order; `redemption_id` is in it.

    Raises: Exhausted where a coupon was used up or changed since it was judged, LimitReached, and
        OrderTaken. An open transaction must then be rolled back.
    """
    # All of it is made before anything is locked, because it takes a while for a large cart.
    now = clock.now()
    codes = _codes(decision)
    order = _order(caller, decision, order_id, now)
    takes = _takes(codes, caller.customer_id, now)
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
    return order.answer


def _codes(decision: Decision) -> list[OrderCode]:
    coupons = {judgement.coupon.code: judgement.coupon for judgement in decision.judgements}
    return [
        OrderCode(
            coupon=coupons[one.code],
            redemption_id=new_id(),
            amount=money.to_minor(one.amount, one.terms.currency),
            lines=tuple(money.to_minor(share, one.terms.currency) for share in one.lines),
        )
        for one in decision.combined.applied
    ]


def _order(caller: Caller, decision: Decision, order_id: str, now: datetime) -> Order:
    order_redemption_id = new_id()
    combined, currency = decision.combined, decision.judgements[0].coupon.currency
    return Order(
        id=order_redemption_id,
        account_id=caller.account_id,
        order_id=order_id,
        fingerprint=decision.checkout.fingerprint,
        customer_id=caller.customer_id,
        currency=currency,
        original=money.to_minor(decision.cart.total, currency),
        discount=money.to_minor(combined.discount, currency),
        answer=plain(
            {
                "redemption_id": order_redemption_id,
                "codes": [CodeAmount(one.code, one.amount) for one in combined.applied],
                **amounts(decision.cart, combined.discount, combined.lines),
            }
        ),
        snapshot=explanations.snapshot(decision, now),
        created_at=now,
    )


def _takes(codes: Sequence[OrderCode], customer_id: str | None, now: datetime) -> list[Take]:
    takes = [
        take
        for code in codes
        for take in coupon_limits.takes(
            code.coupon, customer_id, now, amount=code.amount, redemption_id=code.redemption_id
        )
    ]
    first_orders = [code.redemption_id for code in codes if code.coupon.first_order_only]
    if first_orders and customer_id is not None:
        takes.append(Take(coupon_limits.first_order(customer_id), 1, 1, min(first_orders)))
    return takes


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
            claimed = _CLAIMING.claim(
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
        sa.insert(OrderRedemption).values(
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
        sa.insert(OrderRedemptionCode),
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


def increment_usage(caller: Caller, code: str) -> Coupon:
    """Take a use that belongs to no order, and return the coupon as it is then.

    Raises: what `rules.decide_without_cart` raises.
    """

    def look() -> Coupon:
        return rules.decide_without_cart(caller, code)

    return claim_or_explain(lambda coupon: _count_use(caller, coupon), look(), look)


@retried
def _count_use(caller: Caller, coupon: Coupon) -> Coupon:
    redemption_id = new_id()
    with transaction():
        claimed = _CLAIMING.claim(
            coupon.stock_id,
            claim_key=stock.repeatable_key(caller.account_id, redemption_id),
            account_id=caller.account_id,
            redemption_id=redemption_id,
            code=coupon.code,
            currency=coupon.currency,
            coupon_id=coupon.id,
            version=coupon.version,
        )
        limits.take_within(
            coupon_limits.takes(coupon, None, clock.now(), amount=0, redemption_id=redemption_id)
        )
        if claimed.claimed == claimed.capacity:
            events.coupon_exhausted(coupon, uses=claimed.claimed)
        return by_id(coupon.id)
