"""Rebuilding: all figures are forgotten and summed up again."""

import sqlalchemy as sa

from ...db.failures import retried
from ...db.session import db, transaction
from ...models import DailyFigure, RollUpMark
from .rollup import STEPS_AT_ONCE, roll_up
from .streams import EPOCH, ZERO


def rebuild() -> None:
    """Forget all figures and sum everything up again.

    A dashboard that is asked for meanwhile is slow, and right unless it has just been begun.
    """
    _forget()
    while roll_up() == STEPS_AT_ONCE:
        pass


@retried
def _forget() -> None:
    at_the_start = sa.update(RollUpMark).values(moment=EPOCH, last_id=ZERO)
    with transaction():
        # Marks are set back, not deleted: whoever sums up at this moment must notice.
        for statement in (at_the_start, sa.delete(DailyFigure)):
            db.session.execute(statement, execution_options={"synchronize_session": False})
