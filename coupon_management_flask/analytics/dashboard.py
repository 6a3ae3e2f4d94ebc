"""The dashboard: figures of the last so many days. Reads only."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from ..core import clock, money
from ..models import VoucherStatus
from .coupons import CouponFigures, count_ended
from .figures.measures import Kind, Measure
from .figures.streams import marks, parameters_of
from .names import as_id, names_of
from .statements import COMING, PAST, Figure, Part, Parts, read_platform, read_user
from .window import Window

Amounts = Mapping[str, Decimal]
"""Amounts by currency, in its own units."""


@dataclass(frozen=True, slots=True)
class UserFigures:
    total: int
    new: int


@dataclass(frozen=True, slots=True)
class VoucherFigures:
    by_status: Mapping[VoucherStatus, int]
    issued: int
    used: int


@dataclass(frozen=True, slots=True)
class RedemptionFigures:
    total: int
    credit: int
    promo: int
    discount: int
    email: int
    voucher: int


@dataclass(frozen=True, slots=True)
class Conversion:
    issued: int
    redeemed: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Offer:
    kind: str
    id: str
    name: str | None
    redemptions: int


@dataclass(frozen=True, slots=True)
class PopularType:
    kind: str
    type: str
    redemptions: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    date: date
    issued: int
    redeemed: int
    revenue: Amounts


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`users` and `coupons` are of the whole service alone."""

    scope: str
    days: int
    since: date
    until: date
    users: UserFigures | None
    coupons: CouponFigures | None
    vouchers: VoucherFigures
    redemptions: RedemptionFigures
    revenue: Amounts
    credit_spent: int
    discount_given: Amounts
    conversion: Conversion
    top_offers: list[Offer]
    popular_types: list[PopularType]
    series: list[DayFigures]


def read_dashboard(reader_id: UUID, *, days: int, whole_service: bool) -> Dashboard:
    """Read the whole service's figures of the last so many days, or the reader's own."""
    window = Window(clock.now(), days)
    return _of_platform(window) if whole_service else _of_user(window, reader_id)


def _of_platform(window: Window) -> Dashboard:
    parts = read_platform({**window.parameters(), **parameters_of(marks())})
    ever = {(row.measure, row.label): row.number for row in parts[Part.EVER]}
    sums = _Sums(parts[Part.DAYS])
    users = UserFigures(
        total=sum(ever.get((Measure.REGISTERED, label), 0) for label in (PAST, COMING)),
        new=sums.number(Measure.REGISTERED),
    )
    return _dashboard(
        "platform",
        window,
        parts,
        sums,
        _statuses(ever, parts[Part.EXPIRED_TODAY], parts[Part.FROZEN]),
        issued=(Kind.VOUCHER, Kind.EMAIL),
        users=users,
        coupons=count_ended(window),
    )


def _of_user(window: Window, reader_id: UUID) -> Dashboard:
    parts = read_user({**window.parameters(), "me": reader_id})
    statuses = {row.label: row.number for row in parts[Part.STATUSES]}
    return _dashboard(
        "user",
        window,
        parts,
        _Sums(parts[Part.DAYS]),
        {status: statuses.get(status, 0) for status in VoucherStatus},
        # An e-mail coupon was issued to an address. Nobody knows whose that is.
        issued=(Kind.VOUCHER,),
        users=None,
        coupons=None,
    )


def _statuses(
    ever: Mapping[tuple[str, str], int],
    expired_today: Iterable[Figure],
    frozen: Iterable[Figure],
) -> dict[VoucherStatus, int]:
    """Return vouchers by status.

    Days tell which have expired. Of those that expire today, the clock tells. The days don't know
    which are frozen.
    """
    frozen_of = {row.label: row.number for row in frozen}
    today = {row.label: row.number for row in expired_today}
    expired = sum(today.values())
    used = ever.get((Measure.USED_UP, COMING), 0) - today.get(VoucherStatus.USED, 0)
    otherwise = {
        VoucherStatus.ACTIVE: ever.get((Measure.EXPIRING, COMING), 0) - expired - used,
        VoucherStatus.USED: used,
        VoucherStatus.EXPIRED: ever.get((Measure.EXPIRING, PAST), 0) + expired,
    }
    return {
        **{status: number - frozen_of.get(status, 0) for status, number in otherwise.items()},
        VoucherStatus.FROZEN: sum(frozen_of.values()),
        VoucherStatus.CANCELLED: sum(
            ever.get((Measure.CANCELLED, label), 0) for label in (PAST, COMING)
        ),
    }


