"""What a table's columns are to administrators: which are secret, which take too much room in a list, which an index finds."""

import re
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..db.types import Moment
from ..models import Account, Stock

# Of any table; what else nobody is shown stands in _SECRETS.
_SECRET_NAMES = re.compile(r"password|digest|secret|token|refresh_id")
# Answers and messages hold codes and what is written to people.
_SECRETS = {("idempotency_keys", "body"), ("outbox_messages", "payload")}

# Whole numbers of a currency's minor unit, where there is a column for that.
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
_CHOICES = {("redemptions", "kind"): ("credit", "discount", "promo", "voucher")}
_IS_ONE_OF = re.compile(r"(\w+) IN \((.*)\)")

# When a row was made.
_TIMES = ("created_at", "received_at", "started_at", "day")

_accounts: Any = Account.__table__
_stocks: Any = Stock.__table__


def is_secret(column: Any) -> bool:
    return (
        _SECRET_NAMES.search(column.name) is not None
        or (column.table.name, column.name) in _SECRETS
    )


@cache
def shown(table: Any) -> tuple[Any, ...]:
    return tuple(column for column in table.c if not is_secret(column))


def is_long(column: Any) -> bool:
    """Whether a list leaves it out: JSON, and the form in which another column is compared."""
    is_copy = column.name.endswith("_key") and column.name.removesuffix("_key") in column.table.c
    return isinstance(column.type, sa.JSON | sa.LargeBinary) or is_copy


def is_text(column: Any) -> bool:
    return isinstance(column.type, sa.String | sa.Text) and not isinstance(column.type, sa.Enum)


def is_amount(column: Any) -> bool:
    return (
        column.name in _AMOUNTS
        and "currency" in column.table.c
        and isinstance(column.type, sa.BigInteger)
    )


def refers_to(column: Any) -> str | None:
    """The table whose row a column names."""
    for key in column.foreign_keys:
        return str(key.column.table.name)
    return None if column.primary_key else _REFERENCES.get(column.name)


@cache
def _indexes(table: Any) -> list[tuple[list[Any], bool]]:
    """The columns of each index that has all rows, and whether it is unique."""
    keys = [
        (list(constraint.columns), True)
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
    ]
    whole = [
        index
        for index in table.indexes
        if not any(
            index.dialect_options[name]["where"] is not None for name in ("postgresql", "sqlite")
        )
    ]
    return [
        *keys,
        *(
            (list(index.expressions), bool(index.unique))
            for index in whole
            if index._ddl_if is None
        ),
    ]


def leads_an_index(column: Any) -> bool:
    """Whether an index finds rows by it, however many there are."""
    return any(indexed[0] is column for indexed, _ in _indexes(column.table))


def sorts(column: Any) -> bool:
    """Whether an index has rows in its order and, among those of one value, in that of their keys: however many share it, nothing is left to sort."""
    key = key_of(column.table)
    wanted = list(dict.fromkeys([column, *key]))
    return any(
        indexed == wanted or (is_unique and indexed == [column] and not column.nullable)
        for indexed, is_unique in _indexes(column.table)
    )


@cache
def choices(column: Any) -> tuple[str, ...]:
    """All that a column can hold; nothing where that is not said."""
    checks = [
        _IS_ONE_OF.fullmatch(str(constraint.sqltext))
        for constraint in column.table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    ]
    listed: dict[str, tuple[str, ...]] = {
        check[1]: tuple(re.findall(r"'(\w+)'", check[2])) for check in checks if check is not None
    }
    return listed.get(column.name, _CHOICES.get((column.table.name, column.name), ()))


@cache
def found_within(column: Any) -> Any:
    """The column before it in a unique key, where that can hold a few values alone: naming them all, the key's index finds rows."""
    for constraint in column.table.constraints:
        if isinstance(constraint, sa.UniqueConstraint) and len(constraint.columns) > 1:
            first, second = list(constraint.columns)[:2]
            if second is column and choices(first):
                return first
    return None


def time_of(table: Any) -> Any:
    """The column that says when a row was made, if there is one."""
    return next((table.c[name] for name in _TIMES if name in table.c), None)


def key_of(table: Any) -> tuple[Any, ...]:
    return tuple(table.primary_key.columns)


def is_by_time(table: Any) -> bool:
    """Whether its keys sort by time: UUIDs of version 7."""
    return [column.name for column in key_of(table)] == ["id"] and isinstance(
        table.c.id.type, sa.Uuid
    )


def riders(table: Any, source: Any) -> list[Any]:
    """What is looked up for each row of `source`, which is the table or a part of it: names of accounts, and how much of a stock is claimed."""
    found = [
        sa.select(sa.func.coalesce(_accounts.c.username, _accounts.c.email))
        .where(_accounts.c.id == source.c[column.name])
        .scalar_subquery()
        .label(name_of(column.name))
        for column in shown(table)
        if refers_to(column) == _accounts.name
    ]
    if has_stock(table):
        found += [
            sa.select(_stocks.c[name])
            .where(_stocks.c.id == source.c.stock_id)
            .scalar_subquery()
            .label(name)
            for name in STOCK
        ]
    return found


STOCK = ("claimed", "capacity")


def has_stock(table: Any) -> bool:
    return "stock_id" in table.c and bool(table.c.stock_id.foreign_keys)


def name_of(column: str) -> str:
    """Under which name the username or e-mail stands that belongs to a column of account ids."""
    return f"{column}__name"


def parsed(column: Any, text: str) -> Any:
    """A value of that column, as people write it. Raises ValueError."""
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
