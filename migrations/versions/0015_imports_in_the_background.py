"""imports in the background

Revision: 0015, after 0014, 2026-11-29 16:30:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("coupon_batches", sa.Column("columns", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("coupon_batches", sa.Column("faults", sa.JSON(none_as_null=True), nullable=True))
    op.add_column(
        "coupon_batches", sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True)
    )
    # From now on the coupons of a batch are there once all are. Those of a batch that was given up
    # were shown one by one, and somebody may have handed them out: they stay.
    op.execute(
        "UPDATE coupon_batches SET size = done WHERE done > 0 AND done < size AND message_id IN"
        " (SELECT id FROM outbox_messages WHERE given_up_at IS NOT NULL)"
    )
    unfinished = sa.text("done < size")
    op.create_index(
        "ix_coupon_batches_unfinished",
        "coupon_batches",
        ["id"],
        postgresql_where=unfinished,
        sqlite_where=unfinished,
    )
    op.create_table(
        "coupon_import_parts",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "start", name=op.f("pk_coupon_import_parts")),
    )


def downgrade() -> None:
    op.drop_table("coupon_import_parts")
    op.drop_index("ix_coupon_batches_unfinished", "coupon_batches")
    with op.batch_alter_table("coupon_batches", schema=None) as batch_op:
        batch_op.drop_column("failed_at")
        batch_op.drop_column("faults")
        batch_op.drop_column("columns")
