"""What coupons are worth for a cart: the one decision behind every call that takes a discount code."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors, limits, money, validity
from ..core.limits import LimitKey
from ..db.dialects import one_of
from ..db.session import AnyRow, db
from ..db.statements import Prepared
from ..identity import failed_attempts
from ..models import DiscountCoupon, OrderRedemption, Stock
from . import coupon_limits
from .pricing import combine as pricing
from .pricing.combine import Cart, Combined, Item, Saving
from .refusals import (
    LEFT_OUT,
    BudgetUsedUp,
    CouponExpired,
    CouponInactive,
    CouponNotFound,
    CouponNotValidAtThisTime,
    CouponNotYetValid,
    FirstOrdersOnly,
    MinimumNotReached,
    NoEligibleProducts,
    NotForThisCustomer,
    PeriodLimitReached,
    UsageLimitExceeded,
)

_coupons: Any = DiscountCoupon.__table__
_stocks: Any = Stock.__table__

SELECT = sa.select(
    *_coupons.c, _stocks.c.claimed.label("usage_count"), _stocks.c.capacity.label("max_usage")
).join(_stocks, _stocks.c.id == _coupons.c.stock_id)

_BY_CODES = Prepared(
    "coupons_by_codes",
    lambda on_postgresql: SELECT.where(
        one_of(_coupons.c.code, "codes", _coupons.c.code.type, on_postgresql=on_postgresql)
    ),
)
_LIVE_ORDER = sa.select(
    sa.exists().where(
        OrderRedemption.customer_id == sa.bindparam("customer_id", type_=sa.Text),
        OrderRedemption.rolled_back_at.is_(None),
    )
)

Refusal = type[errors.DomainError]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and for which customer. Whoever does not manage coupons is a shopper: its own customer, who sees what is public and may not guess forever."""

    account_id: UUID
    manages: bool
    customer_id: str | None = None
    guess_limits: failed_attempts.Limits = field(default_factory=dict)

    def may_know(self, coupon: AnyRow) -> bool:
        """Whether this coupon is there at all for the caller, who knows its code."""
        return self.manages or not coupon.customer_ids or self.customer_id in coupon.customer_ids


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a coupon, named by its refusal, and what it was judged by."""

    refusal: Refusal
    passed: bool
    saw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A coupon for a cart: each rule in the contract's order, and what it alone takes off (None where its terms do not fit the cart)."""

    coupon: AnyRow
    rules: list[Rule]
    saving: Saving | None

    @property
    def refusal(self) -> errors.DomainError | None:
        """The first rule that says no, as an error."""
        for rule in self.rules:
            if not rule.passed:
                return rule.refusal(**(rule.saw if rule.refusal is MinimumNotReached else {}))
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read to judge by."""

    now: datetime
    used: dict[LimitKey, int]
    has_ordered: bool


def cart_of(
    cart_total: Decimal, product_ids: Iterable[str], items: Sequence[dict[str, Any]] | None
) -> Cart:
    return Cart(cart_total, frozenset(product_ids), tuple(Item(**item) for item in items or ()))


def check_decimals(cart: Cart, currency: str) -> None:
    for amount in (cart.total, *(item.unit_price for item in cart.items)):
        if not money.fits(amount, currency):
            raise errors.Invalid(
                {"cartTotal": [f"{currency} has {money.decimals(currency)} decimals."]}
            )


def terms_of(coupon: AnyRow) -> pricing.Terms:
    return pricing.Terms(
        code=coupon.code,
        type=coupon.type,
        discount=coupon.discount,
        coupon_for=coupon.coupon_for,
        currency=coupon.currency,
        exponent=money.decimals(coupon.currency),
        products=frozenset(coupon.products),
        categories=frozenset(coupon.categories),
        excluded_products=frozenset(coupon.excluded_products),
        excluded_categories=frozenset(coupon.excluded_categories),
        minimum=coupon.min_purchase_amount,
        maximum=coupon.max_discount_amount,
        combinable=coupon.combinable,
        exclusive_group=coupon.exclusive_group,
        priority=coupon.priority,
        base=coupon.base,
    )


def see(coupons: Sequence[AnyRow], customer_id: str | None) -> Seen:
    """Reads what these coupons' rules ask for, in as many statements whatever it says."""
    now = clock.now()
    keys = [
        key for coupon in coupons for key, _ in coupon_limits.of(coupon, customer_id, now).values()
    ]
    has_ordered = False
    if customer_id is not None and any(coupon.first_order_only for coupon in coupons):
        keys.append(coupon_limits.first_order(customer_id))
        has_ordered = bool(db.session.scalar(_LIVE_ORDER, {"customer_id": customer_id}))
    used = limits.used(keys)
    return Seen(
        now,
        used,
        has_ordered
        or any(count for key, count in used.items() if key.rule == coupon_limits.FIRST_ORDER),
    )


