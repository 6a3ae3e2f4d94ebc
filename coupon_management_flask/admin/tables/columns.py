"""What a table's columns are to administrators.

Which are secret, which take too much room in a list, and which an index finds rows by.
"""

import re
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...db.types import Moment
from ...models import Account, RedemptionKind, Stock

Column = sa.Column[Any]
Key = tuple[object, ...]

# Secret in any table. Old fingerprints of requests are bare hashes, which give away a password that
# can be guessed. What else nobody is shown stands in _SECRETS.
_SECRET_NAMES = re.compile(r"password|digest|secret|token|refresh_id|fingerprint")
# Answers, messages and files hold codes and what is written to people.
_SECRETS = {
    ("idempotency_keys", "body"),
    ("outbox_messages", "payload"),
    ("coupon_import_parts", "body"),
}

# Whole numbers of a currency's minor unit, where there is a column for the currency.
_AMOUNTS = {
    "amount",
    "amount_refunded",
    "discount",
    "discount_amount",
    "original",
    "price",
    "total",
    "unit_price",
}

# What a column without a foreign key refers to.
_REFERENCES = {
    "coupon_id": "discount_coupons",
    "message_id": "outbox_messages",
    "redemption_id": "redemptions",
    "stock_id": "stocks",
    "batch_id": "coupon_batches",
}

# What a column can hold, where no CHECK says so.
_CHOICES = {("redemptions", "kind"): tuple(map(str, RedemptionKind))}
_IS_ONE_OF = re.compile(r"(\w+) IN \((.*)\)")

# When a row was made.
_TIMES = ("created_at", "received_at", "started_at", "day")

STOCK = ("claimed", "capacity")


def is_secret(column: Column) -> bool:
    return (
        _SECRET_NAMES.search(column.name) is not None
        or (column.table.name, column.name) in _SECRETS
    )


@cache
def shown(table: sa.Table) -> tuple[Column, ...]:
    return tuple(column for column in table.c if not is_secret(column))


def is_long(column: Column) -> bool:
    """Return whether a list leaves it out: JSON, and the form another column is compared in."""
    is_copy = column.name.endswith("_key") and column.name.removesuffix("_key") in column.table.c
    return isinstance(column.type, sa.JSON | sa.LargeBinary) or is_copy


def is_text(column: Column) -> bool:
    return isinstance(column.type, sa.String | sa.Text) and not isinstance(column.type, sa.Enum)


def is_amount(column: Column) -> bool:
    return (
        column.name in _AMOUNTS
        and "currency" in column.table.c
        and isinstance(column.type, sa.BigInteger)
    )


def refers_to(column: Column) -> str | None:
    """Return the table whose row a column names."""
    for key in column.foreign_keys:
        return str(key.column.table.name)
    return None if column.primary_key else _REFERENCES.get(column.name)


Indexed = tuple[list[sa.ColumnElement[Any]], bool]
"""The columns of an index, and whether it is unique."""


@cache
def _indexes(table: sa.Table) -> list[Indexed]:
    """Return the indexes that have all rows."""
    keys: list[Indexed] = [
        ([*constraint.columns], True)
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
    ]
    return keys + [
        (_indexed(index), bool(index.unique)) for index in table.indexes if not _conditions(index)
    ]


def _indexed(index: sa.Index) -> list[sa.ColumnElement[Any]]:
    return [one for one in index.expressions if not isinstance(one, str)]


def _conditions(index: sa.Index) -> set[str]:
    """Return the condition for the rows of an index that has not all, as each database has it."""
    found = (index.dialect_options[name]["where"] for name in ("postgresql", "sqlite"))
    return {str(condition) for condition in found if condition is not None}


def _has_all_with(column: Column, index: sa.Index) -> bool:
    """Return whether an index has all rows in which the column has a value."""
    return _conditions(index) == {f"{column.name} IS NOT NULL"}


