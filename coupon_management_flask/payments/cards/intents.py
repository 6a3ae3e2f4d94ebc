"""Begin to pay by card: write the payment down, then ask Stripe for an intent.

The process may die between these two. What was written down is enough to go on from, also for the
buyer, who may ask for the intent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from ... import config
from ...core import clock, errors, money
from ...core.claims import claim_or_explain
from ...db.failures import retried
from ...db.session import db, transaction
from ...identity import failed_attempts
from ...models import PaymentStatus, PaymentTransaction, new_id
from .. import gateway
from ..errors import AlreadyPaid, PaymentClosed, PaymentProviderError
from ..gateway import Intent
from ..sales import discounts, quotes
from ..sales.credit import CreditValue
from ..sales.quotes import Quote
from . import open_limit, open_payments, settlement, states
from .states import FIRST_LOOK, Payment


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be paid, and where; without an intent nothing is, and all is delivered already."""

    transaction_id: UUID
    payment_intent_id: str | None
    client_secret: str | None
    amount: Decimal
    currency: str
    publishable_key: str


def pay_for_vouchers(
    buyer_id: UUID,
    *,
    voucher_type_id: UUID,
    quantity: int,
    discount_code: str | None,
    currency: str | None = None,
    attempt_limits: failed_attempts.Limits,
) -> Asked:
    """Begin a payment by card for vouchers, in the place of the buyer's open one for that type.

    A discount's use is held from now on. What costs nothing is delivered at once, without Stripe.

    Raises: what `quotes.quote` raises; Invalid for an amount that Stripe does not take, and for a
    currency in which it is not sold; AlreadyPaid, PaymentInProgress for the open one;
    TooManyOpenPayments; PaymentsNotConfigured; PaymentProviderError, and then nothing has changed,
    or the payment is there and pending.
    """
    # Nothing is written down where nobody can pay.
    gateway.current()

    def look() -> _Ready:
        replaced = open_payments.to_replace(buyer_id, voucher_type_id)
        quoted = quotes.quote(
            buyer_id,
            voucher_type_id,
            quantity,
            discount_code,
            attempt_limits,
            beside=discounts.held_by(payment.order_redemption_id for payment in replaced),
        )
        _check_currency(currency, quoted.currency)
        amount = _payable(quoted.total, quoted.currency, "voucher_type_id")
        # All else is checked.
        open_payments.cancel_to_replace(replaced)
        return _Ready(quoted, amount, replaced)

    def begin(ready: _Ready) -> Payment:
        with open_payments.free_again_on_failure(ready.replaced):
            return _begin_vouchers(buyer_id, ready, discount_code)

    # Where somebody has taken the discount's last use since it was priced, a new quote says so.
    return _ask(claim_or_explain(begin, look(), look), "voucher_type_id")


@dataclass(frozen=True, slots=True)
class _Ready:
    """A payment that can begin: its price, what of it is paid by card, and what it replaces."""

    quote: Quote
    amount: int
    replaced: Sequence[Payment]


@retried
def _begin_vouchers(buyer_id: UUID, ready: _Ready, discount_code: str | None) -> Payment:
    payment_id, quote = new_id(), ready.quote
    with transaction():
        states.lock_account(buyer_id)
        held = open_payments.close_replaced(buyer_id, quote.voucher_type_id, ready.replaced)
        if quote.total:
            open_limit.check(buyer_id)
        order_redemption_id = discounts.pass_on(held, quote.applied, payment_id, buyer_id)
        _begin(
            payment_id,
            buyer_id,
            voucher_type_id=quote.voucher_type_id,
            quantity=quote.quantity,
            unit_price=quote.unit_price,
            amount=ready.amount,
            discount_amount=quote.discount,
            currency=quote.currency,
            discount_code=discount_code,
            order_redemption_id=order_redemption_id,
        )
        if not ready.amount:
            settlement.fulfil(payment_id)
        return states.read(payment_id)


