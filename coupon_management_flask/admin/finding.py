"""Finding rows among millions: what no index finds is looked for among the newest alone, so that no page takes long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_admin.model.filters import BaseFilter

from ..analytics.figures.rollup import first_id_at
from . import columns

NEWEST = 20_000
YES_OR_NO = [("true", "yes"), ("false", "no")]


class Filter(BaseFilter):
    """A condition on one column. `is_exact`: an index finds what fulfils it."""

    def __init__(
        self,
        column: Any,
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

    input = "text"

    @property
    def is_exact(self) -> bool:
        return columns.leads_an_index(self.column)

    def operation(self) -> str:
        return self._operation

    def validate(self, value: str) -> bool:
        try:
            self.clean(value)
        except (ValueError, KeyError, OverflowError):
            return False
        return True

    def clean(self, value: str) -> Any:
        return columns.parsed(self.column, value)

    def condition(self, source: Any, value: Any) -> Any:
        """For rows of `source`, which is the table or a part of it."""
        return source.c[self.column.name] == value


class IsThere(Filter):
    """Whether a column has a value at all."""

    is_exact = False

    def __init__(self, column: Any) -> None:
        super().__init__(column, operation="is set", options=YES_OR_NO)

    def clean(self, value: str) -> bool:
        return {"true": True, "false": False}[value]

    def condition(self, source: Any, value: bool) -> Any:
        column = source.c[self.column.name]
        return column.is_not(None) if value else column.is_(None)


class Day(Filter):
    """Made on that day (UTC) or later; with `last`, or earlier. Where ids sort by time, they find it."""

    input = "date"

    def __init__(self, column: Any, *, last: bool, by_id: bool) -> None:
        super().__init__(column, name="until" if last else "since", operation="")
        self._last = last
        self._by_id = by_id

    @property
    def is_exact(self) -> bool:
        return self._by_id or columns.leads_an_index(self.column)

    def clean(self, value: str) -> date:
        return date.fromisoformat(value)

    def condition(self, source: Any, value: date) -> Any:
        bound: Any
        if isinstance(self.column.type, sa.Date):
            column, bound = source.c[self.column.name], value + timedelta(days=self._last)
        else:
            moment = datetime.combine(value, datetime.min.time(), UTC) + timedelta(days=self._last)
            column, bound = (
                (source.c.id, first_id_at(moment))
                if self._by_id
                else (source.c[self.column.name], moment)
            )
        return column < bound if self._last else column >= bound


@dataclass(frozen=True, slots=True)
class Search:
    """`exact` columns have an index, and find a whole value among all rows; `part` columns hold it, or a part of it, in one of the newest."""

    exact: tuple[Any, ...]
    part: tuple[Any, ...]

    @classmethod
    def of(cls, table: Any) -> "Search":
        visible = columns.shown(table)
        texts = tuple(column for column in visible if columns.is_text(column))
        ids = tuple(column for column in visible if isinstance(column.type, sa.Uuid))
        return cls(
            tuple(
                column
                for column in (*ids, *texts)
                if columns.leads_an_index(column) or columns.found_within(column) is not None
            ),
            texts,
        )

    def condition(self, table: Any, term: str) -> Any:
        key = columns.key_of(table)
        finds = [
            sa.select(*key).where(_is(column, term))
            for column in self.exact
            if _is(column, term) is not None
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
        return _tuple(key).in_(sa.union(*finds) if len(finds) > 1 else finds[0])


def _is(column: Any, term: str) -> Any:
    if isinstance(column.type, sa.Uuid):
        try:
            return column == UUID(term)
        except ValueError:
            return None
    # Keys are kept in small letters, codes of discounts in capitals.
    is_it = column.in_({term, term.casefold(), term.upper()})
    first = columns.found_within(column)
    return is_it if first is None else sa.and_(first.in_(columns.choices(first)), is_it)


def _tuple(key: Sequence[Any]) -> Any:
    return key[0] if len(key) == 1 else sa.tuple_(*key)


Order = Sequence[tuple[str, bool]]
"""Names of columns, and whether each is descending."""


def newest_first(table: Any) -> Order:
    """By the key, whose index has it: backwards where that is by time."""
    return [(column.name, columns.is_by_time(table)) for column in columns.key_of(table)]


def ordered(source: Any, order: Order) -> list[Any]:
    return [
        source.c[name].desc() if descending else source.c[name].asc() for name, descending in order
    ]


def _newest(table: Any, conditions: Sequence[Any]) -> Any:
    return (
        sa.select(*table.c)
        .where(*conditions)
        .order_by(*ordered(table, newest_first(table)))
        .limit(NEWEST)
        .subquery()
    )


def select(
    table: Any, search: Search, term: str, filters: Sequence[tuple[Filter, Any]]
) -> tuple[Any, Any]:
    """What to select rows from, and a condition for them, so that all of these are fulfilled."""
    exact = [flt.condition(table, value) for flt, value in filters if flt.is_exact]
    if term:
        exact.append(search.condition(table, term))
    others = [(flt, value) for flt, value in filters if not flt.is_exact]
    if not others:
        return table, sa.and_(sa.true(), *exact)
    source = _newest(table, exact)
    return source, sa.and_(*(flt.condition(source, value) for flt, value in others))
