"""The dashboard's figures and the export's rows. Reads only.

For the whole service: daily figures (analytics/figures/rollup.py) and the tail that is not in them yet, in one statement, which sees one moment. For a user the
same, of the user's own rows, which an index finds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, money
from ..db.session import AnyRow, db
from ..db.types import Moment
from ..models import (
    CouponBatch,
    CreditCoupon,
    DailyFigure,
    DiscountCoupon,
    Promo,
    Redemption,
    Stock,
    Voucher,
    VoucherStatus,
    VoucherType,
)
from ..vouchers.vouchers import status_at
from .figures import rollup
from .figures.rollup import (
    CANCELLED,
    COLUMNS,
    CONVERTED,
    EXPIRING,
    ISSUED,
    OF_OFFER,
    REDEEMED,
    REGISTERED,
    SOLD,
    USED_UP,
)

KINDS = ("credit", "promo", "discount", "email", "voucher")
BEST = 10
# So many coupons that have expired, say, are counted when somebody asks.
COUNTED_AT_ONCE = 20_000

_figures: Any = DailyFigure.__table__
_redemptions: Any = Redemption.__table__
_discounts: Any = DiscountCoupon.__table__
_vouchers: Any = Voucher.__table__
_stocks: Any = Stock.__table__

_since: Any = sa.bindparam("since", type_=sa.Date)
_today: Any = sa.bindparam("today", type_=sa.Date)
_now: Any = sa.bindparam("now", type_=Moment)
_me: Any = sa.bindparam("me", type_=sa.Uuid)
# When `since` and `today` begin.
_begin: Any = sa.bindparam("begin", type_=Moment)
_midnight: Any = sa.bindparam("midnight", type_=Moment)


@dataclass(frozen=True, slots=True)
class Window:
    """So many days (UTC), of which today is the last."""

    now: datetime
    days: int

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def since(self) -> date:
        return self.today - timedelta(days=self.days - 1)

    @property
    def begin(self) -> datetime:
        return self._midnight(self.since)

    def parameters(self) -> dict[str, Any]:
        return {
            "since": self.since,
            "begin": self.begin,
            "today": self.today,
            "midnight": self._midnight(self.today),
            "now": self.now,
        }

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, datetime.min.time(), self.now.tzinfo)


def read_dashboard(reader_id: UUID, *, days: int, whole_service: bool) -> dict[str, Any]:
    """The figures of the last so many days: the whole service's, or the reader's own."""
    window = Window(clock.now(), days)
    return _of_platform(window) if whole_service else _of_user(window, reader_id)


def _of_platform(window: Window) -> dict[str, Any]:
    parts = _parts(
        _platform_statement(), {**window.parameters(), **rollup.parameters_of(rollup.marks())}
    )
    ever = {(row.measure, row.label): row.number for row in parts["ever"]}
    expired = {row.label: row.number for row in parts["expired_today"]}
    total = sum(ever.get((REGISTERED, label), 0) for label in ("past", "coming"))
    shown = _shown(window, parts, _statuses(ever, expired), issued=("voucher", "email"))
    return {
        "scope": "platform",
        **shown,
        "users": {"total": total, **shown["users"]},
        "coupons": _coupons(window),
    }


def _of_user(window: Window, reader_id: UUID) -> dict[str, Any]:
    parts = _parts(_user_statement(), {**window.parameters(), "me": reader_id})
    statuses = {row.label: row.number for row in parts["statuses"]}
    # An e-mail coupon was issued to an address; whose that is, nobody knows.
    shown = _shown(
        window,
        parts,
        {status.value: statuses.get(status, 0) for status in VoucherStatus},
        issued=("voucher",),
    )
    return {"scope": "user", **shown, "users": None, "coupons": None}


def _parts(statement: Any, parameters: dict[str, Any]) -> dict[str, list[AnyRow]]:
    parts: dict[str, list[AnyRow]] = defaultdict(list)
    for row in db.session.execute(statement, parameters):
        parts[row.part].append(row)
    return parts


# --- Statements


def _part(name: str, rows: Any, **columns: Any) -> Any:
    """Rows of one shape for all parts, so that one statement gives them; what a part does not tell apart is empty."""
    empty = {name: sa.literal("", sa.Text) for name in COLUMNS} | {
        "day": sa.cast(sa.null(), sa.Date),
        "amount": sa.literal(0, sa.BigInteger),
    }
    by = list(columns.values())
    sums = {
        name: sa.cast(sa.func.coalesce(sa.func.sum(rows.c[name]), 0), sa.BigInteger)
        for name in ("number", "amount")
    }
    named = empty | columns | sums
    return sa.select(
        sa.literal(name, sa.Text).label("part"),
        *(column.label(name) for name, column in named.items()),
    ).group_by(*by)


def _window_parts(rows: Any) -> list[Any]:
    """`rows` gives what there is of some measures since the window began."""
    daily, by_type, by_offer = (
        rows(REDEEMED, ISSUED, CONVERTED, SOLD, REGISTERED),
        rows(REDEEMED),
        rows(OF_OFFER),
    )
    best = [
        _part(name, each, kind=each.c.kind, label=each.c.label)
        .where(each.c.label != "")
        .having(sa.func.sum(each.c.number) > 0)
        .order_by(sa.func.sum(each.c.number).desc(), each.c.kind, each.c.label)
        .limit(BEST)
        .subquery()
        for name, each in (("types", by_type), ("offers", by_offer))
    ]
    return [
        _part(
            "days",
            daily,
            measure=daily.c.measure,
            day=daily.c.day,
            kind=daily.c.kind,
            currency=daily.c.currency,
        ),
        *(sa.select(*each.c) for each in best),
    ]


@cache
def _platform_statement() -> Any:
    tail = sa.union_all(
        *(fact for stream in rollup.STREAMS for fact in stream.facts(stream.tail()))
    ).cte("tail")

    def rows(*measures: str, ever: bool = False) -> Any:
        tables = (_figures, tail)
        return sa.union_all(
            *(
                sa.select(*(t.c[n] for n in COLUMNS)).where(
                    t.c.measure.in_(measures), sa.true() if ever else t.c.day >= _since
                )
                for t in tables
            )
        ).subquery()

    ever = rows(REGISTERED, EXPIRING, USED_UP, CANCELLED, ever=True)
    past_or_coming = sa.case((ever.c.day < _today, "past"), else_="coming")
    expired_today = sa.and_(
        _vouchers.c.expiry_date >= _midnight,
        _vouchers.c.expiry_date <= _now,
        _vouchers.c.cancelled_at.is_(None),
    )
    today = (
        sa.select(
            sa.case((_stocks.c.claimed >= _stocks.c.capacity, "used"), else_="active").label(
                "label"
            ),
            sa.literal(1).label("number"),
            sa.literal(0).label("amount"),
        )
        .join_from(_vouchers, _stocks, _stocks.c.id == _vouchers.c.stock_id)
        .where(expired_today)
        .subquery()
    )
    return sa.union_all(
        *_window_parts(rows),
        _part("ever", ever, measure=ever.c.measure, label=past_or_coming),
        _part("expired_today", today, label=today.c.label),
    )


@cache
def _user_statement() -> Any:
    redeemed = sa.and_(_redemptions.c.account_id == _me, _redemptions.c.created_at >= _begin)
    bought = sa.and_(_vouchers.c.account_id == _me, _vouchers.c.purchase_date >= _begin)
    cancelled = sa.and_(bought, _vouchers.c.cancelled_at.is_not(None))
    own = sa.union_all(
        *rollup.of_redemptions(redeemed),
        *rollup.of_rollbacks(sa.and_(redeemed, _redemptions.c.rolled_back_at.is_not(None))),
        *rollup.of_vouchers(bought),
        *rollup.of_cancellations(cancelled),
    ).cte("own")

    def rows(*measures: str) -> Any:
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
        .join_from(_vouchers, _stocks, _stocks.c.id == _vouchers.c.stock_id)
        .where(_vouchers.c.account_id == _me)
        .subquery()
    )
    return sa.union_all(*_window_parts(rows), _part("statuses", statuses, label=statuses.c.label))


# --- Coupons that nobody can use any more


def _coupons(window: Window) -> dict[str, int]:
    """Credit coupons, promos and discount coupons (those for e-mail addresses too): as they stand or, of very many, as the worker has counted them last."""
    in_days, one_day = timedelta(days=window.days), timedelta(days=1)
    past, coming = (window.since, window.today - one_day), (window.today, window.today + in_days)
    looked = {
        "expired": _ends((window.begin, window.now), past),
        "expiring": _ends((window.now + timedelta(microseconds=1), window.now + in_days), coming),
        "deactivated": _at_most(sa.not_(_discounts.c.is_active))
        + _at_most(sa.not_(CreditCoupon.is_active)),
    }
    counts = (
        db.session.execute(sa.select(*(number.label(name) for name, number in looked.items())))
        .one()
        ._asdict()
    )
    if any(number >= COUNTED_AT_ONCE for number in counts.values()):
        counted = _counted(past, coming)
        counts = {
            name: max(number, counted[name]) if number >= COUNTED_AT_ONCE else number
            for name, number in counts.items()
        }
    return counts


def _ends(moments: tuple[datetime, datetime], days: tuple[date, date]) -> Any:
    return (
        _at_most(DiscountCoupon.expires_at.between(*moments))
        + _at_most(CreditCoupon.expiration_date.between(*moments))
        + _at_most(Promo.active_until.between(*days))
    )


def _at_most(condition: Any) -> Any:
    """How many fulfil a condition, as far as we count."""
    some = sa.select(sa.literal(1)).where(condition).limit(COUNTED_AT_ONCE).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def _counted(past: tuple[date, date], coming: tuple[date, date]) -> dict[str, int]:
    which = {
        "expired": sa.and_(_figures.c.measure == rollup.ENDING, _figures.c.day.between(*past)),
        "expiring": sa.and_(_figures.c.measure == rollup.ENDING, _figures.c.day.between(*coming)),
        "deactivated": _figures.c.measure == rollup.SWITCHED_OFF,
    }
    sums = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(_figures.c.number), 0), sa.BigInteger))
        .where(one)
        .scalar_subquery()
        for one in which.values()
    )
    return dict(zip(which, db.session.execute(sa.select(*sums)).one(), strict=True))


# --- How they are shown


class _Sums:
    """The figures of the days, added up once: rows by the thousand are gone through for a year."""

    def __init__(self, rows: Iterable[AnyRow]) -> None:
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._of_day: Counter[tuple[date, str]] = Counter()
        self._amounts: Counter[tuple[str, str]] = Counter()
        self._sold: dict[date, Counter[str]] = defaultdict(Counter)
        for _, measure, day, kind, _, currency, number, amount in rows:
            self._numbers[measure, kind] += number
            self._amounts[measure, currency] += amount
            if measure != REDEEMED or kind in KINDS:
                self._of_day[day, measure] += number
            if measure == SOLD:
                self._sold[day][currency] += amount

    def number(self, measure: str, *kinds: str) -> int:
        return sum(self._numbers[measure, kind] for kind in kinds or ("",))

    def on(self, day: date, measure: str) -> int:
        return self._of_day[day, measure]

    def credits(self) -> int:
        return self._amounts[REDEEMED, ""]

    def amounts(self, measure: str) -> dict[str, Any]:
        return _in_units(
            {
                currency: amount
                for (of, currency), amount in self._amounts.items()
                if of == measure and currency
            }
        )

    def sold_on(self, day: date) -> dict[str, Any]:
        return _in_units(self._sold.get(day, {}))


def _in_units(amounts: Mapping[str, int]) -> dict[str, Any]:
    """Amounts by currency, in its own units."""
    return {
        currency: money.from_minor(units, currency) for currency, units in sorted(amounts.items())
    }


def _statuses(ever: dict[tuple[str, str], int], expired_today: dict[str, int]) -> dict[str, int]:
    """Vouchers by status, in the order of `status_at`. Days tell which have expired; of those that do today, the clock does."""
    coming = {measure: ever.get((measure, "coming"), 0) for measure in (EXPIRING, USED_UP)}
    used = coming[USED_UP] - expired_today.get("used", 0)
    expired = sum(expired_today.values())
    return {
        "active": coming[EXPIRING] - expired - used,
        "used": used,
        "expired": ever.get((EXPIRING, "past"), 0) + expired,
        "cancelled": sum(ever.get((CANCELLED, label), 0) for label in ("past", "coming")),
    }


def _shown(
    window: Window,
    parts: dict[str, list[AnyRow]],
    statuses: dict[str, int],
    *,
    issued: tuple[str, ...],
) -> dict[str, Any]:
    sums, names = _Sums(parts["days"]), _names([*parts["offers"], *parts["types"]])
    by_kind = {kind: sums.number(REDEEMED, kind) for kind in KINDS}
    handed_out, converted = sums.number(ISSUED, *issued), sums.number(CONVERTED, *issued)
    return {
        "days": window.days,
        "since": window.since,
        "until": window.today,
        "users": {"new": sums.number(REGISTERED)},
        "vouchers": {
            "by_status": statuses,
            "issued": sums.number(ISSUED, "voucher"),
            "used": by_kind["voucher"],
        },
        "redemptions": {"total": sum(by_kind.values()), **by_kind},
        "revenue": sums.amounts(SOLD),
        "credit_spent": sums.credits(),
        "discount_given": sums.amounts(REDEEMED),
        "conversion": {
            "issued": handed_out,
            "redeemed": converted,
            "rate": round(converted / handed_out, 4) if handed_out else None,
        },
        "top_offers": [
            {
                "kind": row.kind,
                "id": str(_as_id(row.label) or row.label),
                "name": names.get(row.label),
                "redemptions": row.number,
            }
            for row in parts["offers"]
        ],
        "popular_types": [
            {"kind": row.kind, "type": names.get(row.label, row.label), "redemptions": row.number}
            for row in parts["types"]
        ],
        "series": [
            {
                "date": day,
                "issued": sums.on(day, ISSUED),
                "redeemed": sums.on(day, REDEEMED),
                "revenue": sums.sold_on(day),
            }
            for day in (window.since + timedelta(days=number) for number in range(window.days))
        ],
    }


_NAMED: dict[str, tuple[tuple[Any, Any], ...]] = {
    "credit": ((CreditCoupon.id, CreditCoupon.name),),
    "promo": ((Promo.id, Promo.description),),
    "discount": ((DiscountCoupon.id, DiscountCoupon.code), (CouponBatch.id, CouponBatch.pattern)),
    "voucher": ((VoucherType.id, VoucherType.name),),
}


def _names(rows: list[AnyRow]) -> dict[str, str]:
    """What offers and types are called, by label; what is gone has no name. A website is its own."""
    labels: dict[str, dict[UUID, str]] = defaultdict(dict)
    found = {row.label: row.label for row in rows if row.kind == "email"}
    for row in rows:
        if row.kind in _NAMED and (row_id := _as_id(row.label)) is not None:
            labels[row.kind][row_id] = row.label
    looks = [
        sa.select(key.label("id"), name.label("name")).where(key.in_(ids))
        for kind, ids in labels.items()
        for key, name in _NAMED[kind]
    ]
    if looks:
        all_labels = {row_id: label for ids in labels.values() for row_id, label in ids.items()}
        found |= {all_labels[row.id]: row.name for row in db.session.execute(sa.union_all(*looks))}
    return found


def _as_id(label: str) -> UUID | None:
    try:
        return UUID(label)
    except ValueError:
        return None
