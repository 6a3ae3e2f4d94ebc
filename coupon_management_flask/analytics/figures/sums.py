"""How figures and marks are written."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from ...db.dialects import rows_changed, upsert
from ...db.session import db
from ...models import DailyFigure, RollUpMark
from .measures import COLUMNS, KEY
from .streams import Mark


def add_up(facts: sa.SelectBase) -> None:
    """Add what is selected to the figures of its days."""
    rows = facts.subquery()
    by = [rows.c[name] for name in KEY]
    sums = [sa.cast(sa.func.sum(rows.c[name]), sa.BigInteger) for name in ("number", "amount")]
    # In the order of the key, as everywhere: two streams write side by side.
    insert = upsert(DailyFigure).from_select(
        COLUMNS, sa.select(*by, *sums).group_by(*by).order_by(*by)
    )
    added = {
        "number": DailyFigure.number + insert.excluded.number,
        "amount": DailyFigure.amount + insert.excluded.amount,
    }
    db.session.execute(insert.on_conflict_do_update(index_elements=KEY, set_=added))


def move_mark(name: str, start: Mark, end: Mark) -> bool:
    """Move a mark, unless it is not at `start` any more: then somebody else has moved it.

    A mark that does not exist yet is made.
    """
    there: dict[str, datetime | UUID] = {"moment": end.moment, "last_id": end.last_id}
    is_where_it_was = sa.and_(
        RollUpMark.moment == start.moment, RollUpMark.last_id == start.last_id
    )
    moved = (
        upsert(RollUpMark)
        .values(stream=name, **there)
        .on_conflict_do_update(index_elements=["stream"], set_=there, where=is_where_it_was)
    )
    return bool(rows_changed(db.session.execute(moved)))
