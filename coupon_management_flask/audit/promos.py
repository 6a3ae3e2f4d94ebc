"""A promo's entries and counts, and the feed, agree with what was activated, liked and written."""

from uuid import UUID

import sqlalchemy as sa

from ..models import (
    CompanyPromoCount,
    FeedCount,
    FeedDay,
    FeedEntry,
    Promo,
    PromoComment,
    PromoCounter,
    PromoCountryCount,
    PromoLike,
    PromoMode,
    PromoValue,
    Redemption,
    Stock,
)
from .rule import Rule, rule


def _entries_were_handed_out_once() -> Rule:
    """The first entries of a UNIQUE promo are given away, as many as units are claimed.

    Each belongs to a live redemption of that promo.
    """
    is_right = sa.and_(Redemption.id.is_not(None), PromoValue.position < Stock.claimed)
    is_its_redemption = sa.and_(
        Redemption.id == PromoValue.redemption_id,
        Redemption.stock_id == Promo.stock_id,
        Redemption.rolled_back_at.is_(None),
    )
    entries = (
        sa.select(
            Promo.id,
            Stock.claimed,
            _number(PromoValue.redemption_id.is_not(None)).label("given"),
            _number(is_right).label("rightly"),
        )
        .join(Stock, Stock.id == Promo.stock_id)
        .outerjoin(PromoValue, PromoValue.promo_id == Promo.id)
        .outerjoin(Redemption, is_its_redemption)
        .where(Promo.mode == PromoMode.UNIQUE)
        .group_by(Promo.id, Stock.claimed)
        .subquery()
        .c
    )
    return rule(
        sa.select(entries.id, entries.claimed, entries.given, entries.rightly).where(
            sa.or_(entries.claimed != entries.given, entries.given != entries.rightly)
        ),
        _entries_are_wrong,
    )


def _number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _entries_are_wrong(promo_id: UUID, claimed: int, given: int, rightly: int) -> str:
    in_turn = f", {rightly} of them in turn and to an activation of its own"
    return (
        f"promo {promo_id}: claimed says {claimed}, entries given away are {given}"
        f"{in_turn if claimed == given else ''}"
    )


def _unique_promos_have_an_entry_for_each_unit() -> Rule:
    entries = (
        sa.select(PromoValue.promo_id, sa.func.count().label("number"))
        .group_by(PromoValue.promo_id)
        .subquery()
    )
    number = sa.func.coalesce(entries.c.number, 0)
    is_wrong = sa.or_(Stock.capacity.is_(None), Stock.capacity != number)
    return rule(
        sa.select(Promo.id, Stock.capacity, number)
        .join(Stock, Stock.id == Promo.stock_id)
        .outerjoin(entries, entries.c.promo_id == Promo.id)
        .where(Promo.mode == PromoMode.UNIQUE, is_wrong),
        lambda promo_id, capacity, number: (
            f"promo {promo_id}: it may be activated {capacity} times and has {number} entries"
        ),
    )


def _promos_count(
    name: str, kept: sa.SQLColumnExpression[int], counted: type[PromoLike] | type[PromoComment]
) -> Rule:
    found = (
        sa.select(counted.promo_id, sa.func.count().label("number"))
        .group_by(counted.promo_id)
        .subquery()
    )
    number = sa.func.coalesce(found.c.number, 0)
    return rule(
        sa.select(Promo.id, kept, number)
        .outerjoin(PromoCounter, PromoCounter.promo_id == Promo.id)
        .outerjoin(found, found.c.promo_id == Promo.id)
        .where(sa.or_(kept.is_(None), kept != number)),
        lambda promo_id, kept, number: (
            f"promo {promo_id}: it counts {'no' if kept is None else kept} {name} and has {number}"
        ),
    )


