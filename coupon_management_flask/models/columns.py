"""Columns that most tables have, and what they are made of."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a UUID of version 7: sorting by id sorts by creation."""
    return uuid7()


def first_id_at(moment: datetime) -> UUID:
    """Return the bound that ids made from that moment on are not below."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


Id = Annotated[UUID, mapped_column(sa.Uuid, primary_key=True, default=new_id)]
AccountId = Annotated[UUID, mapped_column(sa.Uuid, sa.ForeignKey("accounts.id"))]
CreatedAt = Annotated[datetime, mapped_column()]

# What a JSON column holds. Whoever wrote it knows its shape.
Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]


def is_among(column: str, kind: type[StrEnum]) -> str:
    """Return the text of a CHECK: that a column holds one of a kind's values."""
    values = ", ".join(f"'{member}'" for member in kind)
    return f"{column} IN ({values})"


def where(condition: str, *, sqlite: str | None = None) -> dict[str, Any]:
    """Return the options of an index that holds only the rows of this condition.

    SQLite has no booleans. Where it needs other words, `sqlite` has them.
    """
    return {
        "postgresql_where": sa.text(condition),
        "sqlite_where": sa.text(condition if sqlite is None else sqlite),
    }
