"""Daily figures: what was redeemed, issued and sold, summed up by day (UTC), so that nobody scans millions of rows for a dashboard.

What happens is a few streams of events, each in an order in which it can be read on from a mark: by ids, which are UUIDs of version 7 and sort by time, or
by the moment at which something was taken back. The worker adds up what lies between the mark and a horizon, behind which nothing is committed any more,
and moves the mark in the same transaction. Whoever reads adds what lies behind the marks: figures and tail are the whole, at every moment.

What was taken back lowers the day on which it had happened: a day's figures are what still stands of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...db.dialects import is_postgresql, rows_changed, upsert
from ...db.failures import retried
from ...db.session import db, transaction
from ...db.types import Moment
from ...models import (
    Account,
    CreditCoupon,
    DailyFigure,
    DiscountCoupon,
    EmailCoupon,
    PaymentTransaction,
    Promo,
    Redemption,
    RollUpMark,
    Stock,
    Voucher,
    VoucherPurchase,
)

REDEEMED = "redeemed"
# The same by offer: the id of a promo, credit coupon, discount coupon, batch of codes or type of vouchers, or a website.
OF_OFFER = "redeemed_of_offer"
# Handed to somebody: vouchers and e-mail coupons. Of those issued on a day, how many were redeemed at all since.
ISSUED = "issued"
CONVERTED = "converted"
SOLD = "sold"
REGISTERED = "registered"
# Vouchers by the day on which they expire: those that nobody cancelled, those of them that are used up, and those that were cancelled.
EXPIRING = "expiring"
USED_UP = "used_up"
CANCELLED = "cancelled"

# Not summed up but counted now and then: credit coupons, promos and discount coupons by the day on which they end, and those that are switched off.
ENDING = "ending"
SWITCHED_OFF = "switched_off"

# Longer than anybody takes from making an id to writing with it: waiting for a connection and for a lock (db/session.py), and clocks of several machines.
# A transaction that has written holds the horizon back for as long as it lasts.
MARGIN = timedelta(seconds=40)
EVERY = timedelta(seconds=15)
COUNT_EVERY = timedelta(minutes=5)
EVENTS_AT_ONCE = 20_000
STEPS_AT_ONCE = 50
# Of a day that is over, each kind keeps so many offers; the rest are one.
OFFERS_OF_A_DAY = 30
OTHER_OFFERS = ""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZERO = UUID(int=0)
_FOLDED = "folded"
_COUNTED = "counted"

_figures: Any = DailyFigure.__table__
_marks: Any = RollUpMark.__table__
_redemptions: Any = Redemption.__table__
_stocks: Any = Stock.__table__
_credit: Any = CreditCoupon.__table__
_promos: Any = Promo.__table__
_discounts: Any = DiscountCoupon.__table__
_emails: Any = EmailCoupon.__table__
_vouchers: Any = Voucher.__table__
_purchases: Any = VoucherPurchase.__table__
_payments: Any = PaymentTransaction.__table__
_accounts: Any = Account.__table__

COLUMNS = ("measure", "day", "kind", "label", "currency", "number", "amount")
_KEY = COLUMNS[:5]

Facts = Callable[[sa.ColumnElement[bool]], list[Any]]
"""The figures of a stream's events that fulfil a condition: SELECTs of COLUMNS."""


def day_of(moment: Any) -> Any:
    """The day of a column's moment, in UTC; both databases have a function of that name."""
    return sa.func.date(moment, type_=sa.Date)


def _summed(
    measure: str,
    day: Any,
    number: Any,
    amount: Any = 0,
    *,
    kind: Any = "",
    label: Any = "",
    currency: Any = "",
    source: Any,
    where: Any = None,
) -> Any:
    """One measure's figures, of what `source` has."""
    named = {
        "day": day,
        "kind": kind,
        "label": label,
        "currency": currency,
        "number": number,
        "amount": amount,
    }
    statement = sa.select(
        *(_column(value).label(name) for name, value in named.items())
    ).select_from(source)
    rows = (statement if where is None else statement.where(where)).subquery()
    by = [rows.c[name] for name in _KEY[1:]]
    sums = [
        sa.cast(sa.func.sum(rows.c[name]), sa.BigInteger).label(name)
        for name in ("number", "amount")
    ]
    return sa.select(sa.literal(measure, sa.Text).label("measure"), *by, *sums).group_by(*by)


def _column(value: Any) -> Any:
    if isinstance(value, sa.ColumnElement):
        return value
    return sa.literal(value, sa.BigInteger if isinstance(value, int) else sa.Text)


