"""How a decision is told later: kept with an order as JSON, and shown by explain.

The form is stored, so it never changes. In it carts and facts have the contract's names.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

import marshmallow as ma

from ...core import money
from ...web.body import NumberField
from ..judging import Judgement
from ..pricing import Cart, Item, Saving
from ..rules import Decision
from ..stored import Json, exactly, plain
from .coupons import DiscountCouponSchema
from .fields import Wire
from .names import camel

_coupon = DiscountCouponSchema()


def snapshot(decision: Decision, now: datetime) -> Json:
    """Return all that a decision was made by, so that it can be told and made again."""
    cart = decision.cart
    items = [
        {
            "productId": item.product_id,
            "quantity": item.quantity,
            "unitPrice": item.unit_price,
            **({"category": item.category} if item.category else {}),
        }
        for item in cart.items
    ]
    bought = {
        "cartTotal": cart.total,
        **({"items": items} if items else {"productIds": sorted(cart.product_ids)}),
        **({"currency": cart.currency} if cart.currency else {}),
    }
    return {"cart": exactly(bought), "redeemed": told(decision, now)}


def cart_of(snapshot: Json) -> Cart:
    """Return the cart that a snapshot was made of."""
    kept = snapshot["cart"]
    items = tuple(
        Item(item["productId"], item["quantity"], Decimal(item["unitPrice"]), item.get("category"))
        for item in kept.get("items", ())
    )
    return Cart(
        Decimal(kept["cartTotal"]),
        frozenset(kept.get("productIds", ())),
        items,
        kept.get("currency"),
    )


def cart_shown(snapshot: Json) -> Json:
    """Return a snapshot's cart with its amounts as numbers."""
    shown = {**snapshot["cart"], "cartTotal": _number(snapshot["cart"]["cartTotal"])}
    if shown.get("items"):
        shown["items"] = [
            {**item, "unitPrice": _number(item["unitPrice"])} for item in shown["items"]
        ]
    return shown


def _number(amount: str) -> int | float | None:
    return money.number(Decimal(amount))


def told(decision: Decision, now: datetime, *, gone: Sequence[str] = ()) -> Json:
    """Tell a decision: each code with its terms, its rules, what they saw, and the figures.

    The coupons of the codes that are `gone` do not exist any more.
    """
    applied = {one.code: one for one in decision.combined.applied}
    codes = [
        _code(decision, judgement, applied.get(judgement.coupon.code))
        for judgement in decision.judgements
    ]
    nothing: dict[str, object] = {
        "coupon": None,
        "rules": [],
        "discount_amount": None,
        "steps": [],
        "error_code": "coupon_not_found",
    }
    return plain(
        {
            "at": now,
            "codes": [*codes, *({"code": code, **nothing} for code in gone)],
            "discount_amount": decision.combined.discount,
            "final_amount": decision.cart.total - decision.combined.discount,
        }
    )


def _code(decision: Decision, judgement: Judgement, saving: Saving | None) -> dict[str, object]:
    code = judgement.coupon.code
    steps = {} if saving is None else asdict(saving.steps)
    return {
        "code": code,
        "coupon": _coupon.dump(judgement.coupon),
        "rules": [
            {
                "rule": rule.refusal.name,
                "passed": rule.passed,
                "saw": {camel(name): fact for name, fact in rule.saw.items()},
            }
            for rule in judgement.rules
        ],
        "discount_amount": None if saving is None else saving.amount,
        "steps": [{"step": camel(name), "amount": amount} for name, amount in steps.items()],
        "error_code": decision.left_out[code].name if code in decision.left_out else None,
    }


def _anything() -> ma.fields.Dict:
    return ma.fields.Dict(required=True)


class RuleSchema(Wire):
    rule = ma.fields.String(required=True, metadata={"description": "The name of its refusal."})
    passed = ma.fields.Boolean(required=True)
    saw = _anything()


class ExplainedCodeSchema(Wire):
    code = ma.fields.String(required=True)
    coupon = ma.fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "Its terms; null where the coupon is gone."},
    )
    rules = ma.fields.List(ma.fields.Nested(RuleSchema()), required=True)
    discount_amount = NumberField(required=True, allow_none=True)
    steps = ma.fields.List(ma.fields.Dict(), required=True)
    error_code = ma.fields.String(required=True, allow_none=True, data_key="error_code")


class ExplanationPartSchema(Wire):
    at = ma.fields.String(required=True, metadata={"format": "date-time"})
    codes = ma.fields.List(ma.fields.Nested(ExplainedCodeSchema()), required=True)
    discount_amount = NumberField(required=True)
    final_amount = NumberField(required=True)


class ExplanationSchema(Wire):
    redemption_id = ma.fields.UUID(required=True)
    order_id = ma.fields.String(required=True)
    customer_id = ma.fields.String(required=True, allow_none=True)
    cart = _anything()
    redeemed = ma.fields.Nested(ExplanationPartSchema(), required=True)
    now = ma.fields.Nested(ExplanationPartSchema(), required=True)
