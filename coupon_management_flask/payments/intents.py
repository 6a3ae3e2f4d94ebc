"""Paying: a transaction is written down, then Stripe is asked for an intent; later Stripe says that it is paid.

Between any two of these the process may die: what was written down is enough to go on from.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from .. import config
from ..core import clock, errors, money
from ..core.claims import claim_or_explain
from ..db.failures import retried
from ..db.session import AnyRow, AnySelect, db, transaction
from ..identity import failed_attempts
from ..models import PaymentTransaction, VoucherType, new_id
from ..vouchers import purchases
from ..web.pagination import Page, paginate
from . import gateway, settlement
from .errors import PaymentNotCompleted, PaymentProviderError, TransactionNotFound
from .gateway import Intent
from .settlement import FAILED, FIRST_LOOK, PENDING, REFUNDING

_transactions: Any = PaymentTransaction.__table__
_types: Any = VoucherType.__table__


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be paid, and where."""

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
    guess_limits: failed_attempts.Limits,
) -> Asked:
    """Begins a payment by card for vouchers; a discount's use is held from now on. What costs nothing is delivered at once, without Stripe.

    Raises what `vouchers.quote` raises, Invalid for an amount that Stripe does not take, PaymentsNotConfigured and PaymentProviderError: the
    transaction is then there, pending.
    """
    gateway.current()

    def quote() -> tuple[purchases.Quote, int]:
        priced = purchases.quote(buyer_id, voucher_type_id, quantity, discount_code, guess_limits)
        return priced, _counted(priced.total, priced.currency, "voucher_type_id")

    def begin(quoted: tuple[purchases.Quote, int]) -> tuple[AnyRow, int]:
        priced, counted = quoted
        return _begin_vouchers(buyer_id, priced, discount_code), counted

    # Where somebody took the discount's last use since it was priced, a new quote says so.
    row, counted = claim_or_explain(begin, quote(), quote)
    return _ask(row, counted, "voucher_type_id")


@retried
def _begin_vouchers(buyer_id: UUID, quote: purchases.Quote, discount_code: str | None) -> AnyRow:
    transaction_id = new_id()
    with transaction():
        _begin(
            transaction_id,
            buyer_id,
            voucher_type_id=quote.voucher_type.id,
            quantity=quote.quantity,
            unit_price=quote.unit_price,
            amount=quote.total,
            discount_amount=quote.discount,
            currency=quote.currency,
            discount_code=discount_code,
            order_redemption_id=purchases.hold(quote, transaction_id, buyer_id),
        )
        if not quote.total:
            settlement.fulfil(transaction_id)
        return settlement.read(transaction_id)


def pay_for_credit(buyer_id: UUID, *, credit_amount: int) -> Asked:
    """Begins a payment by card for credit. Raises Invalid for an amount that Stripe does not take, PaymentsNotConfigured, PaymentProviderError."""
    gateway.current()
    settings = config.current()
    currency = settings.currency
    exact = (credit_amount * settings.credit_value).scaleb(money.decimals(currency))
    amount = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    counted = _counted(amount, currency, "credit_amount")
    if not amount:
        raise errors.Invalid({"credit_amount": ["It is worth less than can be paid."]})
    transaction_id = new_id()
    with transaction():
        _begin(transaction_id, buyer_id, credits=credit_amount, amount=amount, currency=currency)
        row = settlement.read(transaction_id)
    return _ask(row, counted, "credit_amount")


def _counted(amount: int, currency: str, field: str) -> int:
    counted = gateway.units(amount, currency)
    if counted is None:
        written = money.written(money.from_minor(amount, currency), currency)
        raise errors.Invalid({field: [f"{written} {currency} can't be paid by card."]})
    return counted


def _begin(transaction_id: UUID, buyer_id: UUID, **values: Any) -> None:
    now = clock.now()
    always = {
        "id": transaction_id,
        "account_id": buyer_id,
        "status": PENDING,
        "due_at": now + FIRST_LOOK,
        "created_at": now,
        "updated_at": now,
    }
    nothing_yet = {"discount_amount": 0, "amount_refunded": 0, "refund_attempts": 0}
    db.session.execute(sa.insert(_transactions).values(**always, **nothing_yet | values))


def _ask(row: AnyRow, counted: int, field: str) -> Asked:
    """Asks Stripe for the intent of a transaction that is written down."""
    intent: Intent | None = None
    if row.status == PENDING:
        try:
            intent = gateway.current().create(row.id, counted, row.currency)
        except PaymentProviderError as error:
            if error.is_final and error.code in gateway.AMOUNT_CODES:
                # No other try could do better.
                with transaction(at_once=True):
                    settlement.close(row.id, FAILED)
                raise errors.Invalid(
                    {
                        field: [
                            f"The amount is too {gateway.AMOUNT_CODES[error.code]} to be paid by card."
                        ]
                    }
                ) from error
            raise
        settlement.settle(row.id, intent)
    return Asked(
        row.id,
        intent.id if intent is not None else None,
        intent.client_secret if intent is not None else None,
        money.from_minor(row.amount, row.currency),
        row.currency,
        config.current().stripe_publishable_key,
    )


@dataclass(frozen=True, slots=True)
class Confirmed:
    transaction: dict[str, Any]
    vouchers: list[dict[str, Any]]


def confirm(account_id: UUID, payment_intent_id: str) -> Confirmed:
    """Asks Stripe whether it is paid, and hands out what was bought; again, the same. Raises TransactionNotFound, PaymentNotCompleted, PaymentProviderError."""
    which = sa.and_(
        _transactions.c.stripe_payment_intent_id == payment_intent_id,
        _transactions.c.account_id == account_id,
    )
    row = db.session.execute(sa.select(_transactions).where(which)).one_or_none()
    if row is None:
        raise TransactionNotFound
    if row.completed_at is None:
        settlement.settle(row.id, gateway.current().read(payment_intent_id))
        row = settlement.read(row.id)
    if row.completed_at is None:
        raise PaymentNotCompleted
    return Confirmed(read_transaction(account_id, row.id), purchases.of_purchase(row.id))


# --- Reading


def _select() -> AnySelect:
    return sa.select(*_transactions.c, *purchases.TYPE_COLUMNS).outerjoin(
        _types, _types.c.id == _transactions.c.voucher_type_id
    )


def _shown(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": row.account_id,
        "voucher_type": None if row.voucher_type_id is None else purchases.type_of(row),
        "quantity": row.quantity,
        "amount": money.from_minor(row.amount, row.currency),
        "discount_amount": money.from_minor(row.discount_amount, row.currency),
        "currency": row.currency,
        # A refund that Stripe has not agreed to yet is none.
        "status": settlement.COMPLETED if row.status == REFUNDING else row.status,
        "stripe_payment_intent_id": row.stripe_payment_intent_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def read_transaction(account_id: UUID | None, transaction_id: UUID) -> dict[str, Any]:
    """A transaction as it is shown, of that account or (None) of anyone. Raises TransactionNotFound."""
    statement = _select().where(_transactions.c.id == transaction_id)
    if account_id is not None:
        statement = statement.where(_transactions.c.account_id == account_id)
    row = db.session.execute(statement).one_or_none()
    if row is None:
        raise TransactionNotFound
    return _shown(row)


def list_transactions(account_id: UUID, *, page: int, page_size: int) -> Page:
    """Somebody's transactions, newest first."""
    found = paginate(
        _select()
        .where(_transactions.c.account_id == account_id)
        .order_by(_transactions.c.id.desc()),
        page,
        page_size,
    )
    return Page([_shown(row) for row in found.items], found.total, found.number, found.size)
