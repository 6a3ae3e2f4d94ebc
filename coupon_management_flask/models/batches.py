"""Batches of codes that are made in the background: generated, or imported from a file."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ..db.session import Model
from .columns import AccountId, CreatedAt, Id, Json, JsonObject, where


class CouponBatch(Model):
    """Coupons that are made bit by bit, and are there once `done` is `size`. Until then none is.

    `message_id` is the message that asks for the next ones. `template` is what was asked for, as it
    was written. `pattern` is in upper case. An import has no pattern but the `columns` of its file,
    and in `faults` the lines that are wrong, each with its reason. What has failed is removed bit
    by bit.
    """

    __tablename__ = "coupon_batches"

    id: Mapped[Id]
    account_id: Mapped[AccountId | None]
    pattern: Mapped[str] = mapped_column(index=True)
    template: Mapped[JsonObject] = mapped_column(sa.JSON)
    size: Mapped[int]
    done: Mapped[int]
    message_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    columns: Mapped[list[str] | None] = mapped_column(sa.JSON(none_as_null=True))
    faults: Mapped[list[Json] | None] = mapped_column(sa.JSON(none_as_null=True))
    failed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    __table_args__ = (
        sa.CheckConstraint("size > 0", name="size_positive"),
        sa.CheckConstraint("done >= 0 AND done <= size", name="done_within_size"),
        # A few among many. Whoever looks for a coupon leaves out those of these.
        sa.Index("ix_coupon_batches_unfinished", "id", **where("done < size")),
    )


class CouponImportPart(Model):
    """Some lines of a file that is being imported, from the line number `start` of all on.

    `body` has a JSON list on each line: the line's number in the file, and its cells. The parts are
    written before their batch is, and each is deleted when its coupons are made.
    """

    __tablename__ = "coupon_import_parts"

    batch_id: Mapped[UUID] = mapped_column(sa.Uuid, primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(sa.LargeBinary)
