"""the outbox is looked through lane by lane

Revision: 0018b, after 0018, 2026-11-29 20:45:00
"""

import sqlalchemy as sa

from coupon_management_flask.db.migrating import create_index, drop_index

revision = "0018b"
down_revision = "0018"
branch_labels = None
depends_on = None

_WAITING = sa.text("delivered_at IS NULL AND given_up_at IS NULL")


def upgrade() -> None:
    _create("ix_outbox_messages_lanes", ["topic", "lane", "due_at"])
    drop_index("ix_outbox_messages_due", "outbox_messages")


def downgrade() -> None:
    _create("ix_outbox_messages_due", ["topic", "due_at"])
    drop_index("ix_outbox_messages_lanes", "outbox_messages")


def _create(name: str, columns: list[str]) -> None:
    create_index(name, "outbox_messages", columns, postgresql_where=_WAITING, sqlite_where=_WAITING)
