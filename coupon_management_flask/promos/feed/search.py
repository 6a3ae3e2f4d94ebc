"""Finds a page of the promos that are meant for a user."""

from functools import partial
from itertools import zip_longest

import sqlalchemy as sa

from ...db.statements import Prepared
from ...models import FeedCount, FeedEntry
from . import paging
from .ages import nodes_of_age
from .entries import ANY_CATEGORY, ANY_COUNTRY, category_key

# A parameter for each of a user's keys, and no array of any length: the statement can then have a
# branch for each.
_CATEGORY = sa.bindparam("category", type_=sa.Text)
_COUNTRIES = [sa.bindparam(f"country_{number}", type_=sa.Text) for number in range(2)]
_NODES = [sa.bindparam(f"node_{number}", type_=sa.SmallInteger) for number in range(9)]


def _keys(active: bool | None) -> sa.CTE:
    """Return the keys under which a user's promos stand, with their counts."""
    state = [] if active is None else [FeedCount.is_active == active]
    mine = [
        FeedCount.category_key == _CATEGORY,
        FeedCount.country_key.in_(_COUNTRIES),
        FeedCount.age_node.in_(_NODES),
    ]
    return sa.select(*FeedCount.__table__.c).where(*mine, *state, FeedCount.promos > 0).cte("keys")


def _page(active: bool | None, on_postgresql: bool) -> paging.Items:
    keys = _keys(active)
    items = sa.select(FeedEntry.promo_id.label("id"))
    if on_postgresql:
        state = [] if active is None else [FeedEntry.is_active == active]
        branches = [
            items.where(
                FeedEntry.category_key == _CATEGORY,
                FeedEntry.country_key == country,
                FeedEntry.age_node == node,
                *state,
            )
            for country in _COUNTRIES
            for node in _NODES
        ]
        page = paging.in_turn(branches, _newest_first)
    else:
        page = items.where(
            FeedEntry.category_key == keys.c.category_key,
            FeedEntry.country_key == keys.c.country_key,
            FeedEntry.age_node == keys.c.age_node,
            FeedEntry.is_active == keys.c.is_active,
        )
    return paging.page_of(keys, page, order=_newest_first)


def _newest_first(columns: paging.Columns) -> list[paging.Order]:
    return [columns.id.desc()]


_PAGES = {
    active: Prepared(f"feed_{active}".lower(), partial(_page, active))
    for active in (None, True, False)
}


def find(
    *,
    age: int | None,
    country: str | None,
    category: str | None,
    active: bool | None,
    limit: int,
    offset: int,
) -> paging.IdPage:
    """Find a page of the promos that fit somebody of that age and country, newest first."""
    parameters = {
        "category": ANY_CATEGORY if category is None else category_key(category),
        # NULL, where the user has no country or no age, finds nothing.
        "country_0": ANY_COUNTRY,
        "country_1": None if country is None else country.casefold(),
        **dict(zip_longest((node.key for node in _NODES), nodes_of_age(age))),
        "limit": limit,
        "offset": offset,
    }
    return paging.run(_PAGES[active], parameters)
