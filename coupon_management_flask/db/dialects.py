"""What PostgreSQL and SQLite say differently, written once."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from .session import Model, db


def is_postgresql() -> bool:
    return db.engine.dialect.name == "postgresql"


def table(model: type[Model]) -> sa.Table:
    """Return a model's table, for a write that is made often.

    A write through the model goes through the ORM's session, which costs 60 µs more.
    """
    found = model.__table__
    assert isinstance(found, sa.Table)
    return found


def upsert(target: type[Model] | sa.Table) -> "postgresql.Insert | sqlite.Insert":
    """Return an INSERT that takes ON CONFLICT, for the database at hand."""
    return postgresql.insert(target) if is_postgresql() else sqlite.insert(target)


def one_of(
    column: "sa.ColumnElement[Any] | InstrumentedAttribute[Any]",
    name: str,
    type_: "TypeEngine[Any] | type[TypeEngine[Any]]",
    *,
    on_postgresql: bool,
) -> sa.ColumnElement[bool]:
    """Return the condition that a column is among the values of the parameter `name`.

    PostgreSQL can prepare it with an array, SQLite reads a list.
    """
    if on_postgresql:
        return column == sa.any_(sa.bindparam(name, type_=postgresql.ARRAY(type_)))
    return column.in_(sa.bindparam(name, expanding=True, type_=type_))


def rows_changed(result: sa.Result[Any]) -> int:
    """Return how many rows an UPDATE or DELETE has met."""
    # An UPDATE or DELETE without RETURNING gives a CursorResult; the session's type is wider.
    assert isinstance(result, sa.CursorResult)
    return result.rowcount
