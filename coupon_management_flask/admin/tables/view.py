"""A view of a table: its list, one row of it, and a file of all that is found.

Nothing changes here. editing/ has the views in which something may.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import sqlalchemy as sa
from flask import Response, abort, g, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.form import BaseForm
from flask_admin.model import BaseModelView
from flask_admin.tools import iterdecode, iterencode
from jinja2 import pass_context
from jinja2.runtime import Context

from ...core import clock
from ...db.session import Model, before_waiting, db
from ...models import VoucherType
from ..access import SignedIn
from . import cells, columns, finding
from .cells import Row
from .columns import Key
from .finding import Filter

# For a page further on the database would count up to it, row by row.
LAST_PAGE = 199
ROWS_AT_ONCE = 1_000
# What a file looks through at once where no index finds what is wanted.
WINDOW = 5_000
# Made with ids that say nothing of when.
_IDS_TELL_NO_TIME = {VoucherType.__tablename__}

_NAMES = {"api_keys": "API keys", "email_coupons": "E-mail coupons"}

# What links may say, besides the filters.
_IN_LINKS = {"page", "page_size", "sort", "desc", "search", "id", "url", "export_type"}
# Flask-Admin numbers the filters of a link: `flt0_kind_is`.
_FILTER = re.compile(r"flt\d*_(?=.)")

Chosen = Sequence[tuple[int, str, str]]
"""Filters as Flask-Admin reads them: a filter's place and name, and what was typed."""


