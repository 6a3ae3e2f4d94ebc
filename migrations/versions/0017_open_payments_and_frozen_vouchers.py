"""open payments and frozen vouchers are found by indexes

Revision: 0017, after 0016, 2026-11-29 17:25:00
"""

import sqlalchemy as sa

from coupon_management_flask.db.migrating import create_index, drop_index

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    frozen = sa.text("frozen_at IS NOT NULL")
    create_index(
        "ix_vouchers_frozen",
        "vouchers",
        ["frozen_at"],
        postgresql_where=frozen,
        sqlite_where=frozen,
    )
    is_open = sa.text("completed_at IS NULL AND due_at IS NOT NULL")
    create_index(
        "ix_payment_transactions_open",
        "payment_transactions",
        ["account_id", "voucher_type_id"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    drop_index("ix_vouchers_cancelled_at", "vouchers")


def downgrade() -> None:
    cancelled = sa.text("cancelled_at IS NOT NULL")
    create_index(
        "ix_vouchers_cancelled_at",
        "vouchers",
        ["cancelled_at", "id"],
        postgresql_where=cancelled,
        sqlite_where=cancelled,
    )
    drop_index("ix_payment_transactions_open", "payment_transactions")
    drop_index("ix_vouchers_frozen", "vouchers")
