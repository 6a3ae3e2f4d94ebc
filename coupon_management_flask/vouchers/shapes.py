"""What several parts of the voucher contract show: vouchers, their types, and what is wrong."""

import marshmallow as ma

from ..web.body import Moment, NumberField
from . import purchases


class VoucherErrorSchema(ma.Schema):
    """`detail` or `error` with a sentence, or a list of messages for each field that is wrong."""

    class Meta:
        # Whatever a field is called.
        unknown = ma.INCLUDE

    error_code = ma.fields.String(required=True)
    detail = ma.fields.String(metadata={"description": "On 401, 403 and 429."})
    error = ma.fields.String(
        metadata={"description": "On everything else that is not about a field."}
    )


class VoucherTypeSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    price = NumberField(required=True)
    currency = ma.fields.String(required=True)
    service_type = ma.fields.String(required=True)
    is_active = ma.fields.Boolean(required=True)
    validity_days = ma.fields.Integer(required=True)
    max_uses = ma.fields.Integer(required=True)


class VoucherSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    code = ma.fields.String(required=True)
    voucher_type = ma.fields.Nested(VoucherTypeSchema(), required=True)
    status = ma.fields.String(required=True, metadata={"enum": list(purchases.STATUSES)})
    is_active = ma.fields.Boolean(required=True)
    uses_remaining = ma.fields.Integer(required=True)
    total_uses = ma.fields.Integer(required=True)
    purchase_date = Moment(required=True)
    expiry_date = Moment(required=True)
    days_until_expiry = ma.fields.Integer(required=True, metadata={"minimum": 0})
