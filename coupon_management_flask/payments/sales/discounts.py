"""The discount of a purchase: what a code takes off, and the use of it that is held until the end.

The use is taken as an order of discount coupons whose order id is the purchase's id.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from ...core import stock
from ...discount_coupons import redeem, rollback, rules
from ...discount_coupons.caller import Caller
from ...discount_coupons.pricing import Cart, Item
from ...discount_coupons.rules import Decision
from ...identity import failed_attempts


def held_by(order_redemption_ids: Iterable[UUID | None]) -> frozenset[UUID]:
    """Return the discounts among these: a purchase without one has None."""
    return frozenset(one for one in order_redemption_ids if one is not None)


def decide(
    buyer_id: UUID,
    code: str,
    item: Item,
    currency: str,
    attempt_limits: failed_attempts.Limits,
    *,
    beside: Collection[UUID] = (),
) -> Decision:
    """Return what a code takes off an item that is sold in `currency`; takes nothing.

    What the discounts `beside` it hold does not stand against it: they are about to be given back.

    Raises: CouponNotFound, which counts as a failed attempt; RateLimited; CurrencyMismatch; and the
    first refusal in the contract's order.
    """
    caller = Caller(
        buyer_id, manages=False, customer_id=str(buyer_id), attempt_limits=attempt_limits
    )
    checkout = caller.checkout([code], Cart(item.total, items=(item,), currency=currency))
    return rules.decide(caller, checkout, beside=beside)


def hold(decision: Decision | None, purchase_id: UUID, buyer_id: UUID) -> UUID | None:
    """Take the use of a purchase's discount, inside an open transaction.

    Returns the order's redemption, or None without a discount.

    Raises: Exhausted (also as LimitReached) where the code was used up or changed since it was
    priced; Overtaken where somebody else holds it for this purchase by now. The transaction must
    then be rolled back. A new quote says what refuses.
    """
    if decision is None:
        return None
    caller = Caller(buyer_id, manages=False, customer_id=str(buyer_id))
    answer = redeem.claim(caller, decision, str(purchase_id))
    return UUID(answer["redemption_id"])


def pass_on(
    held: Collection[UUID], decision: Decision | None, purchase_id: UUID, buyer_id: UUID
) -> UUID | None:
    """Give back the discounts that were held, and take a purchase's own as `hold` does.

    Both happen in the open transaction, so that nobody gets what is given back in between.

    Raises: what `hold` raises.
    """
    if held:
        # In one order, as everywhere: the two may be of different coupons.
        stocks = rollback.stocks_of_orders(held)
        if decision is not None:
            stocks |= {judgement.coupon.stock_id for judgement in decision.judgements}
        stock.lock(stocks)
    for order_redemption_id in held:
        give_back(order_redemption_id)
    return hold(decision, purchase_id, buyer_id)


def give_back(order_redemption_id: UUID) -> None:
    """Give back all that `hold` has taken, exactly once however often this is called."""
    rollback.roll_back(order_redemption_id, reason="cancelled")
