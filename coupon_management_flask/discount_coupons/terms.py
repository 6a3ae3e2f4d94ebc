"""A discount coupon's terms: what it is where nothing is said, what contradicts itself, and the rows it becomes."""

from decimal import Decimal
from typing import Any

from ..core import errors, money

Terms = dict[str, Any]

# What a coupon is where nothing else is said.
DEFAULTS: dict[str, Any] = {
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
    "base": "remaining",
}
TERMS = ("code", "type", "discount", "currency", "coupon_for", *DEFAULTS)


def check(terms: Terms) -> None:
    """Raises Invalid where a coupon's terms contradict one another."""
    wrong: dict[str, list[str]] = {}
    if terms["type"] == "percentage" and terms["discount"] > 100:
        wrong["discount"] = ["A percentage is at most 100."]
    if terms["coupon_for"] == "minPurchase" and terms["min_purchase_amount"] is None:
        wrong["minPurchaseAmount"] = ["A minPurchase coupon needs it."]
    if (
        terms["starts_at"] is not None
        and terms["expires_at"] is not None
        and terms["starts_at"] >= terms["expires_at"]
    ):
        wrong["expiresAt"] = ["It must be after startsAt."]
    amounts = {
        "discount": terms["discount"] if terms["type"] == "fixed" else None,
        "minPurchaseAmount": terms["min_purchase_amount"],
        "maxDiscountAmount": terms["max_discount_amount"],
        "limits.budget": Decimal(terms["limits"]["budget"])
        if "budget" in terms["limits"]
        else None,
    }
    for name, amount in amounts.items():
        if amount is not None and not money.fits(amount, terms["currency"]):
            wrong[name] = [f"{terms['currency']} has {money.decimals(terms['currency'])} decimals."]
    if wrong:
        raise errors.Invalid(wrong)


def columns(terms: Terms) -> dict[str, Any]:
    """The row of these terms, with what is kept for searching."""
    return {
        **{name: terms[name] for name in TERMS if name != "max_usage"},
        "is_bound": bool(terms["customer_ids"]),
        "for_every_product": terms["coupon_for"] == "minPurchase" or not terms["products"],
    }


def targets(terms: Terms) -> list[tuple[str, str]]:
    """By what a coupon of these terms is found: pairs of a kind and an id."""
    by_kind = {
        "product": terms["products"],
        "excluded": terms["excluded_products"],
        "customer": terms["customer_ids"],
    }
    return [(kind, target) for kind, found in by_kind.items() for target in found]


def complete(terms: Terms) -> Terms:
    """All terms of a coupon; what is not said is the default. Raises Invalid where they contradict one another."""
    whole = {**DEFAULTS, **terms}
    check(whole)
    return whole