def leads_an_index(column: Column) -> bool:
    """Return whether an index finds rows by its value, however many there are."""
    return any(indexed[0] is column for indexed, _ in _indexes(_table(column))) or any(
        _indexed(index)[:1] == [column] and _has_all_with(column, index)
        for index in _table(column).indexes
    )


def sorts(column: Column) -> bool:
    """Return whether an index has all rows in its order, and in that of their keys within it.

    Then nothing is left to sort, however many rows share a value.
    """
    wanted = list(dict.fromkeys([column, *key_of(_table(column))]))
    return any(
        indexed == wanted or (is_unique and indexed == [column] and not column.nullable)
        for indexed, is_unique in _indexes(_table(column))
    )


@cache
def choices(column: Column) -> tuple[str, ...]:
    """Return all that a column can hold. It is empty where nothing says that."""
    checks = [
        _IS_ONE_OF.fullmatch(str(constraint.sqltext))
        for constraint in _table(column).constraints
        if isinstance(constraint, sa.CheckConstraint)
    ]
    listed: dict[str, tuple[str, ...]] = {
        check[1]: tuple(re.findall(r"'(\w+)'", check[2])) for check in checks if check is not None
    }
    return listed.get(column.name, _CHOICES.get((column.table.name, column.name), ()))


@cache
def found_within(column: Column) -> Column | None:
    """Return the column before it in a unique key, where that can hold only a few values.

    With all of those named, the key's index finds rows.
    """
    for constraint in _table(column).constraints:
        if isinstance(constraint, sa.UniqueConstraint) and len(constraint.columns) > 1:
            first, second = list(constraint.columns)[:2]
            if second is column and choices(first):
                return first
    return None


def time_of(table: sa.Table) -> Column | None:
    """Return the column that says when a row was made, if there is one."""
    return next((table.c[name] for name in _TIMES if name in table.c), None)


def key_of(table: sa.Table) -> tuple[Column, ...]:
    return tuple(table.primary_key.columns)


def is_by_time(table: sa.Table) -> bool:
    """Return whether its keys sort by time: UUIDs of version 7."""
    return [column.name for column in key_of(table)] == ["id"] and isinstance(
        table.c.id.type, sa.Uuid
    )


def riders(table: sa.Table, source: sa.FromClause) -> list[sa.Label[Any]]:
    """Return what is looked up for each row: accounts' names, and how much of a stock is claimed.

    `source` is the table or a part of it.
    """
    found: list[sa.Label[Any]] = [
        sa.select(sa.func.coalesce(Account.username, Account.email))
        .where(Account.id == source.c[column.name])
        .scalar_subquery()
        .label(name_of(column.name))
        for column in shown(table)
        if refers_to(column) == Account.__tablename__
    ]
    if has_stock(table):
        found += [
            sa.select(column).where(Stock.id == source.c.stock_id).scalar_subquery().label(name)
            for name, column in zip(STOCK, (Stock.claimed, Stock.capacity), strict=True)
        ]
    return found


def has_stock(table: sa.Table) -> bool:
    return "stock_id" in table.c and bool(table.c.stock_id.foreign_keys)


def name_of(column: str) -> str:
    """Return under which name a row has the username or e-mail of a column of account ids."""
    return f"{column}__name"


def parsed(column: Column, text: str) -> object:
    """Return a value of that column, as people write it.

    Raises: ValueError or KeyError where it is none.
    """
    if "\x00" in text:
        raise ValueError
    match column.type:
        case sa.Uuid():
            return UUID(text)
        case sa.Boolean():
            return {"True": True, "False": False, "true": True, "false": False}[text]
        case sa.Integer():
            number = int(text)
            if not -(2**63) <= number < 2**63:
                raise ValueError
            return number
        case sa.Date():
            return date.fromisoformat(text)
        case Moment():
            raise ValueError
    return text


def _table(column: Column) -> sa.Table:
    assert isinstance(column.table, sa.Table)
    return column.table
