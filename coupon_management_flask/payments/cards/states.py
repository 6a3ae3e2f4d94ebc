"""A payment by card as it stood at one moment, and the steps between its states.

A step is one conditional statement on the payment's row, and its row count decides. What is known
of a payment only grows (returns.py), and its state follows from that, so that what is heard late,
twice or in another order comes to the same.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.session import db
from ...models import Account, PaymentStatus, PaymentTransaction

# Where no money has come in, and some may at any moment.
UNDECIDED = (PaymentStatus.PENDING, PaymentStatus.FAILED)
# Where none has come in.
UNPAID = (*UNDECIDED, PaymentStatus.CANCELLED)
# Where it has, and no bank wants it back. Stripe decides between these.
_PAID = (
    PaymentStatus.COMPLETED,
    PaymentStatus.REFUNDING,
    PaymentStatus.REFUND_PENDING,
    PaymentStatus.REFUNDED,
    PaymentStatus.REFUND_FAILED,
)

# From which states each state is reached. Money that came in wins over all that was said before,
# and every state behind a refund or a dispute can be left again: banks change their minds.
STEPS: dict[PaymentStatus, tuple[PaymentStatus, ...]] = {
    PaymentStatus.PENDING: (),
    PaymentStatus.COMPLETED: (
        *UNPAID,
        PaymentStatus.REFUNDING,
        PaymentStatus.DISPUTED,
        # Of money that had gone back before anybody heard of it, and then had not.
        PaymentStatus.REFUND_PENDING,
        PaymentStatus.REFUNDED,
    ),
    PaymentStatus.FAILED: (PaymentStatus.PENDING,),
    PaymentStatus.CANCELLED: UNDECIDED,
    # Only here: somebody asks for it. All others say what is so at Stripe.
    PaymentStatus.REFUNDING: (PaymentStatus.COMPLETED, PaymentStatus.REFUND_FAILED),
    PaymentStatus.REFUND_PENDING: (*UNPAID, *_PAID, PaymentStatus.DISPUTED),
    PaymentStatus.REFUNDED: (*UNPAID, *_PAID, PaymentStatus.DISPUTED),
    PaymentStatus.REFUND_FAILED: (*UNPAID, *_PAID, PaymentStatus.DISPUTED),
    PaymentStatus.DISPUTED: (*UNPAID, *_PAID),
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


class Holding(StrEnum):
    """What becomes of the goods of a payment."""

    WITH_BUYER = "with the buyer"
    # Nobody can use them, and they may be the buyer's again.
    FROZEN = "frozen"
    TAKEN_BACK = "taken back"


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
    amount_refunded: int
    refund_attempts: int
    due_at: datetime | None
    replacing_until: datetime | None
    completed_at: datetime | None
    created_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it can still be paid, as far as we know."""
        return self.completed_at is None and self.due_at is not None and self.status in UNPAID


def snapshot(row: PaymentTransaction) -> Payment:
    """Return a row as it is now."""
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
        amount_refunded=row.amount_refunded,
        refund_attempts=row.refund_attempts,
        due_at=row.due_at,
        replacing_until=row.replacing_until,
        completed_at=row.completed_at,
        created_at=row.created_at,
    )


def select(statement: sa.Select[PaymentTransaction]) -> list[Payment]:
    """Return the payments that a statement finds, in its order."""
    return [snapshot(row) for row in db.session.scalars(statement, execution_options=_FRESH)]


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
    return None if row is None else snapshot(row)


def lock(payment_id: UUID) -> Payment:
    """Return a payment that is known to exist, and let nobody change it in this transaction."""
    (found,) = select(
        sa.select(PaymentTransaction).where(PaymentTransaction.id == payment_id).with_for_update()
    )
    return found


def step(
    payment_id: UUID,
    to: PaymentStatus,
    *only_if: sa.ColumnElement[bool],
    came_from: Collection[PaymentStatus] | None = None,
    **values: object,
) -> Payment | None:
    """Bring a payment to a state and return it, inside an open transaction.

    Returns None where it was in no state from which that one is reached, or not as `only_if` says.
    """
    return change(
        sa.update(PaymentTransaction)
        .where(
            PaymentTransaction.id == payment_id,
            PaymentTransaction.status.in_(STEPS[to] if came_from is None else came_from),
            *only_if,
        )
        .values(status=to, updated_at=clock.now(), **values)
    )


def end_unpaid(payment_id: UUID, to: PaymentStatus) -> Payment | None:
    """End a payment to which no money came; its discount stays held. None where it had ended."""
    return step(payment_id, to, came_from=UNDECIDED, due_at=None, replacing_until=None)


def lock_account(account_id: UUID) -> None:
    """Let an account's payments begin one after another, inside an open transaction.

    Of two that begin at once, the later one sees the other's.
    """
    # Not the lock that keeps others from writing rows that belong to the account.
    db.session.execute(
        sa.select(Account.id).where(Account.id == account_id).with_for_update(key_share=True)
    )
