"""An index for the feed without regard to state

Revision: 0006, after 0005, 2026-11-21 14:50:12.402113
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_feed_entries_any_state",
        "feed_entries",
        ["category_key", "country_key", "age_node", "promo_id"],
    )


def downgrade() -> None:
    op.drop_index("ix_feed_entries_any_state", table_name="feed_entries")
