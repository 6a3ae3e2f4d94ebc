"""Payments by card: what was asked for, what came of it, and what Stripe has said."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, is_among, where
from .kinds import PaymentStatus, ReturnKind, ReturnStatus


class PaymentTransaction(Model):
    """Vouchers (`quantity` of a type) or `credits` of a wallet, paid through Stripe.

    Amounts are in minor units of `currency`. The id is the intent's idempotency key, and the id of
    the purchase and of the discount's order that belong to it. `order_redemption_id` is the
    discount, held from the first moment. `due_at` is when Stripe is asked next about what is not
    decided. `problem` says why money that came in bought nothing. While a refund is begun
    (`refunding`), its goods are taken back and Stripe has not said yes or no yet. Clients are told
    `completed` meanwhile. `amount_refunded` is what has arrived of its refunds. Until
    `replacing_until` somebody cancels it at Stripe to put another payment or purchase in its place:
    nobody else closes it, so that its discount passes to that one.
    """

    __tablename__ = "payment_transactions"

    id: Mapped[Id]
    account_id: Mapped[AccountId]
    voucher_type_id: Mapped[UUID | None] = mapped_column(sa.Uuid, sa.ForeignKey("voucher_types.id"))
    quantity: Mapped[int | None]
    unit_price: Mapped[int | None] = mapped_column(sa.BigInteger)
    credits: Mapped[int | None] = mapped_column(sa.BigInteger)
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    discount_amount: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    amount_refunded: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    currency: Mapped[str] = mapped_column(sa.String(3))
    discount_code: Mapped[str | None]
    order_redemption_id: Mapped[UUID | None] = mapped_column(
        sa.Uuid, sa.ForeignKey("order_redemptions.id"), unique=True
    )
    status: Mapped[PaymentStatus]
    stripe_payment_intent_id: Mapped[str | None] = mapped_column(unique=True)
    problem: Mapped[str | None]
    refund_reason: Mapped[str | None]
    refund_attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
    replacing_until: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime]

    __table_args__ = (
        # Somebody's transactions, read backwards: the newest first.
        sa.Index(None, "account_id", "id"),
        sa.Index(
            "ix_payment_transactions_due",
            "due_at",
            **where("due_at IS NOT NULL"),
        ),
        # A buyer's payments that may still be paid: few, however many there were.
        sa.Index(
            "ix_payment_transactions_open",
            "account_id",
            "voucher_type_id",
            **where("completed_at IS NULL AND due_at IS NOT NULL"),
        ),
        sa.CheckConstraint(is_among("status", PaymentStatus), name="status"),
        sa.CheckConstraint(
            "(voucher_type_id IS NULL) = (credits IS NOT NULL)"
            " AND (voucher_type_id IS NULL) = (quantity IS NULL)"
            " AND (voucher_type_id IS NULL) = (unit_price IS NULL)",
            name="vouchers_or_credits",
        ),
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.CheckConstraint("credits > 0", name="credits_positive"),
        sa.CheckConstraint("amount >= 0", name="amount_not_negative"),
        sa.CheckConstraint(
            "discount_amount >= 0 AND (discount_amount = 0 OR order_redemption_id IS NOT NULL)",
            name="discount_amount",
        ),
        sa.CheckConstraint(
            "amount_refunded >= 0 AND amount_refunded <= amount", name="amount_refunded"
        ),
        sa.CheckConstraint(
            "status NOT IN ('completed', 'refunding', 'refund_failed') OR completed_at IS NOT NULL",
            name="completed",
        ),
        sa.CheckConstraint(
            "status NOT IN ('pending', 'refunding', 'refund_pending') OR due_at IS NOT NULL",
            name="undecided_is_due",
        ),
        sa.CheckConstraint(
            "status NOT IN ('completed', 'cancelled', 'refunded', 'refund_failed')"
            " OR due_at IS NULL",
            name="decided_is_not_due",
        ),
    )


class PaymentEvent(Model):
    """An event of Stripe's that was handled, under Stripe's id."""

    __tablename__ = "payment_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(index=True)


class PaymentReturn(Model):
    """A refund or a dispute of a payment, under Stripe's id, as far as it has come.

    Its status goes one way, so that what is heard late changes nothing. `amount` is in minor units
    of `currency`.
    """

    __tablename__ = "payment_returns"

    id: Mapped[str] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("payment_transactions.id"), index=True
    )
    kind: Mapped[ReturnKind]
    status: Mapped[ReturnStatus]
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint(is_among("kind", ReturnKind), name="kind"),
        sa.CheckConstraint(is_among("status", ReturnStatus), name="status"),
        sa.CheckConstraint("amount >= 0", name="amount_not_negative"),
    )


class PaymentDebt(Model):
    """What somebody owes, because money went back to them for goods that they had used.

    It is cancelled where that money came again.
    """

    __tablename__ = "payment_debts"

    transaction_id: Mapped[UUID] = mapped_column(
        sa.Uuid, sa.ForeignKey("payment_transactions.id"), primary_key=True
    )
    account_id: Mapped[AccountId] = mapped_column(index=True)
    amount: Mapped[int] = mapped_column(sa.BigInteger)
    currency: Mapped[str] = mapped_column(sa.String(3))
    created_at: Mapped[CreatedAt]
    cancelled_at: Mapped[datetime | None]

    __table_args__ = (sa.CheckConstraint("amount > 0", name="amount_positive"),)
