"""Batches of codes, which are made part by part in the background.

Each part is committed together with the progress and with the message that asks for the next part.
A worker that dies in the middle of a part has made nothing of it, and the outbox has another one
make it. A part says where it begins, and is made once.

Nothing of a batch is there before all of it is: the statement that makes `done` the `size` shows
all its coupons at once (`coupons.coupon.IS_THERE`). Until then they hold their codes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.dialects import rows_changed
from ...db.session import before_waiting, db, transaction
from ...identity import change_log
from ...messaging import outbox
from ...models import (
    CouponBatch,
    CouponImportPart,
    DiscountCoupon,
    DiscountCouponTarget,
    OutboxMessage,
    Stock,
)
from ..refusals import BatchNotDone, BatchNotFound
from ..stored import Json
from . import write
from .lines import BadLine

TOPIC = "coupon_batch"
# With the products, categories and customers that they list, so many coupons are made at once,
# while somebody waits for the answer.
MOST_ROWS_AT_ONCE = 200_000

PARTS_AT_ONCE = 4

_AS_IT_IS = {"synchronize_session": False}
_NOT_DONE = CouponBatch.done < CouponBatch.size


class BatchStatus(StrEnum):
    """Worked out from the facts, never stored."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Batch:
    """How far a batch is. `bad_lines` is there where an import has failed by its lines."""

    batch_id: UUID
    status: BatchStatus
    count: int
    done: int
    bad_lines: Sequence[BadLine] | None = None


def create(
    batch_id: UUID,
    account_id: UUID | None,
    *,
    size: int,
    pattern: str,
    template: Json,
    columns: list[str] | None = None,
) -> None:
    db.session.execute(
        sa.insert(CouponBatch).values(
            id=batch_id,
            account_id=account_id,
            pattern=pattern,
            template=template,
            columns=columns,
            size=size,
            done=0,
            created_at=clock.now(),
        )
    )
    change_log.note(
        CouponBatch.__tablename__,
        batch_id,
        after={"pattern": pattern, "template": template, "size": size},
    )


def ask_for_more(batch_id: UUID, start: int) -> None:
    """Have the part that begins at `start` made once this transaction is committed."""
    message_id = outbox.write(TOPIC, {"batch_id": str(batch_id), "start": start})
    _change(CouponBatch.id == batch_id, message_id=message_id)


def advance(batch_id: UUID, start: int, end: int) -> bool:
    """Count the part from `start` to `end` as made, in the transaction that makes it.

    Return False where somebody else has made it, or where the batch has failed. Somebody who is
    making it is waited for.
    """
    is_next = sa.and_(
        CouponBatch.id == batch_id, CouponBatch.done == start, CouponBatch.failed_at.is_(None)
    )
    return _change(is_next, done=end)


def fail(batch_id: UUID, bad_lines: Sequence[BadLine] | None = None) -> None:
    """Have what is there of a batch that is not done removed, for good."""
    values = {} if bad_lines is None else {"faults": [list(line) for line in bad_lines]}
    _change(CouponBatch.id == batch_id, failed_at=clock.now(), done=0, **values)
    ask_for_more(batch_id, 0)


def note_bad_lines(batch_id: UUID, bad_lines: Sequence[BadLine]) -> None:
    _change(CouponBatch.id == batch_id, faults=[list(line) for line in bad_lines])


def _change(condition: sa.ColumnElement[bool], **values: object) -> bool:
    changed = db.session.execute(
        sa.update(CouponBatch).where(condition).values(**values).execution_options(**_AS_IT_IS)
    )
    return rows_changed(changed) == 1


def fail_given_up() -> None:
    """Let those fail for good whose message was given up."""
    given_up = sa.select(CouponBatch.id, CouponBatch.message_id).where(
        _NOT_DONE,
        sa.exists().where(
            OutboxMessage.id == CouponBatch.message_id, OutboxMessage.given_up_at.is_not(None)
        ),
    )
    for batch_id, message_id in db.session.execute(given_up).all():
        with transaction():
            # Of two who purge, one does it.
            is_same = sa.and_(CouponBatch.id == batch_id, CouponBatch.message_id == message_id)
            if _change(is_same, message_id=None):
                fail(batch_id)


def remove_some(batch_id: UUID) -> None:
    """Delete some of what is there of a batch that has failed, and ask for the rest."""
    with transaction():
        ids = db.session.scalars(
            sa.select(DiscountCoupon.id)
            .where(DiscountCoupon.batch_id == batch_id)
            .order_by(DiscountCoupon.id)
            .limit(write.rows_at_once())
        ).all()
        starts = db.session.scalars(
            sa.select(CouponImportPart.start)
            .where(CouponImportPart.batch_id == batch_id)
            .limit(PARTS_AT_ONCE)
        ).all()
        for deletion in (
            sa.delete(DiscountCouponTarget).where(DiscountCouponTarget.coupon_id.in_(ids)),
            sa.delete(DiscountCoupon).where(DiscountCoupon.id.in_(ids)),
            # A coupon's stock has its id, here.
            sa.delete(Stock).where(Stock.id.in_(ids)),
            sa.delete(CouponImportPart).where(
                CouponImportPart.batch_id == batch_id, CouponImportPart.start.in_(starts)
            ),
        ):
            db.session.execute(deletion.execution_options(**_AS_IT_IS))
        if ids or starts:
            ask_for_more(batch_id, 0)


def read(batch_id: UUID) -> Batch:
    """Say how far a batch is.

    Raises: BatchNotFound.
    """
    row = db.session.execute(
        sa.select(
            CouponBatch.size,
            CouponBatch.done,
            CouponBatch.faults,
            CouponBatch.failed_at,
            OutboxMessage.given_up_at,
            OutboxMessage.lease_id,
        )
        .outerjoin(OutboxMessage, OutboxMessage.id == CouponBatch.message_id)
        .where(CouponBatch.id == batch_id)
    ).one_or_none()
    if row is None:
        raise BatchNotFound
    if row.done == row.size:
        return Batch(batch_id, BatchStatus.DONE, row.size, row.done)
    if row.failed_at is not None or row.given_up_at is not None:
        bad_lines = None if row.faults is None else [BadLine(*line) for line in row.faults]
        return Batch(batch_id, BatchStatus.FAILED, row.size, 0, bad_lines)
    has_begun = row.done or row.lease_id is not None
    status = BatchStatus.RUNNING if has_begun else BatchStatus.PENDING
    return Batch(batch_id, status, row.size, row.done)


def codes_of(batch_id: UUID) -> Iterator[list[str]]:
    """Return the codes of a batch, some thousand at a time; no connection is held in between.

    Raises: BatchNotFound, BatchNotDone.
    """
    if read(batch_id).status != BatchStatus.DONE:
        raise BatchNotDone
    return _pages(batch_id)


def _pages(batch_id: UUID) -> Iterator[list[str]]:
    of_batch = (
        sa.select(DiscountCoupon.id, DiscountCoupon.code)
        .where(DiscountCoupon.batch_id == batch_id)
        .order_by(DiscountCoupon.id)
        .limit(write.ROWS_AT_ONCE)
    )
    page = db.session.execute(of_batch).all()
    while page:
        # Their reader may be slow.
        before_waiting()
        yield [row.code for row in page]
        page = db.session.execute(of_batch.where(DiscountCoupon.id > page[-1].id)).all()
