"""Money that goes back: refunds and disputes of a payment as Stripe tells them, and what follows.

Each has a status that goes one way. So it does not matter in which order, how often, or how late
something is told: the sum is the same. It is kept under the payment's lock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.dialects import upsert
from ...db.session import db
from ...models import PaymentReturn, PaymentStatus, ReturnKind, ReturnStatus
from ..gateway import Return, from_units
from .states import Holding, Payment

# What each status replaces. A refund may fail at the bank after it has arrived. A dispute that is
# lost stays lost.
REPLACES: dict[tuple[ReturnKind, ReturnStatus], tuple[ReturnStatus, ...]] = {
    (ReturnKind.REFUND, ReturnStatus.PENDING): (),
    (ReturnKind.REFUND, ReturnStatus.DONE): (ReturnStatus.PENDING,),
    (ReturnKind.REFUND, ReturnStatus.UNDONE): (ReturnStatus.PENDING, ReturnStatus.DONE),
    (ReturnKind.DISPUTE, ReturnStatus.PENDING): (),
    (ReturnKind.DISPUTE, ReturnStatus.UNDONE): (ReturnStatus.PENDING,),
    (ReturnKind.DISPUTE, ReturnStatus.DONE): (ReturnStatus.PENDING, ReturnStatus.UNDONE),
}


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """How much of a payment went back, is on its way, or was to go, in minor units.

    `of` is what was paid. `disputed` is what disputes ask for that are open or lost.
    """

    of: int
    refunded: int = 0
    refund_pending: int = 0
    refund_failed: int = 0
    disputed: int = 0
    is_dispute_open: bool = False
    is_dispute_lost: bool = False

    @classmethod
    def read(cls, payment: Payment) -> Self:
        """Add up what is known of a payment."""
        amount = sa.cast(sa.func.sum(PaymentReturn.amount), sa.BigInteger)
        found: dict[tuple[ReturnKind, ReturnStatus], int] = {
            (kind, status): total
            for kind, status, total in db.session.execute(
                sa.select(PaymentReturn.kind, PaymentReturn.status, amount)
                .where(PaymentReturn.transaction_id == payment.id)
                .group_by(PaymentReturn.kind, PaymentReturn.status)
            )
        }
        still_open = (ReturnKind.DISPUTE, ReturnStatus.PENDING)
        lost = (ReturnKind.DISPUTE, ReturnStatus.DONE)
        return cls(
            of=payment.amount,
            refunded=min(payment.amount, found.get((ReturnKind.REFUND, ReturnStatus.DONE), 0)),
            refund_pending=found.get((ReturnKind.REFUND, ReturnStatus.PENDING), 0),
            refund_failed=found.get((ReturnKind.REFUND, ReturnStatus.UNDONE), 0),
            disputed=found.get(still_open, 0) + found.get(lost, 0),
            is_dispute_open=still_open in found,
            is_dispute_lost=lost in found,
        )

    @property
    def is_refunded(self) -> bool:
        """Whether all of it went back, or will unless the bank says no."""
        return self.refunded + self.refund_pending >= self.of

    @property
    def lost(self) -> int:
        """What is not ours any more, as far as anybody knows."""
        return min(self.of, self.refunded + self.refund_pending + self.disputed)

    @property
    def status(self) -> PaymentStatus:
        """The state of a payment that was paid and of which this is known."""
        if self.is_dispute_open or self.is_dispute_lost:
            return PaymentStatus.DISPUTED
        if self.refunded >= self.of:
            return PaymentStatus.REFUNDED
        if self.is_refunded:
            return PaymentStatus.REFUND_PENDING
        # A part that failed leaves what it was: nothing was taken back for it.
        if self.refunded + self.refund_pending + self.refund_failed >= self.of:
            return PaymentStatus.REFUND_FAILED
        return PaymentStatus.COMPLETED

    @property
    def holding(self) -> Holding:
        """Where its goods belong."""
        if self.is_refunded or self.is_dispute_lost:
            return Holding.TAKEN_BACK
        return Holding.FROZEN if self.is_dispute_open else Holding.WITH_BUYER


def note(payment: Payment, told: Iterable[Return]) -> None:
    """Note what Stripe tells of a payment's refunds and disputes; what is old news changes nothing.

    The caller holds the payment's row.
    """
    now = clock.now()
    for one in told:
        values = {
            "status": one.status,
            "amount": from_units(one.amount, payment.currency),
            "updated_at": now,
        }
        db.session.execute(
            upsert(PaymentReturn)
            .values(
                id=one.id,
                transaction_id=payment.id,
                kind=one.kind,
                currency=payment.currency,
                created_at=now,
                **values,
            )
            .on_conflict_do_update(
                index_elements=[PaymentReturn.id],
                set_=values,
                where=sa.and_(
                    PaymentReturn.transaction_id == payment.id,
                    PaymentReturn.status.in_(REPLACES[one.kind, one.status]),
                ),
            )
        )


def status_of(payment_id: UUID, return_id: str) -> ReturnStatus | None:
    """Return how far a refund or a dispute has come, None where it is unknown."""
    return db.session.scalar(
        sa.select(PaymentReturn.status).where(
            PaymentReturn.transaction_id == payment_id, PaymentReturn.id == return_id
        )
    )
