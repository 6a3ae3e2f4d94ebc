"""vouchers

Revision: 0009, after 0008, 2026-11-21 17:00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "voucher_types",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("service_type", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("max_uses > 0", name=op.f("ck_voucher_types_max_uses_positive")),
        sa.CheckConstraint("price >= 0", name=op.f("ck_voucher_types_price_not_negative")),
        sa.CheckConstraint(
            "validity_days > 0", name=op.f("ck_voucher_types_validity_days_positive")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_types")),
    )
    op.create_table(
        "voucher_purchases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("voucher_type_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.Column("discount", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=True),
        sa.Column("order_redemption_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refunded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("credits >= 0", name=op.f("ck_voucher_purchases_credits_not_negative")),
        sa.CheckConstraint(
            "discount >= 0 AND (discount = 0 OR order_redemption_id IS NOT NULL)",
            name=op.f("ck_voucher_purchases_discount"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_voucher_purchases_quantity_positive")),
        sa.CheckConstraint(
            "total >= 0 AND total = unit_price * quantity - discount",
            name=op.f("ck_voucher_purchases_total"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_voucher_purchases_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["order_redemption_id"],
            ["order_redemptions.id"],
            name=op.f("fk_voucher_purchases_order_redemption_id_order_redemptions"),
        ),
        sa.ForeignKeyConstraint(
            ["voucher_type_id"],
            ["voucher_types.id"],
            name=op.f("fk_voucher_purchases_voucher_type_id_voucher_types"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_purchases")),
        sa.UniqueConstraint(
            "order_redemption_id", name=op.f("uq_voucher_purchases_order_redemption_id")
        ),
    )
    op.create_table(
        "vouchers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_key", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("voucher_type_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stock_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expiry_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("position >= 0", name=op.f("ck_vouchers_position_not_negative")),
        sa.CheckConstraint("purchase_date < expiry_date", name=op.f("ck_vouchers_window")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_vouchers_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["voucher_purchases.id"],
            name=op.f("fk_vouchers_purchase_id_voucher_purchases"),
        ),
        sa.ForeignKeyConstraint(
            ["stock_id"], ["stocks.id"], name=op.f("fk_vouchers_stock_id_stocks")
        ),
        sa.ForeignKeyConstraint(
            ["voucher_type_id"],
            ["voucher_types.id"],
            name=op.f("fk_vouchers_voucher_type_id_voucher_types"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vouchers")),
        sa.UniqueConstraint("code_key", name=op.f("uq_vouchers_code_key")),
        sa.UniqueConstraint(
            "purchase_id", "position", name=op.f("uq_vouchers_purchase_id_position")
        ),
        sa.UniqueConstraint("stock_id", name=op.f("uq_vouchers_stock_id")),
    )
    with op.batch_alter_table("vouchers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_vouchers_account_id_id"), ["account_id", "id"], unique=False
        )

    op.create_table(
        "voucher_usages",
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("service_type", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["redemption_id"],
            ["redemptions.id"],
            name=op.f("fk_voucher_usages_redemption_id_redemptions"),
        ),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["vouchers.id"], name=op.f("fk_voucher_usages_voucher_id_vouchers")
        ),
        sa.PrimaryKeyConstraint("redemption_id", name=op.f("pk_voucher_usages")),
    )
    with op.batch_alter_table("voucher_usages", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_voucher_usages_voucher_id"), ["voucher_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("voucher_usages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_voucher_usages_voucher_id"))

    op.drop_table("voucher_usages")
    with op.batch_alter_table("vouchers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_vouchers_account_id_id"))

    op.drop_table("vouchers")
    op.drop_table("voucher_purchases")
    op.drop_table("voucher_types")
