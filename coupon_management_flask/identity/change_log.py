"""The log of changes: who did what to which row, before and after.

Entries are written in the transaction that makes the change, and never changed.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from ..core import clock
from ..db.session import db
from ..models import AdminChange, ChangeAction, new_id

Facts = Mapping[str, object]
"""Columns of a row and their values, without secrets."""


def write(
    action: ChangeAction,
    table: str,
    row_id: str | None,
    *,
    by: UUID | None,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Note a change, inside the transaction that makes it.

    `before` and `after` are the facts of the row that differ.
    """
    db.session.execute(
        sa.insert(AdminChange).values(
            id=new_id(),
            account_id=by,
            action=action,
            table_name=table,
            row_id=row_id,
            before=_written(before),
            after=_written(after),
            created_at=clock.now(),
        )
    )


def write_change(table: str, row_id: str, *, by: UUID, before: Facts, after: Facts) -> bool:
    """Note what differs in a row that was changed, and return whether anything does."""
    names = [name for name in after if before[name] != after[name]]
    if names:
        write(
            ChangeAction.CHANGE,
            table,
            row_id,
            by=by,
            before={name: before[name] for name in names},
            after={name: after[name] for name in names},
        )
    return bool(names)


def _written(facts: Facts | None) -> dict[str, object] | None:
    return None if facts is None else {name: _as_json(value) for name, value in facts.items()}


def _as_json(value: object) -> object:
    match value:
        case datetime():
            return clock.rfc3339(value)
        case date():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
    return value
