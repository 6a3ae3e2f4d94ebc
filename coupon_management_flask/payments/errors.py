"""What payments refuse, and the sentences for it."""

from ..core import errors


class PaymentsNotConfigured(errors.Unavailable):
    name = "payments_not_configured"

    def __init__(self) -> None:
        super().__init__(retry_after=3600)


class PaymentProviderError(errors.DomainError):
    """Stripe could not be asked, or it said no.

    `is_final` means that Stripe said no and nothing has happened there; `code` is its reason.
    """

    name = "payment_provider_error"

    def __init__(self, *, is_final: bool = False, code: str | None = None) -> None:
        super().__init__(is_final=is_final, code=code)
        self.is_final = is_final
        self.code = code


class TooManyOpenPayments(errors.RateLimited):
    """`most` is how many there may be. One lapses after `retry_after` if nobody pays it."""

    name = "too_many_open_payments"

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(retry_after, errors.Quota("open_payments", most))
        self.facts["most"] = most


class PaymentUnknown(PaymentProviderError):
    """Stripe does not know the payment, which asking again will not change."""

    name = "payment_unknown"


class InvalidSignature(errors.DomainError):
    name = "invalid_signature"


class TransactionNotFound(errors.NotFound):
    name = "transaction_not_found"


class PaymentNotCompleted(errors.Refused):
    name = "payment_not_completed"


# Why a payment can't be cancelled, resumed or replaced.


class AlreadyPaid(errors.Conflict):
    name = "already_paid"


class PaymentInProgress(errors.Conflict):
    name = "payment_in_progress"


class PaymentClosed(errors.Conflict):
    name = "payment_closed"


# Why there is no refund, in the order in which the reasons are checked.


class PaidByCard(errors.Conflict):
    name = "paid_by_card"


class PaymentDisputed(errors.Conflict):
    name = "payment_disputed"


class PaymentNotRefundable(errors.Conflict):
    name = "payment_not_refundable"


class RefundPeriodOver(errors.Conflict):
    name = "refund_period_over"


class VoucherUsed(errors.Conflict):
    name = "voucher_used"


class CreditSpent(errors.Conflict):
    name = "credit_spent"


# Why Stripe does not send the money back, now and ever, besides PaymentDisputed and PaymentUnknown.


class AlreadyRefunded(errors.Conflict):
    name = "already_refunded"


class RefundRefused(errors.Conflict):
    name = "refund_refused"


class RefundFailed(errors.Conflict):
    name = "refund_failed"


STATUSES: dict[type[errors.DomainError], int] = {PaymentProviderError: 502, PaymentUnknown: 409}

MESSAGES = {
    "payments_not_configured": "Payments by card are not set up here; pay with credit.",
    "payment_provider_error": (
        "The payment provider can't help right now. Nothing was lost; try again in a few minutes."
    ),
    "too_many_open_payments": (
        "You may have {most} payments open at once: pay or cancel one of them first."
    ),
    "invalid_signature": "This was not signed by Stripe in the last five minutes.",
    "transaction_not_found": "There is no such transaction.",
    "payment_not_completed": "This payment is not completed yet.",
    "already_paid": "This payment is paid already.",
    "payment_in_progress": "The bank is working on this payment; try again when it is done.",
    "payment_closed": "This payment is over.",
    "paid_by_card": "This was bought by card: refund its payment.",
    "payment_disputed": "The payer's bank disputes this payment and decides about its money.",
    "already_refunded": "This payment has been refunded at Stripe already.",
    "payment_unknown": "Stripe does not know this payment.",
    "refund_refused": "Stripe does not refund this payment.",
    "refund_failed": "The bank did not take the refund. Nothing was lost; try again later.",
    "payment_not_refundable": "Only a completed payment can be refunded, and only once.",
    "refund_period_over": "This payment is too old to be refunded.",
    "voucher_used": "A voucher of this payment was used.",
    "credit_spent": "The credit of this payment was spent.",
}