def judge(coupon: AnyRow, seen: Seen, customer_id: str | None, cart: Cart | None) -> Judgement:
    """Judges a coupon by everything that it asks for; without a cart (a use that is counted without an order), by all that needs none."""
    saving: Saving | None = None
    misfit: pricing.Refused | None = None
    if cart is not None:
        try:
            saving = pricing.saving(terms_of(coupon), cart)
        except pricing.Refused as refused:
            misfit = refused
    now = seen.now
    rules = [
        Rule(CouponInactive, coupon.is_active, {"isActive": coupon.is_active}),
        Rule(
            CouponNotYetValid,
            coupon.starts_at is None or coupon.starts_at <= now,
            {"startsAt": coupon.starts_at, "now": now},
        ),
        Rule(
            CouponExpired,
            coupon.expires_at is None or coupon.expires_at > now,
            {"expiresAt": coupon.expires_at, "now": now},
        ),
        Rule(
            CouponNotValidAtThisTime,
            validity.is_on(coupon.schedule, now),
            {"schedule": coupon.schedule, "now": now},
        ),
        *_limit_rules(coupon, seen, customer_id, saving),
        _customer_rule(coupon, customer_id),
    ]
    if coupon.first_order_only:
        rules.append(Rule(FirstOrdersOnly, not seen.has_ordered, {"hasOrdered": seen.has_ordered}))
    if cart is not None:
        rules += _cart_rules(coupon, cart, misfit)
    return Judgement(coupon, rules, saving)


def _limit_rules(
    coupon: AnyRow, seen: Seen, customer_id: str | None, saving: Saving | None
) -> list[Rule]:
    has_uses = coupon.max_usage is None or coupon.usage_count < coupon.max_usage
    found = [
        Rule(
            UsageLimitExceeded,
            has_uses,
            {"usageCount": coupon.usage_count, "maxUsage": coupon.max_usage},
        )
    ]
    places = coupon_limits.of(coupon, customer_id, seen.now)
    for rule in (
        coupon_limits.PER_CUSTOMER,
        "perDay",
        "perWeek",
        "perMonth",
        coupon_limits.PER_CUSTOMER_PER_DAY,
    ):
        if rule in places:
            key, limit = places[rule]
            refusal: Refusal = (
                UsageLimitExceeded if rule == coupon_limits.PER_CUSTOMER else PeriodLimitReached
            )
            found.append(
                Rule(
                    refusal,
                    seen.used[key] < limit,
                    {"limit": rule, "used": seen.used[key], "allowed": limit, "period": key.period},
                )
            )
    if coupon_limits.BUDGET in places:
        key, budget = places[coupon_limits.BUDGET]
        # A discount that does not fit any more is not given in part: what was promised is what is redeemed.
        asked = max(1, money.to_minor(saving.amount, coupon.currency) if saving is not None else 0)
        amounts = {
            "used": seen.used[key],
            "budget": budget,
            "asked": asked if saving is not None else 0,
        }
        facts = {name: money.from_minor(units, coupon.currency) for name, units in amounts.items()}
        found.append(Rule(BudgetUsedUp, seen.used[key] + asked <= budget, facts))
    return found


def _customer_rule(coupon: AnyRow, customer_id: str | None) -> Rule:
    asks = (
        bool(coupon.customer_ids)
        or coupon.first_order_only
        or any(rule in coupon.limits for rule in coupon_limits.OF_A_CUSTOMER)
    )
    fits = not asks or (
        customer_id is not None and (not coupon.customer_ids or customer_id in coupon.customer_ids)
    )
    return Rule(
        NotForThisCustomer,
        fits,
        {"customerId": customer_id, "bound": bool(coupon.customer_ids), "asksForACustomer": asks},
    )


