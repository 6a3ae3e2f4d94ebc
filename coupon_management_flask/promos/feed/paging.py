"""Pages of lists that are spread over several sorted keys, with the number of all items from kept counts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...db.session import AnySelect
from ...db.statements import Prepared

_LIMIT, _OFFSET = (
    sa.bindparam("limit", type_=sa.BigInteger),
    sa.bindparam("offset", type_=sa.BigInteger),
)


def under_each(
    keys: Any, items: AnySelect, *, on: Callable[[Any], Any], order: Callable[[Any], list[Any]]
) -> AnySelect:
    """On PostgreSQL, the first items under each key: as many as the page can need."""
    first = items.where(on(keys))
    found: Any = (
        first.order_by(*order(first.selected_columns)).limit(_LIMIT + _OFFSET).lateral("first")
    )
    return sa.select(*found.c).select_from(keys.join(found, sa.true()))


def in_turn(branches: list[AnySelect], order: Callable[[Any], list[Any]]) -> AnySelect:
    """On PostgreSQL, the items of several branches, each of which an index has in order: it goes from one to the next as a page asks, and looks at no more.

    For many keys, of which all but a few have nothing to add to the page.
    """
    found: Any = sa.union_all(
        *(branch.order_by(*order(branch.selected_columns)) for branch in branches)
    ).subquery("found")
    return sa.select(*found.c)


def page_of(keys: Any, page: AnySelect, *, order: Callable[[Any], list[Any]]) -> AnySelect:
    """A statement for one page of ids, and in each of its rows the number of all items (the sum of the keys' `promos`).

    `page` selects `id` and what is sorted by, under these keys alone. A page with nothing on it is one row without an id.
    """
    page = page.order_by(*order(page.selected_columns)).limit(_LIMIT).offset(_OFFSET)
    ids = page.subquery("page")
    total = sa.select(sa.func.coalesce(sa.func.sum(keys.c.promos), 0).label("total")).subquery(
        "total"
    )
    return (
        sa.select(total.c.total, ids.c.id)
        .select_from(total.outerjoin(ids, sa.true()))
        .order_by(*order(ids.c))
    )


def run(page: Prepared, parameters: dict[str, Any]) -> tuple[list[UUID], int]:
    rows = page.execute(parameters)
    return [row.id for row in rows if row.id is not None], int(rows[0].total)
