"""Pages of a list."""

from dataclasses import dataclass
from typing import Any

import marshmallow as ma
import sqlalchemy as sa

from ..database import AnySelect, db
from .body import QueryWhole


class PageQuery(ma.Schema):
    page = QueryWhole(1, load_default=1)
    per_page = QueryWhole(1, 100, load_default=10)


class OffsetQuery(ma.Schema):
    """`limit` and `offset`; a limit above 1,000 gives 1,000, and there is nothing behind any offset that a database can't count to."""

    limit = QueryWhole(0, None, load_default=10)
    offset = QueryWhole(0, None, load_default=0)

    @ma.post_load
    def at_most(self, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"limit": min(query.pop("limit"), 1000), "offset": min(query.pop("offset"), 2**62), **query}


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Any]
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
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
    """One page of a statement's rows, and how many rows there are in all. `number` counts from 1."""
    total = db.session.scalar(sa.select(sa.func.count()).select_from(statement.order_by(None).subquery())) or 0
    rows = db.session.execute(statement.limit(size).offset((number - 1) * size)).all()
    return Page(list(rows), total, number, size)
