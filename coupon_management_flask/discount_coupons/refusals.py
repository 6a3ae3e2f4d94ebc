"""Why a discount coupon can't be used: names that every contract with discounts shares."""

from ..core import errors


class CouponNotFound(errors.NotFound):
    name = "coupon_not_found"


class RedemptionNotFound(errors.NotFound):
    name = "redemption_not_found"


class OrderAlreadyRedeemed(errors.Conflict):
    name = "order_already_redeemed"


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


class MinimumNotReached(errors.Refused):
    """`currency` and `amount` say what is asked for."""

    name = "minimum_not_reached"


class NoEligibleProducts(errors.Refused):
    name = "no_eligible_products"


# Why one of several codes is left out.


class NotCombinable(errors.Refused):
    name = "not_combinable"


class ExclusiveGroup(errors.Refused):
    name = "exclusive_group"


class NoSaving(errors.Refused):
    name = "no_saving"


class CurrencyMismatch(errors.Refused):
    name = "currency_mismatch"


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
