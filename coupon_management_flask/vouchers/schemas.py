"""What the voucher routes take and answer."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
import orjson
from marshmallow import validate

from ..core import money
from ..models import VoucherStatus
from ..web.aliases import Renaming, other_name, shown_too
from ..web.body import (
    AmountField,
    CurrencyField,
    Moment,
    NumberField,
    Text,
    Truth,
    Whole,
)
from ..web.pagination import LinkedPageQuery, LinkedPageSchema
from ..web.typed import AskedCode

LONGEST_CODE = 64
LONGEST_SERVICE_TYPE = 64
MOST_DETAILS = 10_000

_STATUSES = [status.value for status in VoucherStatus]


class VoucherErrorSchema(ma.Schema):
    """`detail` or `error` with a sentence, or a list of messages for each field that is wrong."""

    class Meta:
        # Fields of any name have their messages.
        unknown = ma.INCLUDE

    error_code = ma.fields.String(required=True)
    message = ma.fields.String(
        required=True, metadata={"description": "One sentence for people, whatever is wrong."}
    )
    detail = ma.fields.String(metadata={"description": "On 401, 403 and 429."})
    error = ma.fields.String(
        metadata={"description": "On everything else that is not about a field."}
    )


class VoucherInput(Renaming):
    """What this contract's clients send."""

    drops_empty = True


class MinorAmountField(NumberField):
    """An amount that its object holds in minor units of its `currency`, as a JSON number."""

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> int | float | None:
        return super()._serialize(money.from_minor(value, obj.currency), attr, obj, **kwargs)


class Details(ma.fields.Field[Any]):
    """What a service wants to remember of a use: text, or an object of anything."""

    default_error_messages = {
        "invalid": "It must be text or an object.",
        "large": f"As JSON it must have at most {MOST_DETAILS:,} bytes.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            metadata={"type": ["string", "object"], "maxLength": MOST_DETAILS - 2}, **kwargs
        )

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str | dict[str, Any]:
        if not isinstance(value, str | dict):
            raise self.make_error("invalid")
        try:
            # An answer puts up to four lists or objects around it. What can't be written inside
            # four lists is nested too deeply to be answered.
            written = orjson.dumps([[[[value]]]])
        except orjson.JSONEncodeError as error:
            raise self.make_error("large") from error
        if len(written) - len("[[[[]]]]") > MOST_DETAILS:
            raise self.make_error("large")
        return value


# --- Types


class VoucherTypeSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    price = MinorAmountField(required=True)
    currency = ma.fields.String(required=True)
    service_type = ma.fields.String(required=True)
    is_active = ma.fields.Boolean(required=True)
    validity_days = ma.fields.Integer(required=True)
    max_uses = ma.fields.Integer(required=True)
    type_code = shown_too("service_type", service_type)
    usage_limit = shown_too("max_uses", max_uses)


class VoucherTypeChanges(VoucherInput):
    # A type may lose its description.
    may_be_empty = frozenset({"description"})

    name = Text(1, 200)
    description = Text(0, 2000)
    price = AmountField()
    currency = CurrencyField()
    service_type = Text(1, LONGEST_SERVICE_TYPE)
    is_active = Truth()
    validity_days = Whole(1, 36_500)
    max_uses = Whole(1, 1_000_000)


class NewVoucherType(VoucherTypeChanges):
    name = Text(1, 200, required=True)
    description = Text(0, 2000, load_default="")
    price = AmountField(required=True)
    service_type = Text(1, LONGEST_SERVICE_TYPE, required=True)
    is_active = Truth(load_default=True)
    validity_days = Whole(1, 36_500, load_default=365)
    max_uses = Whole(1, 1_000_000, load_default=1)


class VoucherTypePageSchema(LinkedPageSchema):
    results = ma.fields.List(
        ma.fields.Nested(VoucherTypeSchema()), attribute="items", required=True
    )


# --- Vouchers


class VoucherSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    code = ma.fields.String(required=True)
    voucher_type = ma.fields.Nested(VoucherTypeSchema(), required=True)
    status = ma.fields.String(required=True, metadata={"enum": _STATUSES})
    is_active = ma.fields.Boolean(required=True)
    uses_remaining = ma.fields.Integer(required=True)
    total_uses = ma.fields.Integer(required=True)
    purchase_date = Moment(required=True)
    expiry_date = Moment(required=True)
    days_until_expiry = ma.fields.Integer(required=True, metadata={"minimum": 0})
    issued_at = shown_too("purchase_date", purchase_date)
    expires_at = shown_too("expiry_date", expiry_date)
    usage_count = ma.fields.Integer(required=True)
    is_valid = shown_too("is_active", is_active)


class VouchersQuery(LinkedPageQuery):
    status = ma.fields.String(validate=validate.OneOf(_STATUSES))

    @ma.post_load
    def to_member(self, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        if "status" in query:
            query["status"] = VoucherStatus(query["status"])
        return query


class VoucherPageSchema(LinkedPageSchema):
    results = ma.fields.List(ma.fields.Nested(VoucherSchema()), attribute="items", required=True)


class VoucherStatsSchema(ma.Schema):
    total_vouchers = ma.fields.Integer(required=True)
    active_vouchers = ma.fields.Integer(required=True)
    used_vouchers = ma.fields.Integer(required=True)
    expired_vouchers = ma.fields.Integer(required=True)
    total_value = NumberField(
        required=True,
        metadata={
            "description": "What those that were not cancelled cost before discounts, in CURRENCY."
        },
    )
    total_redemptions = ma.fields.Integer(required=True)


# --- Redeeming


class VoucherUse(VoucherInput):
    code = AskedCode(LONGEST_CODE, required=True)
    service_type = Text(1, LONGEST_SERVICE_TYPE, required=True)
    details = Details()
    service_data = other_name("details", details)


class VoucherUsageSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    voucher_code = ma.fields.String(required=True)
    voucher_type = ma.fields.Nested(VoucherTypeSchema(), required=True)
    service_type = ma.fields.String(required=True)
    used_at = Moment(required=True)
    details = Details(required=True, allow_none=True)
    voucher_type_name = ma.fields.String(required=True, attribute="voucher_type.name")
    service_data = shown_too("details", details)


class VoucherUsagePageSchema(LinkedPageSchema):
    results = ma.fields.List(
        ma.fields.Nested(VoucherUsageSchema()), attribute="items", required=True
    )


class VoucherRedeemedSchema(ma.Schema):
    message = ma.fields.String(required=True, dump_default="Voucher redeemed.")
    voucher = ma.fields.Nested(VoucherSchema(), required=True)
    usage = ma.fields.Nested(VoucherUsageSchema(), required=True)
