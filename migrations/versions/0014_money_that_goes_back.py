"""money that goes back, and what a sale loses by it

Revision: 0014, after 0013, 2026-11-29 17:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STATUSES = ("pending", "completed", "failed", "cancelled", "refunding", "refunded")

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "payment_returns",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('refund', 'dispute')", name=op.f("ck_payment_returns_kind")),
        sa.CheckConstraint(
            "status IN ('pending', 'done', 'undone')", name=op.f("ck_payment_returns_status")
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payment_returns_amount_not_negative")),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["payment_transactions.id"],
            name=op.f("fk_payment_returns_transaction_id_payment_transactions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_returns")),
    )
    op.create_index(
        op.f("ix_payment_returns_transaction_id"), "payment_returns", ["transaction_id"]
    )
    op.create_table(
        "sale_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("vouchers", sa.Integer(), nullable=False),
        sa.Column("used_up", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["voucher_purchases.id"],
            name=op.f("fk_sale_changes_purchase_id_voucher_purchases"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sale_changes")),
    )
    op.create_index(op.f("ix_sale_changes_purchase_id"), "sale_changes", ["purchase_id"])
    op.add_column("payment_debts", sa.Column("cancelled_at", _MOMENT, nullable=True))
    op.add_column("vouchers", sa.Column("frozen_at", _MOMENT, nullable=True))
    with op.batch_alter_table("voucher_purchases") as batch_op:
        batch_op.add_column(
            sa.Column("rounding", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.add_column(sa.Column("refund_reason", sa.Text(), nullable=True))
        batch_op.drop_constraint(op.f("ck_voucher_purchases_total"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_voucher_purchases_total"),
            "total >= 0 AND total = unit_price * quantity - discount + rounding",
            postgresql_not_valid=True,
        )
    with op.batch_alter_table("payment_transactions") as batch_op:
        batch_op.add_column(sa.Column("replacing_until", _MOMENT, nullable=True))
    _change_checks(
        (*STATUSES[:5], "refund_pending", "refunded", "refund_failed", "disputed"),
        completed="'completed', 'refunding', 'refund_failed'",
        undecided="'pending', 'refunding', 'refund_pending'",
        decided="'completed', 'cancelled', 'refunded', 'refund_failed'",
    )


def _change_checks(
    statuses: tuple[str, ...], *, completed: str, undecided: str, decided: str
) -> None:
    checks = {
        "status": f"status IN ({', '.join(map(repr, statuses))})",
        "completed": f"status NOT IN ({completed}) OR completed_at IS NOT NULL",
        "undecided_is_due": f"status NOT IN ({undecided}) OR due_at IS NOT NULL",
        "decided_is_not_due": f"status NOT IN ({decided}) OR due_at IS NULL",
    }
    with op.batch_alter_table("payment_transactions") as batch_op:
        for name, condition in checks.items():
            batch_op.drop_constraint(op.f(f"ck_payment_transactions_{name}"), type_="check")
            batch_op.create_check_constraint(
                op.f(f"ck_payment_transactions_{name}"), condition, postgresql_not_valid=True
            )


def downgrade() -> None:
    op.drop_table("sale_changes")
    _say_it_in_the_old_words(op.get_bind())
    _change_checks(
        STATUSES,
        completed="'completed', 'refunding'",
        undecided="'pending', 'refunding'",
        decided="'completed', 'cancelled', 'refunded'",
    )
    with op.batch_alter_table("payment_transactions") as batch_op:
        batch_op.drop_column("replacing_until")
    with op.batch_alter_table("voucher_purchases") as batch_op:
        batch_op.drop_constraint(op.f("ck_voucher_purchases_total"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_voucher_purchases_total"),
            "total >= 0 AND total = unit_price * quantity - discount",
        )
        batch_op.drop_column("rounding")
        batch_op.drop_column("refund_reason")
    with op.batch_alter_table("vouchers") as batch_op:
        batch_op.drop_column("frozen_at")
    with op.batch_alter_table("payment_debts") as batch_op:
        batch_op.drop_column("cancelled_at")
    op.drop_table("payment_returns")


def _say_it_in_the_old_words(connection: sa.Connection) -> None:
    """Bring rows into the states that there were before; their goods stay as they are."""
    for statement in (
        "DELETE FROM payment_debts WHERE cancelled_at IS NOT NULL",
        "UPDATE voucher_purchases SET total = total - rounding, rounding = 0 WHERE rounding <> 0",
        "UPDATE payment_transactions SET status = 'refunded', due_at = NULL"
        " WHERE status = 'refund_pending' OR status = 'disputed' AND completed_at IS NULL",
        "UPDATE payment_transactions SET status = 'completed', due_at = NULL"
        " WHERE status IN ('refund_failed', 'disputed')",
    ):
        connection.execute(sa.text(statement))
