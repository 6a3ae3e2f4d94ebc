"""email coupons

Revision: 0007, after 0006, 2026-11-21 16:30:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "email_coupons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_email_coupons_number")),
        sa.ForeignKeyConstraint(
            ["coupon_id"],
            ["discount_coupons.id"],
            name=op.f("fk_email_coupons_coupon_id_discount_coupons"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_coupons")),
        sa.UniqueConstraint("coupon_id", name=op.f("uq_email_coupons_coupon_id")),
        sa.UniqueConstraint(
            "email", "website", "number", name=op.f("uq_email_coupons_email_website_number")
        ),
    )
    with op.batch_alter_table("email_coupons", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_email_coupons_website_id"), ["website", "id"], unique=False
        )

    op.create_table(
        "outages",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_outages")),
    )
    op.create_table(
        "unsubscribed_addresses",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("email", name=op.f("pk_unsubscribed_addresses")),
    )
    waiting = sa.text("delivered_at IS NULL AND given_up_at IS NULL")
    given_up = sa.text("given_up_at IS NOT NULL")
    with op.batch_alter_table("outbox_messages", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_messages_due")
        batch_op.create_index(
            "ix_outbox_messages_due",
            ["topic", "due_at"],
            unique=False,
            postgresql_where=waiting,
            sqlite_where=waiting,
        )
        batch_op.create_index(
            "ix_outbox_messages_given_up",
            ["topic", "given_up_at"],
            unique=False,
            postgresql_where=given_up,
            sqlite_where=given_up,
        )


def downgrade() -> None:
    waiting = sa.text("delivered_at IS NULL AND given_up_at IS NULL")
    with op.batch_alter_table("outbox_messages", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_messages_given_up")
        batch_op.drop_index("ix_outbox_messages_due")
        batch_op.create_index(
            "ix_outbox_messages_due",
            ["due_at"],
            unique=False,
            postgresql_where=waiting,
            sqlite_where=waiting,
        )

    op.drop_table("unsubscribed_addresses")
    op.drop_table("outages")
    with op.batch_alter_table("email_coupons", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_email_coupons_website_id"))

    op.drop_table("email_coupons")
