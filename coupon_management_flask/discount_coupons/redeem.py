"""Coupons are redeemed for an order, all of its codes or none."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from ..core import clock, errors, limits, money, stock
from ..core.claims import claim_or_explain
from ..core.limits import Take
from ..db.failures import retried
from ..db.session import transaction
from ..db.statements import Prepared
from ..models import OrderRedemption, new_id
from . import coupon_limits, events, orders, rules
from .caller import Caller, Checkout
from .coupons.coupon import Coupon, by_id
from .orders import Order, OrderCode
from .pricing import Cart
from .refusals import OrderAlreadyRedeemed
from .rules import Decision
from .schemas import explanations
from .stored import Json, plain
from .totals import CodeAmount, amounts

_EXISTING = Prepared(
    "order_redeemed",
    sa.select(OrderRedemption.fingerprint, OrderRedemption.answer).where(
        OrderRedemption.account_id == sa.bindparam("account_id", type_=sa.Uuid),
        OrderRedemption.order_key == sa.bindparam("order_key", type_=sa.Text),
    ),
)


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
    orders.write(order, codes, takes)
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
    combined = decision.combined
    currency = decision.cart.currency or decision.judgements[0].coupon.currency
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
        claimed = orders.CLAIMING.claim(
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
