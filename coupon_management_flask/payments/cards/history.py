"""Payments as clients see them, under the contract's name for them: transactions."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from ...core import money
from ...db.pages import Page, paginate
from ...db.session import db
from ...models import PaymentStatus, PaymentTransaction, VoucherType
from ..errors import TransactionNotFound
from . import states
from .returns import MoneyBack

# Somebody has asked for it, or some of it has arrived.
_GOES_BACK = sa.or_(
    PaymentTransaction.amount_refunded > 0,
    PaymentTransaction.status.in_(
        (
            PaymentStatus.REFUNDING,
            PaymentStatus.REFUND_PENDING,
            PaymentStatus.REFUNDED,
            PaymentStatus.REFUND_FAILED,
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A payment as it is shown; amounts are in the major unit, a top-up has no voucher type."""

    id: UUID
    account_id: UUID
    voucher_type: VoucherType | None
    quantity: int | None
    amount: Decimal
    refunded_amount: Decimal
    discount_amount: Decimal
    currency: str
    status: PaymentStatus
    stripe_payment_intent_id: str | None
    created_at: datetime
    updated_at: datetime


def _select() -> sa.Select[PaymentTransaction, VoucherType]:
    return (
        sa.select(PaymentTransaction, VoucherType)
        .outerjoin(VoucherType, VoucherType.id == PaymentTransaction.voucher_type_id)
        # A payment that was settled since it was loaded is shown as it is now.
        .execution_options(populate_existing=True)
    )


def _shown(row: PaymentTransaction, voucher_type: VoucherType | None) -> Transaction:
    # Until Stripe has agreed to a refund, clients are told what it was before.
    status = row.status
    if status is PaymentStatus.REFUNDING:
        status = MoneyBack.read(states.snapshot(row)).status
    return Transaction(
        id=row.id,
        account_id=row.account_id,
        voucher_type=voucher_type,
        quantity=row.quantity,
        amount=money.from_minor(row.amount, row.currency),
        refunded_amount=money.from_minor(row.amount_refunded, row.currency),
        discount_amount=money.from_minor(row.discount_amount, row.currency),
        currency=row.currency,
        status=status,
        stripe_payment_intent_id=row.stripe_payment_intent_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def read_transaction(account_id: UUID | None, transaction_id: UUID) -> Transaction:
    """Return a transaction of that account, or of anybody for None.

    Raises: TransactionNotFound.
    """
    statement = _select().where(PaymentTransaction.id == transaction_id)
    if account_id is not None:
        statement = statement.where(PaymentTransaction.account_id == account_id)
    row = db.session.execute(statement).one_or_none()
    if row is None:
        raise TransactionNotFound
    return _shown(*row)


def list_transactions(account_id: UUID, *, page: int, page_size: int) -> Page:
    """Return a page of an account's transactions, newest first."""
    return _page(_select(), account_id, page, page_size)


def list_refunds(account_id: UUID, *, page: int, page_size: int) -> Page:
    """Return a page of those whose money goes back or went back, newest first."""
    return _page(_select().where(_GOES_BACK), account_id, page, page_size)


def _page(
    statement: sa.Select[PaymentTransaction, VoucherType],
    account_id: UUID,
    page: int,
    page_size: int,
) -> Page:
    own = statement.where(PaymentTransaction.account_id == account_id)
    found = paginate(own.order_by(PaymentTransaction.id.desc()), page, page_size)
    return Page([_shown(*row) for row in found.items], found.total, found.number, found.size)
