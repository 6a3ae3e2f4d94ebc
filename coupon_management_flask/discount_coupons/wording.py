"""What is said about a refusal, by every contract that takes a discount code."""

from ..core import errors

REFUSALS = {
    "coupon_not_found": "Coupon not found",
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

# What the discount contract says beyond a code.
MESSAGES = {
    **REFUSALS,
    "redemption_not_found": "Redemption not found",
    "batch_not_found": "Batch not found",
    "batch_not_done": "The batch is not done yet",
    "coupon_code_taken": "Coupon code already taken",
    "max_usage_too_low": "maxUsage is below the number of uses so far",
    "belongs_to_purchase": "This redemption belongs to a purchase of vouchers: refund that",
    "order_already_redeemed": "This order was redeemed already, with other codes or another cart",
}


def sentence(error: errors.DomainError) -> str:
    """Return what a refusal is called for people."""
    return MESSAGES[error.name].format(**error.facts)
