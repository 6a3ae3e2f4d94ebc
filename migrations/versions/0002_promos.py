"""promos

Revision: 0002, after 0001, 2026-11-21 10:22:34.976329
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_counts",
        sa.Column("category_key", sa.Text(), nullable=False),
        sa.Column("country_key", sa.Text(), nullable=False),
        sa.Column("age_node", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("promos", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("promos >= 0", name=op.f("ck_feed_counts_promos_not_negative")),
        sa.PrimaryKeyConstraint(
            "category_key", "country_key", "age_node", "is_active", name=op.f("pk_feed_counts")
        ),
    )
    op.create_table(
        "feed_day",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_day")),
    )
    op.create_table(
        "antifraud_questions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "answer IN ('yes', 'no', 'failed')", name=op.f("ck_antifraud_questions_answer")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_antifraud_questions_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_antifraud_questions")),
    )
    with op.batch_alter_table("antifraud_questions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_antifraud_questions_leased_until"), ["leased_until"], unique=False
        )
        batch_op.create_index(
            "uq_antifraud_questions_open",
            ["account_id"],
            unique=True,
            postgresql_where=sa.text("answer IS NULL"),
            sqlite_where=sa.text("answer IS NULL"),
        )

    op.create_table(
        "antifraud_verdicts",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_antifraud_verdicts_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_antifraud_verdicts")),
    )
    with op.batch_alter_table("antifraud_verdicts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_antifraud_verdicts_valid_until"), ["valid_until"], unique=False
        )

    op.create_table(
        "company_promo_counts",
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("country_key", sa.Text(), nullable=False),
        sa.Column("promos", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("promos >= 0", name=op.f("ck_company_promo_counts_promos_not_negative")),
        sa.ForeignKeyConstraint(
            ["company_id"],
            ["accounts.id"],
            name=op.f("fk_company_promo_counts_company_id_accounts"),
        ),
        sa.PrimaryKeyConstraint("company_id", "country_key", name=op.f("pk_company_promo_counts")),
    )
    op.create_table(
        "promos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("promo_common", sa.Text(), nullable=True),
        sa.Column("max_count", sa.BigInteger(), nullable=False),
        sa.Column("stock_id", sa.Uuid(), nullable=False),
        sa.Column("active_from", sa.Date(), nullable=True),
        sa.Column("active_until", sa.Date(), nullable=True),
        sa.Column("age_from", sa.Integer(), nullable=True),
        sa.Column("age_until", sa.Integer(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("country_key", sa.Text(), nullable=False),
        sa.Column("categories", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(mode = 'COMMON') = (promo_common IS NOT NULL)", name=op.f("ck_promos_common_value")
        ),
        sa.CheckConstraint("mode IN ('COMMON', 'UNIQUE')", name=op.f("ck_promos_mode")),
        sa.ForeignKeyConstraint(
            ["company_id"], ["accounts.id"], name=op.f("fk_promos_company_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["stock_id"], ["stocks.id"], name=op.f("fk_promos_stock_id_stocks")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promos")),
        sa.UniqueConstraint("stock_id", name=op.f("uq_promos_stock_id")),
    )
    with op.batch_alter_table("promos", schema=None) as batch_op:
        batch_op.create_index(
            "ix_promos_active_from",
            ["active_from"],
            unique=False,
            postgresql_where=sa.text("active_from IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_promos_active_until",
            ["active_until"],
            unique=False,
            postgresql_where=sa.text("active_until IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_promos_company_newest", ["company_id", "country_key", "id"], unique=False
        )
        batch_op.create_index(
            "ix_promos_company_until",
            ["company_id", "country_key", "active_until", "id"],
            unique=False,
        )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_promos_company_from",
            "promos",
            ["company_id", "country_key", sa.text("active_from NULLS FIRST"), "id"],
            unique=False,
        )

    op.create_table(
        "feed_entries",
        sa.Column("promo_id", sa.Uuid(), nullable=False),
        sa.Column("category_key", sa.Text(), nullable=False),
        sa.Column("age_node", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("country_key", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["promo_id"], ["promos.id"], name=op.f("fk_feed_entries_promo_id_promos")
        ),
        sa.PrimaryKeyConstraint(
            "promo_id", "category_key", "age_node", name=op.f("pk_feed_entries")
        ),
    )
    with op.batch_alter_table("feed_entries", schema=None) as batch_op:
        batch_op.create_index(
            "ix_feed_entries_search",
            ["category_key", "country_key", "age_node", "is_active", "promo_id"],
            unique=False,
        )

    op.create_table(
        "promo_comments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("promo_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_promo_comments_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["promo_id"], ["promos.id"], name=op.f("fk_promo_comments_promo_id_promos")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promo_comments")),
    )
    with op.batch_alter_table("promo_comments", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_promo_comments_promo_id_created_at_id"),
            ["promo_id", "created_at", "id"],
            unique=False,
        )

    op.create_table(
        "promo_counters",
        sa.Column("promo_id", sa.Uuid(), nullable=False),
        sa.Column("likes", sa.BigInteger(), nullable=False),
        sa.Column("comments", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("comments >= 0", name=op.f("ck_promo_counters_comments_not_negative")),
        sa.CheckConstraint("likes >= 0", name=op.f("ck_promo_counters_likes_not_negative")),
        sa.ForeignKeyConstraint(
            ["promo_id"], ["promos.id"], name=op.f("fk_promo_counters_promo_id_promos")
        ),
        sa.PrimaryKeyConstraint("promo_id", name=op.f("pk_promo_counters")),
    )
    op.create_table(
        "promo_country_counts",
        sa.Column("promo_id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("activations", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["promo_id"], ["promos.id"], name=op.f("fk_promo_country_counts_promo_id_promos")
        ),
        sa.PrimaryKeyConstraint("promo_id", "country", name=op.f("pk_promo_country_counts")),
    )
    op.create_table(
        "promo_likes",
        sa.Column("promo_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_promo_likes_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["promo_id"], ["promos.id"], name=op.f("fk_promo_likes_promo_id_promos")
        ),
        sa.PrimaryKeyConstraint("promo_id", "account_id", name=op.f("pk_promo_likes")),
    )
    op.create_table(
        "promo_values",
        sa.Column("promo_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("redemption_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["promo_id"], ["promos.id"], name=op.f("fk_promo_values_promo_id_promos")
        ),
        sa.PrimaryKeyConstraint("promo_id", "position", name=op.f("pk_promo_values")),
        sa.UniqueConstraint("redemption_id", name=op.f("uq_promo_values_redemption_id")),
    )
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("age", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("country", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("avatar_url", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.drop_column("avatar_url")
        batch_op.drop_column("country")
        batch_op.drop_column("age")

    op.drop_table("promo_values")
    op.drop_table("promo_likes")
    op.drop_table("promo_country_counts")
    op.drop_table("promo_counters")
    with op.batch_alter_table("promo_comments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_promo_comments_promo_id_created_at_id"))

    op.drop_table("promo_comments")
    op.drop_table("feed_entries")
    with op.batch_alter_table("promos", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_promos_active_until", postgresql_where=sa.text("active_until IS NOT NULL")
        )
        batch_op.drop_index(
            "ix_promos_active_from", postgresql_where=sa.text("active_from IS NOT NULL")
        )

    op.drop_table("promos")
    op.drop_table("company_promo_counts")
    with op.batch_alter_table("antifraud_verdicts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_antifraud_verdicts_valid_until"))

    op.drop_table("antifraud_verdicts")
    with op.batch_alter_table("antifraud_questions", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_antifraud_questions_open",
            postgresql_where=sa.text("answer IS NULL"),
            sqlite_where=sa.text("answer IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_antifraud_questions_leased_until"))

    op.drop_table("antifraud_questions")
    op.drop_table("feed_day")
    op.drop_table("feed_counts")
