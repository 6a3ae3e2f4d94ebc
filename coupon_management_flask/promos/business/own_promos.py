"""Use cases of companies: publish promos, change them, see how they do."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ...core import clock, errors, stock
from ...db.dialects import one_of, rows_changed, upsert
from ...db.session import AnyRow, db, transaction
from ...db.statements import Prepared
from ...models import (
    Account,
    CompanyPromoCount,
    Promo,
    PromoCounter,
    PromoCountryCount,
    PromoValue,
    Stock,
    new_id,
)
from .. import targeting
from ..errors import MaxCountTooLow, NotYourPromo, PromoNotFound
from ..feed import entries as index
from ..feed import paging

COMMON, UNIQUE = "COMMON", "UNIQUE"

_promos: Any = Promo.__table__
_values: Any = PromoValue.__table__
_counts: Any = CompanyPromoCount.__table__


@dataclass(frozen=True, slots=True)
class Terms:
    """What a company decides about a promo. Raises Invalid where it contradicts itself."""

    description: str
    max_count: int
    image_url: str | None = None
    active_from: date | None = None
    active_until: date | None = None
    age_from: int | None = None
    age_until: int | None = None
    country: str | None = None
    categories: list[str] | None = None

    def check(self, mode: str) -> None:
        if (
            self.active_from is not None
            and self.active_until is not None
            and self.active_from > self.active_until
        ):
            raise errors.Invalid({"active_until": ["It must not be before active_from."]})
        if mode == UNIQUE and self.max_count != 1:
            raise errors.Invalid({"max_count": ["It must be 1 for a UNIQUE promo."]})

    @property
    def country_key(self) -> str:
        return index.ANY_COUNTRY if self.country is None else self.country.casefold()

    def columns(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "max_count": self.max_count,
            "image_url": self.image_url,
            "active_from": self.active_from,
            "active_until": self.active_until,
            "age_from": self.age_from,
            "age_until": self.age_until,
            "country": self.country,
            "country_key": self.country_key,
            "categories": self.categories,
        }

    def enter_feed(self, promo_id: UUID, *, is_active: bool) -> None:
        index.enter(
            promo_id,
            categories=self.categories or [],
            country_key=self.country_key,
            age_from=self.age_from,
            age_until=self.age_until,
            is_active=is_active,
        )


def publish(
    company_id: UUID,
    terms: Terms,
    *,
    mode: str,
    promo_common: str | None,
    promo_unique: list[str] | None,
    timezone: ZoneInfo,
) -> UUID:
    """A new promo. A COMMON one gives one value `max_count` times, a UNIQUE one each of its values once. Raises Invalid."""
    terms.check(mode)
    today = index.today(timezone)
    index.turn_to(today, timezone.key)
    promo_id = new_id()
    capacity = terms.max_count if mode == COMMON else len(promo_unique or [])
    with transaction():
        is_active = targeting.is_open(terms, index.held_day(today)) and capacity > 0
        db.session.execute(
            sa.insert(_promos).values(
                id=promo_id,
                company_id=company_id,
                mode=mode,
                promo_common=promo_common,
                stock_id=stock.create(capacity),
                version=1,
                is_active=is_active,
                created_at=clock.now(),
                **terms.columns(),
            )
        )
        db.session.execute(sa.insert(PromoCounter).values(promo_id=promo_id, likes=0, comments=0))
        if promo_unique:
            rows = [
                {"promo_id": promo_id, "position": position, "value": value}
                for position, value in enumerate(promo_unique)
            ]
            db.session.execute(sa.insert(_values), rows)
        _count(company_id, terms.country_key, 1)
        terms.enter_feed(promo_id, is_active=is_active)
    return promo_id


def _count(company_id: UUID, country_key: str, by: int) -> None:
    if by > 0:
        insert = upsert(_counts).values(company_id=company_id, country_key=country_key, promos=by)
        db.session.execute(
            insert.on_conflict_do_update(
                index_elements=["company_id", "country_key"], set_={"promos": _counts.c.promos + by}
            )
        )
    else:
        db.session.execute(
            sa.update(_counts)
            .where(_counts.c.company_id == company_id, _counts.c.country_key == country_key)
            .values(promos=_counts.c.promos + by)
        )


def change(
    company_id: UUID, promo_id: UUID, changes: dict[str, Any], *, timezone: ZoneInfo
) -> dict[str, Any]:
    """Changes the named terms and nothing else, and says how the promo stands then.

    Raises PromoNotFound, NotYourPromo, Invalid where the whole would contradict itself, MaxCountTooLow.
    """
    today = index.today(timezone)
    index.turn_to(today, timezone.key)
    with transaction():
        day = index.held_day(today)
        seen = _own(company_id, promo_id)
        # Whoever holds the stock decides about the promo: no claim and no other change happens until this is committed.
        db.session.execute(sa.select(Stock.id).where(Stock.id == seen.stock_id).with_for_update())
        before = _own(company_id, promo_id)
        terms = Terms(
            **{name: changes.get(name, getattr(before, name)) for name in Terms.__slots__}
        )
        terms.check(before.mode)
        if before.mode == COMMON and terms.max_count != before.max_count:
            _set_capacity(before.stock_id, terms.max_count)
        db.session.execute(
            sa.update(_promos)
            .where(_promos.c.id == promo_id)
            .values(version=_promos.c.version + 1, **terms.columns())
        )
        if terms.country_key != before.country_key:
            _count(company_id, before.country_key, -1)
            _count(company_id, terms.country_key, 1)
        after = _own(company_id, promo_id)
        if _target(terms) != _target(before):
            index.leave(promo_id)
            terms.enter_feed(promo_id, is_active=before.is_active)
        index.set_state(promo_id, is_active=targeting.is_active(after, day))
        return _shown([after], today)[0]


def _target(terms: Any) -> tuple[Any, ...]:
    return terms.country_key, terms.age_from, terms.age_until, terms.categories


def _set_capacity(stock_id: UUID, capacity: int) -> None:
    changed = db.session.execute(
        sa.update(Stock)
        .where(Stock.id == stock_id, Stock.claimed <= capacity)
        .values(capacity=capacity)
    )
    if rows_changed(changed) == 0:
        raise MaxCountTooLow


_SELECT = (
    sa.select(
        *_promos.c,
        Account.name.label("company_name"),
        PromoCounter.likes,
        Stock.claimed,
        Stock.capacity,
    )
    .join(Account, Account.id == _promos.c.company_id)
    .join(Stock, Stock.id == _promos.c.stock_id)
    .join(PromoCounter, PromoCounter.promo_id == _promos.c.id)
)


_SELECT_ONE = Prepared(
    "company_promo", _SELECT.where(_promos.c.id == sa.bindparam("promo_id", type_=sa.Uuid))
)
_SELECT_SOME = Prepared(
    "company_promos",
    lambda on_postgresql: _SELECT.where(
        one_of(_promos.c.id, "promo_ids", sa.Uuid, on_postgresql=on_postgresql)
    ),
)


def _own(company_id: UUID, promo_id: UUID) -> Any:
    promo = _SELECT_ONE.execute({"promo_id": promo_id}).one_or_none()
    if promo is None:
        raise PromoNotFound
    if promo.company_id != company_id:
        raise NotYourPromo
    return promo


def read(company_id: UUID, promo_id: UUID, *, timezone: ZoneInfo) -> dict[str, Any]:
    """One of the company's own promos. Raises PromoNotFound, NotYourPromo."""
    return _shown([_own(company_id, promo_id)], index.today(timezone))[0]


