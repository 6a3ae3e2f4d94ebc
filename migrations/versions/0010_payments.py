"""payments

Revision: 0010, after 0009, 2026-11-21 17:15:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payment_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_events")),
    )
    with op.batch_alter_table("payment_events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_events_received_at"), ["received_at"], unique=False
        )

    op.create_table(
        "payment_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("voucher_type_id", sa.Uuid(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("unit_price", sa.BigInteger(), nullable=True),
        sa.Column("credits", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("discount_amount", sa.BigInteger(), nullable=False),
        sa.Column("amount_refunded", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("discount_code", sa.Text(), nullable=True),
        sa.Column("order_redemption_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stripe_payment_intent_id", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("refund_reason", sa.Text(), nullable=True),
        sa.Column("refund_attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payment_transactions_amount_not_negative")),
        sa.CheckConstraint(
            "amount_refunded >= 0 AND amount_refunded <= amount",
            name=op.f("ck_payment_transactions_amount_refunded"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('completed', 'refunding') OR completed_at IS NOT NULL",
            name=op.f("ck_payment_transactions_completed"),
        ),
        sa.CheckConstraint("credits > 0", name=op.f("ck_payment_transactions_credits_positive")),
        sa.CheckConstraint(
            "status NOT IN ('completed', 'cancelled', 'refunded') OR due_at IS NULL",
            name=op.f("ck_payment_transactions_decided_is_not_due"),
        ),
        sa.CheckConstraint(
            "discount_amount >= 0 AND (discount_amount = 0 OR order_redemption_id IS NOT NULL)",
            name=op.f("ck_payment_transactions_discount_amount"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_payment_transactions_quantity_positive")),
        sa.CheckConstraint(
            "status IN ('pending', 'completed', 'failed', 'cancelled', 'refunding', 'refunded')",
            name=op.f("ck_payment_transactions_status"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('pending', 'refunding') OR due_at IS NOT NULL",
            name=op.f("ck_payment_transactions_undecided_is_due"),
        ),
        sa.CheckConstraint(
            "(voucher_type_id IS NULL) = (credits IS NOT NULL)"
            " AND (voucher_type_id IS NULL) = (quantity IS NULL) AND (voucher_type_id IS NULL) = (unit_price IS NULL)",
            name=op.f("ck_payment_transactions_vouchers_or_credits"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_payment_transactions_account_id_accounts"),
        ),
        sa.ForeignKeyConstraint(
            ["order_redemption_id"],
            ["order_redemptions.id"],
            name=op.f("fk_payment_transactions_order_redemption_id_order_redemptions"),
        ),
        sa.ForeignKeyConstraint(
            ["voucher_type_id"],
            ["voucher_types.id"],
            name=op.f("fk_payment_transactions_voucher_type_id_voucher_types"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_transactions")),
        sa.UniqueConstraint(
            "order_redemption_id", name=op.f("uq_payment_transactions_order_redemption_id")
        ),
        sa.UniqueConstraint(
            "stripe_payment_intent_id",
            name=op.f("uq_payment_transactions_stripe_payment_intent_id"),
        ),
    )
    with op.batch_alter_table("payment_transactions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_transactions_account_id_id"), ["account_id", "id"], unique=False
        )
        batch_op.create_index(
            "ix_payment_transactions_due",
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )

    op.create_table(
        "payment_debts",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_debts_amount_positive")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_payment_debts_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["payment_transactions.id"],
            name=op.f("fk_payment_debts_transaction_id_payment_transactions"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_payment_debts")),
    )
    with op.batch_alter_table("payment_debts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_payment_debts_account_id"), ["account_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("payment_debts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_payment_debts_account_id"))

    op.drop_table("payment_debts")
    with op.batch_alter_table("payment_transactions", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_payment_transactions_due",
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_payment_transactions_account_id_id"))

    op.drop_table("payment_transactions")
    with op.batch_alter_table("payment_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_payment_events_received_at"))

    op.drop_table("payment_events")
