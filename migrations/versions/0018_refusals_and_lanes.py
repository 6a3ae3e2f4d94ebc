"""mails that are refused, and webhooks that are gone or keep us waiting

Revision: 0018, after 0017, 2026-11-29 20:40:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outbox_messages", sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True)
    )
    # What was written before has no lane: it is delivered as it was, one after another.
    op.add_column(
        "outbox_messages", sa.Column("lane", sa.Text(), server_default="", nullable=False)
    )
    op.add_column("webhooks", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "mail_refusals",
        sa.Column("recipient_digest", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("recipient_digest", name=op.f("pk_mail_refusals")),
    )


def downgrade() -> None:
    op.drop_table("mail_refusals")
    with op.batch_alter_table("webhooks", schema=None) as batch_op:
        batch_op.drop_column("gone_at")
    with op.batch_alter_table("outbox_messages", schema=None) as batch_op:
        batch_op.drop_column("lane")
        batch_op.drop_column("refused_at")
