"""Carts, and what they are worth with codes."""

from types import MappingProxyType
from typing import Any

import marshmallow as ma

from ...web.body import AmountField, BoundedList, CurrencyField, NumberField, Whole
from ...web.operations import Variant
from ..pricing import Cart, Item
from .coupons import DiscountCouponSchema
from .fields import (
    MOST_ITEMS,
    MOST_ITEMS_OF_BEST,
    Answer,
    AnyCode,
    Codes,
    ShopId,
    ShopIds,
    Wire,
    nothing,
)


class ItemSchema(Wire):
    product_id = ShopId(required=True)
    category = ShopId()
    quantity = Whole(1, 1_000_000, required=True)
    unit_price = AmountField(required=True)


def _items(most: int) -> BoundedList[Any]:
    return BoundedList(ma.fields.Nested(ItemSchema()), 1, most, load_default=nothing)


class _Cart(Wire):
    """A body about a cart; it loads to `cart` and the other fields."""

    cart_total = AmountField(required=True)
    product_ids = ShopIds(load_default=[])
    items = _items(MOST_ITEMS)
    customer_id = ShopId(load_default=nothing)
    currency = CurrencyField(load_default=nothing)

    @ma.validates_schema
    def items_add_up(self, cart: dict[str, Any], **_: Any) -> None:
        if (
            cart["items"] is not None
            and sum(item["unit_price"] * item["quantity"] for item in cart["items"])
            != cart["cart_total"]
        ):
            raise ma.ValidationError("It must be the sum of the items.", "cartTotal")

    @ma.post_load
    def as_cart(self, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        items = tuple(Item(**item) for item in body.pop("items") or ())
        cart = Cart(
            body.pop("cart_total"),
            frozenset(body.pop("product_ids")),
            items,
            body.pop("currency"),
        )
        return {**body, "cart": cart}


class CodeAndCart(_Cart):
    code = AnyCode(required=True)


class CodesAndCart(_Cart):
    codes = Codes(required=True)


class CartAndMaybeCodes(_Cart):
    items = _items(MOST_ITEMS_OF_BEST)
    codes = Codes(load_default=nothing)


class Order(_Cart):
    """An order to redeem. It has either `code` or `codes`."""

    variants = MappingProxyType(
        {
            "OrderWithCode": Variant(without=("codes",), required=("code",)),
            "OrderWithCodes": Variant(without=("code",), required=("codes",)),
        }
    )

    code = AnyCode()
    codes = Codes()
    order_id = ShopId(required=True)

    @ma.validates_schema
    def one_way_to_say_it(self, order: dict[str, Any], **_: Any) -> None:
        if ("code" in order) == ("codes" in order):
            raise ma.ValidationError("Either code or codes is needed.", "code")

    @ma.post_load
    def as_codes(self, order: dict[str, Any], **_: Any) -> dict[str, Any]:
        code = order.pop("code", None)
        return order if code is None else {**order, "codes": [code]}


class CodeOnly(Wire):
    code = AnyCode(required=True)


class ValidSchema(Answer):
    valid = ma.fields.Boolean(required=True)
    coupon = ma.fields.Nested(DiscountCouponSchema(), required=True)
    message = ma.fields.String(required=True)


class LineSchema(Answer):
    product_id = ma.fields.String(required=True)
    discount_amount = NumberField(required=True)
    final_amount = NumberField(required=True)


class Totals(Answer):
    omit_none = True

    discount_amount = NumberField(required=True)
    original_amount = NumberField(required=True)
    final_amount = NumberField(required=True)
    savings = NumberField(required=True)
    lines = ma.fields.List(
        ma.fields.Nested(LineSchema()),
        metadata={"description": "One for each item, where items were given."},
    )


class AppliedSchema(Totals):
    coupon_code = ma.fields.String(required=True)
    discount_type = ma.fields.String(required=True)
    discount_value = NumberField(required=True)


class CodeAmountSchema(Answer):
    code = ma.fields.String(required=True)
    discount_amount = NumberField(required=True)


class LeftOutSchema(Answer):
    code = ma.fields.String(required=True)
    error_code = ma.fields.String(required=True, data_key="error_code")
    message = ma.fields.String(required=True)


class AppliedAllSchema(Totals):
    codes = ma.fields.List(
        ma.fields.Nested(CodeAmountSchema()),
        required=True,
        metadata={"description": "In the order in which they apply."},
    )
    left_out = ma.fields.List(ma.fields.Nested(LeftOutSchema()), required=True)


class BestSchema(Answer):
    codes = ma.fields.List(ma.fields.String(), required=True)
    discount_amount = NumberField(required=True)
    original_amount = NumberField(required=True)
    final_amount = NumberField(required=True)
    exact = ma.fields.Boolean(required=True)
