"""What a shop's checkout asks before an order is placed. None of it takes a use."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..core import clock
from ..db.session import db
from ..models import DiscountCoupon
from ..models.kinds import DiscountType
from . import pricing, rules
from .caller import Caller, Checkout
from .coupons.coupon import SELECT, Coupon, coupons
from .coupons.find import public_for, shown
from .pricing import Cart
from .totals import CodeAmount, Totals, amounts
from .wording import sentence

# Each is tried on up to 1,000 items.
MOST_CANDIDATES = 1_000


@dataclass(frozen=True, slots=True)
class Valid:
    coupon: Coupon
    valid: bool = True
    message: str = "Coupon is valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Totals):
    coupon_code: str
    discount_type: DiscountType
    discount_value: Decimal


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A code that does not take part, and why."""

    code: str
    error_code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedAll(Totals):
    codes: list[CodeAmount]
    left_out: list[LeftOut]


@dataclass(frozen=True, slots=True, kw_only=True)
class Best(Totals):
    codes: list[str]
    exact: bool


def validate(caller: Caller, code: str, cart: Cart) -> Valid:
    """Return the coupon, where it could be used for this cart now. Raises what `decide` raises."""
    decision = rules.decide(caller, caller.checkout([code], cart))
    return Valid(shown(decision.judgements[0].coupon, caller))


def apply(caller: Caller, code: str, cart: Cart) -> Applied:
    """Say what the coupon takes off this cart now. Raises what `decide` raises."""
    decision = rules.decide(caller, caller.checkout([code], cart))
    (judgement,) = decision.judgements
    return Applied(
        coupon_code=code,
        discount_type=judgement.coupon.type,
        discount_value=judgement.coupon.discount,
        **amounts(cart, decision.combined.discount, decision.combined.lines),
    )


def apply_all(caller: Caller, codes: Sequence[str], cart: Cart) -> AppliedAll:
    """Say which of these codes go together on this cart, in which order, and why others do not.

    Raises: Invalid, RateLimited.
    """
    decision = rules.choose(caller, caller.checkout(codes, cart))
    left_out = decision.left_out
    return AppliedAll(
        codes=[CodeAmount(one.code, one.amount) for one in decision.combined.applied],
        left_out=[
            LeftOut(code, left_out[code].name, sentence(left_out[code]))
            for code in codes
            if code in left_out
        ],
        **amounts(cart, decision.combined.discount, decision.combined.lines),
    )


def best(caller: Caller, codes: Sequence[str] | None, cart: Cart, *, currency: str) -> Best:
    """Find the set of codes with the lowest final amount.

    It is looked for among these codes, or else among the public coupons of the cart's currency,
    which is `currency` where it names none. Of more than `MOST_CANDIDATES` of those it looks at the
    ones of the highest priority, and is not exact.

    Raises: Invalid, RateLimited.
    """
    are_all = True
    if codes is not None:
        decision = rules.choose(caller, caller.checkout(codes, cart))
    else:
        rules.check_decimals(cart, currency)
        candidates, are_all = _public(caller, cart.currency or currency)
        decision = rules.judged(Checkout((), cart, caller.customer_id), candidates)
    found = pricing.best(decision.usable, cart)
    return Best(
        codes=[one.code for one in found.combined.applied],
        exact=found.exact and are_all,
        **amounts(cart, found.combined.discount, found.combined.lines),
    )


def _public(caller: Caller, currency: str) -> tuple[list[Coupon], bool]:
    """Return the public coupons of the highest priority, and whether these are all."""
    # A server that names no customer has no coupons of a customer's own.
    is_public = public_for(caller.customer_id, clock.now())
    rows = db.session.execute(
        SELECT.where(is_public, DiscountCoupon.currency == currency)
        .order_by(DiscountCoupon.priority.desc(), DiscountCoupon.id.desc())
        .limit(MOST_CANDIDATES + 1)
    )
    found = coupons(rows)
    return found[:MOST_CANDIDATES], len(found) <= MOST_CANDIDATES
