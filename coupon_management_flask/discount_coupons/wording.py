"""What is said about a discount code that can't be used, by every contract that takes one."""

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
