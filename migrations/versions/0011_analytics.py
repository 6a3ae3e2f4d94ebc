"""analytics

Revision: 0011, after 0010, 2026-11-21 17:05:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "daily_figures",
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "measure", "day", "kind", "label", "currency", name=op.f("pk_daily_figures")
        ),
    )
    op.create_table(
        "roll_up_marks",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("moment", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_roll_up_marks")),
    )
    rolled_back, cancelled = (
        sa.text("rolled_back_at IS NOT NULL"),
        sa.text("cancelled_at IS NOT NULL"),
    )
    op.create_index(
        "ix_redemptions_rolled_back_at",
        "redemptions",
        ["rolled_back_at", "id"],
        postgresql_where=rolled_back,
        sqlite_where=rolled_back,
    )
    op.create_index(
        "ix_vouchers_cancelled_at",
        "vouchers",
        ["cancelled_at", "id"],
        postgresql_where=cancelled,
        sqlite_where=cancelled,
    )
    op.create_index("ix_vouchers_expiry_date", "vouchers", ["expiry_date"])
    inactive = {
        "postgresql_where": sa.text("NOT is_active"),
        "sqlite_where": sa.text("is_active = 0"),
    }
    op.create_index("ix_discount_coupons_inactive", "discount_coupons", ["id"], **inactive)


def downgrade() -> None:
    op.drop_index("ix_discount_coupons_inactive", "discount_coupons")
    op.drop_index("ix_vouchers_expiry_date", "vouchers")
    op.drop_index("ix_vouchers_cancelled_at", "vouchers")
    op.drop_index("ix_redemptions_rolled_back_at", "redemptions")
    op.drop_table("roll_up_marks")
    op.drop_table("daily_figures")
