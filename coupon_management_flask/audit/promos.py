"""Rules of the books: promos."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ..core import validity
from ..db.session import db
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
    PromoValue,
    Redemption,
    Stock,
)
from .rule import rows


def entries_were_handed_out_once() -> Iterator[str]:
    """Of a UNIQUE promo the first entries are given away, as many as units are claimed, each to a live redemption of that promo."""
    is_given, is_right = (
        sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)
        for condition in (
            PromoValue.redemption_id.is_not(None),
            sa.and_(Redemption.id.is_not(None), PromoValue.position < Stock.claimed),
        )
    )
    entries = (
        sa.select(Promo.id, Stock.claimed, is_given.label("given"), is_right.label("rightly"))
        .join(Stock, Stock.id == Promo.stock_id)
        .outerjoin(PromoValue, PromoValue.promo_id == Promo.id)
        .outerjoin(
            Redemption,
            sa.and_(
                Redemption.id == PromoValue.redemption_id,
                Redemption.stock_id == Promo.stock_id,
                Redemption.rolled_back_at.is_(None),
            ),
        )
        .where(Promo.mode == "UNIQUE")
        .group_by(Promo.id, Stock.claimed)
        .subquery()
    )
    for row in rows(
        sa.select(entries).where(
            sa.or_(entries.c.claimed != entries.c.given, entries.c.given != entries.c.rightly)
        )
    ):
        in_turn = (
            ""
            if row.claimed != row.given
            else f", {row.rightly} of them in turn and to an activation of its own"
        )
        yield f"promo {row.id}: claimed says {row.claimed}, entries given away are {row.given}{in_turn}"


def unique_promos_have_an_entry_for_each_unit() -> Iterator[str]:
    entries = (
        sa.select(PromoValue.promo_id, sa.func.count().label("n"))
        .group_by(PromoValue.promo_id)
        .subquery()
    )
    number = sa.func.coalesce(entries.c.n, 0)
    for row in rows(
        sa.select(Promo.id, Stock.capacity, number.label("n"))
        .join(Stock, Stock.id == Promo.stock_id)
        .outerjoin(entries, entries.c.promo_id == Promo.id)
        .where(Promo.mode == "UNIQUE", sa.or_(Stock.capacity.is_(None), Stock.capacity != number))
    ):
        yield f"promo {row.id}: it may be activated {row.capacity} times and has {row.n} entries"


def countries_are_no_more_than_activations() -> Iterator[str]:
    """Who has no country is counted in none."""
    counted = (
        sa.select(PromoCountryCount.promo_id, sa.func.sum(PromoCountryCount.activations).label("n"))
        .group_by(PromoCountryCount.promo_id)
        .subquery()
    )
    for row in rows(
        sa.select(Promo.id, Stock.claimed, counted.c.n)
        .join(Stock, Stock.id == Promo.stock_id)
        .join(counted, counted.c.promo_id == Promo.id)
        .where(counted.c.n > Stock.claimed)
    ):
        yield f"promo {row.id}: its countries count {row.n} activations, and it has {row.claimed}"


def promos_count_what_they_have() -> Iterator[str]:
    for kept, counted, name in (
        (PromoCounter.likes, PromoLike, "likes"),
        (PromoCounter.comments, PromoComment, "comments"),
    ):
        found = (
            sa.select(counted.promo_id, sa.func.count().label("n"))
            .group_by(counted.promo_id)
            .subquery()
        )
        number = sa.func.coalesce(found.c.n, 0)
        wrong = (
            sa.select(Promo.id, kept.label("kept"), number.label("n"))
            .outerjoin(PromoCounter, PromoCounter.promo_id == Promo.id)
            .outerjoin(found, found.c.promo_id == Promo.id)
            .where(sa.or_(kept.is_(None), kept != number))
        )
        for row in rows(wrong):
            yield f"promo {row.id}: it counts {'no' if row.kept is None else row.kept} {name} and has {row.n}"
    for row in _miscounted(CompanyPromoCount, Promo, "company_id", "country_key"):
        yield f"company {row.company_id}: it counts {row.kept} promos for country {row.country_key!r} and has {row.n}"


def feed_counts_are_its_entries() -> Iterator[str]:
    for row in _miscounted(
        FeedCount, FeedEntry, "category_key", "country_key", "age_node", "is_active"
    ):
        yield f"feed, category {row.category_key!r}: it counts {row.kept} entries under a key and has {row.n}"


def _miscounted(counts: Any, counted: Any, *keys: str) -> Iterator[Any]:
    """Keys under which `counts` keeps another number than there are rows of `counted`; a count that is not kept is 0."""
    kept = sa.select(
        *(getattr(counts, key) for key in keys),
        counts.promos.label("kept"),
        sa.literal(0).label("n"),
    )
    columns = [getattr(counted, key) for key in keys]
    there = sa.select(*columns, sa.literal(0), sa.func.count()).group_by(*columns)
    both = sa.union_all(kept, there).subquery()
    totals = [sa.func.sum(both.c[name]) for name in ("kept", "n")]
    by = [both.c[key] for key in keys]
    yield from rows(
        sa.select(*by, totals[0].label("kept"), totals[1].label("n"))
        .group_by(*by)
        .having(totals[0] != totals[1])
    )


def feed_states_are_the_promos() -> Iterator[str]:
    """On the day that the feed has been brought to, what it takes for active is what is."""
    day = db.session.scalar(sa.select(FeedDay.day))
    if day is None:
        return
    is_open = validity.contains(Promo.active_from, Promo.active_until, day)
    is_active = sa.case((sa.and_(is_open, Stock.claimed < Stock.capacity), True), else_=False)
    for row in rows(
        sa.select(Promo.id)
        .join(Stock, Stock.id == Promo.stock_id)
        .where(Promo.is_active != is_active)
    ):
        yield f"promo {row.id}: the feed is wrong about whether it is active"
    differs = sa.exists().where(
        FeedEntry.promo_id == Promo.id, FeedEntry.is_active != Promo.is_active
    )
    missing = ~sa.exists().where(FeedEntry.promo_id == Promo.id)
    for row in rows(sa.select(Promo.id).where(sa.or_(differs, missing))):
        yield f"promo {row.id}: its entries in the feed are missing or not in its state"