# --- What the events of each stream amount to


def _described(where: sa.ColumnElement[bool]) -> Any:
    """Redemptions by day, kind, type, offer and currency. All of a stock are first put together: a hot offer is looked up once."""
    by = (
        day_of(_redemptions.c.created_at).label("day"),
        _redemptions.c.kind,
        _redemptions.c.stock_id,
        sa.func.coalesce(_redemptions.c.currency, "").label("currency"),
    )
    of_stock = (
        sa.select(
            *by,
            sa.func.count().label("number"),
            sa.cast(sa.func.sum(_redemptions.c.amount), sa.BigInteger).label("amount"),
        )
        .where(where)
        .group_by(*by)
        .subquery()
    )
    kind, stock_id = of_stock.c.kind, of_stock.c.stock_id

    # Each by its key, and never by a join: PostgreSQL takes a tail for longer than it is, and would read a million coupons for it.
    def its(column: Any, table: Any, source: Any = None) -> Any:
        return (
            sa.select(column)
            .select_from(table if source is None else source)
            .where(table.c.stock_id == stock_id)
            .scalar_subquery()
        )

    with_email = _discounts.outerjoin(_emails, _emails.c.coupon_id == _discounts.c.id)
    discount = its(
        _offer_of_discount(),
        _discounts,
        with_email.join(_stocks, _stocks.c.id == _discounts.c.stock_id),
    )
    voucher_type = its(sa.cast(_vouchers.c.voucher_type_id, sa.Text), _vouchers)
    types = {
        "discount": its(_discounts.c.type, _discounts),
        "promo": its(_promos.c.mode, _promos),
        "voucher": voucher_type,
    }
    offers = {
        "discount": discount,
        "promo": _id_of(its, _promos),
        "credit": _id_of(its, _credit),
        "voucher": voucher_type,
    }
    is_email = sa.and_(kind == "discount", its(_emails.c.id, _discounts, with_email).is_not(None))
    return (
        sa.select(
            of_stock.c.day,
            sa.case((is_email, "email"), else_=kind).label("kind"),
            sa.func.coalesce(sa.case(types, value=kind), "").label("type"),
            sa.func.coalesce(sa.case(offers, value=kind), OTHER_OFFERS).label("offer"),
            of_stock.c.currency,
            of_stock.c.number,
            of_stock.c.amount,
        )
        .select_from(of_stock)
        .cte()
    )


def _id_of(its: Callable[..., Any], table: Any) -> Any:
    return its(sa.cast(table.c.id, sa.Text), table)


def _offer_of_discount() -> Any:
    """The website of an e-mail coupon, the batch of a code, else the coupon itself. Codes for one use alone are no offer: there may be millions."""
    return sa.case(
        (_emails.c.id.is_not(None), _emails.c.website),
        (_discounts.c.batch_id.is_not(None), sa.cast(_discounts.c.batch_id, sa.Text)),
        (_stocks.c.capacity == 1, OTHER_OFFERS),
        else_=sa.cast(_discounts.c.id, sa.Text),
    )


def _redeemed(where: sa.ColumnElement[bool], sign: int = 1) -> list[Any]:
    rows = _described(where)
    number = sign * rows.c.number
    return [
        _summed(
            REDEEMED,
            rows.c.day,
            number,
            sign * rows.c.amount,
            kind=rows.c.kind,
            label=rows.c.type,
            currency=rows.c.currency,
            source=rows,
        ),
        _summed(OF_OFFER, rows.c.day, number, kind=rows.c.kind, label=rows.c.offer, source=rows),
    ]


