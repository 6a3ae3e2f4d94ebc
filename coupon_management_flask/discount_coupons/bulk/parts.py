"""The next part of a batch, whatever its kind: what the outbox asks for."""

import threading
from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa

from ...core import errors
from ...db.dialects import is_postgresql
from ...db.failures import retried
from ...db.session import before_waiting, db
from ...messaging import outbox
from ...models import CouponBatch
from ..stored import Json
from . import batches, generation, imports
from .batches import BatchStatus

PAUSE_SECONDS = 0.2
# Who waits for SQLite's one lock looks every tenth of a second. Without a pause between two parts,
# it would mostly be taken again.
SQLITE_PAUSE_SECONDS = 0.1

_pause = threading.Event()


@retried
def make_more(_message_id: UUID, payload: Json) -> None:
    """Make the part of a batch that begins at the payload's `start`, and ask for the next.

    Of a batch that has failed, remove some of what is there.
    """
    batch_id, start = UUID(payload["batch_id"]), payload["start"]
    batch = db.session.execute(
        sa.select(*CouponBatch.__table__.c).where(CouponBatch.id == batch_id)
    ).one()
    if batch.failed_at is not None:
        batches.remove_some(batch_id)
    elif batch.columns is not None:
        imports.make_part(batch_id, start, columns=batch.columns, template=batch.template)
    else:
        generation.make_part(
            batch_id, start, size=batch.size, pattern=batch.pattern, template=batch.template
        )
    if not is_postgresql():
        before_waiting()
        _pause.wait(SQLITE_PAUSE_SECONDS)


def work_off(batch_id: UUID) -> Iterator[int]:
    """Make a batch here and now, together with the workers that there are.

    Yields again and again how many codes are made.

    Raises: Unavailable where it fails.
    """
    while True:
        batch = batches.read(batch_id)
        yield batch.done
        if batch.status == BatchStatus.DONE:
            return
        if batch.status == BatchStatus.FAILED:
            raise errors.Unavailable
        if not outbox.deliver_due({batches.TOPIC: outbox.Topic(make_more)}, most=1):
            before_waiting()
            _pause.wait(PAUSE_SECONDS)
