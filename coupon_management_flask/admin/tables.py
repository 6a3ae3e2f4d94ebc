"""A view of a table: its list, one row of it, and a file of all that is found. Nothing changes here; editing.py has those where something may."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from itertools import chain
from typing import Any

import sqlalchemy as sa
from flask import Response, abort, flash, request, stream_with_context
from flask_admin import expose
from flask_admin.form import BaseForm
from flask_admin.model import BaseModelView
from flask_admin.tools import iterdecode, iterencode
from jinja2 import pass_context

from ..core import clock
from ..db.session import before_waiting, db
from ..models import VoucherType
from . import cells, columns, finding
from .access import SignedIn
from .finding import Filter

Row = Mapping[Any, Any]

# A page further on would have the database count up to it, row by row.
LAST_PAGE = 199
ROWS_AT_ONCE = 1_000
# Made with ids that say nothing of when.
_IDS_TELL_NO_TIME = {VoucherType.__tablename__}

_NAMES = {"api_keys": "API keys", "email_coupons": "E-mail coupons"}

# What there is a route for: a view that changes nothing has none that could.
_OFFERED = {
    **dict.fromkeys(("index_view", "details_view", "export"), "can_view_details"),
    "create_view": "can_create",
    "edit_view": "can_edit",
    "delete_view": "can_delete",
    "confirm_delete": "can_delete",
}


class TableView(SignedIn, BaseModelView):
    """All of a table but what is secret, read-only."""

    _urls: list[Any]
    can_create = can_edit = can_delete = False
    can_view_details = True
    page_size = 50
    list_template = "console/list.html"
    details_template = "console/details.html"

    # The columns of the list, where the table has more than fit.
    listed: tuple[str, ...] = ()

    def __init__(self, model: Any, category: str) -> None:
        self.table: Any = model.__table__
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
        self.column_filters = self._all_filters()
        super().__init__(
            model,
            _NAMES.get(self.table.name) or self._prettify_name(self.table.name),
            category,
            endpoint=f"admin-{self.table.name}",
            url=self.table.name,
        )

    def _all_filters(self) -> list[Filter]:
        found: list[Filter] = []
        for column in columns.shown(self.table):
            options = [(choice, choice) for choice in columns.choices(column)]
            if isinstance(column.type, sa.Boolean):
                found.append(Filter(column, options=finding.YES_OR_NO))
            elif (
                options
                or columns.refers_to(column)
                or (
                    columns.leads_an_index(column)
                    and columns.is_text(column)
                    and not columns.is_long(column)
                )
            ):
                found.append(Filter(column, options=options or None))
            elif column.nullable and column.name.endswith("_at"):
                found.append(finding.IsThere(column))
        made_at = columns.time_of(self.table)
        if made_at is not None:
            by_id = columns.is_by_time(self.table) and self.table.name not in _IDS_TELL_NO_TIME
            found += [finding.Day(made_at, last=last, by_id=by_id) for last in (False, True)]
        return found

    def create_blueprint(self, admin: Any) -> Any:
        self._urls = [
            route
            for route in self._urls
            if route[1] in _OFFERED and getattr(self, _OFFERED[route[1]])
        ]
        return super().create_blueprint(admin)

    def _handle_view(self, name: str, **path: Any) -> Any:
        refusal = super()._handle_view(name, **path)
        if refusal is None and name in ("details_view", "edit_view") and not request.args.get("id"):
            abort(404)
        return refusal

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

    def get_pk_value(self, model: Row) -> str:
        parts = [str(model[column.name]) for column in columns.key_of(self.table)]
        return parts[0] if len(parts) == 1 else str(iterencode(parts))

    def _prettify_name(self, name: str) -> str:
        return name.replace("_", " ").capitalize()

    def _get_field_value(self, model: Row, name: str) -> Any:
        return model[name]

    def _rows(self, source: Any) -> Any:
        return sa.select(
            *(source.c[column.name] for column in columns.shown(self.table)),
            *columns.riders(self.table, source),
        ).select_from(source)

    def get_list(
        self,
        page: int | None,
        sort_field: Any,
        sort_desc: Any,
        search: str | None,
        filters: Any,
        page_size: int | None = None,
    ) -> Any:
        """A page, and one row of the next if there is any. How many there are in all nobody counts: it may take long."""
        source, condition = self._found(search, filters)
        order = finding.newest_first(self.table)
        if sort_field in self._sortable_columns:
            keys = [column.name for column in columns.key_of(self.table)]
            order = [(name, bool(sort_desc)) for name in dict.fromkeys([sort_field, *keys])]
        size = page_size or self.page_size
        offset = min(max(page or 0, 0), LAST_PAGE) * size
        return None, db.session.execute(
            self._rows(source)
            .where(condition)
            .order_by(*finding.ordered(source, order))
            .limit(size + 1)
            .offset(offset)
        ).mappings().all()

    def _get_list_extra_args(self) -> Any:
        arguments = super()._get_list_extra_args()
        # What nobody has asked for would be passed on to whoever makes links.
        arguments.extra_args = {}
        return arguments

    def _found(self, search: str | None, filters: Any) -> tuple[Any, Any]:
        chosen = [
            (self._filters[index], self._filters[index].clean(value))
            for index, _, value in filters or ()
        ]
        return finding.select(
            self.table, self.search, (search or "").strip().replace("\x00", ""), chosen
        )

    def _get_list_filter_args(self) -> list[tuple[int, str, str]]:
        """As Flask-Admin has it, but that an empty field is no filter."""
        found = []
        for index, one in enumerate(self._filters or ()):
            value = request.args.get(self.filter_name(index), "").strip()
            if value and one.validate(value):
                found.append((index, str(one.name), value))
            elif value:
                # It waits in the cookie until the next page is shown.
                flash(
                    f"Not looked for: {one.name} {one.operation()} {value[: cells.LONGEST_IN_A_LIST]}",
                    "error",
                )
        return found

    def filter_name(self, index: int) -> str:
        """A filter's name in the query. Always the same, so that a link to a list stays good."""
        return f"flt_{self.get_filter_arg(index, self._filters[index])}"

    def get_filter_arg(self, index: int, flt: Filter) -> str:
        return "_".join(f"{flt.name} {flt.operation()}".split())

    def _get_filters(self, filters: Any) -> dict[str, str]:
        return {self.filter_name(index): value for index, _, value in filters or ()}

    def get_one(self, id: Any) -> Row:
        row = self._read(self.key(id))
        if row is None:
            abort(404)
        return row

    def key(self, text: Any) -> tuple[Any, ...]:
        """The key of a row, as `get_pk_value` wrote it."""
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

    def is_row(self, key: tuple[Any, ...]) -> Any:
        return sa.and_(
            *(
                column == value
                for column, value in zip(columns.key_of(self.table), key, strict=True)
            )
        )

    def _read(self, key: tuple[Any, ...]) -> Row | None:
        return (
            db.session.execute(self._rows(self.table).where(self.is_row(key)))
            .mappings()
            .one_or_none()
        )

    # How it is shown

    def render(self, template: str, **more: Any) -> str:
        return str(super().render(template, newest=finding.NEWEST, last_page=LAST_PAGE, **more))

    @pass_context
    def get_list_value(self, context: Any, model: Row, name: str) -> str:
        return cells.in_a_list(self.table, model, name)

    @pass_context
    def get_detail_value(self, context: Any, model: Row, name: str) -> str:
        return cells.by_itself(self.table, model, name)

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> Response:
        """All that is found, in the order of its keys, page after page: nothing is held in between."""
        if export_type != "csv":
            abort(404)
        arguments = self._get_list_extra_args()
        pages = self._pages(*self._found(arguments.search, arguments.filters))
        # Read before anything is answered: a database that is away is an answer of its own, not a file that ends early.
        first = next(pages, [])
        lines = (self._as_csv(page) for page in chain([first], pages))
        name = f"{self.table.name}-{clock.now():%Y%m%d-%H%M%S}.csv"
        return Response(
            stream_with_context(chain([_written([self.column_export_list])], lines)),
            mimetype="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _pages(self, source: Any, condition: Any) -> Iterator[list[Row]]:
        key = [source.c[column.name] for column in columns.key_of(self.table)]
        statement = self._rows(source).where(condition).order_by(*key).limit(ROWS_AT_ONCE)
        page = db.session.execute(statement).mappings().all()
        while page:
            # Whoever reads them may be slow.
            before_waiting()
            yield list(page)
            last = [
                sa.literal(page[-1][column.name], column.type)
                for column in columns.key_of(self.table)
            ]
            after = sa.tuple_(*key) > sa.tuple_(*last) if len(key) > 1 else key[0] > last[0]
            page = db.session.execute(statement.where(after)).mappings().all()

    def _as_csv(self, page: list[Row]) -> str:
        return _written(
            [
                [cells.in_a_file(self.table, row, name) for name in self.column_export_list]
                for row in page
            ]
        )


def _written(lines: Any) -> str:
    text = StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()
