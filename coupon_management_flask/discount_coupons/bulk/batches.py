"""Batches of generated codes.

A large batch is made part by part in the background. Each part is committed together with the
progress and with the message that asks for the next part. A worker that dies in the middle of a
part has made nothing of it, and the outbox has another one make it. A part says where it begins,
and is made once.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from ...core import clock, codes, errors
from ...db.dialects import rows_changed
from ...db.failures import retried
from ...db.session import before_waiting, db, transaction
from ...identity import change_log
from ...messaging import outbox
from ...models import CouponBatch, DiscountCoupon, OutboxMessage, new_id
from .. import terms as coupon_terms
from ..refusals import BatchNotDone, BatchNotFound
from ..schemas.coupons import CouponTemplate
from ..schemas.names import invalid
from ..stored import Json
from ..terms import Terms
from . import write

TOPIC = "coupon_batch"

MADE_AT_ONCE = 1_000
# At most one guess in so many may hit.
GUESSES = 1_000_000
# The products, categories and customers that all coupons of a batch list together.
MOST_ENTRIES = 10_000_000
TRIES = 20
PAUSE_SECONDS = 0.2

_template = CouponTemplate()


class BatchStatus(StrEnum):
    """Worked out from the facts, never stored."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Batch:
    batch_id: UUID
    status: BatchStatus
    count: int
    done: int


def generate(
    account_id: UUID | None, *, count: int, pattern: str, template: Json, currency: str
) -> Batch:
    """Make single-use coupons of a template; more than a thousand are made in the background.

    Shoppers are never shown them.

    Raises: Invalid where the template contradicts itself, or where one guess in a million would
        hit a code of this pattern.
    """
    template, pattern = {"currency": currency, **template}, pattern.upper()
    terms = _terms(template)
    if write.entries(terms) * count > MOST_ENTRIES:
        problem = (
            f"The coupons of a batch list at most {MOST_ENTRIES} products, categories and "
            "customers, all together."
        )
        raise errors.Invalid({"template": [problem]})
    _check_odds(pattern, count)
    batch_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(CouponBatch).values(
                id=batch_id,
                account_id=account_id,
                pattern=pattern,
                template=template,
                size=count,
                done=0,
                created_at=clock.now(),
            )
        )
        if count > MADE_AT_ONCE:
            _ask_for_more(batch_id, 0)
        else:
            _make(batch_id, pattern, terms, 0, count)
        change_log.note(
            CouponBatch.__tablename__,
            batch_id,
            after={"pattern": pattern, "template": template, "size": count},
        )
        return read(batch_id)


def _terms(template: Json) -> Terms:
    terms: Terms = _template.load(template)
    if terms.get("max_usage", 1) != 1:
        problem = "Generated codes are used once: leave it out, or say 1."
        raise invalid({"template.max_usage": [problem]})
    return coupon_terms.complete({**terms, "max_usage": 1})


def _check_odds(pattern: str, count: int) -> None:
    # Somebody who guesses may hit a code of any batch with this pattern, so all of them count.
    of_others = sa.select(sa.func.sum(CouponBatch.size)).where(CouponBatch.pattern == pattern)
    codes_of_pattern = count + (db.session.scalar(of_others) or 0)
    needed = 1
    while len(codes.ALPHABET) ** needed <= codes_of_pattern * GUESSES:
        needed += 1
    if pattern.count("#") < needed:
        problem = (
            f"One guess in a million would hit one of {codes_of_pattern} codes: "
            f"at least {needed} # would do."
        )
        raise errors.Invalid({"pattern": [problem]})


def _ask_for_more(batch_id: UUID, start: int) -> None:
    message_id = outbox.write(TOPIC, {"batch_id": str(batch_id), "start": start})
    db.session.execute(
        sa.update(CouponBatch)
        .where(CouponBatch.id == batch_id)
        .values(message_id=message_id)
        .execution_options(synchronize_session=False)
    )


@retried
def make_more(_message_id: UUID, payload: Json) -> None:
    """Make the next codes of a batch, and ask for those after them.

    They are those from the payload's `start` on, unless they are there already.
    """
    batch_id, start = UUID(payload["batch_id"]), payload["start"]
    batch = db.session.scalars(sa.select(CouponBatch).where(CouponBatch.id == batch_id)).one()
    terms = _terms(batch.template)
    end = min(start + write.at_once(terms), batch.size)
    with transaction():
        if _make(batch_id, batch.pattern, terms, start, end) and end < batch.size:
            _ask_for_more(batch_id, end)


def _make(batch_id: UUID, pattern: str, terms: Terms, start: int, end: int) -> bool:
    """Make exactly the codes from `start` to `end`.

    Returns False where somebody else has made them. One who is making them is waited for.
    """
    advanced = db.session.execute(
        sa.update(CouponBatch)
        .where(CouponBatch.id == batch_id, CouponBatch.done == start)
        .values(done=end)
        .execution_options(synchronize_session=False)
    )
    if rows_changed(advanced) == 0:
        return False
    at_once, missing = write.at_once(terms), end - start
    for _ in range(TRIES * (1 + missing // at_once)):
        # Codes that were taken are drawn again.
        missing -= sum(
            write.write(
                [(code, terms) for code in _draw(pattern, min(missing, at_once))],
                is_public=False,
                batch_id=batch_id,
            )
        )
        if not missing:
            return True
    raise errors.Unavailable


def _draw(pattern: str, count: int) -> list[str]:
    width, form = pattern.count("#"), pattern.replace("#", "%s")
    drawn = codes.draw(width * count)
    return [
        form % tuple(drawn[position : position + width])
        for position in range(0, width * count, width)
    ]


def read(batch_id: UUID) -> Batch:
    """Say how far a batch is.

    Raises: BatchNotFound.
    """
    row = db.session.execute(
        sa.select(CouponBatch.size, CouponBatch.done, OutboxMessage.given_up_at)
        .outerjoin(OutboxMessage, OutboxMessage.id == CouponBatch.message_id)
        .where(CouponBatch.id == batch_id)
    ).one_or_none()
    if row is None:
        raise BatchNotFound
    size, done, given_up_at = row
    if done == size:
        status = BatchStatus.DONE
    elif given_up_at is not None:
        status = BatchStatus.FAILED
    else:
        status = BatchStatus.RUNNING if done else BatchStatus.PENDING
    return Batch(batch_id, status, size, done)


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


def work_off(batch_id: UUID) -> Iterator[int]:
    """Make a batch here and now, together with the workers that there are.

    Yields again and again how many codes are there.

    Raises: Unavailable where it fails.
    """
    pause = threading.Event()
    while True:
        batch = read(batch_id)
        yield batch.done
        if batch.status == BatchStatus.DONE:
            return
        if batch.status == BatchStatus.FAILED:
            raise errors.Unavailable
        if not outbox.deliver_due({TOPIC: outbox.Topic(make_more)}, most=1):
            before_waiting()
            pause.wait(PAUSE_SECONDS)
