"""A payment by card as it stood at one moment, and the steps between its states.

A step is one conditional statement on the payment's row, and its row count decides. Steps go one
way, so that what is heard late changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.session import db
from ...models import PaymentStatus, PaymentTransaction

# From which states each state is reached. Money that came in wins over all that was said before.
STEPS: dict[PaymentStatus, tuple[PaymentStatus, ...]] = {
    PaymentStatus.COMPLETED: (
        PaymentStatus.PENDING,
        PaymentStatus.FAILED,
        PaymentStatus.CANCELLED,
    ),
    PaymentStatus.FAILED: (PaymentStatus.PENDING,),
    PaymentStatus.CANCELLED: (PaymentStatus.PENDING, PaymentStatus.FAILED),
    PaymentStatus.REFUNDING: (PaymentStatus.COMPLETED,),
    PaymentStatus.REFUNDED: (
        PaymentStatus.PENDING,
        PaymentStatus.FAILED,
        PaymentStatus.CANCELLED,
        PaymentStatus.COMPLETED,
        PaymentStatus.REFUNDING,
    ),
}

# How long a request has to settle what it asked Stripe for, before reconciliation steps in.
FIRST_LOOK = timedelta(minutes=5)

_FRESH = {"synchronize_session": False, "populate_existing": True}


@dataclass(frozen=True, slots=True)
class VouchersOf:
    """So many vouchers of a type, each at `unit_price` in minor units."""

    voucher_type_id: UUID
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class TopUp:
    """Credits for the payer's wallet."""

    credits: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment's row at one moment; amounts are in minor units of `currency`.

    No entity: that would change under its reader's hands when a step changes the row, and what a
    step does depends on the state before it.
    """

    id: UUID
    account_id: UUID
    goods: VouchersOf | TopUp
    amount: int
    discount_amount: int
    currency: str
    discount_code: str | None
    order_redemption_id: UUID | None
    status: PaymentStatus
    intent_id: str | None
    refund_attempts: int
    due_at: datetime | None
    completed_at: datetime | None
    created_at: datetime


def _snapshot(row: PaymentTransaction) -> Payment:
    goods: VouchersOf | TopUp
    if row.credits is not None:
        goods = TopUp(row.credits)
    else:
        # A CHECK of the table holds this: vouchers or credits.
        assert row.voucher_type_id is not None
        assert row.quantity is not None
        assert row.unit_price is not None
        goods = VouchersOf(row.voucher_type_id, row.quantity, row.unit_price)
    return Payment(
        id=row.id,
        account_id=row.account_id,
        goods=goods,
        amount=row.amount,
        discount_amount=row.discount_amount,
        currency=row.currency,
        discount_code=row.discount_code,
        order_redemption_id=row.order_redemption_id,
        status=row.status,
        intent_id=row.stripe_payment_intent_id,
        refund_attempts=row.refund_attempts,
        due_at=row.due_at,
        completed_at=row.completed_at,
        created_at=row.created_at,
    )


def select(statement: sa.Select[PaymentTransaction]) -> list[Payment]:
    """Return the payments that a statement finds, in its order."""
    return [_snapshot(row) for row in db.session.scalars(statement, execution_options=_FRESH)]


def find(*conditions: sa.ColumnElement[bool]) -> Payment | None:
    """Return the one payment that fits all conditions, or None."""
    found = select(sa.select(PaymentTransaction).where(*conditions))
    return found[0] if found else None


def read(payment_id: UUID) -> Payment:
    """Return a payment that is known to exist, as it is now."""
    (found,) = select(sa.select(PaymentTransaction).where(PaymentTransaction.id == payment_id))
    return found


def change(statement: sa.Update) -> Payment | None:
    """Send an UPDATE of one payment and return how it stands then, or None where none was met."""
    row = db.session.scalars(
        statement.returning(PaymentTransaction), execution_options=_FRESH
    ).one_or_none()
    return None if row is None else _snapshot(row)


def step(
    payment_id: UUID,
    to: PaymentStatus,
    *,
    came_from: Collection[PaymentStatus] | None = None,
    **values: object,
) -> Payment | None:
    """Bring a payment to a state and return it, inside an open transaction.

    Returns None where it was in no state from which that one is reached.
    """
    return change(
        sa.update(PaymentTransaction)
        .where(
            PaymentTransaction.id == payment_id,
            PaymentTransaction.status.in_(came_from or STEPS[to]),
        )
        .values(status=to, updated_at=clock.now(), **values)
    )