def _first_and_last_uses(where: sa.ColumnElement[bool]) -> list[Any]:
    """What a redemption makes of a voucher or an e-mail coupon: converted, if it is its first, and used up, if its last."""
    columns = (_redemptions.c.id, _redemptions.c.stock_id)
    vouchers = (
        sa.select(
            *columns,
            sa.literal("voucher", sa.Text).label("kind"),
            _vouchers.c.purchase_date.label("issued_at"),
            _vouchers.c.expiry_date,
            _stocks.c.capacity,
        )
        .join(_vouchers, _vouchers.c.stock_id == _redemptions.c.stock_id)
        .join(_stocks, _stocks.c.id == _vouchers.c.stock_id)
        .where(where, _redemptions.c.kind == "voucher")
    )
    emails = (
        sa.select(
            *columns, sa.literal("email", sa.Text), _emails.c.created_at, sa.null(), sa.null()
        )
        .join(_discounts, _discounts.c.stock_id == _redemptions.c.stock_id)
        .join(_emails, _emails.c.coupon_id == _discounts.c.id)
        .where(where, _redemptions.c.kind == "discount")
    )
    # Written down before it is looked at closer, by subqueries that can't become joins: a hot offer's redemptions must not be read for each of them.
    uses = sa.union_all(vouchers, emails).cte().prefix_with("MATERIALIZED", dialect="postgresql")
    others = _redemptions.alias()
    an_earlier_one = (
        sa.select(others.c.id)
        .where(others.c.stock_id == uses.c.stock_id, others.c.id < uses.c.id)
        .limit(1)
        .scalar_subquery()
    )
    number = (
        sa.select(sa.func.count())
        .where(others.c.stock_id == uses.c.stock_id, others.c.id <= uses.c.id)
        .scalar_subquery()
    )
    return [
        _summed(
            CONVERTED,
            day_of(uses.c.issued_at),
            1,
            kind=uses.c.kind,
            source=uses,
            where=an_earlier_one.is_(None),
        ),
        _summed(
            USED_UP,
            day_of(uses.c.expiry_date),
            1,
            source=uses,
            where=sa.and_(uses.c.kind == "voucher", number == uses.c.capacity),
        ),
    ]


def of_redemptions(where: sa.ColumnElement[bool]) -> list[Any]:
    return [*_redeemed(where), *_first_and_last_uses(where)]


def of_rollbacks(where: sa.ColumnElement[bool]) -> list[Any]:
    return _redeemed(where, -1)


def _sold(where: sa.ColumnElement[bool], sign: int = 1) -> Any:
    # All vouchers of a purchase are written, and cancelled, together: the first one stands for it.
    bought = _vouchers.join(_purchases, _purchases.c.id == _vouchers.c.purchase_id)
    return _summed(
        SOLD,
        day_of(_vouchers.c.purchase_date),
        sign * _purchases.c.quantity,
        sign * _purchases.c.total,
        currency=_purchases.c.currency,
        source=bought,
        where=sa.and_(where, _vouchers.c.position == 0),
    )


def of_vouchers(where: sa.ColumnElement[bool]) -> list[Any]:
    return [
        _summed(
            ISSUED,
            day_of(_vouchers.c.purchase_date),
            1,
            kind="voucher",
            source=_vouchers,
            where=where,
        ),
        _summed(EXPIRING, day_of(_vouchers.c.expiry_date), 1, source=_vouchers, where=where),
        _sold(where),
    ]


def of_cancellations(where: sa.ColumnElement[bool]) -> list[Any]:
    expires = day_of(_vouchers.c.expiry_date)
    # Nobody redeems a voucher once it is cancelled: what is claimed by now was claimed before.
    is_used_up = sa.and_(where, _stocks.c.claimed >= _stocks.c.capacity)
    return [
        _summed(CANCELLED, expires, 1, source=_vouchers, where=where),
        _summed(EXPIRING, expires, -1, source=_vouchers, where=where),
        _summed(
            USED_UP,
            expires,
            -1,
            source=_vouchers.join(_stocks, _stocks.c.id == _vouchers.c.stock_id),
            where=is_used_up,
        ),
        _sold(where, -1),
    ]


def of_emails(where: sa.ColumnElement[bool]) -> list[Any]:
    return [
        _summed(ISSUED, day_of(_emails.c.created_at), 1, kind="email", source=_emails, where=where)
    ]


def of_users(where: sa.ColumnElement[bool]) -> list[Any]:
    return [
        _summed(
            REGISTERED,
            day_of(_accounts.c.created_at),
            1,
            source=_accounts,
            where=sa.and_(where, _accounts.c.kind == "user"),
        )
    ]