def _shown(promos: list[Any], today: date) -> list[dict[str, Any]]:
    """Promos as a company sees them: with all values that it supplied, in its order."""
    unique = [promo.id for promo in promos if promo.mode == UNIQUE]
    values: dict[UUID, list[str]] = {promo_id: [] for promo_id in unique}
    if unique:
        found = (
            sa.select(_values.c.promo_id, _values.c.value)
            .where(_values.c.promo_id.in_(unique))
            .order_by(_values.c.promo_id, _values.c.position)
        )
        for row in db.session.execute(found):
            values[row.promo_id].append(row.value)
    return [
        {
            **promo._asdict(),
            "active": targeting.is_active(promo, today),
            "promo_unique": values.get(promo.id),
        }
        for promo in promos
    ]


def _order(columns: Any, sort_by: str | None) -> list[Any]:
    """Newest first, or by a date, descending: no active_from counts as minus infinity, no active_until as plus infinity."""
    if sort_by == "active_from":
        return [columns.active_from.desc().nulls_last(), columns.id.desc()]
    if sort_by == "active_until":
        return [columns.active_until.desc().nulls_first(), columns.id.desc()]
    return [columns.id.desc()]


def _page(sort_by: str | None, by_country: bool, on_postgresql: bool) -> Any:
    """A page of a company's promo ids and how many there are, from the first few of each of its countries: the others are never looked at."""
    company_id = sa.bindparam("company_id", type_=sa.Uuid)
    countries = sa.select(_counts.c.country_key, _counts.c.promos).where(
        _counts.c.company_id == company_id, _counts.c.promos > 0
    )
    if by_country:
        countries = countries.where(
            one_of(_counts.c.country_key, "countries", sa.Text, on_postgresql=on_postgresql)
        )
    keys = countries.cte("keys")
    items = sa.select(_promos.c.id, _promos.c.active_from, _promos.c.active_until).where(
        _promos.c.company_id == company_id
    )
    is_under = _promos.c.country_key == keys.c.country_key

    def order(columns: Any) -> list[Any]:
        return _order(columns, sort_by)

    page = (
        paging.under_each(keys, items, on=lambda _: is_under, order=order)
        if on_postgresql
        else items.where(is_under)
    )
    return paging.page_of(keys, page, order=order)


