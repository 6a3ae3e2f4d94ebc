"""discount coupons

Revision: 0003, after 0002, 2026-11-21 13:56:15.215172
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "limit_uses",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used >= 0", name=op.f("ck_limit_uses_used_not_negative")),
        sa.PrimaryKeyConstraint(
            "owner_id", "rule", "customer", "period", name=op.f("pk_limit_uses")
        ),
    )
    op.create_table(
        "discount_coupons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "code", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("discount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("coupon_for", sa.Text(), nullable=False),
        sa.Column("products", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("excluded_products", sa.JSON(), nullable=False),
        sa.Column("excluded_categories", sa.JSON(), nullable=False),
        sa.Column("min_purchase_amount", sa.BigInteger(), nullable=True),
        sa.Column("max_discount_amount", sa.BigInteger(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("schedule", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("customer_ids", sa.JSON(), nullable=False),
        sa.Column("first_order_only", sa.Boolean(), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("combinable", sa.Boolean(), nullable=False),
        sa.Column("exclusive_group", sa.Text(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("is_bound", sa.Boolean(), nullable=False),
        sa.Column("for_every_product", sa.Boolean(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("stock_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "base IN ('remaining', 'initial')", name=op.f("ck_discount_coupons_base")
        ),
        sa.CheckConstraint(
            "coupon_for <> 'minPurchase' OR min_purchase_amount IS NOT NULL",
            name=op.f("ck_discount_coupons_min_purchase_asked"),
        ),
        sa.CheckConstraint(
            "coupon_for IN ('product', 'minPurchase')", name=op.f("ck_discount_coupons_coupon_for")
        ),
        sa.CheckConstraint(
            "discount >= 0 AND (type <> 'percentage' OR discount <= 1000000)",
            name=op.f("ck_discount_coupons_discount"),
        ),
        sa.CheckConstraint(
            "type IN ('percentage', 'fixed')", name=op.f("ck_discount_coupons_type")
        ),
        sa.CheckConstraint(
            "max_discount_amount >= 0", name=op.f("ck_discount_coupons_max_discount_amount")
        ),
        sa.CheckConstraint(
            "min_purchase_amount >= 0", name=op.f("ck_discount_coupons_min_purchase_amount")
        ),
        sa.CheckConstraint("starts_at < expires_at", name=op.f("ck_discount_coupons_window")),
        sa.ForeignKeyConstraint(
            ["stock_id"], ["stocks.id"], name=op.f("fk_discount_coupons_stock_id_stocks")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_coupons")),
        sa.UniqueConstraint("code", name=op.f("uq_discount_coupons_code")),
        sa.UniqueConstraint("stock_id", name=op.f("uq_discount_coupons_stock_id")),
    )
    with op.batch_alter_table("discount_coupons", schema=None) as batch_op:
        batch_op.create_index(
            "ix_discount_coupons_batch",
            ["batch_id", "id"],
            unique=False,
            postgresql_where=sa.text("batch_id IS NOT NULL"),
            sqlite_where=sa.text("batch_id IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_discount_coupons_everything",
            ["priority", "id"],
            unique=False,
            postgresql_where=sa.text("is_active AND for_every_product"),
            sqlite_where=sa.text("is_active = 1 AND for_every_product = 1"),
        )
        batch_op.create_index("ix_discount_coupons_expiry", ["expires_at", "id"], unique=False)
        batch_op.create_index("ix_discount_coupons_newest", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_discount_coupons_priority", ["priority", "id"], unique=False)
        batch_op.create_index(
            "ix_discount_coupons_public",
            ["created_at", "id"],
            unique=False,
            postgresql_where=sa.text("is_active AND is_public"),
            sqlite_where=sa.text("is_active = 1 AND is_public = 1"),
        )
        batch_op.create_index(
            "ix_discount_coupons_public_everything",
            ["priority", "id"],
            unique=False,
            postgresql_where=sa.text("is_active AND is_public AND for_every_product"),
            sqlite_where=sa.text("is_active = 1 AND is_public = 1 AND for_every_product = 1"),
        )
        batch_op.create_index("ix_discount_coupons_updated", ["updated_at", "id"], unique=False)

    op.create_table(
        "order_redemptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("order_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("original", sa.BigInteger(), nullable=False),
        sa.Column("discount", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.Column("rollbacks", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rolled_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(order_key IS NULL) = (rolled_back_at IS NOT NULL)",
            name=op.f("ck_order_redemptions_live_or_rolled_back"),
        ),
        sa.CheckConstraint(
            "discount >= 0 AND discount <= original", name=op.f("ck_order_redemptions_discount")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_order_redemptions_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_redemptions")),
        sa.UniqueConstraint(
            "account_id", "order_key", name=op.f("uq_order_redemptions_account_id_order_key")
        ),
    )
    with op.batch_alter_table("order_redemptions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_order_redemptions_customer_id_id"), ["customer_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_order_redemptions_order_id"), ["order_id"], unique=False
        )

    op.create_table(
        "discount_coupon_targets",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('product', 'excluded', 'customer')",
            name=op.f("ck_discount_coupon_targets_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["coupon_id"],
            ["discount_coupons.id"],
            name=op.f("fk_discount_coupon_targets_coupon_id_discount_coupons"),
        ),
        sa.PrimaryKeyConstraint(
            "kind", "target", "coupon_id", name=op.f("pk_discount_coupon_targets")
        ),
    )
    with op.batch_alter_table("discount_coupon_targets", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_discount_coupon_targets_coupon_id"), ["coupon_id"], unique=False
        )

    op.create_table(
        "order_redemption_codes",
        sa.Column("order_redemption_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "amount >= 0", name=op.f("ck_order_redemption_codes_amount_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["order_redemption_id"],
            ["order_redemptions.id"],
            name=op.f("fk_order_redemption_codes_order_redemption_id_order_redemptions"),
        ),
        sa.ForeignKeyConstraint(
            ["redemption_id"],
            ["redemptions.id"],
            name=op.f("fk_order_redemption_codes_redemption_id_redemptions"),
        ),
        sa.PrimaryKeyConstraint(
            "order_redemption_id", "position", name=op.f("pk_order_redemption_codes")
        ),
        sa.UniqueConstraint("redemption_id", name=op.f("uq_order_redemption_codes_redemption_id")),
    )
    with op.batch_alter_table("order_redemption_codes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_order_redemption_codes_code_order_redemption_id"),
            ["code", "order_redemption_id"],
            unique=False,
        )

    op.create_table(
        "redemption_takes",
        sa.Column("redemption_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("units >= 0", name=op.f("ck_redemption_takes_units_not_negative")),
        sa.ForeignKeyConstraint(
            ["redemption_id"],
            ["redemptions.id"],
            name=op.f("fk_redemption_takes_redemption_id_redemptions"),
        ),
        sa.PrimaryKeyConstraint("redemption_id", "rule", name=op.f("pk_redemption_takes")),
    )


def downgrade() -> None:
    op.drop_table("redemption_takes")
    with op.batch_alter_table("order_redemption_codes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_order_redemption_codes_code_order_redemption_id"))

    op.drop_table("order_redemption_codes")
    with op.batch_alter_table("discount_coupon_targets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_discount_coupon_targets_coupon_id"))

    op.drop_table("discount_coupon_targets")
    with op.batch_alter_table("order_redemptions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_order_redemptions_order_id"))
        batch_op.drop_index(batch_op.f("ix_order_redemptions_customer_id_id"))

    op.drop_table("order_redemptions")
    with op.batch_alter_table("discount_coupons", schema=None) as batch_op:
        batch_op.drop_index("ix_discount_coupons_updated")
        batch_op.drop_index(
            "ix_discount_coupons_public_everything",
            postgresql_where=sa.text("is_active AND is_public AND for_every_product"),
            sqlite_where=sa.text("is_active = 1 AND is_public = 1 AND for_every_product = 1"),
        )
        batch_op.drop_index(
            "ix_discount_coupons_public",
            postgresql_where=sa.text("is_active AND is_public"),
            sqlite_where=sa.text("is_active = 1 AND is_public = 1"),
        )
        batch_op.drop_index("ix_discount_coupons_priority")
        batch_op.drop_index("ix_discount_coupons_newest")
        batch_op.drop_index("ix_discount_coupons_expiry")
        batch_op.drop_index(
            "ix_discount_coupons_everything",
            postgresql_where=sa.text("is_active AND for_every_product"),
            sqlite_where=sa.text("is_active = 1 AND for_every_product = 1"),
        )
        batch_op.drop_index("ix_discount_coupons_batch")

    op.drop_table("discount_coupons")
    op.drop_table("limit_uses")
