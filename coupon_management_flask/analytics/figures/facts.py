"""What the events of each stream amount to, as SELECTs of the columns of a figure."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import aliased, join, outerjoin

from ...db.session import Model
from ...models import (
    Account,
    AccountKind,
    CreditCoupon,
    DiscountCoupon,
    EmailCoupon,
    Promo,
    Redemption,
    RedemptionKind,
    SaleChange,
    Stock,
    Voucher,
    VoucherPurchase,
)
from .measures import KEY, OTHER_OFFERS, Kind, Measure

Condition: TypeAlias = sa.ColumnElement[bool]
Column: TypeAlias = sa.SQLColumnExpression[Any]
Source: TypeAlias = sa.FromClause | type[Model]

# The figures of a stream's events that fulfil a condition.
Facts = Callable[[Condition], list[sa.SelectBase]]


def day_of(moment: Column) -> sa.ColumnElement[date]:
    """Return the day of a moment, in UTC. Both databases have a function of that name."""
    return sa.func.date(moment, type_=sa.Date)


def of_redemptions(where: Condition) -> list[sa.SelectBase]:
    return [*_redeemed(where), *_first_and_last_uses(where)]


def of_rollbacks(where: Condition) -> list[sa.SelectBase]:
    return _redeemed(where, -1)


def of_vouchers(where: Condition) -> list[sa.SelectBase]:
    bought_on, expires_on = day_of(Voucher.purchase_date), day_of(Voucher.expiry_date)
    return [
        _summed(Measure.ISSUED, bought_on, 1, kind=Kind.VOUCHER, source=Voucher, where=where),
        _summed(Measure.EXPIRING, expires_on, 1, source=Voucher, where=where),
        _sold(where),
    ]


def of_sale_changes(where: Condition) -> list[sa.SelectBase]:
    """Return what purchases lost or got again: vouchers that were cancelled, and money.

    All vouchers of a purchase have the same days. The first stands for them.
    """
    changed = join(
        SaleChange,
        Voucher,
        sa.and_(Voucher.purchase_id == SaleChange.purchase_id, Voucher.position == 0),
    )
    bought_on, expires_on = day_of(Voucher.purchase_date), day_of(Voucher.expiry_date)
    by_expiry = {
        Measure.CANCELLED: -SaleChange.vouchers,
        Measure.EXPIRING: SaleChange.vouchers,
        Measure.USED_UP: SaleChange.used_up,
    }
    return [
        *(
            _summed(measure, expires_on, number, source=changed, where=where)
            for measure, number in by_expiry.items()
        ),
        _summed(
            Measure.SOLD,
            bought_on,
            SaleChange.vouchers,
            SaleChange.amount,
            currency=SaleChange.currency,
            source=changed,
            where=where,
        ),
    ]


def of_emails(where: Condition) -> list[sa.SelectBase]:
    issued_on = day_of(EmailCoupon.created_at)
    return [_summed(Measure.ISSUED, issued_on, 1, kind=Kind.EMAIL, source=EmailCoupon, where=where)]


def of_users(where: Condition) -> list[sa.SelectBase]:
    is_user = sa.and_(where, Account.kind == AccountKind.USER)
    registered_on = day_of(Account.created_at)
    return [_summed(Measure.REGISTERED, registered_on, 1, source=Account, where=is_user)]


def _summed(
    measure: Measure,
    day: Column,
    number: Column | int,
    amount: Column | int = 0,
    *,
    kind: Column | str = "",
    label: Column | str = "",
    currency: Column | str = "",
    source: Source,
    where: Condition | None = None,
) -> sa.SelectBase:
    """Return one measure's figures of what `source` has."""
    named = {
        "day": day,
        "kind": kind,
        "label": label,
        "currency": currency,
        "number": number,
        "amount": amount,
    }
    statement: sa.Select[*tuple[Any, ...]] = sa.select(
        *(_as_column(value).label(name) for name, value in named.items())
    ).select_from(source)
    rows = (statement if where is None else statement.where(where)).subquery()
    by = [rows.c[name] for name in KEY[1:]]
    sums = [
        sa.cast(sa.func.sum(rows.c[name]), sa.BigInteger).label(name)
        for name in ("number", "amount")
    ]
    return sa.select(sa.literal(measure, sa.Text).label("measure"), *by, *sums).group_by(*by)


