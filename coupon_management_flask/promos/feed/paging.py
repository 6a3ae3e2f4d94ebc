"""Pages of lists that are spread over several sorted keys.

The number of all items comes from kept counts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from ...db.statements import Prepared

Items: TypeAlias = sa.Select[*tuple[Any, ...]]
"""A statement that selects ids as `id`, and what they are sorted by."""

Columns: TypeAlias = sa.ColumnCollection[str, sa.ColumnElement[Any]]
"""The columns of such a statement, or of a subquery made of it."""

Order: TypeAlias = sa.ColumnElement[Any]

OrderBy: TypeAlias = Callable[[Columns], list[Order]]


class IdPage(NamedTuple):
    """The ids on a page, and how many items there are in all."""

    ids: list[UUID]
    total: int


_LIMIT = sa.bindparam("limit", type_=sa.BigInteger)
_OFFSET = sa.bindparam("offset", type_=sa.BigInteger)


def under_each(keys: sa.CTE, items: Items, *, on: sa.ColumnElement[bool], order: OrderBy) -> Items:
    """Select, on PostgreSQL, the first items under each key: as many as the page can need.

    `on` says which items stand under a key.
    """
    first = items.where(on)
    found = first.order_by(*order(first.selected_columns)).limit(_LIMIT + _OFFSET).lateral("first")
    return sa.select(*found.c).select_from(keys.join(found, sa.true()))


def in_turn(branches: list[Items], order: OrderBy) -> Items:
    """Select, on PostgreSQL, the items of several branches, each of which an index has in order.

    It goes from one to the next as a page asks, and looks at no more. This is for many keys of
    which all but a few have nothing to add to the page.
    """
    found = sa.union_all(
        *(branch.order_by(*order(branch.selected_columns)) for branch in branches)
    ).subquery("found")
    return sa.select(*found.c)


def page_of(keys: sa.CTE, page: Items, *, order: OrderBy) -> Items:
    """Make a statement for one page of ids, each row with the number of all items.

    That number is the sum of the keys' `promos`. `page` selects items under these keys alone.
    A page with nothing on it is one row without an id.
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


def run(page: Prepared, parameters: dict[str, object]) -> IdPage:
    """Run a statement that `page_of` has made."""
    rows = page.execute(parameters)
    return IdPage([row.id for row in rows if row.id is not None], int(rows[0].total))
