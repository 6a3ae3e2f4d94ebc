"""What this feature refuses. Every contract with discounts shares these names.

errors.NotFound
├── CouponNotFound, RedemptionNotFound
└── BatchNotFound, WebhookNotFound, DeliveryNotFound
errors.Conflict
└── OrderAlreadyRedeemed, BelongsToPurchase, BatchNotDone
errors.Refused
├── CouponInactive, CouponNotYetValid, CouponExpired, CouponNotValidAtThisTime
├── UsageLimitExceeded, PeriodLimitReached, BudgetUsedUp
├── NotForThisCustomer, FirstOrdersOnly
├── DoesNotFit            the terms and this cart
│   └── MinimumNotReached, NoEligibleProducts, CurrencyMismatch
├── NotCombinable, ExclusiveGroup, NoSaving
└── CodeTaken, MaxUsageTooLow
"""

from ..core import errors


class CouponNotFound(errors.NotFound):
    name = "coupon_not_found"


class RedemptionNotFound(errors.NotFound):
    name = "redemption_not_found"


class OrderAlreadyRedeemed(errors.Conflict):
    name = "order_already_redeemed"


class BelongsToPurchase(errors.Conflict):
    """The redemption is the discount of vouchers that somebody buys: it goes with these alone."""

    name = "belongs_to_purchase"


# Why a coupon can't be used, in the contract's order: the first that applies is named.


class CouponInactive(errors.Refused):
    name = "coupon_inactive"


class CouponNotYetValid(errors.Refused):
    name = "coupon_not_yet_valid"


class CouponExpired(errors.Refused):
    name = "coupon_expired"


class CouponNotValidAtThisTime(errors.Refused):
    name = "coupon_not_valid_at_this_time"


class UsageLimitExceeded(errors.Refused):
    name = "usage_limit_exceeded"


class PeriodLimitReached(errors.Refused):
    name = "period_limit_reached"


class BudgetUsedUp(errors.Refused):
    name = "budget_used_up"


class NotForThisCustomer(errors.Refused):
    name = "not_for_this_customer"


class FirstOrdersOnly(errors.Refused):
    name = "first_orders_only"


class DoesNotFit(errors.Refused):
    """The coupon's terms do not fit this cart."""


class MinimumNotReached(DoesNotFit):
    """`currency` and `amount` say what is asked for."""

    name = "minimum_not_reached"


class NoEligibleProducts(DoesNotFit):
    name = "no_eligible_products"


class CurrencyMismatch(DoesNotFit):
    """The coupon's amounts are in another currency than the cart, or lack decimals that it has."""

    name = "currency_mismatch"


# In that order.
WHY_NOT: tuple[type[errors.Refused], ...] = (
    CouponInactive,
    CurrencyMismatch,
    CouponNotYetValid,
    CouponExpired,
    CouponNotValidAtThisTime,
    UsageLimitExceeded,
    PeriodLimitReached,
    BudgetUsedUp,
    NotForThisCustomer,
    FirstOrdersOnly,
    MinimumNotReached,
    NoEligibleProducts,
)

# Why one of several codes is left out.


class NotCombinable(errors.Refused):
    name = "not_combinable"


class ExclusiveGroup(errors.Refused):
    name = "exclusive_group"


class NoSaving(errors.Refused):
    name = "no_saving"


LEFT_OUT: dict[str, type[errors.Refused]] = {
    error.name: error
    for error in (
        NotCombinable,
        ExclusiveGroup,
        NoSaving,
        CurrencyMismatch,
        MinimumNotReached,
        NoEligibleProducts,
    )
}


# What else the discount contract refuses.


class BatchNotFound(errors.NotFound):
    name = "batch_not_found"


class WebhookNotFound(errors.NotFound):
    name = "webhook_not_found"


class DeliveryNotFound(errors.NotFound):
    name = "delivery_not_found"


class BatchNotDone(errors.Conflict):
    name = "batch_not_done"


class CodeTaken(errors.Refused):
    name = "coupon_code_taken"


class MaxUsageTooLow(errors.Refused):
    name = "max_usage_too_low"
