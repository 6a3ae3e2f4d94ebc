"""Coupons by the thousand: one statement writes them, and the unique code decides which."""

from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from ...core import clock
from ...db.dialects import is_postgresql
from ...db.session import Model, db
from ...models import DiscountCoupon, DiscountCouponTarget, Stock, new_id
from ...models.discount_coupons import Amount
from .. import terms as coupon_terms
from ..terms import Terms

# So many rows of all kinds at once: enough that round trips do not count, few enough that nobody
# waits long for them.
ROWS_AT_ONCE = 10_000
# On SQLite everybody waits.
SQLITE_ROWS_AT_ONCE = 2_000

_COLUMNS = DiscountCoupon.__table__.c


def entries(terms: Terms) -> int:
    """Count the products, categories and customers that a coupon of these terms lists."""
    return sum(len(terms[name]) for name in coupon_terms.TARGETS)


def rows_at_once() -> int:
    return ROWS_AT_ONCE if is_postgresql() else min(ROWS_AT_ONCE, SQLITE_ROWS_AT_ONCE)


def at_once(terms: Terms) -> int:
    """Return how many coupons of these terms are written together."""
    return max(1, rows_at_once() // (1 + entries(terms)))


def write(
    coupons: list[tuple[str, Terms]], *, is_public: bool, batch_id: UUID | None = None
) -> list[bool]:
    """Make a coupon for each of these codes that nobody has, and say of each whether it was made.

    The terms must have been checked. Of equal codes the first is made. Many coupons with one and
    the same object for terms cost least.
    """
    now = clock.now()
    same: dict[str, object] = {
        "is_public": is_public,
        "batch_id": batch_id,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    by_code: dict[str, tuple[UUID, Terms]] = {}
    for code, terms in coupons:
        if code not in by_code:
            by_code[code] = (new_id(), terms)
    made = (_write_in_one if is_postgresql() else _write_in_several)(by_code, same)
    return [_taken_out(made, code) for code, _ in coupons]


def _taken_out(made: set[str], code: str) -> bool:
    """Say whether a code was made; of equal codes, the first alone."""
    if code not in made:
        return False
    made.remove(code)
    return True


def _row(terms: Terms) -> Terms:
    """Return the columns that coupons of these terms have alike."""
    return {
        name: value
        for name, value in coupon_terms.columns({**terms, "code": ""}).items()
        if name != "code"
    }


def _write_in_one(by_code: dict[str, tuple[UUID, Terms]], same: dict[str, object]) -> set[str]:
    """Write all of it with one statement, on PostgreSQL."""
    # Each of the different terms goes there once, under a number.
    different = list({id(terms): terms for _, terms in by_code.values()}.values())
    numbers = {id(terms): number for number, terms in enumerate(different)}
    rows = [
        {"number": number, "max_usage": terms["max_usage"], **_row(terms)}
        for number, terms in enumerate(different)
    ]
    targets = [
        {"number": number, "kind": kind, "target": target}
        for number, terms in enumerate(different)
        for kind, target in coupon_terms.targets(terms)
    ]
    statement = _statement(tuple(_row(different[0])), with_targets=bool(targets))
    # One text for each column: an array costs the driver as much as writing the rows does.
    # Neither ids nor codes hold a comma.
    parameters = {
        "ids": ",".join(str(coupon_id) for coupon_id, _ in by_code.values()),
        "codes": ",".join(by_code),
        "numbers": ",".join(str(numbers[id(terms)]) for _, terms in by_code.values()),
        "terms": orjson.dumps(rows, default=_as_json).decode(),
        "targets": orjson.dumps(targets).decode(),
        **{f"same_{name}": value for name, value in same.items()},
    }
    return set(db.session.scalars(statement, parameters))


def _as_json(value: object) -> int | None:
    if isinstance(value, Decimal):
        return Amount().process_bind_param(value, db.engine.dialect)
    raise TypeError


@cache
def _statement(of_terms: tuple[str, ...], *, with_targets: bool) -> sa.Select[str]:
    """Build the statement that writes coupons, their stocks and what they are found by.

    Each stock has its coupon's id. The statement returns the codes that were made.
    """
    given = _table(
        "given",
        {"id": sa.Uuid(), "code": sa.Text(), "number": sa.Integer()},
        sa.func.unnest(*(_array(name, type_) for name, type_ in _GIVEN.items())),
    )
    terms = _records(
        "terms",
        {
            "number": sa.Integer(),
            "max_usage": sa.BigInteger(),
            **{name: _COLUMNS[name].type for name in of_terms},
        },
    )
    own = {"id": given.c.id, "stock_id": given.c.id, "code": given.c.code}
    alike = {name: terms.c[name] for name in of_terms}
    same = {
        name: sa.bindparam(f"same_{name}", type_=_COLUMNS[name].type)
        for name in ("is_public", "batch_id", "version", "created_at", "updated_at")
    }
    values = {**own, **alike, **same}
    rows = sa.select(*values.values()).join_from(given, terms, terms.c.number == given.c.number)
    insert = postgresql.insert(DiscountCoupon).from_select(
        list(values), rows, include_defaults=False
    )
    made = (
        insert.on_conflict_do_nothing(index_elements=["code"])
        .returning(DiscountCoupon.id, DiscountCoupon.code)
        .cte("made")
    )
    ours = sa.join(made, given, given.c.id == made.c.id)
    stocks = sa.select(made.c.id, terms.c.max_usage, sa.literal(0, sa.BigInteger)).select_from(
        ours.join(terms, terms.c.number == given.c.number)
    )
    statement = sa.select(made.c.code).add_cte(
        sa.insert(Stock)
        .from_select(["id", "capacity", "claimed"], stocks, include_defaults=False)
        .cte("stocked")
    )
    if not with_targets:
        return statement
    listed = _records("targets", {"number": sa.Integer(), "kind": sa.Text(), "target": sa.Text()})
    targets = sa.select(listed.c.kind, listed.c.target, made.c.id).select_from(
        ours.join(listed, listed.c.number == given.c.number)
    )
    return statement.add_cte(
        sa.insert(DiscountCouponTarget)
        .from_select(["kind", "target", "coupon_id"], targets, include_defaults=False)
        .cte("targeted")
    )


_GIVEN: dict[str, TypeEngine[Any]] = {
    "ids": sa.Uuid(),
    "codes": sa.Text(),
    "numbers": sa.Integer(),
}


def _array(parameter: str, type_: TypeEngine[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(
        sa.func.string_to_array(sa.bindparam(parameter, type_=sa.Text), ","),
        postgresql.ARRAY(type_),
    )


def _records(parameter: str, columns: dict[str, TypeEngine[Any]]) -> sa.TableValuedAlias:
    return _table(
        parameter,
        columns,
        sa.func.json_to_recordset(sa.cast(sa.bindparam(parameter, type_=sa.Text), sa.JSON)),
        with_types=True,
    )


def _table(
    name: str,
    types: dict[str, TypeEngine[Any]],
    function: sa.Function[Any],
    *,
    with_types: bool = False,
) -> sa.TableValuedAlias:
    columns = [sa.column(column, type_) for column, type_ in types.items()]
    return function.table_valued(*columns, name=name).render_derived(
        name=name, with_types=with_types
    )


def _write_in_several(by_code: dict[str, tuple[UUID, Terms]], same: dict[str, object]) -> set[str]:
    """Write it on SQLite, where no statement writes to two tables.

    Nobody else writes meanwhile, so looking for taken codes is as good as trying.
    """
    taken = set(
        db.session.scalars(sa.select(DiscountCoupon.code).where(DiscountCoupon.code.in_(by_code)))
    )
    free = {code: coupon for code, coupon in by_code.items() if code not in taken}
    if not free:
        return set()
    alike = {id(terms): {**_row(terms), **same} for _, terms in free.values()}
    stocks = [
        {"id": coupon_id, "capacity": terms["max_usage"], "claimed": 0}
        for coupon_id, terms in free.values()
    ]
    db.session.execute(_insert(Stock), stocks)
    coupons = [
        {**alike[id(terms)], "id": coupon_id, "stock_id": coupon_id, "code": code}
        for code, (coupon_id, terms) in free.items()
    ]
    db.session.execute(_insert(DiscountCoupon), coupons)
    targets = [
        {"kind": kind, "target": target, "coupon_id": coupon_id}
        for coupon_id, terms in free.values()
        for kind, target in coupon_terms.targets(terms)
    ]
    if targets:
        db.session.execute(_insert(DiscountCouponTarget), targets)
    return set(free)


def _insert(model: type[Model]) -> sa.Insert:
    # Rows as they are: making objects of them first would cost more than writing them.
    return sa.insert(model).execution_options(dml_strategy="raw")
