"""The shapes of vouchers."""

from typing import Any

import marshmallow as ma
import orjson
from marshmallow import validate

from ..web.body import AmountField, CurrencyField, IdField, Moment, NumberField, Text, Truth, Whole
from ..web.pagination import LinkedPageQuery, LinkedPageSchema
from . import purchases
from .shapes import VoucherSchema, VoucherTypeSchema

LONGEST_CODE = 64
LONGEST_SERVICE_TYPE = 64
MOST_AT_ONCE = 10
MOST_DETAILS = 10_000


class _TypeInput(ma.Schema):
    name = Text(1, 200)
    description = Text(0, 2000)
    price = AmountField()
    currency = CurrencyField()
    service_type = Text(1, LONGEST_SERVICE_TYPE)
    is_active = Truth()
    validity_days = Whole(1, 36_500)
    max_uses = Whole(1, 1_000_000)


class NewVoucherType(_TypeInput):
    name = Text(1, 200, required=True)
    description = Text(0, 2000, load_default="")
    price = AmountField(required=True)
    service_type = Text(1, LONGEST_SERVICE_TYPE, required=True)
    is_active = Truth(load_default=True)
    validity_days = Whole(1, 36_500, load_default=365)
    max_uses = Whole(1, 1_000_000, load_default=1)


class VoucherTypeChanges(_TypeInput):
    pass


class VoucherPurchase(ma.Schema):
    voucher_type_id = IdField(required=True)
    quantity = Whole(1, MOST_AT_ONCE, load_default=1)
    discount_code = Text(1, LONGEST_CODE)


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

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str | dict):
            raise self.make_error("invalid")
        try:
            # In as many lists as an answer could put around it: what can't be written there is nested too deeply.
            written = orjson.dumps([[[[value]]]])
        except orjson.JSONEncodeError as error:
            raise self.make_error("large") from error
        if len(written) - 8 > MOST_DETAILS:
            raise self.make_error("large")
        return value


class VoucherUse(ma.Schema):
    code = Text(1, LONGEST_CODE, required=True)
    service_type = Text(1, LONGEST_SERVICE_TYPE, required=True)
    details = Details()


class VouchersQuery(LinkedPageQuery):
    status = ma.fields.String(validate=validate.OneOf(purchases.STATUSES))


class VoucherTypePageSchema(LinkedPageSchema):
    results = ma.fields.List(
        ma.fields.Nested(VoucherTypeSchema()), attribute="items", required=True
    )


class VoucherPageSchema(LinkedPageSchema):
    results = ma.fields.List(ma.fields.Nested(VoucherSchema()), attribute="items", required=True)


class VouchersPurchasedSchema(ma.Schema):
    message = ma.fields.String(required=True)
    vouchers = ma.fields.List(ma.fields.Nested(VoucherSchema()), required=True)
    total_paid = NumberField(
        required=True, metadata={"description": "In the currency of the vouchers."}
    )
    discount_applied = NumberField(required=True)
    credit = ma.fields.Integer(required=True, metadata={"description": "What the wallet has left."})


class VoucherUsageSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    voucher_code = ma.fields.String(required=True)
    voucher_type = ma.fields.Nested(VoucherTypeSchema(), required=True)
    service_type = ma.fields.String(required=True)
    used_at = Moment(required=True)
    details = Details(required=True, allow_none=True)


class VoucherUsagePageSchema(LinkedPageSchema):
    results = ma.fields.List(
        ma.fields.Nested(VoucherUsageSchema()), attribute="items", required=True
    )


class VoucherRedeemedSchema(ma.Schema):
    message = ma.fields.String(required=True)
    voucher = ma.fields.Nested(VoucherSchema(), required=True)
    usage = ma.fields.Nested(VoucherUsageSchema(), required=True)


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
