"""admin

Revision: 0012, after 0011, 2026-11-21 17:20:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "admin_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Text(), nullable=True),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "action IN ('create', 'change', 'delete', 'sign_in', 'sign_in_failed', 'sign_out')",
            name=op.f("ck_admin_changes_action"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_admin_changes_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_changes")),
    )
    op.create_index(op.f("ix_admin_changes_account_id_id"), "admin_changes", ["account_id", "id"])
    op.create_index(
        op.f("ix_admin_changes_table_name_row_id_id"),
        "admin_changes",
        ["table_name", "row_id", "id"],
    )
    administrators = sa.text("role = 'administrator'")
    op.create_index(
        "ix_accounts_administrators",
        "accounts",
        ["id"],
        postgresql_where=administrators,
        sqlite_where=administrators,
    )


def downgrade() -> None:
    op.drop_index("ix_accounts_administrators", "accounts")
    op.drop_table("admin_changes")