def _as_column(value: Column | int | str) -> Column:
    if isinstance(value, int):
        return sa.literal(value, sa.BigInteger)
    return sa.literal(value, sa.Text) if isinstance(value, str) else value


def _redeemed(where: Condition, sign: int = 1) -> list[sa.SelectBase]:
    rows = _described(where)
    row = rows.c
    number = sign * row.number
    return [
        _summed(
            Measure.REDEEMED,
            row.day,
            number,
            sign * row.amount,
            kind=row.kind,
            label=row.type,
            currency=row.currency,
            source=rows,
        ),
        _summed(Measure.OF_OFFER, row.day, number, kind=row.kind, label=row.offer, source=rows),
    ]


def _described(where: Condition) -> sa.CTE:
    """Return redemptions by day, kind, type, offer and currency.

    All of a stock are put together first, so that a hot offer is looked up once.
    """
    by = (
        day_of(Redemption.created_at).label("day"),
        Redemption.kind,
        Redemption.stock_id,
        sa.func.coalesce(Redemption.currency, "").label("currency"),
    )
    amount = sa.cast(sa.func.sum(Redemption.amount), sa.BigInteger)
    of_stock = (
        sa.select(*by, sa.func.count().label("number"), amount.label("amount"))
        .where(where)
        .group_by(*by)
        .subquery()
    )
    kind, stock_id = of_stock.c.kind, of_stock.c.stock_id
    types, offers = _types(stock_id), _offers(stock_id)
    email_id = _of_stock(EmailCoupon.id, DiscountCoupon.stock_id, stock_id, _discounts())
    email = sa.literal(Kind.EMAIL, sa.Text)
    is_email = sa.and_(kind == RedemptionKind.DISCOUNT, email_id.is_not(None))
    return (
        sa.select(
            of_stock.c.day,
            sa.case((is_email, email), else_=sa.type_coerce(kind, sa.Text)).label("kind"),
            sa.func.coalesce(sa.case(*_by_kind(kind, types)), "").label("type"),
            sa.func.coalesce(sa.case(*_by_kind(kind, offers)), OTHER_OFFERS).label("offer"),
            of_stock.c.currency,
            of_stock.c.number,
            of_stock.c.amount,
        )
        .select_from(of_stock)
        .cte()
    )


def _types(stock_id: Column) -> dict[RedemptionKind, Column]:
    discount, promo = (
        sa.type_coerce(DiscountCoupon.type, sa.Text),
        sa.type_coerce(Promo.mode, sa.Text),
    )
    return {
        RedemptionKind.DISCOUNT: _of_stock(
            discount, DiscountCoupon.stock_id, stock_id, DiscountCoupon
        ),
        RedemptionKind.PROMO: _of_stock(promo, Promo.stock_id, stock_id, Promo),
        RedemptionKind.VOUCHER: _voucher_type(stock_id),
    }


def _offers(stock_id: Column) -> dict[RedemptionKind, Column]:
    discounts = _discounts().join(Stock, Stock.id == DiscountCoupon.stock_id)
    promo, credit = sa.cast(Promo.id, sa.Text), sa.cast(CreditCoupon.id, sa.Text)
    return {
        RedemptionKind.DISCOUNT: _of_stock(
            _offer_of_discount(), DiscountCoupon.stock_id, stock_id, discounts
        ),
        RedemptionKind.PROMO: _of_stock(promo, Promo.stock_id, stock_id, Promo),
        RedemptionKind.CREDIT: _of_stock(credit, CreditCoupon.stock_id, stock_id, CreditCoupon),
        RedemptionKind.VOUCHER: _voucher_type(stock_id),
    }


def _voucher_type(stock_id: Column) -> Column:
    type_id = sa.cast(Voucher.voucher_type_id, sa.Text)
    return _of_stock(type_id, Voucher.stock_id, stock_id, Voucher)


