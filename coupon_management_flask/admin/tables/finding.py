"""Finding rows among millions.

What no index finds is looked for among the newest rows alone, so that no page takes long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_admin.model.filters import BaseFilter

from ...models import first_id_at
from ...text import codes, mailboxes, usernames
from . import columns
from .columns import Column

NEWEST = 20_000
YES_OR_NO = [("true", "yes"), ("false", "no")]

Condition = sa.ColumnElement[bool]
Order = Sequence[tuple[str, bool]]
"""Names of columns, and whether each is descending."""


class Filter(BaseFilter):
    """A condition on one column. `is_exact`: an index finds what fulfils it."""

    input = "text"

    def __init__(
        self,
        column: Column,
        *,
        name: str | None = None,
        operation: str = "is",
        options: list[tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(
            name or column.name.replace("_", " "), options=options, data_type=self.input
        )
        self.column = column
        self._operation = operation

    @property
    def is_exact(self) -> bool:
        return columns.leads_an_index(self.column)

    def operation(self) -> str:
        return self._operation

    def validate(self, value: str) -> bool:
        """Return whether a value makes sense. An empty field of the form is no condition."""
        if not value.strip():
            return True
        try:
            self.clean(value)
        except (ValueError, KeyError, OverflowError):
            return False
        return True

    def clean(self, value: str) -> object:
        return columns.parsed(self.column, value.strip())

    def condition(self, source: sa.FromClause, value: object) -> Condition:
        """Return the condition for rows of `source`, which is the table or a part of it."""
        return source.c[self.column.name] == value


class IsThere(Filter):
    """Whether a column has a value at all."""

    is_exact = False

    def __init__(self, column: Column) -> None:
        super().__init__(column, operation="is set", options=YES_OR_NO)

    def clean(self, value: str) -> bool:
        return {"true": True, "false": False}[value.strip()]

    def condition(self, source: sa.FromClause, value: object) -> Condition:
        column = source.c[self.column.name]
        return column.is_not(None) if value else column.is_(None)


class Day(Filter):
    """Made on that day (UTC) or later; with `last`, or earlier. Ids that sort by time find it."""

    input = "date"

    def __init__(self, column: Column, *, last: bool, by_id: bool) -> None:
        super().__init__(column, name="until" if last else "since", operation="")
        self._last = last
        self._by_id = by_id

    @property
    def is_exact(self) -> bool:
        return self._by_id or columns.leads_an_index(self.column)

    def clean(self, value: str) -> date:
        return date.fromisoformat(value.strip())

    def condition(self, source: sa.FromClause, value: object) -> Condition:
        assert isinstance(value, date)
        column, bound = self._bound(source, value + timedelta(days=self._last))
        return column < bound if self._last else column >= bound

    def _bound(self, source: sa.FromClause, day: date) -> tuple[sa.ColumnElement[Any], object]:
        column = source.c[self.column.name]
        if isinstance(self.column.type, sa.Date):
            return column, day
        moment = datetime.combine(day, datetime.min.time(), UTC)
        return (source.c.id, first_id_at(moment)) if self._by_id else (column, moment)


Chosen = Sequence[tuple[Filter, object]]
"""Filters and the values that somebody has chosen for them."""


@dataclass(frozen=True, slots=True)
class Search:
    """`exact` columns have an index, and find a whole value among all rows.

    `part` columns hold the value, or a part of it, in one of the newest.
    """

    exact: tuple[Column, ...]
    part: tuple[Column, ...]

    @classmethod
    def of(cls, table: sa.Table) -> "Search":
        visible = columns.shown(table)
        texts = tuple(column for column in visible if columns.is_text(column))
        ids = tuple(column for column in visible if isinstance(column.type, sa.Uuid))
        exact = tuple(
            column
            for column in (*ids, *texts)
            if columns.leads_an_index(column) or columns.found_within(column) is not None
        )
        return cls(exact, texts)

    def condition(self, table: sa.Table, term: str) -> Condition:
        key = columns.key_of(table)
        finds = [
            sa.select(*key).where(is_it)
            for column in self.exact
            if (is_it := _is(column, term)) is not None
        ]
        if self.part:
            newest = _newest(table, ())
            finds.append(
                sa.select(*(newest.c[column.name] for column in key)).where(
                    sa.or_(*(newest.c[c.name].icontains(term, autoescape=True) for c in self.part))
                )
            )
        if not finds:
            return sa.false()
        one = key[0] if len(key) == 1 else sa.tuple_(*key)
        return one.in_(sa.union(*finds) if len(finds) > 1 else finds[0])


_FORMS = (
    codes.comparable,
    codes.discount,
    usernames.comparable,
    mailboxes.comparable,
    mailboxes.without_tag,
)


def _is(column: Column, term: str) -> Condition | None:
    if isinstance(column.type, sa.Uuid):
        try:
            return column == UUID(term)
        except ValueError:
            return None
    # Each kind of text is kept in a form of its own, and nobody says what kind it is.
    is_it = column.in_({term, *(form(term) for form in _FORMS)})
    first = columns.found_within(column)
    return is_it if first is None else sa.and_(first.in_(columns.choices(first)), is_it)


def newest_first(table: sa.Table) -> Order:
    """Return the order of the key, whose index has it: backwards where that is by time."""
    return [(column.name, columns.is_by_time(table)) for column in columns.key_of(table)]


def ordered(source: sa.FromClause, order: Order) -> list[sa.UnaryExpression[Any]]:
    return [
        source.c[name].desc() if descending else source.c[name].asc() for name, descending in order
    ]


def _newest(table: sa.Table, conditions: Sequence[Condition]) -> sa.Subquery:
    return (
        sa.select(*table.c)
        .where(*conditions)
        .order_by(*ordered(table, newest_first(table)))
        .limit(NEWEST)
        .subquery()
    )


def select(
    table: sa.Table, search: Search, term: str, filters: Chosen, only: Condition | None = None
) -> tuple[sa.FromClause, Condition]:
    """Return what to select rows from, and a condition for them that says all of these."""
    exact = [one.condition(table, value) for one, value in filters if one.is_exact]
    if only is not None:
        exact.append(only)
    if term:
        exact.append(search.condition(table, term))
    others = [(one, value) for one, value in filters if not one.is_exact]
    if not others:
        return table, sa.and_(sa.true(), *exact)
    source = _newest(table, exact)
    return source, sa.and_(*(one.condition(source, value) for one, value in others))
