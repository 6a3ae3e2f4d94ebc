"""Finding rows among millions.

What no index finds is looked for among the newest rows alone, so that no page takes long. A file
has all that is found: it is read window by window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_admin.model.filters import BaseFilter

from ...models import first_id_at
from ...text import codes, hosts, mailboxes, usernames
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

    @property
    def label(self) -> str:
        """What people read."""
        return f"{self.name} {self.operation()}" if self.operation() != "is" else str(self.name)

    def condition(self, source: sa.FromClause, value: object) -> Condition:
        """Return the condition for rows of `source`, which is the table or a part of it."""
        column = source.c[self.column.name]
        if columns.is_text(self.column) and not self.options:
            return column.in_(_forms_of(str(value)))
        return column == value


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

    @property
    def label(self) -> str:
        # A date is a day of the table's own making.
        return str(self.name) if isinstance(self.column.type, sa.Date) else f"{self.name} (UTC)"

    def clean(self, value: str) -> date:
        return date.fromisoformat(value.strip())

    def condition(self, source: sa.FromClause, value: object) -> Condition:
        assert isinstance(value, date)
        if not self._last:
            column, bound = self._bound(source, value)
            return column >= bound
        if value == date.max:
            # Nothing is later.
            return sa.true()
        column, bound = self._bound(source, value + timedelta(days=1))
        return column < bound

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

    def anywhere(self, table: sa.Table, term: str) -> Condition:
        """Return the condition that reads every row."""
        parts = [column.icontains(term, autoescape=True) for column in self.part]
        found = (_is(column, term) for column in self.exact)
        return sa.or_(sa.false(), *parts, *(is_it for is_it in found if is_it is not None))

    def condition(self, table: sa.Table, term: str, exact: Sequence[Condition]) -> Condition:
        """Return the condition for rows with that value, or with a part of it in the newest.

        Those are the newest that fulfil `exact`.
        """
        key = columns.key_of(table)
        finds = [
            sa.select(*key).where(is_it)
            for column in self.exact
            if (is_it := _is(column, term)) is not None
        ]
        if self.part:
            newest = _newest(table, exact)
            finds.append(
                sa.select(*(newest.c[column.name] for column in key)).where(
                    sa.or_(*(newest.c[c.name].icontains(term, autoescape=True) for c in self.part))
                )
            )
        if not finds:
            return sa.false()
        one = key[0] if len(key) == 1 else sa.tuple_(*key)
        return one.in_(sa.union(*finds) if len(finds) > 1 else finds[0])


def _host(text: str) -> str:
    try:
        return hosts.website_host(text)
    except ValueError:
        return text


_FORMS = (
    _host,
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
    is_it = column.in_(_forms_of(term))
    first = columns.found_within(column)
    return is_it if first is None else sa.and_(first.in_(columns.choices(first)), is_it)


def _forms_of(text: str) -> set[str]:
    return {text, *(form(text) for form in _FORMS)}


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for: a term, and the values of filters.

    `only` is a condition for the rows of the table that are shown at all.
    """

    table: sa.Table
    search: Search
    term: str
    filters: Chosen
    only: Condition | None = None

    @property
    def is_partial(self) -> bool:
        """Whether a list has only what is found among the newest rows."""
        return bool(self._others or (self.term and self.search.part))

    @property
    def exact(self) -> list[Condition]:
        """The conditions for which there is an index."""
        found = [one.condition(self.table, value) for one, value in self.filters if one.is_exact]
        return found if self.only is None else [*found, self.only]

    @property
    def _others(self) -> Chosen:
        return [(one, value) for one, value in self.filters if not one.is_exact]

    def select(self) -> tuple[sa.FromClause, Condition]:
        """Return what a list selects rows from, and a condition for them that says all of these."""
        exact = self.exact
        if self.term:
            exact.append(self.search.condition(self.table, self.term, exact))
        if not self._others:
            return self.table, sa.and_(sa.true(), *exact)
        source = _newest(self.table, exact)
        return source, self._say(source)

    def slow(self) -> Condition | None:
        """Return what no index says of a row, for a file that reads them all."""
        if not self.term and not self._others:
            return None
        said = self._say(self.table)
        return sa.and_(said, self.search.anywhere(self.table, self.term)) if self.term else said

    def _say(self, source: sa.FromClause) -> Condition:
        return sa.and_(sa.true(), *(one.condition(source, value) for one, value in self._others))

    def has_older(self) -> sa.Select[int]:
        """Return the statement that finds out whether there are rows besides the newest."""
        return (
            sa.select(sa.literal(1))
            .select_from(self.table)
            .where(*self.exact)
            .order_by(*ordered(self.table, newest_first(self.table)))
            .offset(NEWEST)
            .limit(1)
        )
