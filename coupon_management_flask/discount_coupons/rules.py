"""The one decision behind every call that takes discount codes: their worth for a cart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import errors, money
from ..db.dialects import one_of
from ..db.statements import Prepared
from ..identity import failed_attempts
from ..models import DiscountCoupon
from . import judging, pricing
from .caller import Caller, Checkout
from .coupons.coupon import SELECT, Coupon, coupons
from .judging import Judgement, Seen
from .pricing import Cart, Combined
from .refusals import LEFT_OUT, CouponNotFound, CurrencyMismatch
from .schemas.names import invalid


def _by_codes(on_postgresql: bool) -> sa.Select[*tuple[Any, ...]]:
    column = DiscountCoupon.code
    return SELECT.where(one_of(column, "codes", column.type, on_postgresql=on_postgresql))


_BY_CODES = Prepared("coupons_by_codes", _by_codes)


@dataclass(frozen=True)
class Decision:
    """What codes are worth for a cart, and why.

    `judgements` has each code that is there, in the order asked for; `unknown` are the codes that
    are not. `seen` is what was read to judge by, and when. Where `currency` is given, coupons in
    another one do not take part; the cart has named none then.
    """

    checkout: Checkout
    judgements: tuple[Judgement, ...]
    seen: Seen
    unknown: tuple[str, ...] = ()
    currency: str | None = None

    @property
    def cart(self) -> Cart:
        return self.checkout.cart

    @cached_property
    def refused(self) -> dict[str, errors.DomainError]:
        """The codes that could not even be used alone, each with the reason."""
        found: dict[str, errors.DomainError] = {code: CouponNotFound() for code in self.unknown}
        for judgement in self.judgements:
            refusal: errors.DomainError | None = judgement.refusal
            if self.currency not in (None, judgement.coupon.currency):
                refusal = CurrencyMismatch()
            if refusal is not None:
                found[judgement.coupon.code] = refusal
        return found

    @cached_property
    def usable(self) -> tuple[pricing.Terms, ...]:
        """The terms of the codes that could be used alone."""
        return tuple(
            judgement.terms
            for judgement in self.judgements
            if judgement.coupon.code not in self.refused
        )

    @cached_property
    def combined(self) -> Combined:
        """What those take off together."""
        return pricing.combine(self.usable, self.cart)

    @cached_property
    def left_out(self) -> dict[str, errors.DomainError]:
        """The codes that do not take part, each with the reason."""
        others = {code: LEFT_OUT[reason]() for code, reason in self.combined.left_out}
        return {**self.refused, **others}


def find(caller: Caller, codes: Sequence[str]) -> dict[str, Coupon]:
    """Return the coupons of these codes that the caller may know, in the order asked for.

    A shopper's codes that are not there count as failed attempts.

    Raises: RateLimited.
    """
    failed_attempts.check(caller.attempt_limits)
    found = {
        coupon.code: coupon
        for coupon in coupons(_BY_CODES.execute({"codes": list(codes)}))
        if caller.may_know(coupon.customer_ids)
    }
    for code in codes:
        if code not in found:
            failed_attempts.record(caller.attempt_limits)
    return {code: found[code] for code in codes if code in found}


def decide(caller: Caller, checkout: Checkout, *, beside: Collection[UUID] = ()) -> Decision:
    """Decide what the codes are worth where all of them are used, or none.

    What the orders `beside` it hold does not stand against it: they are about to give it back.

    Raises: CouponNotFound; Invalid for a cart with more decimals than its currency has, or a
        coupon's where it names none; the first refusal in the contract's order; why a code can't
        be combined with the others; RateLimited.
    """
    known = find(caller, checkout.codes)
    if len(known) < len(checkout.codes):
        raise CouponNotFound
    for coupon in known.values():
        check_decimals(checkout.cart, coupon.currency)
    decision = judged(checkout, known.values(), beside=beside)
    for error in (*decision.refused.values(), *decision.left_out.values()):
        raise error
    return decision


def choose(caller: Caller, checkout: Checkout) -> Decision:
    """Decide which of the codes go together, in the cart's currency.

    Where it names none, that is the currency of the first code that is there.

    Raises: Invalid for a cart with more decimals than that currency has; RateLimited.
    """
    known = find(caller, checkout.codes)
    unknown = [code for code in checkout.codes if code not in known]
    first = next((coupon.currency for coupon in known.values()), None)
    if first is not None:
        check_decimals(checkout.cart, first)
    currency = first if checkout.cart.currency is None else None
    return judged(checkout, known.values(), unknown=unknown, currency=currency)


def judged(
    checkout: Checkout,
    known: Collection[Coupon],
    *,
    unknown: Sequence[str] = (),
    currency: str | None = None,
    beside: Collection[UUID] = (),
) -> Decision:
    """Judge coupons that were read already. This is where every decision is made."""
    seen = judging.see(list(known), checkout.customer_id, beside=beside)
    judgements = tuple(
        judging.judge(coupon, seen, checkout.customer_id, checkout.cart) for coupon in known
    )
    return Decision(checkout, judgements, seen, tuple(unknown), currency)


def decide_without_cart(caller: Caller, code: str) -> Coupon:
    """Judge a use that belongs to no order, by the rules that need neither cart nor customer.

    Raises: CouponNotFound and the first refusal in the contract's order.
    """
    coupon = find(caller, [code]).get(code)
    if coupon is None:
        raise CouponNotFound
    judgement = judging.judge(coupon, judging.see([coupon], None), None, None)
    if judgement.refusal is not None:
        raise judgement.refusal
    return coupon


def check_decimals(cart: Cart, currency: str) -> None:
    """Check the cart's amounts by its own currency, or by this one where it names none.

    Raises: Invalid where an amount has more decimals than the currency.
    """
    currency = cart.currency or currency
    for amount in (cart.total, *(item.unit_price for item in cart.items)):
        if not money.fits(amount, currency):
            problem = f"{currency} has {money.decimals(currency)} decimals."
            raise invalid({"cart_total": [problem]})
