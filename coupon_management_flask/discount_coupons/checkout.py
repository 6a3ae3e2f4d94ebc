"""Use cases of a shop's checkout: what codes are worth for a cart, without taking a use."""

from collections.abc import Sequence
from typing import Any

from ..core import clock
from ..db.session import db
from ..models import DiscountCoupon
from . import rules
from .coupons.change import public_for, shown
from .errors import sentence
from .pricing import combine as pricing
from .pricing.combine import Cart
from .refusals import LEFT_OUT
from .rules import SELECT, Caller, Judgement, totals

_coupons: Any = DiscountCoupon.__table__


def validate(caller: Caller, code: str, cart: Cart) -> dict[str, Any]:
    """The coupon, where it could be used for this cart now. Raises as `checkout.decide` does."""
    return {
        "valid": True,
        "coupon": shown(rules.decide(caller, code, cart).coupon, caller),
        "message": "Coupon is valid",
    }


def apply(caller: Caller, code: str, cart: Cart) -> dict[str, Any]:
    """What the coupon takes off this cart now; takes no use. Raises as `checkout.decide` does."""
    judgement = rules.decide(caller, code, cart)
    assert judgement.saving is not None
    return {
        "coupon_code": judgement.coupon.code,
        "discount_type": judgement.coupon.type,
        "discount_value": judgement.coupon.discount,
        **totals(cart, judgement.saving.amount, judgement.saving.lines),
    }


def apply_all(caller: Caller, codes: Sequence[str], cart: Cart) -> dict[str, Any]:
    """Which of these codes go together on this cart now, in which order, and why the others do not. Raises RateLimited."""
    judgements, left_out = rules.usable(caller, codes, cart)
    combined = pricing.combine([rules.terms_of(judgement.coupon) for judgement in judgements], cart)
    by_code = {judgement.coupon.code: judgement for judgement in judgements}
    for code, reason in combined.left_out:
        left_out[code] = by_code[code].refusal or LEFT_OUT[reason]()
    return {
        "codes": [{"code": one.code, "discount_amount": one.amount} for one in combined.applied],
        "left_out": [
            {"code": code, "error_code": left_out[code].name, "message": sentence(left_out[code])}
            for code in codes
            if code in left_out
        ],
        **totals(cart, combined.discount, combined.lines),
    }


def best(
    caller: Caller, codes: Sequence[str] | None, cart: Cart, *, currency: str
) -> dict[str, Any]:
    """The set with the lowest final amount, among these codes or else all public coupons in `currency` that could be used. Raises RateLimited."""
    if codes is not None:
        judgements, _ = rules.usable(caller, codes, cart)
    else:
        rules.check_decimals(cart, currency)
        judgements = _public(caller, cart, currency)
    found = pricing.best([rules.terms_of(judgement.coupon) for judgement in judgements], cart)
    return {
        "codes": [one.code for one in found.combined.applied],
        **totals(cart, found.combined.discount, found.combined.lines),
        "exact": found.exact,
    }


def _public(caller: Caller, cart: Cart, currency: str) -> list[Judgement]:
    # For a server that names no customer there are no coupons of somebody's own.
    rows = db.session.execute(
        SELECT.where(public_for(caller.customer_id, clock.now()), _coupons.c.currency == currency)
    ).all()
    seen = rules.see(rows, caller.customer_id)
    judgements = [rules.judge(row, seen, caller.customer_id, cart) for row in rows]
    return [judgement for judgement in judgements if judgement.refusal is None]
