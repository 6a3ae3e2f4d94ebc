"""money that goes back, and what a sale loses by it

Revision: 0014, after 0012, 2026-11-29 17:00:00
"""

from datetime import UTC, datetime
from itertools import groupby

import sqlalchemy as sa
from alembic import op
from uuid_utils.compat import uuid7

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

STATUSES = ("pending", "completed", "failed", "cancelled", "refunding", "refunded")

_MOMENT = sa.DateTime(timezone=True)
_PURCHASES = sa.table(
    "voucher_purchases",
    sa.column("id", sa.Uuid()),
    sa.column("total", sa.BigInteger()),
    sa.column("currency", sa.String()),
)
_VOUCHERS = sa.table(
    "vouchers",
    sa.column("id", sa.Uuid()),
    sa.column("purchase_id", sa.Uuid()),
    sa.column("stock_id", sa.Uuid()),
    sa.column("cancelled_at", _MOMENT),
)
_STOCKS = sa.table(
    "stocks",
    sa.column("id", sa.Uuid()),
    sa.column("capacity", sa.BigInteger()),
    sa.column("claimed", sa.BigInteger()),
)
_PAYMENTS = sa.table(
    "payment_transactions",
    sa.column("id", sa.Uuid()),
    sa.column("status", sa.Text()),
    sa.column("amount_refunded", sa.BigInteger()),
    sa.column("updated_at", _MOMENT),
)
_MARKS = sa.table(
    "roll_up_marks",
    sa.column("stream", sa.Text()),
    sa.column("moment", _MOMENT),
    sa.column("last_id", sa.Uuid()),
)