def _discounts() -> sa.FromClause:
    return outerjoin(DiscountCoupon, EmailCoupon, EmailCoupon.coupon_id == DiscountCoupon.id)


def _by_kind(
    kind: Column, columns: Mapping[RedemptionKind, Column]
) -> list[tuple[Condition, Column]]:
    return [(kind == member, column) for member, column in columns.items()]


def _of_stock(
    column: Column, key: Column, stock_id: Column, source: Source
) -> sa.ScalarSelect[Any]:
    """Return what `source` says in `column` about a stock, found by its key.

    This is never a join: PostgreSQL expects more of a tail than there is, and would read a million
    coupons for it.
    """
    return sa.select(column).select_from(source).where(key == stock_id).scalar_subquery()


def _offer_of_discount() -> sa.ColumnElement[str]:
    """Return an e-mail coupon's website, the batch of a code, else the coupon itself.

    Codes for a single use are no offer: there may be millions.
    """
    return sa.case(
        (EmailCoupon.id.is_not(None), EmailCoupon.website),
        (DiscountCoupon.batch_id.is_not(None), sa.cast(DiscountCoupon.batch_id, sa.Text)),
        (Stock.capacity == 1, OTHER_OFFERS),
        else_=sa.cast(DiscountCoupon.id, sa.Text),
    )


def _first_and_last_uses(where: Condition) -> list[sa.SelectBase]:
    """Return what a redemption makes of a voucher or an e-mail coupon.

    Its first redemption converts it, its last one uses it up.
    """
    vouchers = (
        sa.select(
            Redemption.id,
            Redemption.stock_id,
            sa.literal(Kind.VOUCHER, sa.Text).label("kind"),
            Voucher.purchase_date.label("issued_at"),
            Voucher.expiry_date,
            Stock.capacity,
        )
        .join(Voucher, Voucher.stock_id == Redemption.stock_id)
        .join(Stock, Stock.id == Voucher.stock_id)
        .where(where, Redemption.kind == RedemptionKind.VOUCHER)
    )
    emails = (
        sa.select(
            Redemption.id,
            Redemption.stock_id,
            sa.literal(Kind.EMAIL, sa.Text),
            EmailCoupon.created_at,
            sa.null(),
            sa.null(),
        )
        .join(DiscountCoupon, DiscountCoupon.stock_id == Redemption.stock_id)
        .join(EmailCoupon, EmailCoupon.coupon_id == DiscountCoupon.id)
        .where(where, Redemption.kind == RedemptionKind.DISCOUNT)
    )
    # Materialised before a closer look, and looked at by subqueries that can't become joins. A hot
    # offer's redemptions must not be read for each of them.
    uses = sa.union_all(vouchers, emails).cte().prefix_with("MATERIALIZED", dialect="postgresql")
    others = aliased(Redemption)
    an_earlier_one = (
        sa.select(others.id)
        .where(others.stock_id == uses.c.stock_id, others.id < uses.c.id)
        .limit(1)
        .scalar_subquery()
    )
    number = (
        sa.select(sa.func.count())
        .where(others.stock_id == uses.c.stock_id, others.id <= uses.c.id)
        .scalar_subquery()
    )
    is_last = sa.and_(uses.c.kind == Kind.VOUCHER, number == uses.c.capacity)
    return [
        _summed(
            Measure.CONVERTED,
            day_of(uses.c.issued_at),
            1,
            kind=uses.c.kind,
            source=uses,
            where=an_earlier_one.is_(None),
        ),
        _summed(Measure.USED_UP, day_of(uses.c.expiry_date), 1, source=uses, where=is_last),
    ]


def _sold(where: Condition) -> sa.SelectBase:
    # All vouchers of a purchase are written together. The first stands for it.
    return _summed(
        Measure.SOLD,
        day_of(Voucher.purchase_date),
        VoucherPurchase.quantity,
        VoucherPurchase.total,
        currency=VoucherPurchase.currency,
        source=join(Voucher, VoucherPurchase, VoucherPurchase.id == Voucher.purchase_id),
        where=sa.and_(where, Voucher.position == 0),
    )
