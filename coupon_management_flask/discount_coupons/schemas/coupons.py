"""The shapes of the discount contract: camelCase outside, as Python has it inside."""

import re
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import marshmallow as ma
from marshmallow import validate

from ...core.money import number
from ...web.answers import AnswerSchema
from ...web.body import (
    AmountField,
    CurrencyField,
    Moment,
    NumberField,
    QueryTruth,
    QueryWhole,
    Text,
    Truth,
    Whole,
)
from .. import events

MOST_ITEMS = 10_000
MOST_CODES = 100
LONGEST_ID = 64


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def nothing() -> None:
    """What a field is that was left out, where a null is wrong all the same (to marshmallow, a default of None would allow it)."""


class Wire(ma.Schema):
    """Fields are called in camelCase by clients."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        if field_obj.data_key is None:
            field_obj.data_key = camel(field_name)


class Answer(Wire, AnswerSchema):
    """An answer whose fields are called in camelCase."""


class ShopId(Text):
    """The shop's own name for an order, a customer, a product or a category."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, LONGEST_ID, **kwargs)


class ShopIds(ma.fields.List[str]):
    """A set of them, in the order in which they were given first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ShopId(), validate=validate.Length(max=MOST_ITEMS), **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


# --- A coupon's terms


def _is_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ma.ValidationError("No time zone such as Europe/Berlin.") from error


def _all_different(values: list[Any]) -> None:
    if len(set(values)) < len(values):
        raise ma.ValidationError("Each only once.")


class Code(Text):
    """Stored in capitals, and compared so."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = r"^[A-Za-z0-9_-]{3,20}$"
        super().__init__(
            3,
            20,
            rules=[validate.Regexp(r"[A-Za-z0-9_-]+\Z", error="Letters, digits, - and _ only.")],
            metadata={"pattern": pattern},
            **kwargs,
        )

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        return super()._deserialize(value, attr, data, **kwargs).upper()


class AnyCode(Text):
    """One to look for, whatever it is: what can't be a code is not found."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(1, LONGEST_ID, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        return super()._deserialize(value, attr, data, **kwargs).upper()


class Hour(Text):
    """`HH:MM`."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = r"^([01]\d|2[0-3]):[0-5]\d$"
        rules = [
            validate.Regexp(
                re.compile(pattern[:-1] + r"\Z", re.ASCII), error="It must read like 09:00."
            )
        ]
        super().__init__(5, 5, rules=rules, metadata={"pattern": pattern}, **kwargs)


