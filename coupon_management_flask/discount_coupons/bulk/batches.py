"""Use cases of codes in bulk. A batch of many is made bit by bit in the background: each is committed with the progress and the message that asks for the next.

Whoever dies in the middle of a bit has made nothing of it, and the outbox has somebody else make it. A bit says where it begins, and is made once.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...core import clock, codes, errors
from ...db.dialects import rows_changed
from ...db.failures import retried
from ...db.session import before_waiting, db, transaction
from ...messaging import outbox
from ...models import CouponBatch, DiscountCoupon, OutboxMessage, new_id
from .. import terms as coupon_terms
from ..errors import BatchNotDone, BatchNotFound
from ..schemas.coupons import CouponTemplate
from . import write

TOPIC = "coupon_batch"
PENDING, RUNNING, DONE, FAILED = "pending", "running", "done", "failed"

MADE_AT_ONCE = 1_000
# One guess in so many may hit, at most.
GUESSES = 1_000_000
# Of products, categories and customers that the coupons of a batch list, all together.
MOST_ENTRIES = 10_000_000
TRIES = 20
PAUSE_SECONDS = 0.2

_batches: Any = CouponBatch.__table__
_coupons: Any = DiscountCoupon.__table__
_template = CouponTemplate()


@dataclass(frozen=True, slots=True)
class Batch:
    batch_id: UUID
    status: str
    count: int
    done: int


def generate(
    account_id: UUID | None, *, count: int, pattern: str, template: dict[str, Any], currency: str
) -> Batch:
    """Makes so many single-use coupons of a template, at once or, of more than a thousand, in the background. Shoppers are never shown them.

    Raises Invalid where the template contradicts itself, or where one guess in a million would hit a code of this pattern.
    """
    template, pattern = {"currency": currency, **template}, pattern.upper()
    terms = _terms(template)
    if write.entries(terms) * count > MOST_ENTRIES:
        raise errors.Invalid(
            {
                "template": [
                    f"The coupons of a batch list at most {MOST_ENTRIES} products, categories and customers, all together."
                ]
            }
        )
    _check_odds(pattern, count)
    batch_id = new_id()
    with transaction():
        db.session.execute(
            sa.insert(_batches).values(
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
        return read(batch_id)


def _terms(template: dict[str, Any]) -> dict[str, Any]:
    terms = _template.load(template)
    if terms.get("max_usage", 1) != 1:
        raise errors.Invalid(
            {"template.maxUsage": ["Generated codes are used once: leave it out, or say 1."]}
        )
    return coupon_terms.complete({**terms, "max_usage": 1})


def _check_odds(pattern: str, count: int) -> None:
    # Whoever guesses does not care which batch it was.
    codes_of_pattern = count + (
        db.session.scalar(
            sa.select(sa.func.sum(_batches.c.size)).where(_batches.c.pattern == pattern)
        )
        or 0
    )
    needed = 1
    while len(codes.ALPHABET) ** needed <= codes_of_pattern * GUESSES:
        needed += 1
    if pattern.count("#") < needed:
        raise errors.Invalid(
            {
                "pattern": [
                    f"One guess in a million would hit one of {codes_of_pattern} codes: at least {needed} # would do."
                ]
            }
        )


def _ask_for_more(batch_id: UUID, start: int) -> None:
    message_id = outbox.write(TOPIC, {"batch_id": str(batch_id), "start": start})
    db.session.execute(
        sa.update(_batches).where(_batches.c.id == batch_id).values(message_id=message_id)
    )


@retried
def make_more(_message_id: UUID, payload: dict[str, Any]) -> None:
    """Makes the next codes of a batch, those from the payload's `start` on, unless they are there already, and asks for those after them."""
    batch_id, start = UUID(payload["batch_id"]), payload["start"]
    batch = db.session.execute(sa.select(_batches).where(_batches.c.id == batch_id)).one()
    terms = _terms(batch.template)
    end = min(start + write.at_once(terms), batch.size)
    with transaction():
        if _make(batch_id, batch.pattern, terms, start, end) and end < batch.size:
            _ask_for_more(batch_id, end)


def _make(batch_id: UUID, pattern: str, terms: dict[str, Any], start: int, end: int) -> bool:
    """Codes from `start` to `end`, exactly. False where somebody has made them before, or makes them: that one is waited for."""
    if (
        rows_changed(
            db.session.execute(
                sa.update(_batches)
                .where(_batches.c.id == batch_id, _batches.c.done == start)
                .values(done=end)
            )
        )
        == 0
    ):
        return False
    at_once, missing = write.at_once(terms), end - start
    for _ in range(TRIES * (1 + missing // at_once)):
        # What was taken is replaced.
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
    """How far a batch is. Raises BatchNotFound."""
    batch = db.session.execute(
        sa.select(_batches, OutboxMessage.given_up_at)
        .outerjoin(OutboxMessage, OutboxMessage.id == _batches.c.message_id)
        .where(_batches.c.id == batch_id)
    ).one_or_none()
    if batch is None:
        raise BatchNotFound
    if batch.done == batch.size:
        status = DONE
    elif batch.given_up_at is not None:
        status = FAILED
    else:
        status = RUNNING if batch.done else PENDING
    return Batch(batch.id, status, batch.size, batch.done)


def codes_of(batch_id: UUID) -> Iterator[list[str]]:
    """The codes of a batch, some thousand at a time, of which nothing is held in between. Raises BatchNotFound, BatchNotDone."""
    if read(batch_id).status != DONE:
        raise BatchNotDone
    return _pages(batch_id)


def _pages(batch_id: UUID) -> Iterator[list[str]]:
    of_batch = (
        sa.select(_coupons.c.id, _coupons.c.code)
        .where(_coupons.c.batch_id == batch_id)
        .order_by(_coupons.c.id)
        .limit(write.ROWS_AT_ONCE)
    )
    page = db.session.execute(of_batch).all()
    while page:
        # Whoever reads them may be slow.
        before_waiting()
        yield [row.code for row in page]
        page = db.session.execute(of_batch.where(_coupons.c.id > page[-1].id)).all()


def work_off(batch_id: UUID) -> Iterator[int]:
    """Makes a batch here and now, together with whatever workers there are; says again and again how many codes are there. Raises Unavailable if it fails."""
    pause = threading.Event()
    while True:
        batch = read(batch_id)
        yield batch.done
        if batch.status == DONE:
            return
        if batch.status == FAILED:
            raise errors.Unavailable
        if not outbox.deliver_due({TOPIC: outbox.Topic(make_more)}, most=1):
            before_waiting()
            pause.wait(PAUSE_SECONDS)
