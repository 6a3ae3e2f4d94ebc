"""The entries under which the feed finds promos, and how many there are under each key.

A promo's state (active or not) changes when a claim takes the last unit, with a PATCH, and at
midnight. The first two flip its entries in their own transaction; `days` makes up for midnight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from ...db.dialects import table, upsert
from ...db.session import db
from ...models import FeedCount, FeedEntry, Promo
from .ages import nodes_of_ages

ANY_COUNTRY = ""
ANY_CATEGORY = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a promo is listed for."""

    country_key: str
    age_from: int | None
    age_until: int | None
    categories: Sequence[str] | None


def category_key(category: str) -> str:
    """Return a category as it is compared: without case, in every script."""
    return category.casefold()


def enter(promo_id: UUID, audience: Audience, *, is_active: bool) -> None:
    """Make a promo findable."""
    rows = [
        {
            "promo_id": promo_id,
            "category_key": category,
            "age_node": node,
            "country_key": audience.country_key,
            "is_active": is_active,
        }
        for category in sorted({ANY_CATEGORY, *map(category_key, audience.categories or ())})
        for node in nodes_of_ages(audience.age_from, audience.age_until)
    ]
    db.session.execute(sa.insert(table(FeedEntry)), rows)
    _add_to_counts([promo_id])


def leave(promo_id: UUID) -> None:
    """Make a promo impossible to find."""
    _take_from_counts([promo_id])
    db.session.execute(
        sa.delete(FeedEntry)
        .where(FeedEntry.promo_id == promo_id)
        .execution_options(synchronize_session=False)
    )


def set_state(promo_id: UUID, *, is_active: bool) -> None:
    """Note whether a promo is active; do nothing where that is noted already.

    The caller holds the promo's stock.
    """
    changed = db.session.scalar(
        sa.update(Promo)
        .where(Promo.id == promo_id, Promo.is_active != is_active)
        .values(is_active=is_active)
        .returning(Promo.id)
        .execution_options(synchronize_session=False)
    )
    if changed is not None:
        flip([promo_id], is_active=is_active)


def flip(promo_ids: Sequence[UUID], *, is_active: bool) -> None:
    """Change the state of the entries of promos that are in the other state."""
    _take_from_counts(promo_ids)
    db.session.execute(
        sa.update(FeedEntry)
        .where(FeedEntry.promo_id.in_(promo_ids))
        .values(is_active=is_active)
        .execution_options(synchronize_session=False)
    )
    _add_to_counts(promo_ids)


_KEY = (
    FeedEntry.category_key,
    FeedEntry.country_key,
    FeedEntry.age_node,
    FeedEntry.is_active,
)


def _counted(promo_ids: Sequence[UUID]) -> sa.Select[str, str, int, bool, int]:
    """Return how many entries these promos have under each key.

    The keys come in their order, so that two transactions that change counts never wait for each
    other in a circle.
    """
    return (
        sa.select(*_KEY, sa.func.count().label("promos"))
        .where(FeedEntry.promo_id.in_(promo_ids))
        .group_by(*_KEY)
        .order_by(*_KEY)
    )


def _add_to_counts(promo_ids: Sequence[UUID]) -> None:
    names = [column.key for column in _KEY]
    counts = table(FeedCount)
    insert = upsert(counts).from_select([*names, "promos"], _counted(promo_ids))
    added = {"promos": counts.c.promos + insert.excluded.promos}
    db.session.execute(insert.on_conflict_do_update(index_elements=names, set_=added))


def _take_from_counts(promo_ids: Sequence[UUID]) -> None:
    # In two steps: an upsert would propose a negative count and break the rule that there is none.
    for row in db.session.execute(_counted(promo_ids)).all():
        category, country, age_node, is_active, promos = row
        db.session.execute(
            sa.update(FeedCount)
            .where(
                FeedCount.category_key == category,
                FeedCount.country_key == country,
                FeedCount.age_node == age_node,
                FeedCount.is_active == is_active,
            )
            .values(promos=FeedCount.promos - promos)
            .execution_options(synchronize_session=False)
        )