class TableView(SignedIn, BaseModelView):
    """All of a table but what is secret, read-only."""

    can_create = can_edit = can_delete = False
    can_view_details = can_export = True
    page_size = 50
    export_types = ("csv",)
    list_template = "console/list.html"
    details_template = "console/details.html"

    # Flask-Admin has a route for each of these. A view that changes nothing has none that could:
    # those in editing/ bring back what they offer.
    create_view = edit_view = delete_view = None
    action_view = ajax_lookup = ajax_update = None

    # The columns of the list, where the table has more than fit.
    listed: tuple[str, ...] = ()
    # Rows that are shown, where not all are.
    only: sa.ColumnElement[bool] | None = None

    def __init__(self, model: type[Model], category: str) -> None:
        assert isinstance(model.__table__, sa.Table)
        self.table = model.__table__
        self.search = finding.Search.of(self.table)
        visible = columns.shown(self.table)
        extra = columns.STOCK if columns.has_stock(self.table) else ()
        self.column_list = self.listed or (
            *(column.name for column in visible if not columns.is_long(column)),
            *extra,
        )
        self.column_details_list = (*(column.name for column in visible), *extra)
        self.column_export_list = self.column_details_list
        self.column_sortable_list = [
            name
            for name in self.column_list
            if name in self.table.c and columns.sorts(self.table.c[name])
        ]
        self.column_filters = _filters_of(self.table)
        super().__init__(
            model,
            _NAMES.get(self.table.name) or self.get_column_name(self.table.name),
            category,
            endpoint=f"admin-{self.table.name}",
            url=self.table.name,
        )

    # What Flask-Admin asks of whoever brings the rows

    def scaffold_form(self) -> type[BaseForm]:
        return BaseForm  # type: ignore[no-any-return]

    def init_search(self) -> bool:
        return bool(self.search.exact or self.search.part)

    def search_placeholder(self) -> str:
        return ", ".join(
            dict.fromkeys(
                column.name.removesuffix("_key").replace("_", " ")
                for column in (*self.search.exact, *self.search.part)
            )
        )

    def get_column_name(self, field: str) -> str:
        return field.replace("_", " ").capitalize()

    def get_pk_value(self, model: Row) -> str:
        parts = [str(model[column.name]) for column in columns.key_of(self.table)]
        return parts[0] if len(parts) == 1 else str(iterencode(parts))

    def get_list(
        self,
        page: int | None,
        sort_field: str | None,
        sort_desc: bool,
        search: str | None,
        filters: Chosen | None,
        page_size: int | None = None,
    ) -> tuple[None, Iterable[Row]]:
        """Return a page and one row of the next, if there is any. Without a size, all rows.

        How many there are is not counted: that may take long.
        """
        wanted = finding.Wanted(
            self.table,
            self.search,
            (search or "").strip().replace("\x00", ""),
            [
                (self.column_filters[place], self.column_filters[place].clean(value))
                for place, _, value in filters or ()
                if value.strip()
            ],
            self.only,
        )
        if not page_size:
            return None, self._all(wanted)
        source, condition = wanted.select()
        order = finding.newest_first(self.table)
        if sort_field is not None and self.is_sortable(sort_field):
            keys = [column.name for column in columns.key_of(self.table)]
            order = [(name, sort_desc) for name in dict.fromkeys([sort_field, *keys])]
        rows = _read(
            self._rows(source)
            .where(condition)
            .order_by(*finding.ordered(source, order))
            .limit(page_size + 1)
            .offset(min(max(page or 0, 0), LAST_PAGE) * page_size)
        )
        # Asked where a list ends, for it must not say that there is nothing more.
        g.has_older = (
            wanted.is_partial
            and len(rows) <= page_size
            and db.session.scalar(wanted.has_older()) is not None
        )
        return None, rows

    def get_one(self, id: str | None) -> Row:
        """Return the row of that key. A 404 where there is none."""
        row = self.read(self.key(id))
        if row is None:
            abort(404)
        return row

    def title_of(self, row: Row) -> str:
        """Return what a page about a row calls it: as people do, or by its key."""
        return cells.name_of(row) or self.get_pk_value(row)

    # Keys

    def key(self, text: str | None) -> Key:
        """Return the key of a row, as `get_pk_value` wrote it. A 404 for what is none."""
        names = columns.key_of(self.table)
        parts = (
            () if not isinstance(text, str) else (text,) if len(names) == 1 else iterdecode(text)
        )
        if len(parts) != len(names):
            abort(404)
        try:
            return tuple(
                columns.parsed(column, part) for column, part in zip(names, parts, strict=True)
            )
        except (ValueError, KeyError):
            abort(404)

    def is_row(self, key: Key) -> sa.ColumnElement[bool]:
        return sa.and_(
            *(
                column == value
                for column, value in zip(columns.key_of(self.table), key, strict=True)
            )
        )

    def read(self, key: Key) -> Row | None:
        statement = self._rows(self.table).where(self.is_row(key))
        found = _read(statement if self.only is None else statement.where(self.only))
        return found[0] if found else None

    def _rows(self, source: sa.FromClause) -> sa.Select[*tuple[object, ...]]:
        return sa.select(
            *(source.c[column.name] for column in columns.shown(self.table)),
            *columns.riders(self.table, source),
        ).select_from(source)

    # Filters and links

    def get_filter_arg(self, index: int, flt: Filter) -> str:
        return "_".join(f"{flt.name} {flt.operation()}".split())

    def filter_name(self, index: int) -> str:
        """Return a filter's name in the query. It never changes, so that links stay good."""
        return f"flt_{self.get_filter_arg(index, self.column_filters[index])}"

    def chosen(self, filters: Chosen | None) -> dict[str, str]:
        """Return the values of the filters that are not empty, by their names in the query."""
        return {
            self.filter_name(place): value.strip()
            for place, _, value in filters or ()
            if value.strip()
        }

    def get_invalid_value_msg(self, value: str, filter: Filter) -> str:
        # It waits in the cookie until the next page is shown.
        shown = value.strip()[: cells.LONGEST_IN_A_LIST]
        return f"Not looked for: {filter.name} {filter.operation()} {shown}"

    def get_url(self, endpoint: str, /, **values: object) -> str:
        """Return a link, without filters that are empty and without what nobody has asked for.

        Flask-Admin would hand on whatever the query had.
        """
        said = {_FILTER.sub("flt_", name): value for name, value in values.items()}
        return str(
            super().get_url(
                endpoint,
                **{
                    name: value
                    for name, value in said.items()
                    if name in _IN_LINKS or (name.startswith("flt_") and value)
                },
            )
        )

    # Pages

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        require_id()
        return super().details_view()  # type: ignore[no-any-return]

    def render(self, template: str, **values: object) -> str:
        return str(
            super().render(
                template,
                newest=finding.NEWEST,
                last_page=LAST_PAGE,
                has_older=g.get("has_older", False),
                **values,
            )
        )

    @pass_context
    def get_list_value(self, context: Context, model: Row, name: str) -> str:
        return cells.in_a_list(self.table, model, name)

    @pass_context
    def get_detail_value(self, context: Context, model: Row, name: str) -> str:
        return cells.by_itself(self.table, model, name)

    # The file

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> Response:
        """Answer with all that is found, in the order of its keys, page after page.

        Nothing is held in between.
        """
        if export_type not in self.export_types:
            abort(404)
        answer: Response = super().export(export_type)
        answer.headers["Content-Disposition"] = f'attachment; filename="{self.get_export_name()}"'
        # Flask-Admin would send each line by itself.
        answer.response = _in_blocks(answer.iter_encoded())
        return answer

    def get_export_columns(self) -> list[tuple[str, str]]:
        # The first line is read by programs too: it has the columns' own names.
        return [(name, name) for name in self.column_export_list]

    def get_export_value(self, model: Row, name: str) -> str:
        return cells.in_a_file(self.table, model, name)

    def get_export_name(self, export_type: str = "csv") -> str:
        return f"{self.table.name}-{clock.now():%Y%m%d-%H%M%S}Z.{export_type}"

    def _all(self, wanted: finding.Wanted) -> Iterator[Row]:
        """Return all rows, the first of them already read.

        A database that is away is an answer of its own, not a file that ends early.
        """
        pages = self._pages(wanted)
        first = next(pages, [])
        return chain(first, chain.from_iterable(pages))

    def _pages(self, wanted: finding.Wanted) -> Iterator[list[Row]]:
        """Return the rows in the order of their keys, some at a time.

        What no index finds is looked for in one window of rows after another, so that no statement
        takes long however few there are.
        """
        key, slow = columns.key_of(self.table), wanted.slow()
        in_order = self._rows(self.table).where(*wanted.exact).order_by(*key)
        after: list[sa.ColumnElement[bool]] = []
        while True:
            if slow is None:
                page = _read(in_order.where(*after).limit(ROWS_AT_ONCE))
                last = page[-1] if len(page) == ROWS_AT_ONCE else None
            else:
                ends = sa.select(*key).where(*wanted.exact, *after).order_by(*key)
                found = _read(ends.offset(WINDOW - 1).limit(1))
                last = found[0] if found else None
                within = [] if last is None else [~self._is_after(last)]
                page = _read(in_order.where(slow, *after, *within))
            # The client may read slowly, and must not hold a connection meanwhile.
            before_waiting()
            if page:
                yield page
            if last is None:
                return
            after = [self._is_after(last)]

    def _is_after(self, row: Row) -> sa.ColumnElement[bool]:
        key = columns.key_of(self.table)
        last = [sa.literal(row[column.name], column.type) for column in key]
        return sa.tuple_(*key) > sa.tuple_(*last) if len(key) > 1 else key[0] > last[0]


