"""What the discount contract refuses, and how it tells its clients."""

from typing import Any

import marshmallow as ma

from ..core import errors
from ..web.contract import Problem


class CouponNotFound(errors.NotFound):
    name = "coupon_not_found"


class RedemptionNotFound(errors.NotFound):
    name = "redemption_not_found"


class BatchNotFound(errors.NotFound):
    name = "batch_not_found"


class BatchNotDone(errors.Conflict):
    name = "batch_not_done"


class CodeTaken(errors.Refused):
    name = "coupon_code_taken"


class MaxUsageTooLow(errors.Refused):
    name = "max_usage_too_low"


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
    error.name: error for error in (NotCombinable, ExclusiveGroup, NoSaving, CurrencyMismatch, MinimumNotReached, NoEligibleProducts)
}

MESSAGES = {
    "coupon_not_found": "Coupon not found",
    "redemption_not_found": "Redemption not found",
    "batch_not_found": "Batch not found",
    "batch_not_done": "The batch is not done yet",
    "coupon_code_taken": "Coupon code already taken",
    "max_usage_too_low": "maxUsage is below the number of uses so far",
    "order_already_redeemed": "This order was redeemed already, with other codes or another cart",
    "coupon_inactive": "Coupon is not active",
    "coupon_not_yet_valid": "Coupon is not valid yet",
    "coupon_expired": "Coupon has expired",
    "coupon_not_valid_at_this_time": "Coupon is not valid at this time",
    "usage_limit_exceeded": "Coupon usage limit exceeded",
    "period_limit_reached": "Coupon limit for this period reached",
    "budget_used_up": "Coupon budget is used up",
    "not_for_this_customer": "Coupon is not valid for this customer",
    "first_orders_only": "Coupon is for first orders only",
    "minimum_not_reached": "Minimum purchase amount of {currency} {amount} required",
    "no_eligible_products": "No eligible products in cart for this coupon",
    "not_combinable": "Coupon can not be combined with the others",
    "exclusive_group": "Another coupon of its group is applied already",
    "no_saving": "Coupon saves nothing beside the others",
    "currency_mismatch": "Coupon is in another currency",
}


def sentence(error: errors.DomainError) -> str:
    """What a refusal is called for people."""
    return MESSAGES[error.name].format(**error.facts)


class DiscountErrorSchema(ma.Schema):
    code = ma.fields.Integer(required=True)
    message = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True)


def render_error(problem: Problem) -> dict[str, Any]:
    return {"code": problem.status, "message": problem.sentence(), "error_code": problem.error_code}
