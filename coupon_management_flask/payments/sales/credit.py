"""Buying with credit: the wallet pays, and the vouchers are delivered in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from ...core import money, wallet
from ...core.claims import claim_or_explain
from ...db.failures import retried
from ...db.session import transaction
from ...identity import failed_attempts
from ...models import RedemptionKind, new_id
from ...vouchers.vouchers import OwnedVoucher
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
        """Return what an amount in minor units costs in credits, rounded half up."""
        exact = money.from_minor(amount, self.currency) / self.value
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))

    def amount_of(self, credits: int) -> int:
        """Return what so many credits are worth in minor units, rounded half up."""
        exact = (credits * self.value).scaleb(money.decimals(self.currency))
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Purchased:
    """What was bought; `credit` is what the wallet has left, amounts are in the major unit."""

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
    """Buy so many vouchers with credit: all of them or none.

    Raises: what `quotes.quote` raises; InsufficientCredit.
    """

    def quote() -> Quote:
        return quotes.quote(
            buyer_id,
            voucher_type_id,
            quantity,
            discount_code,
            attempt_limits,
            currency=credit_value.currency,
        )

    def buy(quoted: Quote) -> Purchased:
        return _buy(buyer_id, quoted, credit_value.credits_for(quoted.total))

    # Where the discount has gone since it was priced, a new quote says why.
    return claim_or_explain(buy, quote(), quote)


@retried
def _buy(buyer_id: UUID, quote: Quote, credits: int) -> Purchased:
    purchase_id = new_id()
    with transaction():
        entry = wallet.debit(buyer_id, credits, reason=LEDGER_REASON, reference=purchase_id)
        order_redemption_id = discounts.hold(quote.applied, purchase_id, buyer_id)
        bought = delivery.deliver(
            Sale(
                purchase_id=purchase_id,
                buyer_id=buyer_id,
                voucher_type_id=quote.voucher_type_id,
                quantity=quote.quantity,
                unit_price=quote.unit_price,
                discount=quote.discount,
                currency=quote.currency,
                credits=credits,
                order_redemption_id=order_redemption_id,
            )
        )
    return Purchased(
        vouchers=bought,
        total_paid=money.from_minor(quote.total, quote.currency),
        discount_applied=money.from_minor(quote.discount, quote.currency),
        credit=entry.balance_after,
    )