def pay_for_credit(buyer_id: UUID, *, credit_amount: int, currency: str | None = None) -> Asked:
    """Begin a payment by card for credit of the buyer's wallet.

    Raises: Invalid for an amount or a currency that can't be paid; TooManyOpenPayments;
    PaymentsNotConfigured; PaymentProviderError, and then the payment is there and pending.
    """
    gateway.current()
    settings = config.current()
    _check_currency(currency, settings.currency)
    currency = settings.currency
    worth = CreditValue(settings.credit_value, currency).amount_of(credit_amount)
    amount = _payable(worth, currency, "credit_amount")
    if not amount:
        raise errors.Invalid({"credit_amount": ["It is worth less than can be paid."]})
    payment_id = new_id()
    with transaction():
        states.lock_account(buyer_id)
        open_limit.check(buyer_id)
        _begin(payment_id, buyer_id, credits=credit_amount, amount=amount, currency=currency)
        payment = states.read(payment_id)
    return _ask(payment, "credit_amount")


def resume(account_id: UUID, transaction_id: UUID) -> Asked:
    """Return once more where a payment that is not paid yet can be paid.

    Raises: TransactionNotFound; AlreadyPaid, PaymentClosed; PaymentInProgress where it is being
    asked for just now; PaymentsNotConfigured; PaymentProviderError.
    """
    payment = open_payments.own_open_payment(account_id, transaction_id)
    if payment.intent_id is None:
        intent = open_payments.ask_for_intent(payment)
    else:
        intent = gateway.current().read(payment.intent_id)
        settlement.settle(payment.id, intent)
    # Stripe may have told that it is paid or cancelled, and so may somebody else.
    now = states.read(payment.id)
    if intent is None or not now.is_open:
        raise AlreadyPaid if now.status is PaymentStatus.COMPLETED else PaymentClosed
    return _asked(now, intent)


def _check_currency(wanted: str | None, sold_in: str) -> None:
    if wanted not in (None, sold_in):
        raise errors.Invalid({"currency": [f"It is sold in {sold_in}."]})


def _payable(amount: int, currency: str, field: str) -> int:
    rounded = gateway.payable(amount, currency)
    if rounded is None:
        written = money.written(money.from_minor(amount, currency), currency)
        raise errors.Invalid({field: [f"{written} {currency} can't be paid by card."]})
    return rounded


def _begin(payment_id: UUID, buyer_id: UUID, **terms: object) -> None:
    now = clock.now()
    row = {
        "id": payment_id,
        "account_id": buyer_id,
        "status": PaymentStatus.PENDING,
        "discount_amount": 0,
        "amount_refunded": 0,
        "refund_attempts": 0,
        "due_at": now + FIRST_LOOK,
        "created_at": now,
        "updated_at": now,
    }
    db.session.execute(sa.insert(PaymentTransaction).values(**row | terms))


def _ask(payment: Payment, field: str) -> Asked:
    """Ask Stripe for the intent of a payment that is written down."""
    intent: Intent | None = None
    if payment.status is PaymentStatus.PENDING:
        try:
            intent = open_payments.create_intent(payment)
        except PaymentProviderError as error:
            if not error.is_final or error.code not in gateway.AMOUNT_CODES:
                raise
            # Stripe takes no such amount: asking again would not help.
            with transaction(at_once=True):
                settlement.close(payment.id, PaymentStatus.FAILED)
            size = gateway.AMOUNT_CODES[error.code]
            sentence = f"The amount is too {size} to be paid by card."
            raise errors.Invalid({field: [sentence]}) from error
    return _asked(payment, intent)


def _asked(payment: Payment, intent: Intent | None) -> Asked:
    return Asked(
        payment.id,
        intent.id if intent is not None else None,
        intent.client_secret if intent is not None else None,
        money.from_minor(payment.amount, payment.currency),
        payment.currency,
        config.current().stripe_publishable_key,
    )
