"""A coupon's terms, as they come in and as they are shown; lists of coupons."""

import re
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import marshmallow as ma
from marshmallow import validate

from ...core.money import number
from ...models.kinds import CouponFor, DiscountBase, DiscountType
from ...web.body import (
    AmountField,
    BoundedList,
    BoundedSchema,
    CurrencyField,
    Moment,
    NumberField,
    QueryTruth,
    Text,
    Truth,
    Whole,
)
from .fields import (
    LONGEST_ID,
    Answer,
    AnyCode,
    Code,
    PageQuery,
    PageSchema,
    ShopIds,
    Wire,
    all_different,
    one_of,
)
from .names import camel


def _is_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ma.ValidationError("No time zone such as Europe/Berlin.") from error


class Hour(Text):
    """A time of day as `HH:MM`."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = r"^([01]\d|2[0-3]):[0-5]\d$"
        rules = [
            validate.Regexp(
                re.compile(pattern[:-1] + r"\Z", re.ASCII), error="It must read like 09:00."
            )
        ]
        super().__init__(5, 5, rules=rules, metadata={"pattern": pattern}, **kwargs)


class ScheduleSchema(BoundedSchema):
    """Hours of some days of the week.

    Hours that end before they begin last over midnight.
    """

    documented = MappingProxyType({"dependentRequired": {"from": ["until"], "until": ["from"]}})

    weekdays = BoundedList(Whole(1, 7), 1, 7, rules=[all_different], metadata={"uniqueItems": True})
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
    """How often a coupon may be used, and how much it may give away. Null is no limit."""

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
    type = one_of(DiscountType)
    discount = AmountField()
    currency = CurrencyField()
    coupon_for = one_of(CouponFor)
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
    base = one_of(DiscountBase)


class CouponTemplate(_CouponTerms):
    """The terms of a new coupon without its code."""

    class Meta:
        exclude = ("code",)

    type = one_of(DiscountType, required=True)
    discount = AmountField(required=True)
    coupon_for = one_of(CouponFor, required=True)


class NewDiscountCoupon(_CouponTerms):
    code = Code(required=True)
    type = one_of(DiscountType, required=True)
    discount = AmountField(required=True)
    coupon_for = one_of(CouponFor, required=True)


class DiscountCouponChanges(_CouponTerms):
    documented = MappingProxyType({"minProperties": 1})

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
        metadata={"x-component": "Amount", "type": "number"},
    )


def _texts() -> Any:
    return ma.fields.List(ma.fields.String(), required=True)


class DiscountCouponSchema(Answer):
    id = ma.fields.UUID(required=True)
    code = ma.fields.String(required=True)
    discount = NumberField(required=True)
    type = ma.fields.String(required=True, metadata={"enum": [*map(str, DiscountType)]})
    coupon_for = ma.fields.String(required=True, metadata={"enum": [*map(str, CouponFor)]})
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
    base = ma.fields.String(required=True, metadata={"enum": [*map(str, DiscountBase)]})


SORTABLE = tuple(
    name
    for name, field in DiscountCouponSchema().fields.items()
    if not isinstance(field, ma.fields.List | ma.fields.Nested)
)
_BY_WIRE_NAME = {camel(name): name for name in SORTABLE}


LONGEST_SORT_BY = 1000


class SortBy(ma.fields.Field[list[tuple[str, bool]]]):
    """Fields to sort by, such as `createdAt:desc,code`.

    It loads to pairs of a field and whether it is descending.
    """

    def __init__(self, **kwargs: Any) -> None:
        one = f"({'|'.join(_BY_WIRE_NAME)})(:(asc|desc))?"
        super().__init__(
            metadata={
                "type": "string",
                "pattern": f"^{one}(,{one})*$",
                "maxLength": LONGEST_SORT_BY,
            },
            load_default=lambda: [("created_at", True)],
            **kwargs,
        )

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> list[tuple[str, bool]]:
        found: dict[str, bool] = {}
        if len(value) > LONGEST_SORT_BY:
            raise ma.ValidationError(f"Longer than maximum length {LONGEST_SORT_BY}.")
        for part in value.split(","):
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


class CouponsQuery(PageQuery, Wire):
    code = AnyCode()
    type = one_of(DiscountType)
    coupon_for = one_of(CouponFor)
    is_active = QueryTruth()
    sort_by = SortBy()


class CouponPageSchema(PageSchema):
    results = ma.fields.List(
        ma.fields.Nested(DiscountCouponSchema()), attribute="items", required=True
    )
