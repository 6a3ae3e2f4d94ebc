"""Pages of lists that are spread over several sorted keys, with the number of all items from kept counts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..database import AnySelect
from ..prepared import Prepared


def merged(name: str, keys: Any, items: AnySelect, *, on: Callable[[Any], Any], order: Callable[[Any], list[Any]], on_postgresql: bool) -> Prepared:
    """A statement for one page of ids, and in each of its rows the number of all items (the sum of the keys' `promos`).

    `items` selects `id` and what is sorted by. On PostgreSQL only as many items are looked at under each key as the page can need.
    A page with nothing on it is one row without an id.
    """
    limit, offset = sa.bindparam("limit", type_=sa.BigInteger), sa.bindparam("offset", type_=sa.BigInteger)
    if on_postgresql:
        first = items.where(on(keys))
        first = first.order_by(*order(first.selected_columns)).limit(limit + offset)
        found: Any = first.lateral("first")
        page = sa.select(*found.c).select_from(keys.join(found, sa.true()))
    else:
        page = items.where(on(keys))
    page = page.order_by(*order(page.selected_columns)).limit(limit).offset(offset)
    ids = page.subquery("page")
    total = sa.select(sa.func.coalesce(sa.func.sum(keys.c.promos), 0).label("total")).subquery("total")
    page_and_total = sa.select(total.c.total, ids.c.id).select_from(total.outerjoin(ids, sa.true())).order_by(*order(ids.c))
    return Prepared(name if on_postgresql else f"{name}_elsewhere", page_and_total)


def run(page: Prepared, parameters: dict[str, Any]) -> tuple[list[UUID], int]:
    rows = page.execute(parameters)
    return [row.id for row in rows if row.id is not None], int(rows[0].total)
