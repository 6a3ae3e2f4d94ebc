"""The dashboard's two statements: of the whole service, and of one user. Each sees one moment.

The whole service's adds the tail that is not summed up yet to the daily figures. A user's reads
the user's own rows, which an index finds.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from ..db.session import db
from ..db.types import Moment
from ..models import DailyFigure, Redemption, Stock, Voucher, VoucherStatus
from ..vouchers.vouchers import status_at
from .figures import facts
from .figures.measures import COLUMNS, Measure
from .figures.streams import STREAMS

# So many offers and types are shown.
BEST = 10

_since = sa.bindparam("since", type_=sa.Date)
_today = sa.bindparam("today", type_=sa.Date)
_now = sa.bindparam("now", type_=Moment)
_me = sa.bindparam("me", type_=sa.Uuid)
# When `since` and `today` begin.
_begin = sa.bindparam("begin", type_=Moment)
_midnight = sa.bindparam("midnight", type_=Moment)


class Part(StrEnum):
    """What a statement's rows are about."""

    DAYS = "days"
    OFFERS = "offers"
    TYPES = "types"
    # Of the whole service, whenever that was; by whether its day is past or coming.
    EVER = "ever"
    EXPIRED_TODAY = "expired_today"
    # Frozen by what they would be otherwise.
    FROZEN = "frozen"
    # Of one user's vouchers.
    STATUSES = "statuses"


class Figure(NamedTuple):
    """One row of a part. What a part does not tell apart is empty."""

    part: str
    measure: str
    day: date
    kind: str
    label: str
    currency: str
    number: int
    amount: int


Parts = Mapping[str, list[Figure]]
_Union = sa.CompoundSelect[*tuple[Any, ...]]
Parameters = Mapping[str, date | datetime | UUID]

PAST, COMING = "past", "coming"


def read_platform(parameters: Parameters) -> Parts:
    """Read the whole service's figures.

    The parameters are those of the window and of the marks (`streams.parameters_of`).
    """
    return _read(_platform_statement(), parameters)


def read_user(parameters: Parameters) -> Parts:
    """Read a user's own figures. The parameters are those of the window, and `me`."""
    return _read(_user_statement(), parameters)


def _read(statement: _Union, parameters: Parameters) -> Parts:
    parts: defaultdict[str, list[Figure]] = defaultdict(list)
    for row in map(Figure._make, db.session.execute(statement, parameters)):
        parts[row.part].append(row)
    return parts


def _part(
    name: Part, rows: sa.Subquery, **by: sa.ColumnElement[Any]
) -> sa.Select[*tuple[Any, ...]]:
    """Return rows of the shape of all parts, so that one statement gives them all."""
    empty: dict[str, sa.ColumnElement[Any]] = {
        column: sa.literal("", sa.Text) for column in COLUMNS
    }
    empty["day"] = sa.cast(sa.null(), sa.Date)
    sums = {
        column: sa.cast(sa.func.coalesce(sa.func.sum(rows.c[column]), 0), sa.BigInteger)
        for column in ("number", "amount")
    }
    named = empty | by | sums
    return sa.select(
        sa.literal(name, sa.Text).label("part"),
        *(column.label(label) for label, column in named.items()),
    ).group_by(*by.values())


def _window_parts(rows: Callable[..., sa.Subquery]) -> list[sa.SelectBase]:
    """Return the parts of a window. `rows` gives some measures' figures since it began."""
    daily = rows(
        Measure.REDEEMED, Measure.ISSUED, Measure.CONVERTED, Measure.SOLD, Measure.REGISTERED
    )
    days = _part(
        Part.DAYS,
        daily,
        measure=daily.c.measure,
        day=daily.c.day,
        kind=daily.c.kind,
        currency=daily.c.currency,
    )
    return [
        days,
        _best(Part.TYPES, rows(Measure.REDEEMED)),
        _best(Part.OFFERS, rows(Measure.OF_OFFER)),
    ]


