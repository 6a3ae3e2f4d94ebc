"""what sales had lost before it was written down

Revision: 0016, after 0015, 2026-11-29 17:20:00

The checks that 0014 added hold for new rows since then. Here they are made sure of for all.
"""

from datetime import UTC, datetime
from itertools import groupby

import sqlalchemy as sa
from alembic import op
from uuid_utils.compat import uuid7

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CHECKS = (
    ("voucher_purchases", "ck_voucher_purchases_total"),
    ("payment_transactions", "ck_payment_transactions_status"),
    ("payment_transactions", "ck_payment_transactions_completed"),
    ("payment_transactions", "ck_payment_transactions_undecided_is_due"),
    ("payment_transactions", "ck_payment_transactions_decided_is_not_due"),
)

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
_SALE_CHANGES = sa.table(
    "sale_changes",
    sa.column("id", sa.Uuid()),
    sa.column("purchase_id", sa.Uuid()),
    sa.column("vouchers", sa.Integer()),
    sa.column("used_up", sa.Integer()),
    sa.column("amount", sa.BigInteger()),
    sa.column("currency", sa.String()),
    sa.column("created_at", _MOMENT),
)


def upgrade() -> None:
    _write_down_what_was_lost()
    if op.get_bind().dialect.name == "postgresql":
        for table, check in CHECKS:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}")


def _write_down_what_was_lost() -> None:
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
        op.bulk_insert(_SALE_CHANGES, rows[start : start + 1000])
    if last_known is not None:
        connection.execute(
            sa.insert(_MARKS).values(
                stream="sale_changes", moment=datetime(1970, 1, 1, tzinfo=UTC), last_id=last_known
            )
        )
    connection.execute(sa.delete(_MARKS).where(_MARKS.c.stream == "cancellations"))


def downgrade() -> None:
    # The figures know of changes that nothing tells any more. The worker sums all up again.
    op.execute("DELETE FROM sale_changes")
    op.execute("DELETE FROM daily_figures")
    op.execute("DELETE FROM roll_up_marks")
