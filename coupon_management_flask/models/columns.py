"""Columns that most tables have, and the ids they hold."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import mapped_column
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """UUID version 7: sorting by id sorts by creation."""
    return uuid7()


Id = Annotated[UUID, mapped_column(sa.Uuid, primary_key=True, default=new_id)]
AccountId = Annotated[UUID, mapped_column(sa.Uuid, sa.ForeignKey("accounts.id"))]
CreatedAt = Annotated[datetime, mapped_column()]


def where(condition: str, *, sqlite: str | None = None) -> dict[str, Any]:
    """That an index holds the rows of this condition alone; `sqlite` says it where SQLite, which has no booleans, needs other words."""
    return {
        "postgresql_where": sa.text(condition),
        "sqlite_where": sa.text(condition if sqlite is None else sqlite),
    }