def _companies_count_their_promos() -> Rule:
    counted = sa.select(
        CompanyPromoCount.company_id,
        CompanyPromoCount.country_key,
        CompanyPromoCount.promos.label("kept"),
        sa.literal(0).label("number"),
    )
    found = sa.select(Promo.company_id, Promo.country_key, sa.literal(0), sa.func.count()).group_by(
        Promo.company_id, Promo.country_key
    )
    both = sa.union_all(counted, found).subquery().c
    kept, number = sa.func.sum(both.kept), sa.func.sum(both.number)
    by = (both.company_id, both.country_key)
    return rule(
        sa.select(*by, kept, number).group_by(*by).having(kept != number),
        lambda company_id, country, kept, number: (
            f"company {company_id}: it counts {kept} promos for country {country!r}"
            f" and has {number}"
        ),
    )


def _countries_are_no_more_than_activations() -> Rule:
    """Somebody without a country is counted in none."""
    counted = (
        sa.select(
            PromoCountryCount.promo_id, sa.func.sum(PromoCountryCount.activations).label("number")
        )
        .group_by(PromoCountryCount.promo_id)
        .subquery()
    )
    return rule(
        sa.select(Promo.id, counted.c.number, Stock.claimed)
        .join(Stock, Stock.id == Promo.stock_id)
        .join(counted, counted.c.promo_id == Promo.id)
        .where(counted.c.number > Stock.claimed),
        _countries_are_wrong,
    )


def _countries_are_wrong(promo_id: UUID, number: int, claimed: int) -> str:
    return f"promo {promo_id}: its countries count {number} activations, and it has {claimed}"


def _feed_counts_are_its_entries() -> Rule:
    counted = sa.select(
        FeedCount.category_key,
        FeedCount.country_key,
        FeedCount.age_node,
        FeedCount.is_active,
        FeedCount.promos.label("kept"),
        sa.literal(0).label("number"),
    )
    entry = (
        FeedEntry.category_key,
        FeedEntry.country_key,
        FeedEntry.age_node,
        FeedEntry.is_active,
    )
    found = sa.select(*entry, sa.literal(0), sa.func.count()).group_by(*entry)
    both = sa.union_all(counted, found).subquery().c
    kept, number = sa.func.sum(both.kept), sa.func.sum(both.number)
    return rule(
        sa.select(both.category_key, kept, number)
        .group_by(both.category_key, both.country_key, both.age_node, both.is_active)
        .having(kept != number),
        lambda category, kept, number: (
            f"feed, category {category!r}: it counts {kept} entries under a key and has {number}"
        ),
    )


def _the_feed_takes_for_active_what_is() -> Rule:
    """On the day that the feed has been brought to. Before its first day there is none."""
    is_active = sa.and_(
        sa.or_(Promo.active_from.is_(None), Promo.active_from <= FeedDay.day),
        sa.or_(Promo.active_until.is_(None), Promo.active_until >= FeedDay.day),
        Stock.claimed < Stock.capacity,
    )
    return rule(
        sa.select(Promo.id)
        .join(Stock, Stock.id == Promo.stock_id)
        .join(FeedDay, sa.true())
        .where(Promo.is_active != sa.case((is_active, True), else_=False)),
        lambda promo_id: f"promo {promo_id}: the feed is wrong about whether it is active",
    )


def _promos_have_entries_in_their_state() -> Rule:
    entry = FeedEntry.promo_id == Promo.id
    differs = sa.exists().where(entry, FeedEntry.is_active != Promo.is_active)
    missing = ~sa.exists().where(entry)
    return rule(
        sa.select(Promo.id).join(FeedDay, sa.true()).where(sa.or_(differs, missing)),
        lambda promo_id: (
            f"promo {promo_id}: its entries in the feed are missing or not in its state"
        ),
    )


RULES = (
    _entries_were_handed_out_once(),
    _unique_promos_have_an_entry_for_each_unit(),
    _promos_count("likes", PromoCounter.likes, PromoLike),
    _promos_count("comments", PromoCounter.comments, PromoComment),
    _companies_count_their_promos(),
    _countries_are_no_more_than_activations(),
    _feed_counts_are_its_entries(),
    _the_feed_takes_for_active_what_is(),
    _promos_have_entries_in_their_state(),
)
