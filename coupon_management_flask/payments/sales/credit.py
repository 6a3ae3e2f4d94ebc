"""Buying with credit: the wallet pays, and the vouchers are delivered in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil
from uuid import UUID

from ...core import errors, money, wallet
from ...core.claims import claim_or_explain
from ...db.failures import retried
from ...db.session import transaction
from ...identity import failed_attempts
from ...models import RedemptionKind, new_id
from ...vouchers.vouchers import OwnedVoucher
from ..cards import open_payments, states
from ..cards.states import Payment
from . import delivery, discounts, quotes
from .delivery import Sale
from .quotes import Quote

# Why the ledger says that a wallet paid for vouchers. The audit looks for the purchase behind it.
LEDGER_REASON = RedemptionKind.VOUCHER.value


@dataclass(frozen=True, slots=True)
class CreditValue:
    """What one credit is worth: so much of a currency."""

    value: Decimal
    currency: str

    def credits_for(self, amount: int) -> int:
        """Return the fewest whole credits that are worth an amount in minor units."""
        exact = Fraction(money.from_minor(amount, self.currency)) / Fraction(self.value)
        return ceil(exact)

    def amount_of(self, credits: int) -> int:
        """Return what so many credits are worth in minor units, rounded half up."""
        exact = (credits * self.value).scaleb(money.decimals(self.currency))
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Purchased:
    """What was bought; `credit` is what the wallet has left, amounts are in the major unit.

    `total_paid` is what the credits are worth that were paid.
    """

    vouchers: Sequence[OwnedVoucher]
    total_paid: Decimal
    discount_applied: Decimal
    credit: int


def purchase(
    buyer_id: UUID,
    *,
    voucher_type_id: UUID,
    quantity: int,
    discount_code: str | None = None,
    attempt_limits: failed_attempts.Limits,
    credit_value: CreditValue,
) -> Purchased:
    """Buy so many vouchers with credit, all of them or none, in the place of an open payment.

    Raises: what `quotes.quote` raises; InsufficientCredit; for the buyer's open payment by card for
    that type, AlreadyPaid, PaymentInProgress, and PaymentProviderError, after which nothing has
    changed.
    """

    def look() -> _Ready:
        replaced = open_payments.to_replace(buyer_id, voucher_type_id)
        quoted = quotes.quote(
            buyer_id,
            voucher_type_id,
            quantity,
            discount_code,
            attempt_limits,
            currency=credit_value.currency,
            beside=discounts.held_by(payment.order_redemption_id for payment in replaced),
        )
        credits = credit_value.credits_for(quoted.total)
        if replaced:
            # All else is checked before the open payment is cancelled at Stripe.
            if (wallet.balance_of(buyer_id) or 0) < credits:
                raise errors.InsufficientCredit
            open_payments.cancel_to_replace(replaced)
        return _Ready(quoted, credits, credit_value.amount_of(credits), replaced)

    def buy(ready: _Ready) -> Purchased:
        with open_payments.free_again_on_failure(ready.replaced):
            return _buy(buyer_id, ready)

    # Where the discount has gone since it was priced, a new quote says why.
    return claim_or_explain(buy, look(), look)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A purchase that can be made: its price, the credits, their worth, and what it replaces."""

    quote: Quote
    credits: int
    total: int
    replaced: Sequence[Payment]


@retried
def _buy(buyer_id: UUID, ready: _Ready) -> Purchased:
    purchase_id, quote = new_id(), ready.quote
    held: Sequence[UUID] = ()
    with transaction():
        if ready.replaced:
            states.lock_account(buyer_id)
            held = open_payments.close_replaced(buyer_id, quote.voucher_type_id, ready.replaced)
        entry = wallet.debit(buyer_id, ready.credits, reason=LEDGER_REASON, reference=purchase_id)
        order_redemption_id = discounts.pass_on(held, quote.applied, purchase_id, buyer_id)
        bought = delivery.deliver(
            Sale(
                purchase_id=purchase_id,
                buyer_id=buyer_id,
                voucher_type_id=quote.voucher_type_id,
                quantity=quote.quantity,
                unit_price=quote.unit_price,
                discount=quote.discount,
                total=ready.total,
                currency=quote.currency,
                credits=ready.credits,
                order_redemption_id=order_redemption_id,
            )
        )
    return Purchased(
        vouchers=bought,
        total_paid=money.from_minor(ready.total, quote.currency),
        discount_applied=money.from_minor(quote.discount, quote.currency),
        credit=entry.balance_after,
    )
