"""An index for the feed without regard to state

Revision: 0003, after 0002, 2026-11-21 13:58:12.402113
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_feed_entries_any_state", "feed_entries", ["category_key", "country_key", "age_node", "promo_id"])


def downgrade() -> None:
    op.drop_index("ix_feed_entries_any_state", table_name="feed_entries")
