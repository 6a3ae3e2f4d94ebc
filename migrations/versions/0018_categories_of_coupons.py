"""coupons are found by their categories too: what a target may be

Revision: 0018, after 0017, 2026-11-29 20:40:00
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

CHECK = "ck_discount_coupon_targets_kind"


def upgrade() -> None:
    _allow("kind IN ('product', 'excluded', 'customer', 'category', 'excluded_category')")


def downgrade() -> None:
    _allow("kind IN ('product', 'excluded', 'customer')")


def _allow(condition: str) -> None:
    with op.batch_alter_table("discount_coupon_targets") as batch_op:
        batch_op.drop_constraint(op.f(CHECK), type_="check")
        batch_op.create_check_constraint(op.f(CHECK), condition, postgresql_not_valid=True)
