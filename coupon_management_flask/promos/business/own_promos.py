"""A company's own promos, one by one and in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ...db.dialects import one_of
from ...db.session import db
from ...db.statements import Prepared
from ...models import (
    Account,
    CompanyPromoCount,
    Promo,
    PromoCounter,
    PromoMode,
    PromoValue,
    Stock,
)
from .. import targeting
from ..errors import NotYourPromo, PromoNotFound
from ..feed import days, paging
from ..feed.entries import ANY_COUNTRY
from .terms import Terms


class SortBy(StrEnum):
    ACTIVE_FROM = "active_from"
    ACTIVE_UNTIL = "active_until"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPromo:
    """A promo with what hangs on it. `is_active` is the state that the feed has noted."""

    id: UUID
    company_id: UUID
    company_name: str
    description: str
    image_url: str | None
    mode: PromoMode
    promo_common: str | None
    max_count: int
    stock_id: UUID
    active_from: date | None
    active_until: date | None
    age_from: int | None
    age_until: int | None
    country: str | None
    country_key: str
    categories: list[str] | None
    version: int
    is_active: bool
    created_at: datetime
    likes: int
    claimed: int
    capacity: int

    @property
    def terms(self) -> Terms:
        return Terms(
            description=self.description,
            max_count=self.max_count,
            image_url=self.image_url,
            active_from=self.active_from,
            active_until=self.active_until,
            age_from=self.age_from,
            age_until=self.age_until,
            country=self.country,
            categories=self.categories,
        )


@dataclass(frozen=True, slots=True)
class ShownPromo:
    """A promo as its company sees it: with all values that it supplied, in its order."""

    promo: OwnPromo
    active: bool
    promo_unique: list[str] | None


_SELECT = (
    sa.select(
        *Promo.__table__.c,
        Account.name.label("company_name"),
        PromoCounter.likes,
        Stock.claimed,
        Stock.capacity,
    )
    .join(Account, Account.id == Promo.company_id)
    .join(Stock, Stock.id == Promo.stock_id)
    .join(PromoCounter, PromoCounter.promo_id == Promo.id)
)
_SELECT_ONE = Prepared(
    "company_promo", _SELECT.where(Promo.id == sa.bindparam("promo_id", type_=sa.Uuid))
)
_SELECT_SOME = Prepared(
    "company_promos",
    lambda on_postgresql: _SELECT.where(
        one_of(Promo.id, "promo_ids", sa.Uuid, on_postgresql=on_postgresql)
    ),
)


def find(company_id: UUID, promo_id: UUID) -> OwnPromo:
    """Find one of the company's promos.

    Raises: PromoNotFound, NotYourPromo.
    """
    row = _SELECT_ONE.execute({"promo_id": promo_id}).one_or_none()
    if row is None:
        raise PromoNotFound
    if row.company_id != company_id:
        raise NotYourPromo
    return OwnPromo(**row._asdict())


def read(company_id: UUID, promo_id: UUID, *, timezone: ZoneInfo) -> ShownPromo:
    """Return one of the company's promos as it stands today.

    Raises: PromoNotFound, NotYourPromo.
    """
    return show([find(company_id, promo_id)], days.today(timezone))[0]


def show(promos: Sequence[OwnPromo], today: date) -> list[ShownPromo]:
    """Return these promos with their state of that day and their values."""
    values = _values_of([promo.id for promo in promos if promo.mode == PromoMode.UNIQUE])
    return [
        ShownPromo(promo, targeting.is_active(promo, today), values.get(promo.id))
        for promo in promos
    ]


def _values_of(promo_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    values: dict[UUID, list[str]] = {promo_id: [] for promo_id in promo_ids}
    if promo_ids:
        found = (
            sa.select(PromoValue.promo_id, PromoValue.value)
            .where(PromoValue.promo_id.in_(promo_ids))
            .order_by(PromoValue.promo_id, PromoValue.position)
        )
        for promo_id, value in db.session.execute(found):
            values[promo_id].append(value)
    return values


@dataclass(frozen=True, slots=True)
class OwnPromoPage:
    promos: list[ShownPromo]
    total: int


def list_own(
    company_id: UUID,
    *,
    sort_by: SortBy | None,
    countries: Sequence[str],
    limit: int,
    offset: int,
    timezone: ZoneInfo,
) -> OwnPromoPage:
    """Return a page of the company's promos, and how many there are in all.

    With `countries`, that is of those for any country or one of these.
    """
    parameters: dict[str, object] = {"company_id": company_id, "limit": limit, "offset": offset}
    if countries:
        parameters["countries"] = [
            ANY_COUNTRY,
            *(country.casefold() for country in countries),
        ]
    ids, total = paging.run(_PAGES[sort_by, bool(countries)], parameters)
    rows = _SELECT_SOME.execute({"promo_ids": ids}) if ids else []
    by_id = {row.id: OwnPromo(**row._asdict()) for row in rows}
    found = [by_id[promo_id] for promo_id in ids if promo_id in by_id]
    return OwnPromoPage(show(found, days.today(timezone)), total)


def _order(columns: paging.Columns, sort_by: SortBy | None) -> list[paging.Order]:
    """Order newest first, or by a date, descending.

    No `active_from` counts as minus infinity, no `active_until` as plus infinity.
    """
    match sort_by:
        case SortBy.ACTIVE_FROM:
            return [columns.active_from.desc().nulls_last(), columns.id.desc()]
        case SortBy.ACTIVE_UNTIL:
            return [columns.active_until.desc().nulls_first(), columns.id.desc()]
    return [columns.id.desc()]


def _page(sort_by: SortBy | None, by_country: bool, on_postgresql: bool) -> paging.Items:
    """Make a statement for a page of a company's promo ids and how many promos there are.

    The page is made of the first few promos of each of the company's countries. The others are
    never looked at.
    """
    company_id = sa.bindparam("company_id", type_=sa.Uuid)
    countries = sa.select(CompanyPromoCount.country_key, CompanyPromoCount.promos).where(
        CompanyPromoCount.company_id == company_id, CompanyPromoCount.promos > 0
    )
    if by_country:
        countries = countries.where(
            one_of(CompanyPromoCount.country_key, "countries", sa.Text, on_postgresql=on_postgresql)
        )
    keys = countries.cte("keys")
    items = sa.select(Promo.id, Promo.active_from, Promo.active_until).where(
        Promo.company_id == company_id
    )
    is_under = Promo.country_key == keys.c.country_key
    order = partial(_order, sort_by=sort_by)
    page = (
        paging.under_each(keys, items, on=is_under, order=order)
        if on_postgresql
        else items.where(is_under)
    )
    return paging.page_of(keys, page, order=order)


_PAGES = {
    (sort_by, by_country): Prepared(
        f"company_{sort_by}_{by_country}".lower(), partial(_page, sort_by, by_country)
    )
    for sort_by in (None, *SortBy)
    for by_country in (False, True)
}