@dataclass(frozen=True, slots=True)
class Stream:
    """Events in the order of their ids or, where `moment` is a column, of that."""

    name: str
    table: Any
    facts: Facts
    moment: Any = None

    def _follows(self, moment: Any, last_id: Any) -> Any:
        if self.moment is None:
            return self.table.c.id > last_id
        # PostgreSQL does not conclude by itself that what is compared is not null, which its index asks for.
        return sa.and_(
            self.moment.is_not(None),
            sa.tuple_(self.moment, self.table.c.id) > sa.tuple_(moment, last_id),
        )

    def behind(self, mark: "Mark") -> sa.ColumnElement[bool]:
        """The condition of what comes after a mark."""
        return self._follows(sa.literal(mark.moment, Moment), sa.literal(mark.last_id, sa.Uuid))  # type: ignore[no-any-return]

    def until(self, mark: "Mark") -> sa.ColumnElement[bool]:
        """The condition of what comes up to a mark."""
        there = sa.true() if self.moment is None else self.moment.is_not(None)
        return sa.and_(there, sa.not_(self.behind(mark)))

    def tail(self) -> sa.ColumnElement[bool]:
        """The condition of what is not summed up yet, as of the statement that it stands in.

        It says so twice: by parameters (`parameters_of`), which tell PostgreSQL how little that is, and by what is true by then."""
        known = self._follows(
            sa.bindparam(f"{self.name}_moment", type_=Moment),
            sa.bindparam(f"{self.name}_id", type_=sa.Uuid),
        )
        return sa.and_(known, self._follows(*self._mark()))

    def summed_up(self) -> sa.ColumnElement[bool]:
        """The condition of what is summed up, as of the statement that it stands in."""
        there = sa.true() if self.moment is None else self.moment.is_not(None)
        return sa.and_(there, sa.not_(self._follows(*self._mark())))

    def _mark(self) -> list[Any]:
        return [
            sa.func.coalesce(
                sa.select(_marks.c[name]).where(_marks.c.stream == self.name).scalar_subquery(),
                sa.literal(start, _marks.c[name].type),
            )
            for name, start in (("moment", EPOCH), ("last_id", ZERO))
        ]


# What was taken back comes first: an offer that is put together with others (`_fold_offers`) has had it by then.
STREAMS = (
    Stream("rollbacks", _redemptions, of_rollbacks, _redemptions.c.rolled_back_at),
    Stream("redemptions", _redemptions, of_redemptions),
    Stream("cancellations", _vouchers, of_cancellations, _vouchers.c.cancelled_at),
    Stream("vouchers", _vouchers, of_vouchers),
    Stream("email_coupons", _emails, of_emails),
    Stream("users", _accounts, of_users),
)


# --- Summing up


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    moment: datetime = EPOCH
    last_id: UUID = ZERO


def marks() -> dict[str, Mark]:
    """How far each stream is summed up."""
    found = {
        row.stream: Mark(row.moment, row.last_id) for row in db.session.execute(sa.select(_marks))
    }
    return {stream.name: found.get(stream.name, Mark()) for stream in STREAMS}


def parameters_of(marks: dict[str, Mark]) -> dict[str, Any]:
    """What statements with `Stream.tail` in them are given."""
    return {
        f"{name}_{column}": value
        for name, mark in marks.items()
        for column, value in (("moment", mark.moment), ("id", mark.last_id))
    }


def roll_up() -> int:
    """Sums up what nobody can add to any more, bit by bit, each bit once whoever else does the same; says how many bits, at most `STEPS_AT_ONCE`.

    Whoever dies in the middle has summed up whole bits.
    """
    horizon, steps = _horizon(), 0
    for stream in STREAMS:
        while steps < STEPS_AT_ONCE and _sum_up_some(stream, horizon):
            steps += 1
    _fold_offers()
    return steps


def rebuild() -> None:
    """Forgets all figures and sums up everything anew. A dashboard that is asked for meanwhile is slow, and right, but for one that just begins."""
    _forget()
    while roll_up() == STEPS_AT_ONCE:
        pass


@retried
def _forget() -> None:
    with transaction():
        # Marks are set back, not deleted: whoever sums up at this moment must notice.
        db.session.execute(sa.update(_marks).values(moment=EPOCH, last_id=ZERO))
        db.session.execute(sa.delete(_figures))