def upgrade() -> None:
    op.create_table(
        "payment_returns",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('refund', 'dispute')", name=op.f("ck_payment_returns_kind")),
        sa.CheckConstraint(
            "status IN ('pending', 'done', 'undone')", name=op.f("ck_payment_returns_status")
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payment_returns_amount_not_negative")),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["payment_transactions.id"],
            name=op.f("fk_payment_returns_transaction_id_payment_transactions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_returns")),
    )
    op.create_index(
        op.f("ix_payment_returns_transaction_id"), "payment_returns", ["transaction_id"]
    )
    sale_changes = op.create_table(
        "sale_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("vouchers", sa.Integer(), nullable=False),
        sa.Column("used_up", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["voucher_purchases.id"],
            name=op.f("fk_sale_changes_purchase_id_voucher_purchases"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sale_changes")),
    )
    op.create_index(op.f("ix_sale_changes_purchase_id"), "sale_changes", ["purchase_id"])
    op.add_column("payment_debts", sa.Column("cancelled_at", _MOMENT, nullable=True))
    op.add_column("vouchers", sa.Column("frozen_at", _MOMENT, nullable=True))
    frozen = sa.text("frozen_at IS NOT NULL")
    op.create_index(
        "ix_vouchers_frozen",
        "vouchers",
        ["frozen_at"],
        postgresql_where=frozen,
        sqlite_where=frozen,
    )
    with op.batch_alter_table("voucher_purchases") as batch_op:
        batch_op.add_column(
            sa.Column("rounding", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.add_column(sa.Column("refund_reason", sa.Text(), nullable=True))
        batch_op.drop_constraint(op.f("ck_voucher_purchases_total"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_voucher_purchases_total"),
            "total >= 0 AND total = unit_price * quantity - discount + rounding",
        )
    with op.batch_alter_table("payment_transactions") as batch_op:
        batch_op.add_column(sa.Column("replacing_until", _MOMENT, nullable=True))
    _change_checks(
        (*STATUSES[:5], "refund_pending", "refunded", "refund_failed", "disputed"),
        completed="'completed', 'refunding', 'refund_failed'",
        undecided="'pending', 'refunding', 'refund_pending'",
        decided="'completed', 'cancelled', 'refunded', 'refund_failed'",
    )
    is_open = sa.text("completed_at IS NULL AND due_at IS NOT NULL")
    op.create_index(
        "ix_payment_transactions_open",
        "payment_transactions",
        ["account_id", "voucher_type_id"],
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    _write_down_what_was_lost(sale_changes)
    op.drop_index("ix_vouchers_cancelled_at", "vouchers")


def _change_checks(
    statuses: tuple[str, ...], *, completed: str, undecided: str, decided: str
) -> None:
    checks = {
        "status": f"status IN ({', '.join(map(repr, statuses))})",
        "completed": f"status NOT IN ({completed}) OR completed_at IS NOT NULL",
        "undecided_is_due": f"status NOT IN ({undecided}) OR due_at IS NOT NULL",
        "decided_is_not_due": f"status NOT IN ({decided}) OR due_at IS NULL",
    }
    with op.batch_alter_table("payment_transactions") as batch_op:
        for name, condition in checks.items():
            batch_op.drop_constraint(op.f(f"ck_payment_transactions_{name}"), type_="check")
            batch_op.create_check_constraint(op.f(f"ck_payment_transactions_{name}"), condition)


def _write_down_what_was_lost(sale_changes: sa.Table) -> None:
    """Write down the cancellations and partial refunds that there were before this table.

    What the figures know of them already comes first, and the new stream's mark stands behind it.
    """
    connection = op.get_bind()
    mark = connection.execute(
        sa.select(_MARKS.c.moment, _MARKS.c.last_id).where(_MARKS.c.stream == "cancellations")
    ).one_or_none()
    cancelled = connection.execute(
        sa.select(
            _VOUCHERS.c.id,
            _VOUCHERS.c.purchase_id,
            _VOUCHERS.c.cancelled_at,
            (_STOCKS.c.claimed >= _STOCKS.c.capacity).label("is_used_up"),
            _PURCHASES.c.total,
            _PURCHASES.c.currency,
        )
        .join(_STOCKS, _STOCKS.c.id == _VOUCHERS.c.stock_id)
        .join(_PURCHASES, _PURCHASES.c.id == _VOUCHERS.c.purchase_id)
        .where(_VOUCHERS.c.cancelled_at.is_not(None))
        .order_by(_VOUCHERS.c.cancelled_at, _VOUCHERS.c.id)
    ).all()

    def is_known(row: sa.Row) -> bool:
        return mark is not None and (row.cancelled_at, row.id) <= (mark.moment, mark.last_id)

    rows = []
    last_known = None
    for purchase_id, group in groupby(cancelled, key=lambda row: row.purchase_id):
        vouchers = list(group)
        rows.append(
            {
                "id": uuid7(),
                "purchase_id": purchase_id,
                "vouchers": -len(vouchers),
                "used_up": -sum(bool(row.is_used_up) for row in vouchers),
                "amount": -vouchers[0].total,
                "currency": vouchers[0].currency,
                "created_at": vouchers[0].cancelled_at,
            }
        )
        if is_known(vouchers[-1]):
            last_known = rows[-1]["id"]
        elif is_known(vouchers[0]):
            # The mark stands in the middle of a purchase: the worker sums all up again.
            connection.execute(sa.text("DELETE FROM daily_figures"))
            connection.execute(sa.text("DELETE FROM roll_up_marks"))
            last_known = None
    in_part = connection.execute(
        sa.select(_PAYMENTS.c.id, _PAYMENTS.c.amount_refunded, _PAYMENTS.c.updated_at)
        .add_columns(_PURCHASES.c.currency)
        .join(_PURCHASES, _PURCHASES.c.id == _PAYMENTS.c.id)
        .where(_PAYMENTS.c.status == "completed", _PAYMENTS.c.amount_refunded > 0)
    )
    rows += [
        {
            "id": uuid7(),
            "purchase_id": payment_id,
            "vouchers": 0,
            "used_up": 0,
            "amount": -refunded,
            "currency": currency,
            "created_at": updated_at,
        }
        for payment_id, refunded, updated_at, currency in in_part
    ]
    for start in range(0, len(rows), 1000):
        op.bulk_insert(sale_changes, rows[start : start + 1000])
    if last_known is not None:
        connection.execute(
            sa.insert(_MARKS).values(
                stream="sale_changes", moment=datetime(1970, 1, 1, tzinfo=UTC), last_id=last_known
            )
        )
    connection.execute(sa.delete(_MARKS).where(_MARKS.c.stream == "cancellations"))


def downgrade() -> None:
    connection = op.get_bind()
    cancelled = sa.text("cancelled_at IS NOT NULL")
    op.create_index(
        "ix_vouchers_cancelled_at",
        "vouchers",
        ["cancelled_at", "id"],
        postgresql_where=cancelled,
        sqlite_where=cancelled,
    )
    # The figures know of changes that nothing tells any more. The worker sums all up again.
    connection.execute(sa.text("DELETE FROM daily_figures"))
    connection.execute(sa.text("DELETE FROM roll_up_marks"))
    op.drop_table("sale_changes")
    op.drop_index("ix_payment_transactions_open", "payment_transactions")
    _say_it_in_the_old_words(connection)
    _change_checks(
        STATUSES,
        completed="'completed', 'refunding'",
        undecided="'pending', 'refunding'",
        decided="'completed', 'cancelled', 'refunded'",
    )
    with op.batch_alter_table("payment_transactions") as batch_op:
        batch_op.drop_column("replacing_until")
    with op.batch_alter_table("voucher_purchases") as batch_op:
        batch_op.drop_constraint(op.f("ck_voucher_purchases_total"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_voucher_purchases_total"),
            "total >= 0 AND total = unit_price * quantity - discount",
        )
        batch_op.drop_column("rounding")
        batch_op.drop_column("refund_reason")
    op.drop_index("ix_vouchers_frozen", "vouchers")
    with op.batch_alter_table("vouchers") as batch_op:
        batch_op.drop_column("frozen_at")
    with op.batch_alter_table("payment_debts") as batch_op:
        batch_op.drop_column("cancelled_at")
    op.drop_table("payment_returns")


def _say_it_in_the_old_words(connection: sa.Connection) -> None:
    """Bring rows into the states that there were before; their goods stay as they are."""
    for statement in (
        "DELETE FROM payment_debts WHERE cancelled_at IS NOT NULL",
        "UPDATE voucher_purchases SET total = total - rounding, rounding = 0 WHERE rounding <> 0",
        "UPDATE payment_transactions SET status = 'refunded', due_at = NULL"
        " WHERE status = 'refund_pending' OR status = 'disputed' AND completed_at IS NULL",
        "UPDATE payment_transactions SET status = 'completed', due_at = NULL"
        " WHERE status IN ('refund_failed', 'disputed')",
    ):
        connection.execute(sa.text(statement))