def require_id() -> None:
    """Abort with 404 where the query names no row. Flask-Admin would lead back to the list."""
    if not request.args.get("id"):
        abort(404)


def _read(statement: sa.Select[*tuple[object, ...]]) -> list[Row]:
    return [row._asdict() for row in db.session.execute(statement)]


def _in_blocks(lines: Iterator[bytes]) -> Iterator[bytes]:
    return iter(lambda: b"".join(islice(lines, ROWS_AT_ONCE)), b"")


def _filters_of(table: sa.Table) -> list[Filter]:
    found = [one for column in columns.shown(table) if (one := _filter_of(column)) is not None]
    made_at = columns.time_of(table)
    if made_at is not None:
        by_id = columns.is_by_time(table) and table.name not in _IDS_TELL_NO_TIME
        found += [finding.Day(made_at, last=last, by_id=by_id) for last in (False, True)]
    return found


def _filter_of(column: columns.Column) -> Filter | None:
    options = [(choice, choice) for choice in columns.choices(column)]
    if isinstance(column.type, sa.Boolean):
        return Filter(column, options=finding.YES_OR_NO)
    is_found_by_text = (
        columns.leads_an_index(column) and columns.is_text(column) and not columns.is_long(column)
    )
    if options or columns.refers_to(column) or is_found_by_text:
        return Filter(column, options=options or None)
    if column.nullable and column.name.endswith("_at"):
        return finding.IsThere(column)
    return None
