"""The audit log: who did what to which row, before and after. Written in the transaction that does it, and never changed."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock
from ..db.session import db
from ..models import AdminChange, new_id

_changes: Any = AdminChange.__table__

Facts = Mapping[str, Any]


def write(
    action: str,
    table: str,
    row_id: str | None,
    *,
    by: UUID | None,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Notes something that is being done, inside the transaction that does it. `before` and `after` are the facts of a row that differ, without secrets."""
    db.session.execute(
        sa.insert(_changes).values(
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
    """The same for a row that was changed; nothing, and False, where it is as it was."""
    names = [name for name in after if before[name] != after[name]]
    if names:
        write(
            "change",
            table,
            row_id,
            by=by,
            before={name: before[name] for name in names},
            after={name: after[name] for name in names},
        )
    return bool(names)


def _written(facts: Facts | None) -> dict[str, Any] | None:
    return None if facts is None else {name: _as_json(value) for name, value in facts.items()}


def _as_json(value: Any) -> Any:
    match value:
        case datetime():
            return clock.rfc3339(value)
        case date():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
    return value
