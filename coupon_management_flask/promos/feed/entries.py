"""The feed's index: finds a user's promos, newest first, and counts them, without ever looking at those that are not the user's.

A promo's ages are covered by a few nodes of a binary tree over the ages 0 to 127, and an age lies below eight nodes; so a user's promos are those under at
most 18 keys: (the user's country or any) x (eight nodes, or the node for promos without an age rule). Under each key entries are sorted by
age of the promo and counted. A category has entries of its own, and so has each state (active or not).

State changes with a claim that takes the last unit, with a PATCH, and at midnight. The first two flip it in their transaction; midnight is
made up for by whoever first looks at the feed of a new day.
"""

from collections.abc import Iterable
from datetime import date
from functools import partial
from itertools import zip_longest
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import current_app

from ...core import clock, validity
from ...db.dialects import upsert
from ...db.session import db, transaction
from ...db.statements import Prepared
from ...models import FeedCount, FeedDay, FeedEntry, Promo, Stock
from . import paging

_entries: Any = FeedEntry.__table__
_counts: Any = FeedCount.__table__
_promos: Any = Promo.__table__
_stocks: Any = Stock.__table__
_days: Any = FeedDay.__table__

# Of the tree over the ages 0 to 127: the root is 1, the leaf of an age is 128 + age. 0 is no node: promos that ask for no age.
_LEAVES = 128
ANY_AGE = 0
ANY_COUNTRY = ""
ANY_CATEGORY = ""


def category_key(category: str) -> str:
    """Categories match without case in every script."""
    return category.casefold()


def nodes_of_ages(age_from: int | None, age_until: int | None) -> list[int]:
    """The fewest nodes below which exactly these ages lie (bounds included); ANY_AGE where there is no rule."""
    if age_from is None and age_until is None:
        return [ANY_AGE]
    low = _LEAVES + (age_from or 0)
    high = _LEAVES + (age_until if age_until is not None else _LEAVES - 1) + 1
    nodes = []
    while low < high:
        if low & 1:
            nodes.append(low)
            low += 1
        if high & 1:
            high -= 1
            nodes.append(high)
        low >>= 1
        high >>= 1
    return nodes


def nodes_of_age(age: int | None) -> list[int]:
    """Below which nodes an age lies; somebody of unknown age fits no age rule."""
    return (
        [ANY_AGE] if age is None else [ANY_AGE, *((_LEAVES + age) >> level for level in range(8))]
    )


def enter(
    promo_id: UUID,
    *,
    categories: Iterable[str],
    country_key: str,
    age_from: int | None,
    age_until: int | None,
    is_active: bool,
) -> None:
    """Makes a promo findable."""
    rows = [
        {
            "promo_id": promo_id,
            "category_key": category,
            "age_node": node,
            "country_key": country_key,
            "is_active": is_active,
        }
        for category in sorted({ANY_CATEGORY, *map(category_key, categories)})
        for node in nodes_of_ages(age_from, age_until)
    ]
    db.session.execute(sa.insert(_entries), rows)
    _count_entries_of([promo_id], 1)


def leave(promo_id: UUID) -> None:
    """Makes it not findable any more."""
    _count_entries_of([promo_id], -1)
    db.session.execute(sa.delete(_entries).where(_entries.c.promo_id == promo_id))


def flip(promo_ids: list[UUID], *, is_active: bool) -> None:
    """Changes the state of promos that are in the other one."""
    _count_entries_of(promo_ids, -1)
    db.session.execute(
        sa.update(_entries).where(_entries.c.promo_id.in_(promo_ids)).values(is_active=is_active)
    )
    _count_entries_of(promo_ids, 1)


def _count_entries_of(promo_ids: list[UUID], by: int) -> None:
    # In the order of their keys, so that two of these never wait for each other in a circle.
    keys = [
        _entries.c.category_key,
        _entries.c.country_key,
        _entries.c.age_node,
        _entries.c.is_active,
    ]
    counted = (
        sa.select(*keys, (sa.func.count() * by).label("promos"))
        .where(_entries.c.promo_id.in_(promo_ids))
        .group_by(*keys)
        .order_by(*keys)
    )
    if by > 0:
        insert = upsert(_counts).from_select([*(key.name for key in keys), "promos"], counted)
        db.session.execute(
            insert.on_conflict_do_update(
                index_elements=[key.name for key in keys],
                set_={"promos": _counts.c.promos + insert.excluded.promos},
            )
        )
        return
    # Taken away in two steps, for an upsert would propose a negative count and break the rule that there is none.
    for row in db.session.execute(counted).all():
        db.session.execute(
            sa.update(_counts)
            .where(
                _counts.c.category_key == row.category_key,
                _counts.c.country_key == row.country_key,
                _counts.c.age_node == row.age_node,
                _counts.c.is_active == row.is_active,
            )
            .values(promos=_counts.c.promos + row.promos)
        )