def _horizon() -> datetime:
    """Before this moment nothing happens any more: whatever bears an earlier id, or says that it was taken back earlier, is committed or never will be."""
    horizon = clock.now() - MARGIN
    if not is_postgresql():
        # One writes at a time, and nobody waits longer for that than half a minute.
        return horizon
    # Seen before the sums are read: who commits in between is read, who goes on is younger than this.
    oldest = db.session.scalar(
        sa.text(
            "SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        )
    )
    return horizon if oldest is None else min(horizon, oldest - MARGIN)


def first_id_at(moment: datetime) -> UUID:
    """Ids that are made from that moment on are not below this."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _sum_up_some(stream: Stream, horizon: datetime) -> bool:
    """The next bit of a stream. False where there is none."""
    start = marks()[stream.name]
    end = _end(stream, start, horizon)
    if end is None:
        return False
    _add(stream, start, end)
    return True


def _end(stream: Stream, start: Mark, horizon: datetime) -> Mark | None:
    key = [stream.table.c.id] if stream.moment is None else [stream.moment, stream.table.c.id]
    is_over = (
        stream.table.c.id < first_id_at(horizon)
        if stream.moment is None
        else stream.moment < _undecided_since(stream, horizon)
    )
    bit = (
        sa.select(*key)
        .where(stream.behind(start), is_over)
        .order_by(*key)
        .limit(EVENTS_AT_ONCE)
        .subquery()
    )
    last = db.session.execute(
        sa.select(bit).order_by(*(column.desc() for column in bit.c)).limit(1)
    ).one_or_none()
    if last is None:
        return None
    return Mark(EPOCH if stream.moment is None else last[0], last[-1])


def _undecided_since(stream: Stream, horizon: datetime) -> datetime:
    """A cancellation for a refund that Stripe has not agreed to yet may be taken back: it waits, and what came after it."""
    if stream.name != "cancellations":
        return horizon
    first = db.session.scalar(
        sa.select(sa.func.min(_vouchers.c.cancelled_at, type_=Moment))
        .join(_payments, _payments.c.id == _vouchers.c.purchase_id)
        .where(_payments.c.status == "refunding", _payments.c.due_at.is_not(None))
    )
    return horizon if first is None else min(horizon, first)


@retried
def _add(stream: Stream, start: Mark, end: Mark) -> None:
    """Adds up what is behind `start` and not behind `end`, unless somebody has moved the mark meanwhile."""
    with transaction():
        moved = upsert(_marks).values(stream=stream.name, moment=end.moment, last_id=end.last_id)
        is_where_it_was = sa.and_(
            _marks.c.moment == start.moment, _marks.c.last_id == start.last_id
        )
        there = {"moment": end.moment, "last_id": end.last_id}
        if not rows_changed(
            db.session.execute(
                moved.on_conflict_do_update(
                    index_elements=[_marks.c.stream], set_=there, where=is_where_it_was
                )
            )
        ):
            return
        _write(sa.union_all(*stream.facts(sa.and_(stream.behind(start), stream.until(end)))))


def _write(facts: Any) -> None:
    rows = facts.subquery()
    by = [rows.c[name] for name in _KEY]
    sums = [sa.cast(sa.func.sum(rows.c[name]), sa.BigInteger) for name in ("number", "amount")]
    # In the order of the key, as everywhere: two streams write side by side.
    insert = upsert(_figures).from_select(
        COLUMNS, sa.select(*by, *sums).group_by(*by).order_by(*by)
    )
    added = {name: _figures.c[name] + insert.excluded[name] for name in ("number", "amount")}
    db.session.execute(insert.on_conflict_do_update(index_elements=list(_KEY), set_=added))


@retried
def _fold_offers() -> None:
    """Of days that are over, puts all but the best offers of each kind together: however many there are, those of a year are read at once."""
    known = {row.stream: row for row in db.session.execute(sa.select(_marks))}
    if "redemptions" not in known:
        return
    start = known[_FOLDED].moment if _FOLDED in known else EPOCH
    # A day later nobody comes with a redemption of that day any more.
    summed_up = datetime.fromtimestamp((known["redemptions"].last_id.int >> 80) / 1000, UTC)
    end = datetime.combine((summed_up - timedelta(days=1)).date(), datetime.min.time(), UTC)
    if end <= start:
        return
    days = sa.and_(_figures.c.day >= start.date(), _figures.c.day < end.date())
    place = sa.func.row_number().over(
        partition_by=[_figures.c.day, _figures.c.kind],
        order_by=[_figures.c.number.desc(), _figures.c.label],
    )
    ranked = (
        sa.select(*_figures.c, place.label("place"))
        .where(_figures.c.measure == OF_OFFER, _figures.c.label != OTHER_OFFERS, days)
        .subquery()
    )
    with transaction():
        # Nobody sums up meanwhile: what was added to an offer in between would be gone.
        db.session.execute(sa.update(_marks).values(last_id=_marks.c.last_id))
        folded = upsert(_marks).values(stream=_FOLDED, moment=end, last_id=ZERO)
        is_where_it_was = _marks.c.moment == start
        if not rows_changed(
            db.session.execute(
                folded.on_conflict_do_update(
                    index_elements=[_marks.c.stream], set_={"moment": end}, where=is_where_it_was
                )
            )
        ):
            return
        others = (
            sa.select(*(ranked.c[name] for name in COLUMNS))
            .where(ranked.c.place > OFFERS_OF_A_DAY)
            .subquery()
        )
        together = {name: others.c[name] for name in COLUMNS} | {
            "label": sa.literal(OTHER_OFFERS, sa.Text)
        }
        _write(sa.select(*(column.label(name) for name, column in together.items())))
        key = sa.tuple_(*(_figures.c[name] for name in _KEY))
        db.session.execute(
            sa.delete(_figures).where(key.in_(sa.select(*(others.c[name] for name in _KEY))))
        )


# --- Counting coupons


def count_coupons() -> None:
    """Counts the coupons of each day on which they end, and those that are switched off. Their terms change at will: no event says how."""
    start = (
        db.session.scalar(sa.select(_marks.c.moment).where(_marks.c.stream == _COUNTED)) or EPOCH
    )
    ends = {
        _discounts: day_of(_discounts.c.expires_at),
        _credit: day_of(_credit.c.expiration_date),
        _promos: _promos.c.active_until,
    }
    by_day = sa.union_all(
        *(
            sa.select(end.label("day"), sa.func.count().label("number"))
            .where(end.is_not(None))
            .group_by(end)
            for end in ends.values()
        )
    ).subquery()
    number = sa.cast(sa.func.sum(by_day.c.number), sa.BigInteger).label("number")
    found = [
        (ENDING, row.day, row.number)
        for row in db.session.execute(sa.select(by_day.c.day, number).group_by(by_day.c.day))
    ]
    off = [
        sa.select(sa.func.count())
        .select_from(table)
        .where(sa.not_(table.c.is_active))
        .scalar_subquery()
        for table in (_discounts, _credit)
    ]
    found.append((SWITCHED_OFF, EPOCH.date(), db.session.scalar(sa.select(off[0] + off[1]))))
    rows = [
        {
            "measure": measure,
            "day": day,
            "kind": "",
            "label": "",
            "currency": "",
            "number": number,
            "amount": 0,
        }
        for measure, day, number in found
    ]
    with transaction():
        # Of two who have counted, one writes.
        now = clock.now()
        counted = upsert(_marks).values(stream=_COUNTED, moment=now, last_id=ZERO)
        counted = counted.on_conflict_do_update(
            index_elements=[_marks.c.stream], set_={"moment": now}, where=_marks.c.moment == start
        )
        if rows_changed(db.session.execute(counted)):
            db.session.execute(
                sa.delete(_figures).where(_figures.c.measure.in_((ENDING, SWITCHED_OFF)))
            )
            db.session.execute(sa.insert(_figures), rows)


# --- Proving it


def discrepancies() -> Iterator[str]:
    """A sentence for each day's figure that is not what it sums up.

    E-mail coupons count as discount coupons here: once the shop deletes one, nobody can tell."""
    kept = sa.select(
        *(_figures.c[name] for name in COLUMNS),
        sa.literal(0, sa.BigInteger).label("found"),
        sa.literal(0, sa.BigInteger).label("found_amount"),
    )
    facts = sa.union_all(
        *(fact for stream in STREAMS for fact in stream.facts(stream.summed_up()))
    ).subquery()
    zeros = [sa.literal(0, sa.BigInteger) for _ in range(2)]
    both = sa.union_all(
        kept, sa.select(*(facts.c[name] for name in _KEY), *zeros, facts.c.number, facts.c.amount)
    ).subquery()
    kind = sa.case(
        (sa.and_(both.c.kind == "email", both.c.measure != ISSUED), "discount"), else_=both.c.kind
    )
    by = {"measure": both.c.measure, "day": both.c.day, "kind": kind, "currency": both.c.currency}
    sums = {
        name: sa.cast(sa.func.sum(both.c[name]), sa.BigInteger)
        for name in ("number", "found", "amount", "found_amount")
    }
    is_wrong = sa.or_(sums["number"] != sums["found"], sums["amount"] != sums["found_amount"])
    comparable = sa.and_(
        sa.or_(both.c.measure != CONVERTED, both.c.kind == "voucher"),
        both.c.measure.not_in((ENDING, SWITCHED_OFF)),
    )
    statement = (
        sa.select(*(column.label(name) for name, column in {**by, **sums}.items()))
        .where(comparable)
        .group_by(*by.values())
        .having(is_wrong)
    )
    for row in db.session.execute(statement):
        of = " ".join(word for word in (row.measure, row.kind, row.currency) if word)
        yield f"figures of {row.day}, {of}: they say {row.number} and {row.amount}, what happened says {row.found} and {row.found_amount}"