_PAGES = {
    (sort_by, by_country): Prepared(
        f"company_{sort_by}_{by_country}".lower(), partial(_page, sort_by, by_country)
    )
    for sort_by in (None, "active_from", "active_until")
    for by_country in (False, True)
}


def list_own(
    company_id: UUID,
    *,
    sort_by: str | None,
    countries: list[str],
    limit: int,
    offset: int,
    timezone: ZoneInfo,
) -> tuple[list[dict[str, Any]], int]:
    """A page of the company's promos, and how many there are in all; with countries, of those for any country or one of these."""
    parameters = {"company_id": company_id, "limit": limit, "offset": offset}
    if countries:
        parameters["countries"] = [
            index.ANY_COUNTRY,
            *(country.casefold() for country in countries),
        ]
    ids, total = paging.run(_PAGES[sort_by, bool(countries)], parameters)
    by_id = {promo.id: promo for promo in _SELECT_SOME.execute({"promo_ids": ids})} if ids else {}
    return _shown(
        [by_id[promo_id] for promo_id in ids if promo_id in by_id], index.today(timezone)
    ), total


@dataclass(frozen=True, slots=True)
class Statistics:
    activations_count: int
    countries: list[AnyRow]


def statistics(company_id: UUID, promo_id: UUID) -> Statistics:
    """How often a promo was activated, and from which countries, in alphabetical order. Raises PromoNotFound, NotYourPromo."""
    promo = _own(company_id, promo_id)
    countries = db.session.execute(
        sa.select(
            PromoCountryCount.country, PromoCountryCount.activations.label("activations_count")
        )
        .where(PromoCountryCount.promo_id == promo_id)
        .order_by(PromoCountryCount.country)
    )
    return Statistics(promo.claimed, list(countries))