def set_state(promo_id: UUID, *, is_active: bool) -> None:
    """Notes that a promo is active, or no longer; nothing where that was noted already. The caller holds the promo's stock."""
    changed = db.session.scalar(
        sa.update(_promos)
        .where(_promos.c.id == promo_id, _promos.c.is_active != is_active)
        .values(is_active=is_active)
        .returning(_promos.c.id)
    )
    if changed is not None:
        flip([promo_id], is_active=is_active)


def has_left() -> sa.ColumnElement[bool]:
    return _stocks.c.claimed < _stocks.c.capacity  # type: ignore[no-any-return]


def turn_to(day: date, timezone: str) -> None:
    """Brings the states to that day, if they are not: those of promos whose window opens or closes between the two.

    A server whose clock is a little behind finds the states a day ahead and leaves them there; after a change of the time zone they follow.
    """
    known = current_app.extensions.setdefault("feed_day", {})
    if known.get("day") == (day, timezone):
        return
    with transaction(at_once=True):
        _turn(day, timezone)
    known["day"] = (day, timezone)


def held_day(today: date) -> date:
    """The day that the states are at, which stays while the transaction lasts: a state that is worked out for it is turned with all others.

    It may differ from the caller's own `today` around midnight, when another server has come first. Locked before any stock, as in turning.
    """
    return (
        db.session.scalar(sa.select(_days.c.day).where(_days.c.id == 1).with_for_update(read=True))
        or today
    )


def _turn(day: date, timezone: str) -> None:
    db.session.execute(
        upsert(_days).values(id=1, day=day, timezone=timezone).on_conflict_do_nothing()
    )
    found = db.session.execute(sa.select(_days).where(_days.c.id == 1).with_for_update()).one()
    if found.day == day or (found.timezone == timezone and 0 < (found.day - day).days <= 1):
        return
    first, last = sorted((found.day, day))
    moving = sa.or_(
        sa.and_(_promos.c.active_from > first, _promos.c.active_from <= last),
        sa.and_(_promos.c.active_until >= first, _promos.c.active_until < last),
    )
    # Their stocks first, as everywhere: whoever takes the last unit meanwhile flips the state too, and must see ours or be seen.
    stocks = sa.select(_promos.c.stock_id).where(moving)
    db.session.execute(
        sa.select(_stocks.c.id)
        .where(_stocks.c.id.in_(stocks))
        .order_by(_stocks.c.id)
        .with_for_update()
    ).all()
    is_active = sa.and_(
        validity.contains(_promos.c.active_from, _promos.c.active_until, day), has_left()
    )
    for state in (True, False):
        promos = sa.select(_promos.c.id).join(_stocks, _stocks.c.id == _promos.c.stock_id)
        ids = db.session.scalars(
            promos.where(
                moving, _promos.c.is_active != state, is_active if state else sa.not_(is_active)
            )
        ).all()
        for start in range(0, len(ids), 10_000):
            some = list(ids[start : start + 10_000])
            db.session.execute(
                sa.update(_promos).where(_promos.c.id.in_(some)).values(is_active=state)
            )
            flip(some, is_active=state)
    db.session.execute(sa.update(_days).where(_days.c.id == 1).values(day=day, timezone=timezone))


# The keys of a user by parameters of their own, not by an array of any length: a branch of a statement can then stand for each.
_CATEGORY = sa.bindparam("category", type_=sa.Text)
_COUNTRIES = [sa.bindparam(f"country_{number}", type_=sa.Text) for number in range(2)]
_NODES = [sa.bindparam(f"node_{number}", type_=sa.SmallInteger) for number in range(9)]


def _keys(active: bool | None) -> Any:
    """The counted keys under which a user's promos stand."""
    state = [] if active is None else [_counts.c.is_active == active]
    mine = [
        _counts.c.category_key == _CATEGORY,
        _counts.c.country_key.in_(_COUNTRIES),
        _counts.c.age_node.in_(_NODES),
    ]
    return sa.select(_counts).where(*mine, *state, _counts.c.promos > 0).cte("keys")


def _page(active: bool | None, on_postgresql: bool) -> Any:
    keys = _keys(active)
    items = sa.select(_entries.c.promo_id.label("id"))
    if on_postgresql:
        state = [] if active is None else [_entries.c.is_active == active]
        branches = [
            items.where(
                _entries.c.category_key == _CATEGORY,
                _entries.c.country_key == country,
                _entries.c.age_node == node,
                *state,
            )
            for country in _COUNTRIES
            for node in _NODES
        ]
        page = paging.in_turn(branches, _newest_first)
    else:
        page = items.where(
            *(
                _entries.c[name] == keys.c[name]
                for name in ("category_key", "country_key", "age_node", "is_active")
            )
        )
    return paging.page_of(keys, page, order=_newest_first)


def _newest_first(columns: Any) -> list[Any]:
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
) -> tuple[list[UUID], int]:
    """A page of the promos that fit somebody of that age and country, newest first, and how many there are in all."""
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


def today(timezone: Any) -> date:
    return clock.now().astimezone(timezone).date()