def _best(name: Part, rows: sa.Subquery) -> sa.SelectBase:
    number = sa.func.sum(rows.c.number)
    best = (
        _part(name, rows, kind=rows.c.kind, label=rows.c.label)
        .where(rows.c.label != "")
        .having(number > 0)
        .order_by(number.desc(), rows.c.kind, rows.c.label)
        .limit(BEST)
        .subquery()
    )
    return sa.select(*best.c)


@cache
def _platform_statement() -> _Union:
    tail = sa.union_all(*(fact for stream in STREAMS for fact in stream.facts(stream.tail()))).cte(
        "tail"
    )

    def rows(*measures: Measure, ever: bool = False) -> sa.Subquery:
        return sa.union_all(
            *(
                sa.select(*(table.c[name] for name in COLUMNS)).where(
                    table.c.measure.in_(measures), sa.true() if ever else table.c.day >= _since
                )
                for table in (DailyFigure.__table__, tail)
            )
        ).subquery()

    ever = rows(Measure.REGISTERED, Measure.EXPIRING, Measure.USED_UP, Measure.CANCELLED, ever=True)
    past_or_coming = sa.case((ever.c.day < _today, PAST), else_=COMING)
    today, frozen = _expired_today(), _frozen()
    return sa.union_all(
        *_window_parts(rows),
        _part(Part.EVER, ever, measure=ever.c.measure, label=past_or_coming),
        _part(Part.EXPIRED_TODAY, today, label=today.c.label),
        _part(Part.FROZEN, frozen, label=frozen.c.label),
    )


def _expired_today() -> sa.Subquery:
    used, active = (
        sa.literal(status, sa.Text) for status in (VoucherStatus.USED, VoucherStatus.ACTIVE)
    )
    return (
        sa.select(
            sa.case((Stock.claimed >= Stock.capacity, used), else_=active).label("label"),
            sa.literal(1).label("number"),
            sa.literal(0).label("amount"),
        )
        .join_from(Voucher, Stock, Stock.id == Voucher.stock_id)
        .where(
            Voucher.expiry_date >= _midnight,
            Voucher.expiry_date <= _now,
            Voucher.cancelled_at.is_(None),
        )
        .subquery()
    )


def _frozen() -> sa.Subquery:
    otherwise = sa.case(
        (Voucher.expiry_date <= _now, VoucherStatus.EXPIRED.value),
        (Stock.claimed >= Stock.capacity, VoucherStatus.USED.value),
        else_=VoucherStatus.ACTIVE.value,
    )
    return (
        sa.select(
            otherwise.label("label"),
            sa.literal(1).label("number"),
            sa.literal(0).label("amount"),
        )
        .join_from(Voucher, Stock, Stock.id == Voucher.stock_id)
        .where(Voucher.frozen_at.is_not(None), Voucher.cancelled_at.is_(None))
        .subquery()
    )


@cache
def _user_statement() -> _Union:
    redeemed = sa.and_(Redemption.account_id == _me, Redemption.created_at >= _begin)
    bought = sa.and_(Voucher.account_id == _me, Voucher.purchase_date >= _begin)
    own = sa.union_all(
        *facts.of_redemptions(redeemed),
        *facts.of_rollbacks(sa.and_(redeemed, Redemption.rolled_back_at.is_not(None))),
        *facts.of_vouchers(bought),
        *facts.of_sale_changes(bought),
    ).cte("own")

    def rows(*measures: Measure) -> sa.Subquery:
        return (
            sa.select(*(own.c[name] for name in COLUMNS))
            .where(own.c.measure.in_(measures), own.c.day >= _since)
            .subquery()
        )

    statuses = (
        sa.select(
            status_at(_now).label("label"),
            sa.literal(1).label("number"),
            sa.literal(0).label("amount"),
        )
        .join_from(Voucher, Stock, Stock.id == Voucher.stock_id)
        .where(Voucher.account_id == _me)
        .subquery()
    )
    return sa.union_all(
        *_window_parts(rows), _part(Part.STATUSES, statuses, label=statuses.c.label)
    )
