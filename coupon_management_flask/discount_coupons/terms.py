"""A coupon's terms: their defaults, what contradicts itself, and the rows that they become."""

from decimal import Decimal
from typing import Any

from ..core import money
from ..models.kinds import CouponFor, DiscountBase, DiscountType, LimitRule, TargetKind
from .schemas.names import invalid

# By the names of DiscountCoupon's columns, with `max_usage`.
Terms = dict[str, Any]

DEFAULTS: Terms = {
    "description": None,
    "products": [],
    "categories": [],
    "excluded_products": [],
    "excluded_categories": [],
    "min_purchase_amount": None,
    "max_discount_amount": None,
    "is_active": True,
    "max_usage": None,
    "starts_at": None,
    "expires_at": None,
    "schedule": None,
    "customer_ids": [],
    "first_order_only": False,
    "limits": {},
    "combinable": False,
    "exclusive_group": None,
    "priority": 0,
    "base": DiscountBase.REMAINING,
}
TERMS = ("code", "type", "discount", "currency", "coupon_for", *DEFAULTS)


def complete(terms: Terms) -> Terms:
    """Return all terms of a coupon; what is not said is the default.

    Raises: Invalid where they contradict one another.
    """
    whole = {**DEFAULTS, **terms}
    check(whole)
    return whole


def check(terms: Terms) -> None:
    """Raises: Invalid where a coupon's terms contradict one another."""
    wrong: dict[str, list[str]] = {}
    if terms["type"] == DiscountType.PERCENTAGE and terms["discount"] > 100:
        wrong["discount"] = ["A percentage is at most 100."]
    if terms["coupon_for"] == CouponFor.MIN_PURCHASE and terms["min_purchase_amount"] is None:
        wrong["min_purchase_amount"] = ["A minPurchase coupon needs it."]
    if (
        terms["starts_at"] is not None
        and terms["expires_at"] is not None
        and terms["starts_at"] >= terms["expires_at"]
    ):
        wrong["expires_at"] = ["It must be after startsAt."]
    for name, amount in _amounts(terms).items():
        if amount is not None and not money.fits(amount, terms["currency"]):
            wrong[name] = [f"{terms['currency']} has {money.decimals(terms['currency'])} decimals."]
    if wrong:
        raise invalid(wrong)


def _amounts(terms: Terms) -> dict[str, Decimal | None]:
    """Return the amounts of money among the terms, by their names."""
    budget = terms["limits"].get(LimitRule.BUDGET)
    return {
        "discount": terms["discount"] if terms["type"] == DiscountType.FIXED else None,
        "min_purchase_amount": terms["min_purchase_amount"],
        "max_discount_amount": terms["max_discount_amount"],
        "limits.budget": None if budget is None else Decimal(budget),
    }


def columns(terms: Terms) -> Terms:
    """Return the row of these terms, with what is kept for searching."""
    return {
        **{name: terms[name] for name in TERMS if name != "max_usage"},
        "is_bound": bool(terms["customer_ids"]),
        "for_every_product": (
            terms["coupon_for"] == CouponFor.MIN_PURCHASE
            or not (terms["products"] or terms["categories"])
        ),
    }


# By what a coupon is found: the terms, each a list, that its targets are written from.
TARGETS = {
    "products": TargetKind.PRODUCT,
    "categories": TargetKind.CATEGORY,
    "excluded_products": TargetKind.EXCLUDED,
    "excluded_categories": TargetKind.EXCLUDED_CATEGORY,
    "customer_ids": TargetKind.CUSTOMER,
}


def targets(terms: Terms) -> list[tuple[TargetKind, str]]:
    """Return by what a coupon of these terms is found."""
    return [(kind, target) for name, kind in TARGETS.items() for target in terms[name]]
