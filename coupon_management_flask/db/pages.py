"""Pages of a list."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .session import AnySelect, db


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Any]
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        return -(-self.total // self.size)

    @property
    def has_prev(self) -> bool:
        return self.number > 1

    @property
    def has_next(self) -> bool:
        return self.number < self.pages

    @property
    def prev_page(self) -> int | None:
        return self.number - 1 if self.has_prev else None

    @property
    def next_page(self) -> int | None:
        return self.number + 1 if self.has_next else None


def paginate(statement: AnySelect, number: int, size: int) -> Page:
    """Return one page of a statement's rows. `number` counts from 1."""
    total = (
        db.session.scalar(
            sa.select(sa.func.count()).select_from(statement.order_by(None).subquery())
        )
        or 0
    )
    rows = db.session.execute(statement.limit(size).offset((number - 1) * size)).all()
    return Page(list(rows), total, number, size)
