"""What the API description says of buying, paying and refunds. Examples are of the demo data."""

from ..core import errors
from ..discount_coupons.refusals import WHY_NOT, CouponNotFound
from ..vouchers.described import TYPE_ID
from ..vouchers.errors import VoucherNotFound
from ..web.operations import Described, Operations
from .errors import (
    AlreadyPaid,
    AlreadyRefunded,
    CreditSpent,
    InvalidSignature,
    PaidByCard,
    PaymentClosed,
    PaymentDisputed,
    PaymentInProgress,
    PaymentNotCompleted,
    PaymentNotRefundable,
    PaymentProviderError,
    PaymentsNotConfigured,
    PaymentUnknown,
    RefundFailed,
    RefundPeriodOver,
    RefundRefused,
    TooManyOpenPayments,
    TransactionNotFound,
    VoucherUsed,
)

_ID = "019aa6f0-0000-7000-8000-0000000000e1"
_PAYMENT_OF_YOURS = "a payment of yours, such as `create_payment_intent` gives"
_STRIPE = "the keys of a Stripe account in the settings"
# A code is told of beside its field: 400, also where there is none.
_DISCOUNT: tuple[type[errors.DomainError], ...] = (CouponNotFound, *WHY_NOT)
_OPEN = (AlreadyPaid, PaymentInProgress)
_AT_STRIPE = (PaymentUnknown, PaymentProviderError, PaymentsNotConfigured)

PURCHASES: Operations = {
    "purchase": Described(
        "purchase_vouchers",
        refuses=(errors.InsufficientCredit, *_OPEN, PaymentProviderError),
        refuses_field=_DISCOUNT,
        body={"voucher_type_id": TYPE_ID, "quantity": 1},
    ),
    "refund": Described(
        "refund_vouchers",
        refuses=(VoucherNotFound, PaidByCard, VoucherUsed, RefundPeriodOver),
        body={"voucher_id": _ID, "reason": "Bought by mistake"},
        needs="a voucher of yours, such as `purchase_vouchers` gives",
    ),
}

PAYMENTS: Operations = {
    "create_payment_intent": Described(
        refuses=(
            PaymentsNotConfigured,
            *_OPEN,
            TooManyOpenPayments,
            PaymentProviderError,
        ),
        refuses_field=_DISCOUNT,
        body={"voucher_type_id": TYPE_ID, "quantity": 1},
        needs=_STRIPE,
    ),
    "confirm_payment": Described(
        refuses=(TransactionNotFound, PaymentNotCompleted, *_AT_STRIPE),
        body={"payment_intent_id": "pi_3PqRsT2eZvKYlo2C"},
        needs=_PAYMENT_OF_YOURS,
    ),
    "receive_event": Described(
        "receive_stripe_event",
        refuses=(PaymentsNotConfigured, InvalidSignature, PaymentProviderError),
        needs=_STRIPE,
    ),
    "list_transactions": Described(query={"page": 1, "page_size": 20}),
    "read_transaction": Described(
        refuses=(TransactionNotFound,), path={"transaction_id": _ID}, needs=_PAYMENT_OF_YOURS
    ),
    "cancel": Described(
        "cancel_payment",
        refuses=(
            TransactionNotFound,
            *_OPEN,
            PaymentClosed,
            PaymentProviderError,
            PaymentsNotConfigured,
        ),
        body={"transaction_id": _ID},
        needs=_PAYMENT_OF_YOURS,
    ),
    "resume": Described(
        "resume_payment",
        refuses=(TransactionNotFound, *_OPEN, PaymentClosed, *_AT_STRIPE),
        body={"transaction_id": _ID},
        needs=_PAYMENT_OF_YOURS,
    ),
    "refund": Described(
        "refund_payment",
        refuses=(
            TransactionNotFound,
            PaymentDisputed,
            PaymentNotRefundable,
            RefundPeriodOver,
            VoucherUsed,
            CreditSpent,
            AlreadyRefunded,
            RefundRefused,
            RefundFailed,
            *_AT_STRIPE,
        ),
        body={"transaction_id": _ID, "reason": "Not needed any more"},
        needs=_PAYMENT_OF_YOURS,
    ),
}