class ScheduleSchema(ma.Schema):
    """Hours of some days of the week. Hours that end before they begin last over midnight."""

    weekdays = ma.fields.List(
        Whole(1, 7),
        validate=[validate.Length(1, 7), _all_different],
        metadata={"uniqueItems": True},
    )
    begins = Hour(data_key="from")
    ends = Hour(data_key="until")
    timezone = Text(1, 64, rules=[_is_zone])

    @ma.validates_schema
    def both_or_neither(self, schedule: dict[str, Any], **_: Any) -> None:
        if ("begins" in schedule) != ("ends" in schedule):
            raise ma.ValidationError("from and until go together.")
        if "begins" in schedule and time.fromisoformat(schedule["begins"]) == time.fromisoformat(
            schedule["ends"]
        ):
            raise ma.ValidationError("It must not be the same as from.", "until")

    @ma.post_load
    def as_it_is_stored(self, schedule: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {
            {"begins": "from", "ends": "until"}.get(name, name): value
            for name, value in schedule.items()
        }


class LimitsSchema(Wire):
    """How often it may be used in all these ways, and how much it may give away; null is no limit."""

    per_customer = Whole(0, allow_none=True)
    per_day = Whole(0, allow_none=True)
    per_week = Whole(0, allow_none=True)
    per_month = Whole(0, allow_none=True)
    per_customer_per_day = Whole(0, allow_none=True)
    budget = AmountField(allow_none=True)

    @ma.post_load
    def as_it_is_stored(self, limits: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {
            camel(name): str(value) if name == "budget" else value
            for name, value in limits.items()
            if value is not None
        }


class _CouponTerms(Wire):
    code = Code()
    description = Text(0, 1000, allow_none=True)
    type = ma.fields.String(validate=validate.OneOf(["percentage", "fixed"]))
    discount = AmountField()
    currency = CurrencyField()
    coupon_for = ma.fields.String(validate=validate.OneOf(["product", "minPurchase"]))
    products = ShopIds()
    categories = ShopIds()
    excluded_products = ShopIds()
    excluded_categories = ShopIds()
    min_purchase_amount = AmountField(allow_none=True)
    max_discount_amount = AmountField(allow_none=True)
    is_active = Truth()
    max_usage = Whole(0, allow_none=True)
    starts_at = Moment(allow_none=True)
    expires_at = Moment(allow_none=True)
    schedule = ma.fields.Nested(ScheduleSchema(), allow_none=True)
    customer_ids = ShopIds()
    first_order_only = Truth()
    limits = ma.fields.Nested(LimitsSchema())
    combinable = Truth()
    exclusive_group = Text(1, LONGEST_ID, allow_none=True)
    priority = Whole(-1_000_000, 1_000_000)
    base = ma.fields.String(validate=validate.OneOf(["remaining", "initial"]))


class CouponTemplate(_CouponTerms):
    """A new coupon but for its code."""

    class Meta:
        exclude = ("code",)

    type = ma.fields.String(required=True, validate=validate.OneOf(["percentage", "fixed"]))
    discount = AmountField(required=True)
    coupon_for = ma.fields.String(
        required=True, validate=validate.OneOf(["product", "minPurchase"])
    )


class NewDiscountCoupon(_CouponTerms):
    code = Code(required=True)
    type = ma.fields.String(required=True, validate=validate.OneOf(["percentage", "fixed"]))
    discount = AmountField(required=True)
    coupon_for = ma.fields.String(
        required=True, validate=validate.OneOf(["product", "minPurchase"])
    )


class DiscountCouponChanges(_CouponTerms):
    @ma.validates_schema(pass_original=True)
    def at_least_one(
        self, _changes: dict[str, Any], original: Mapping[str, Any], **__: Any
    ) -> None:
        if not original:
            raise ma.ValidationError("At least one field is needed.")


class ScheduleShownSchema(ma.Schema):
    weekdays = ma.fields.List(ma.fields.Integer())
    timezone = ma.fields.String()

    class Meta:
        include = {"from": ma.fields.String(), "until": ma.fields.String()}


class LimitsShownSchema(Wire):
    per_customer = ma.fields.Integer(attribute="perCustomer")
    per_day = ma.fields.Integer(attribute="perDay")
    per_week = ma.fields.Integer(attribute="perWeek")
    per_month = ma.fields.Integer(attribute="perMonth")
    per_customer_per_day = ma.fields.Integer(attribute="perCustomerPerDay")
    budget = ma.fields.Function(
        lambda limits: number(Decimal(limits["budget"])) if "budget" in limits else ma.missing,
        metadata={"type": "number"},
    )


def _texts() -> Any:
    return ma.fields.List(ma.fields.String(), required=True)


class DiscountCouponSchema(Answer):
    id = ma.fields.UUID(required=True)
    code = ma.fields.String(required=True)
    discount = NumberField(required=True)
    type = ma.fields.String(required=True, metadata={"enum": ["percentage", "fixed"]})
    coupon_for = ma.fields.String(required=True, metadata={"enum": ["product", "minPurchase"]})
    products = _texts()
    min_purchase_amount = NumberField(required=True, allow_none=True)
    is_active = ma.fields.Boolean(required=True)
    usage_count = ma.fields.Integer(required=True)
    max_usage = ma.fields.Integer(required=True, allow_none=True)
    created_at = Moment(required=True)
    updated_at = Moment(required=True)
    description = ma.fields.String(required=True, allow_none=True)
    currency = ma.fields.String(required=True)
    starts_at = Moment(required=True, allow_none=True)
    expires_at = Moment(required=True, allow_none=True)
    schedule = ma.fields.Nested(ScheduleShownSchema(), required=True, allow_none=True)
    categories = _texts()
    excluded_products = _texts()
    excluded_categories = _texts()
    customer_ids = _texts()
    first_order_only = ma.fields.Boolean(required=True)
    max_discount_amount = NumberField(required=True, allow_none=True)
    limits = ma.fields.Nested(LimitsShownSchema(), required=True)
    combinable = ma.fields.Boolean(required=True)
    exclusive_group = ma.fields.String(required=True, allow_none=True)
    priority = ma.fields.Integer(required=True)
    base = ma.fields.String(required=True, metadata={"enum": ["remaining", "initial"]})


# --- Lists

SORTABLE = tuple(
    name
    for name, field in DiscountCouponSchema().fields.items()
    if not isinstance(field, ma.fields.List | ma.fields.Nested)
)
_BY_WIRE_NAME = {camel(name): name for name in SORTABLE}


class SortBy(ma.fields.Field[list[tuple[str, bool]]]):
    """`createdAt:desc,code`: fields, the first first, and whether each is descending."""

    def __init__(self, **kwargs: Any) -> None:
        one = f"({'|'.join(_BY_WIRE_NAME)})(:(asc|desc))?"
        super().__init__(
            metadata={"type": "string", "pattern": f"^{one}(,{one})*$"},
            load_default=lambda: [("created_at", True)],
            **kwargs,
        )

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[tuple[str, bool]]:
        found: dict[str, bool] = {}
        for part in str(value).split(","):
            name, _, direction = part.strip().partition(":")
            if (
                name not in _BY_WIRE_NAME
                or direction not in ("", "asc", "desc")
                or part.strip().endswith(":")
            ):
                raise ma.ValidationError(
                    f"{name!r}: choose from {', '.join(_BY_WIRE_NAME)}, each with :asc or :desc."
                )
            found.setdefault(_BY_WIRE_NAME[name], direction == "desc")
        return list(found.items())


class PageQuery(ma.Schema):
    page = QueryWhole(1, load_default=1)
    limit = QueryWhole(1, 100, load_default=10)


class CouponsQuery(PageQuery, Wire):
    code = AnyCode()
    type = ma.fields.String(validate=validate.OneOf(["percentage", "fixed"]))
    coupon_for = ma.fields.String(validate=validate.OneOf(["product", "minPurchase"]))
    is_active = QueryTruth()
    sort_by = SortBy()


class RedemptionsQuery(PageQuery, Wire):
    code = AnyCode()
    order_id = ShopId()
    customer_id = ShopId()


class PageSchema(Wire):
    page = ma.fields.Integer(attribute="number", required=True)
    limit = ma.fields.Integer(attribute="size", required=True)
    total_pages = ma.fields.Integer(attribute="pages", required=True)
    total_results = ma.fields.Integer(attribute="total", required=True)


class CouponPageSchema(PageSchema):
    results = ma.fields.List(
        ma.fields.Nested(DiscountCouponSchema()), attribute="items", required=True
    )


# --- A cart


class ItemSchema(Wire):
    product_id = ShopId(required=True)
    category = ShopId()
    quantity = Whole(1, 1_000_000, required=True)
    unit_price = AmountField(required=True)


class _Cart(Wire):
    cart_total = AmountField(required=True)
    product_ids = ShopIds(load_default=[])
    items = ma.fields.List(
        ma.fields.Nested(ItemSchema()),
        validate=validate.Length(1, MOST_ITEMS),
        load_default=nothing,
    )
    customer_id = ShopId(load_default=nothing)

    @ma.validates_schema
    def items_add_up(self, cart: dict[str, Any], **_: Any) -> None:
        if (
            cart["items"] is not None
            and sum(item["unit_price"] * item["quantity"] for item in cart["items"])
            != cart["cart_total"]
        ):
            raise ma.ValidationError("It must be the sum of the items.", "cartTotal")


class Codes(ma.fields.List[str]):
    """Codes to look for, each once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(AnyCode(), validate=validate.Length(1, MOST_CODES), **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


class CodeAndCart(_Cart):
    code = AnyCode(required=True)


class CodesAndCart(_Cart):
    codes = Codes(required=True)


class CartAndMaybeCodes(_Cart):
    codes = Codes(load_default=nothing)


class Order(_Cart):
    """Of `code` and `codes` there is one."""

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


# --- What a cart is worth


class ValidSchema(Answer):
    valid = ma.fields.Boolean(required=True)
    coupon = ma.fields.Nested(DiscountCouponSchema(), required=True)
    message = ma.fields.String(required=True)


class LineSchema(Answer):
    product_id = ma.fields.String(required=True)
    discount_amount = NumberField(required=True)
    final_amount = NumberField(required=True)


class _Totals(Answer):
    discount_amount = NumberField(required=True)
    original_amount = NumberField(required=True)
    final_amount = NumberField(required=True)
    savings = NumberField(required=True)
    lines = ma.fields.List(
        ma.fields.Nested(LineSchema()),
        metadata={"description": "One for each item, where items were given."},
    )


class AppliedSchema(_Totals):
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


class AppliedAllSchema(_Totals):
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


# --- Redemptions


class RedeemedSchema(_Totals):
    redemption_id = ma.fields.UUID(required=True)
    codes = ma.fields.List(ma.fields.Nested(CodeAmountSchema()), required=True)


class RestoreSchema(ma.Schema):
    use = Truth(load_default=True)
    customer = Truth(load_default=True)
    budget = Truth(load_default=True)


class Rollback(ma.Schema):
    reason = Text(1, 500, required=True)
    restore = ma.fields.Nested(
        RestoreSchema(), load_default={"use": True, "customer": True, "budget": True}
    )
    lines = ma.fields.List(
        Whole(0, MOST_ITEMS - 1),
        validate=[validate.Length(1, MOST_ITEMS), _all_different],
        load_default=nothing,
    )


class RestoredSchema(ma.Schema):
    use = ma.fields.Boolean(required=True)
    customer = ma.fields.Boolean(required=True)
    budget = ma.fields.Boolean(required=True)


class RolledBackSchema(Wire):
    redemption_id = ma.fields.UUID(required=True)
    status = ma.fields.String(
        required=True, metadata={"enum": ["rolled_back", "partly_rolled_back"]}
    )
    reason = ma.fields.String(required=True)
    lines = ma.fields.List(
        ma.fields.Integer(),
        required=True,
        allow_none=True,
        metadata={"description": "The positions taken back by this; null for all."},
    )
    restore = ma.fields.Nested(RestoredSchema(), required=True)
    discount_amount = NumberField(
        required=True, metadata={"description": "The discount that was taken back by this."}
    )
    rolled_back_at = ma.fields.String(required=True, metadata={"format": "date-time"})


class RedeemedCodeSchema(CodeAmountSchema):
    coupon_id = ma.fields.UUID(required=True)


class RedemptionSchema(Wire):
    redemption_id = ma.fields.UUID(required=True)
    order_id = ma.fields.String(required=True)
    customer_id = ma.fields.String(required=True, allow_none=True)
    codes = ma.fields.List(ma.fields.Nested(RedeemedCodeSchema()), required=True)
    currency = ma.fields.String(required=True)
    discount_amount = NumberField(required=True)
    original_amount = NumberField(required=True)
    final_amount = NumberField(required=True)
    status = ma.fields.String(
        required=True, metadata={"enum": ["redeemed", "partly_rolled_back", "rolled_back"]}
    )
    redeemed_at = Moment(required=True)
    rolled_back_at = Moment(required=True, allow_none=True)
    rollbacks = ma.fields.List(ma.fields.Nested(RolledBackSchema()), required=True)


class RedemptionPageSchema(PageSchema):
    results = ma.fields.List(ma.fields.Nested(RedemptionSchema()), attribute="items", required=True)


def _anything() -> Any:
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


# What webhooks are told, and what is kept of an order, is shown as this contract shows it, whichever contract caused it.
events.SHAPES.update(
    coupon=DiscountCouponSchema().dump,
    redeemed=RedeemedSchema().dump,
    rolled_back=RolledBackSchema().dump,
)