def _cart_rules(coupon: AnyRow, cart: Cart, misfit: pricing.Refused | None) -> list[Rule]:
    found = []
    if coupon.min_purchase_amount is not None:
        amount = money.written(coupon.min_purchase_amount, coupon.currency)
        reached = cart.total >= coupon.min_purchase_amount
        found.append(
            Rule(
                MinimumNotReached,
                reached,
                {"currency": coupon.currency, "amount": amount, "cartTotal": cart.total},
            )
        )
    # Behind a minimum that is not reached nothing was matched, and nothing is said about it.
    if not isinstance(misfit, pricing.MinimumNotReached):
        found.append(
            Rule(
                NoEligibleProducts,
                not isinstance(misfit, pricing.NoEligibleProducts),
                {"items": len(cart.items) or len(cart.product_ids)},
            )
        )
    return found


# --- Deciding


def find(caller: Caller, codes: Sequence[str]) -> dict[str, AnyRow]:
    """The coupons of these codes that the caller may know, by code, in the order asked for. For a shopper those that are not there are wrong guesses.

    Raises RateLimited.
    """
    failed_attempts.check(caller.guess_limits)
    rows = {
        row.code: row for row in _BY_CODES.execute({"codes": list(codes)}) if caller.may_know(row)
    }
    for code in codes:
        if code not in rows:
            failed_attempts.count_wrong(caller.guess_limits)
    return {code: rows[code] for code in codes if code in rows}


def decide(caller: Caller, code: str, cart: Cart) -> Judgement:
    """The coupon, all of whose rules say yes. Raises CouponNotFound and the first refusal in the contract's order."""
    (judgement,) = decide_all(caller, [code], cart)
    return judgement


def decide_all(caller: Caller, codes: Sequence[str], cart: Cart) -> list[Judgement]:
    """Judges each code; all must say yes. Raises as `decide` does, for the first of them that is refused."""
    coupons = find(caller, codes)
    if len(coupons) < len(codes):
        raise CouponNotFound
    for coupon in coupons.values():
        check_decimals(cart, coupon.currency)
    seen = see(list(coupons.values()), caller.customer_id)
    judgements = [judge(coupon, seen, caller.customer_id, cart) for coupon in coupons.values()]
    for judgement in judgements:
        if judgement.refusal is not None:
            raise judgement.refusal
    return judgements


def combine_all(judgements: Sequence[Judgement], cart: Cart) -> Combined:
    """What several coupons take off together. Raises why the first that would be left out can't join."""
    combined = pricing.combine([terms_of(judgement.coupon) for judgement in judgements], cart)
    for _, reason in combined.left_out:
        raise LEFT_OUT[reason]
    return combined


def totals(cart: Cart, discount: Decimal, shares: Sequence[Decimal]) -> dict[str, Any]:
    """What every answer about a cart says; with items, line by line too."""
    found: dict[str, Any] = {
        "discount_amount": discount,
        "original_amount": cart.total,
        "final_amount": cart.total - discount,
        "savings": discount,
    }
    if cart.items:
        found["lines"] = [
            {
                "product_id": item.product_id,
                "discount_amount": share,
                "final_amount": item.total - share,
            }
            for item, share in zip(cart.items, shares, strict=True)
        ]
    return found


def usable(
    caller: Caller, codes: Sequence[str], cart: Cart
) -> tuple[list[Judgement], dict[str, errors.DomainError]]:
    """Those of the codes that could be used alone, in one currency: that of the first which is there; and why the others could not."""
    coupons = find(caller, codes)
    left_out: dict[str, errors.DomainError] = {
        code: CouponNotFound() for code in codes if code not in coupons
    }
    if not coupons:
        return [], left_out
    currency = next(iter(coupons.values())).currency
    check_decimals(cart, currency)
    seen = see(list(coupons.values()), caller.customer_id)
    found = []
    for code, coupon in coupons.items():
        judgement = judge(coupon, seen, caller.customer_id, cart)
        if coupon.currency != currency:
            left_out[code] = LEFT_OUT["currency_mismatch"]()
        elif judgement.refusal is not None:
            left_out[code] = judgement.refusal
        else:
            found.append(judgement)
    return found, left_out
