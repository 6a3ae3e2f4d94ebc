"""coupon batches

Revision: 0005, after 0004, 2026-11-21 14:20:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "coupon_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("template", sa.JSON(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size > 0", name=op.f("ck_coupon_batches_size_positive")),
        sa.CheckConstraint(
            "done >= 0 AND done <= size", name=op.f("ck_coupon_batches_done_within_size")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_coupon_batches_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_batches")),
    )
    with op.batch_alter_table("coupon_batches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_coupon_batches_pattern"), ["pattern"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("coupon_batches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_coupon_batches_pattern"))

    op.drop_table("coupon_batches")
