"""What each rule of a coupon says to a cart and a customer, in the contract's order."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors, limits, money, validity
from ..core.limits import LimitKey
from ..db.session import db
from ..models import OrderRedemption, OrderRedemptionCode, Redemption, RedemptionTake
from ..models.kinds import DiscountType, LimitRule
from . import coupon_limits, pricing
from .coupons.coupon import Coupon
from .pricing import Cart, Offer
from .refusals import (
    BudgetUsedUp,
    CouponExpired,
    CouponInactive,
    CouponNotValidAtThisTime,
    CouponNotYetValid,
    CurrencyMismatch,
    DoesNotFit,
    FirstOrdersOnly,
    MinimumNotReached,
    NoEligibleProducts,
    NotForThisCustomer,
    PeriodLimitReached,
    UsageLimitExceeded,
)

_LIVE_ORDER = sa.select(OrderRedemption.id).where(
    OrderRedemption.customer_id == sa.bindparam("customer_id", type_=sa.Text),
    OrderRedemption.rolled_back_at.is_(None),
)

Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a coupon, named by its refusal, and the facts that it was judged by."""

    refusal: type[errors.Refused]
    passed: bool
    saw: Facts


@dataclass(frozen=True, slots=True)
class Judgement:
    """A coupon for a cart, and what each rule says, in the contract's order."""

    coupon: Coupon
    terms: pricing.Terms
    rules: tuple[Rule, ...]

    @property
    def refusal(self) -> errors.Refused | None:
        """The first rule that says no, as an error."""
        for rule in self.rules:
            if not rule.passed:
                return rule.refusal(**(rule.saw if rule.refusal is MinimumNotReached else {}))
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read to judge by. `freed` is what of each stock does not stand in the way."""

    now: datetime
    used: dict[LimitKey, int]
    has_ordered: bool
    freed: Mapping[UUID, int] = field(default_factory=dict)


def terms_of(coupon: Coupon, currency: str | None = None) -> pricing.Terms:
    """Return a coupon's terms as the arithmetic sees them, for a cart in this currency."""
    currency = currency or coupon.currency
    return pricing.Terms(
        code=coupon.code,
        type=coupon.type,
        discount=coupon.discount,
        coupon_for=coupon.coupon_for,
        currency=currency,
        exponent=money.decimals(currency),
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


def see(
    coupons: Sequence[Coupon], customer_id: str | None, *, beside: Collection[UUID] = ()
) -> Seen:
    """Read what these coupons' rules ask for.

    What the orders `beside` it hold counts as free. It takes as many statements whatever it finds.
    """
    now = clock.now()
    keys = [
        key for coupon in coupons for key, _ in coupon_limits.of(coupon, customer_id, now).values()
    ]
    has_ordered = False
    if customer_id is not None and any(coupon.first_order_only for coupon in coupons):
        keys.append(coupon_limits.first_order(customer_id))
        live = _LIVE_ORDER if not beside else _LIVE_ORDER.where(OrderRedemption.id.not_in(beside))
        has_ordered = bool(
            db.session.scalar(sa.select(live.exists()), {"customer_id": customer_id})
        )
    used, freed = limits.used(keys), Counter[UUID]()
    if beside:
        taken, freed = _held_by(beside)
        used = {key: count - taken[key] for key, count in used.items()}
    had_its_first = any(count for key, count in used.items() if key.rule == LimitRule.FIRST_ORDER)
    return Seen(now, used, has_ordered or had_its_first, freed)


def _held_by(order_redemption_ids: Collection[UUID]) -> tuple[Counter[LimitKey], Counter[UUID]]:
    """Return what orders hold, of each limit and of each stock."""
    is_theirs = OrderRedemptionCode.order_redemption_id.in_(order_redemption_ids)
    taken, held = Counter[LimitKey](), Counter[UUID]()
    for owner_id, rule, customer, period, units in db.session.execute(
        sa.select(
            RedemptionTake.owner_id,
            RedemptionTake.rule,
            RedemptionTake.customer,
            RedemptionTake.period,
            RedemptionTake.units,
        )
        .join(
            OrderRedemptionCode, OrderRedemptionCode.redemption_id == RedemptionTake.redemption_id
        )
        .where(is_theirs)
    ):
        taken[LimitKey(owner_id, rule, customer, period)] += units
    for stock_id, units in db.session.execute(
        sa.select(Redemption.stock_id, Redemption.units)
        .join(OrderRedemptionCode, OrderRedemptionCode.redemption_id == Redemption.id)
        .where(is_theirs, Redemption.rolled_back_at.is_(None))
    ):
        held[stock_id] += units
    return taken, held


def judge(coupon: Coupon, seen: Seen, customer_id: str | None, cart: Cart | None) -> Judgement:
    """Judge a coupon by everything that it asks for.

    Without a cart, which is how a use without an order is counted, it is judged by the rules that
    need none.
    """
    currency = None if cart is None else cart.currency
    terms = terms_of(coupon, currency)
    offer: Offer | None = None
    misfit: DoesNotFit | None = None
    if cart is not None:
        try:
            # Not what it takes off each line: `best` judges every coupon there is.
            offer = pricing.offer(terms, cart)
        except DoesNotFit as refused:
            misfit = refused
    rules = [
        Rule(CouponInactive, coupon.is_active, {"is_active": coupon.is_active}),
        *_currency_rules(coupon, currency),
        *_time_rules(coupon, seen.now),
        *_limit_rules(coupon, seen, customer_id, offer),
        _customer_rule(coupon, customer_id),
    ]
    if coupon.first_order_only:
        rules.append(Rule(FirstOrdersOnly, not seen.has_ordered, {"has_ordered": seen.has_ordered}))
    if cart is not None:
        rules += _cart_rules(coupon, cart, misfit)
    return Judgement(coupon, terms, tuple(rules))


def _currency_rules(coupon: Coupon, currency: str | None) -> list[Rule]:
    """Return the rule about the cart's currency, where it names another one than the coupon's.

    A part of it is a part of it in any currency. Amounts are not.
    """
    if currency in (None, coupon.currency):
        return []
    has_amounts = (
        coupon.type == DiscountType.FIXED
        or coupon.min_purchase_amount is not None
        or coupon.max_discount_amount is not None
        or LimitRule.BUDGET in coupon.limits
    )
    facts: Facts = {"cart_currency": currency, "currency": coupon.currency}
    return [Rule(CurrencyMismatch, not has_amounts, facts)]


def _time_rules(coupon: Coupon, now: datetime) -> list[Rule]:
    return [
        Rule(
            CouponNotYetValid,
            coupon.starts_at is None or coupon.starts_at <= now,
            {"starts_at": coupon.starts_at, "now": now},
        ),
        Rule(
            CouponExpired,
            coupon.expires_at is None or coupon.expires_at > now,
            {"expires_at": coupon.expires_at, "now": now},
        ),
        Rule(
            CouponNotValidAtThisTime,
            # What this server can't judge by is not passed over.
            validity.is_on(coupon.schedule, now) and coupon_limits.are_known(coupon),
            {"schedule": coupon.schedule, "now": now},
        ),
    ]


# In the order in which they refuse.
_COUNTED = (
    LimitRule.PER_CUSTOMER,
    LimitRule.PER_DAY,
    LimitRule.PER_WEEK,
    LimitRule.PER_MONTH,
    LimitRule.PER_CUSTOMER_PER_DAY,
)


def _limit_rules(
    coupon: Coupon, seen: Seen, customer_id: str | None, offer: Offer | None
) -> list[Rule]:
    usage_count = coupon.usage_count - seen.freed.get(coupon.stock_id, 0)
    has_uses = coupon.max_usage is None or usage_count < coupon.max_usage
    facts: Facts = {"usage_count": usage_count, "max_usage": coupon.max_usage}
    found = [Rule(UsageLimitExceeded, has_uses, facts)]
    places = coupon_limits.of(coupon, customer_id, seen.now)
    for rule in _COUNTED:
        if rule in places:
            key, limit = places[rule]
            used = seen.used[key]
            found.append(
                Rule(
                    UsageLimitExceeded if rule == LimitRule.PER_CUSTOMER else PeriodLimitReached,
                    used < limit,
                    {"limit": rule, "used": used, "allowed": limit, "period": key.period},
                )
            )
    if LimitRule.BUDGET in places:
        found.append(_budget_rule(coupon, seen, *places[LimitRule.BUDGET], offer))
    return found


def _budget_rule(
    coupon: Coupon, seen: Seen, key: LimitKey, budget: int, offer: Offer | None
) -> Rule:
    # A discount that does not fit any more is not given in part: what was promised is redeemed.
    used, asked = seen.used[key], 0
    if offer is not None:
        asked = max(1, money.to_minor(offer.saved(offer.own), coupon.currency))
    amounts = {"used": used, "budget": budget, "asked": asked}
    return Rule(
        BudgetUsedUp,
        used + max(1, asked) <= budget,
        {name: money.from_minor(units, coupon.currency) for name, units in amounts.items()},
    )


def _customer_rule(coupon: Coupon, customer_id: str | None) -> Rule:
    is_bound = bool(coupon.customer_ids)
    asks = (
        is_bound
        or coupon.first_order_only
        or any(rule in coupon.limits for rule in coupon_limits.OF_A_CUSTOMER)
    )
    fits = not asks or (
        customer_id is not None and (not is_bound or customer_id in coupon.customer_ids)
    )
    return Rule(
        NotForThisCustomer,
        fits,
        {"customer_id": customer_id, "bound": is_bound, "asks_for_a_customer": asks},
    )


def _cart_rules(coupon: Coupon, cart: Cart, misfit: DoesNotFit | None) -> list[Rule]:
    found = []
    if coupon.min_purchase_amount is not None:
        found.append(
            Rule(
                MinimumNotReached,
                cart.total >= coupon.min_purchase_amount,
                {
                    "currency": coupon.currency,
                    "amount": money.written(coupon.min_purchase_amount, coupon.currency),
                    "cart_total": cart.total,
                },
            )
        )
    # Behind a minimum that is not reached nothing was matched, and nothing is said about it.
    if not isinstance(misfit, MinimumNotReached):
        found.append(
            Rule(
                NoEligibleProducts,
                not isinstance(misfit, NoEligibleProducts),
                {"items": len(cart.items) or len(cart.product_ids)},
            )
        )
    return found
