"""The log of changes: who did what to which row, before and after.

Entries are written in the transaction that makes the change, and never changed.

Use cases `note` what they do. The guard of the API says who `acts`: an administrator, or a server
that manages coupons. Where nobody does, nothing is noted: sign-ups, sales and jobs are no changes
of administrators. /admin writes whole rows itself.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

import sqlalchemy as sa

from ..core import clock
from ..db.session import Model, db
from ..models import AdminChange, ChangeAction, new_id

Facts = Mapping[str, object]
"""Columns of a row and their values."""

# That such a value changed is told, never what it was or is.
_SECRET_NAMES = re.compile(r"password|digest|secret|token|hidden_code")
_NOT_SHOWN = "(not shown)"

_INSERT = cast(sa.Table, AdminChange.__table__).insert()


@dataclass(frozen=True, slots=True)
class Acting:
    """Who changes something through the API. A server is a shop's, with an API key."""

    account_id: UUID
    is_server: bool


_acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting(who: Acting) -> Iterator[None]:
    """Note the changes inside the block as theirs."""
    token = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(token)


def note(
    table: str,
    row_id: object,
    *,
    before: object = None,
    after: object = None,
    also_by_servers: bool = True,
) -> None:
    """Note what whoever acts has done to a row, inside the transaction that does it.

    `before` and `after` are facts, or an object that has them. Without `before` the row was made,
    without `after` it was deleted; of a change, what differs is noted.
    What a shop's server does with its own orders all day is noted where a person does it.
    """
    who = _acting.get()
    if who is None or (who.is_server and not also_by_servers):
        return
    if before is not None and after is not None:
        write_change(
            table, str(row_id), by=who.account_id, before=facts_of(before), after=facts_of(after)
        )
        return
    write(
        ChangeAction.CREATE if before is None else ChangeAction.DELETE,
        table,
        None if row_id is None else str(row_id),
        by=who.account_id,
        before=None if before is None else facts_of(before),
        after=None if after is None else facts_of(after),
    )


def facts_of(row: object) -> dict[str, object]:
    """Return what an entity, a dataclass or a mapping says at this moment."""
    if isinstance(row, Mapping):
        return dict(row)
    if is_dataclass(row):
        return {field.name: getattr(row, field.name) for field in fields(row)}
    assert isinstance(row, Model)
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


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
    # Past the session, whose way with an entity would cost a change twice as much.
    db.session.connection().execute(
        _INSERT,
        {
            "id": new_id(),
            "account_id": by,
            "action": action,
            "table_name": table,
            "row_id": row_id,
            "before": _written(before),
            "after": _written(after),
            "created_at": clock.now(),
        },
    )


def write_change(table: str, row_id: str, *, by: UUID, before: Facts, after: Facts) -> bool:
    """Note what differs in a row that was changed, and return whether anything does."""
    names = [name for name in after if before.get(name) != after[name]]
    if names:
        write(
            ChangeAction.CHANGE,
            table,
            row_id,
            by=by,
            before={name: before[name] for name in names if name in before},
            after={name: after[name] for name in names},
        )
    return bool(names)


def _written(facts: Facts | None) -> dict[str, object] | None:
    if facts is None:
        return None
    return {
        name: _NOT_SHOWN if value and _SECRET_NAMES.search(name) else _as_json(value)
        for name, value in facts.items()
    }


def _as_json(value: object) -> object:
    match value:
        case datetime():
            return clock.rfc3339(value)
        case date():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
    return value
