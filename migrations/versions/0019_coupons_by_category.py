"""coupons that list or exclude categories are found by them

Revision: 0019, after 0018, 2026-11-29 20:45:00

The check that 0018 changed holds for new rows since then. Here it is made sure of for all.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KINDS = {"category": "categories", "excluded_category": "excluded_categories"}
_COUPONS = sa.table(
    "discount_coupons",
    sa.column("id", sa.Uuid()),
    sa.column("coupon_for", sa.Text()),
    sa.column("products", sa.JSON()),
    sa.column("categories", sa.JSON()),
    sa.column("excluded_categories", sa.JSON()),
    sa.column("for_every_product", sa.Boolean()),
)
_TARGETS = sa.table(
    "discount_coupon_targets",
    sa.column("kind", sa.Text()),
    sa.column("target", sa.Text()),
    sa.column("coupon_id", sa.Uuid()),
)
# Only these were taken to be for every product.
_ARE_FOR_A_CATEGORY = (
    _COUPONS.c.coupon_for == "product",
    sa.func.json_array_length(_COUPONS.c.products) == 0,
    sa.func.json_array_length(_COUPONS.c.categories) > 0,
)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    elements = "json_array_elements_text" if is_postgresql else "json_each"
    if is_postgresql:
        op.execute(
            "ALTER TABLE discount_coupon_targets"
            " VALIDATE CONSTRAINT ck_discount_coupon_targets_kind"
        )
    for kind, column in KINDS.items():
        listed = getattr(sa.func, elements)(_COUPONS.c[column]).table_valued("value", name="one")
        found = sa.select(sa.literal(kind).label("kind"), listed.c.value, _COUPONS.c.id).distinct()
        is_known = sa.exists().where(
            _TARGETS.c.kind == kind,
            _TARGETS.c.target == listed.c.value,
            _TARGETS.c.coupon_id == _COUPONS.c.id,
        )
        op.execute(
            sa.insert(_TARGETS).from_select(
                ["kind", "target", "coupon_id"],
                found.select_from(_COUPONS.join(listed, sa.true())).where(~is_known),
            )
        )
    _set_for_every_product(to=False)


def downgrade() -> None:
    _set_for_every_product(to=True)
    op.execute(
        "DELETE FROM discount_coupon_targets WHERE kind IN ('category', 'excluded_category')"
    )


def _set_for_every_product(*, to: bool) -> None:
    op.execute(
        sa.update(_COUPONS)
        .where(*_ARE_FOR_A_CATEGORY, _COUPONS.c.for_every_product.is_(not to))
        .values(for_every_product=to)
    )