class _Sums:
    """The figures of the days, added up in one pass: there are thousands of rows for a year."""

    def __init__(self, rows: Iterable[Figure]) -> None:
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._of_day: Counter[tuple[date, str]] = Counter()
        self._amounts: Counter[tuple[str, str]] = Counter()
        self._sold: dict[date, Counter[str]] = defaultdict(Counter)
        kinds = frozenset(Kind)
        for _, measure, day, kind, _, currency, number, amount in rows:
            self._numbers[measure, kind] += number
            self._amounts[measure, currency] += amount
            if measure != Measure.REDEEMED or kind in kinds:
                self._of_day[day, measure] += number
            if measure == Measure.SOLD:
                self._sold[day][currency] += amount

    def number(self, measure: Measure, *kinds: Kind) -> int:
        return sum(self._numbers[measure, kind] for kind in kinds or ("",))

    def on(self, day: date, measure: Measure) -> int:
        return self._of_day[day, measure]

    def credits(self) -> int:
        return self._amounts[Measure.REDEEMED, ""]

    def amounts(self, measure: Measure) -> Amounts:
        return _in_units(
            {
                currency: amount
                for (of, currency), amount in self._amounts.items()
                if of == measure and currency
            }
        )

    def sold_on(self, day: date) -> Amounts:
        return _in_units(self._sold.get(day, {}))


def _in_units(amounts: Mapping[str, int]) -> Amounts:
    return {
        currency: money.from_minor(units, currency) for currency, units in sorted(amounts.items())
    }


def _dashboard(
    scope: str,
    window: Window,
    parts: Parts,
    sums: _Sums,
    statuses: Mapping[VoucherStatus, int],
    *,
    issued: tuple[Kind, ...],
    users: UserFigures | None,
    coupons: CouponFigures | None,
) -> Dashboard:
    since = window.since
    names = names_of([*parts[Part.OFFERS], *parts[Part.TYPES]])
    by_kind = {kind: sums.number(Measure.REDEEMED, kind) for kind in Kind}
    return Dashboard(
        scope=scope,
        days=window.days,
        since=since,
        until=window.today,
        users=users,
        coupons=coupons,
        vouchers=VoucherFigures(
            by_status=statuses,
            issued=sums.number(Measure.ISSUED, Kind.VOUCHER),
            used=by_kind[Kind.VOUCHER],
        ),
        redemptions=RedemptionFigures(sum(by_kind.values()), **by_kind),
        revenue=sums.amounts(Measure.SOLD),
        credit_spent=sums.credits(),
        discount_given=sums.amounts(Measure.REDEEMED),
        conversion=_conversion(
            sums.number(Measure.ISSUED, *issued), sums.number(Measure.CONVERTED, *issued)
        ),
        top_offers=[
            Offer(row.kind, str(as_id(row.label) or row.label), names.get(row.label), row.number)
            for row in parts[Part.OFFERS]
        ],
        popular_types=[
            PopularType(row.kind, names.get(row.label, row.label), row.number)
            for row in parts[Part.TYPES]
        ],
        series=[
            DayFigures(
                day,
                sums.on(day, Measure.ISSUED),
                sums.on(day, Measure.REDEEMED),
                sums.sold_on(day),
            )
            for day in (since + timedelta(days=number) for number in range(window.days))
        ],
    )


def _conversion(issued: int, redeemed: int) -> Conversion:
    return Conversion(issued, redeemed, round(redeemed / issued, 4) if issued else None)
