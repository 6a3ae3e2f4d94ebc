"""How a value is shown: in a list, by itself, and in a file for spreadsheets."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from flask import url_for
from markupsafe import Markup
from sqlalchemy import Table

from ...core import money
from ...core.clock import rfc3339
from ...text import readable
from ...text.spreadsheets import no_formula
from . import columns

NOTHING = "—"
LONGEST_IN_A_LIST = 80

Row = Mapping[str, Any]
"""A row of any table, by the names of its columns and of what rides along (columns.riders)."""


# What people call a row by, the first of these that it has.
_NAMES = (
    "username",
    "code",
    "name",
    "email",
    "website",
    "url",
    "pattern",
    "description",
    "order_id",
)
# What holds hosts in ASCII, and how people read them.
_READABLE = {
    "website": readable.host,
    "email": readable.address,
    "mailed_to": readable.address,
}


def name_of(row: Row) -> str:
    """Return what people call a row, or nothing."""
    for name in _NAMES:
        text = str(row.get(name) or "").strip()
        if text:
            text = _READABLE.get(name, str)(text)
            return text if len(text) <= LONGEST_IN_A_LIST else f"{text[:LONGEST_IN_A_LIST]}…"
    return ""


def in_a_list(table: Table, row: Row, name: str) -> str:
    return _shown(table, row, name, brief=True)


def by_itself(table: Table, row: Row, name: str) -> str:
    return _shown(table, row, name, brief=False)


def in_a_file(table: Table, row: Row, name: str) -> str:
    text = _as_text(table, row, name)
    return no_formula(text) if isinstance(row[name], str | dict | list) else text


def _as_text(table: Table, row: Row, name: str) -> str:
    """Return a value as text, and a number never formatted: its reader may be a program."""
    match row[name]:
        case None:
            return ""
        case bool() as value:
            return "true" if value else "false"
        case datetime() as value:
            return rfc3339(value)
        case date() as value:
            return value.isoformat()
        case dict() | list() as value:
            return orjson.dumps(value).decode()
        case int() as value if name in table.c and columns.is_amount(table.c[name]):
            currency = row["currency"]
            if isinstance(currency, str) and currency:
                return money.written(money.from_minor(value, currency), currency)
            return str(value)
        case value:
            return str(value)


def _shown(table: Table, row: Row, name: str, *, brief: bool) -> str:
    value = row[name]
    if value is None or value == "":
        return NOTHING
    if isinstance(value, UUID):
        return _id_shown(table, row, name, value, brief=brief)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return Markup('<time datetime="{}">{}</time>').format(
            rfc3339(value), f"{value:%Y-%m-%d %H:%M:%S} UTC"
        )
    text = _as_text(table, row, name)
    if name in _READABLE and (shown := _READABLE[name](text)) != text:
        return Markup('<span title="{}">{}</span>').format(text, shown)
    if brief and len(text) > LONGEST_IN_A_LIST:
        return Markup('<span title="{}">{}…</span>').format(text, text[:LONGEST_IN_A_LIST])
    if isinstance(value, dict | list) and not brief:
        return Markup("<pre>{}</pre>").format(
            orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        )
    return text


def _id_shown(table: Table, row: Row, name: str, value: UUID, *, brief: bool) -> str:
    # Ids of the same moment differ at their ends.
    text = f"…{str(value)[-8:]}" if brief else str(value)
    column = table.c[name]
    whose = row.get(columns.name_of(name))
    if whose is not None:
        text = str(whose) if brief else f"{whose} ({value})"
    target = table.name if [column] == list(columns.key_of(table)) else columns.refers_to(column)
    if target is None:
        return Markup('<span title="{}">{}</span>').format(value, text)
    return Markup('<a href="{}" title="{}">{}</a>').format(
        url_for(f"admin-{target}.details_view", id=str(value)), value, text
    )
