"""What the routes that sell and refund take and answer."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from ..discount_coupons.schemas.fields import AnyCode
from ..models import PaymentStatus
from ..vouchers.schemas import VoucherInput, VoucherSchema, VoucherTypeSchema
from ..web.aliases import other_name, shown_too
from ..web.body import (
    LARGEST,
    BoundedSchema,
    CurrencyField,
    IdField,
    Moment,
    NumberField,
    Text,
    Whole,
)
from ..web.pagination import LinkedPageSchema

LONGEST_REASON = 500
MOST_AT_ONCE = 10

# A refund that Stripe has not answered is not shown.
_STATUSES = [status.value for status in PaymentStatus if status is not PaymentStatus.REFUNDING]
_NULL_IF_FREE = {"description": "null where nothing is to be paid, and all is delivered already."}


# --- With credit


class VoucherPurchase(VoucherInput):
    voucher_type_id = IdField(required=True)
    quantity = Whole(1, MOST_AT_ONCE, load_default=1)
    discount_code = AnyCode()


class VouchersPurchasedSchema(ma.Schema):
    message = ma.fields.String(required=True, dump_default="Purchase successful.")
    vouchers = ma.fields.List(ma.fields.Nested(VoucherSchema()), required=True)
    total_paid = NumberField(
        required=True, metadata={"description": "In the currency of the vouchers."}
    )
    discount_applied = NumberField(required=True)
    credit = ma.fields.Integer(required=True, metadata={"description": "What the wallet has left."})


class VoucherRefund(BoundedSchema):
    voucher_id = IdField(required=True)
    reason = Text(1, LONGEST_REASON, required=True)


class VouchersRefundedSchema(ma.Schema):
    message = ma.fields.String(required=True, dump_default="Purchase refunded.")
    vouchers = ma.fields.List(ma.fields.Nested(VoucherSchema()), required=True)
    credit = ma.fields.Integer(
        required=True, metadata={"description": "What the wallet had right after the refund."}
    )


# --- By card


class _PaidIn(CurrencyField):
    """A currency, in capitals or in small letters as Stripe writes it."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        return super()._deserialize(value, attr, data, **kwargs).upper()


class NewPayment(VoucherInput):
    """Vouchers or credit: one of the two."""

    voucher_type_id = IdField()
    quantity = Whole(1, MOST_AT_ONCE)
    discount_code = AnyCode()
    credit_amount = Whole(1, LARGEST)
    currency = _PaidIn(
        metadata={"description": "What it is sold in: any other is refused, none is converted."}
    )
    payment_method = ma.fields.String(
        validate=validate.OneOf(["stripe", "card"]),
        metadata={"description": "Cards through Stripe: there is no other."},
    )

    @ma.validates_schema
    def one_of_the_two(self, data: dict[str, Any], **_: Any) -> None:
        if "credit_amount" not in data and "voucher_type_id" not in data:
            raise ma.ValidationError("This, or credit_amount, is required.", "voucher_type_id")
        beside = [name for name in ("voucher_type_id", "quantity", "discount_code") if name in data]
        if "credit_amount" in data and beside:
            raise ma.ValidationError(
                {name: ["Not together with credit_amount."] for name in beside}
            )

    @ma.post_load
    def fill_in(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        data.pop("payment_method", None)
        return data if "credit_amount" in data else {"quantity": 1, "discount_code": None, **data}


class Confirmation(VoucherInput):
    """What it says beside the intent must be what the payment is for."""

    payment_intent_id = Text(1, 255, required=True)
    voucher_type_id = IdField()
    quantity = Whole(1, MOST_AT_ONCE)


class OneTransaction(BoundedSchema):
    transaction_id = IdField(required=True)


class Refund(VoucherInput):
    transaction_id = IdField(required=True)
    payment_id = other_name("transaction_id", transaction_id)
    reason = Text(1, LONGEST_REASON, required=True)


class RefundRequest(VoucherInput):
    """The same by the names of the voucher app's own front end."""

    payment_id = IdField(required=True, attribute="transaction_id")
    transaction_id = other_name("payment_id", IdField())
    reason = Text(1, LONGEST_REASON, load_default="Requested by the buyer.")


class IntentSchema(ma.Schema):
    transaction_id = ma.fields.UUID(required=True)
    payment_id = shown_too("transaction_id", transaction_id)
    payment_intent_id = ma.fields.String(required=True, allow_none=True, metadata=_NULL_IF_FREE)
    client_secret = ma.fields.String(required=True, allow_none=True, metadata=_NULL_IF_FREE)
    amount = NumberField(required=True)
    currency = ma.fields.String(required=True)
    publishable_key = ma.fields.String(required=True)


class TransactionSchema(ma.Schema):
    id = ma.fields.UUID(required=True)
    user = ma.fields.UUID(attribute="account_id", required=True)
    voucher_type = ma.fields.Nested(
        VoucherTypeSchema(),
        required=True,
        allow_none=True,
        metadata={"description": "null for a top-up."},
    )
    quantity = ma.fields.Integer(required=True, allow_none=True)
    amount = NumberField(
        required=True, metadata={"description": "What is paid, the discount taken off."}
    )
    refunded_amount = NumberField(
        required=True, metadata={"description": "What of it went back, as far as it has arrived."}
    )
    discount_amount = NumberField(required=True)
    currency = ma.fields.String(required=True)
    status = ma.fields.String(required=True, validate=validate.OneOf(_STATUSES))
    stripe_payment_intent_id = ma.fields.String(required=True, allow_none=True)
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class TransactionPageSchema(LinkedPageSchema):
    results = ma.fields.List(
        ma.fields.Nested(TransactionSchema()), attribute="items", required=True
    )


class ConfirmedSchema(ma.Schema):
    message = ma.fields.String(required=True, dump_default="Payment completed.")
    transaction = ma.fields.Nested(TransactionSchema(), required=True)
    vouchers = ma.fields.List(ma.fields.Nested(VoucherSchema()), required=True)
    payment = shown_too("transaction", transaction)
    voucher_codes = ma.fields.List(
        ma.fields.Pluck(VoucherSchema(), "code"),
        required=True,
        dump_only=True,
        attribute="vouchers",
    )


class CancelledSchema(ma.Schema):
    message = ma.fields.String(required=True, dump_default="Payment cancelled.")
    transaction = ma.fields.Nested(TransactionSchema(), required=True)


class RefundedSchema(ma.Schema):
    message = ma.fields.String(required=True)
    transaction = ma.fields.Nested(TransactionSchema(), required=True)
    payment = shown_too("transaction", transaction)


class ReceivedSchema(ma.Schema):
    received = ma.fields.Boolean(required=True)
