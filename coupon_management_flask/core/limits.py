"""Limits: how much of something one customer, one day or one budget may have."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..db.dialects import is_postgresql, rows_changed, upsert
from ..db.session import db
from ..models import LimitUse, RedemptionTake
from . import errors
from .stock import given

_uses: Any = LimitUse.__table__

_takes: Any = RedemptionTake.__table__


@dataclass(frozen=True, slots=True, order=True)
class LimitKey:
    """What is counted together: uses of an owner (a coupon, say) under a rule, by a customer ("" = all), in a period ("" = ever)."""

    owner_id: UUID
    rule: str
    customer: str = ""
    period: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Take:
    """So many units of a limit, for a redemption. `limit` is what the terms allow in all."""

    key: LimitKey
    units: int
    limit: int
    redemption_id: UUID


def _take_within(insert: Any) -> Any:
    key = {column.name: given(column.name, column.type) for column in _uses.primary_key}
    units, limit = given("units", sa.BigInteger), given("limit", sa.BigInteger)
    # SQLite would take ON CONFLICT for a join, did a WHERE not stand before it.
    first = sa.select(*key.values(), units).where(units <= limit)
    return (
        insert(_uses)
        .from_select([*key, "used"], first)
        .on_conflict_do_update(
            index_elements=[*key],
            set_={"used": _uses.c.used + units},
            where=_uses.c.used + units <= limit,
        )
        .returning(_uses.c.used)
    )


_TAKE_WITHIN = {True: _take_within(postgresql.insert), False: _take_within(sqlite.insert)}


def take_within(takes: Iterable[Take]) -> None:
    """Takes of limits for redemptions that are written already; one conditional statement each, in the order of their keys, as everywhere.

    Raises LimitReached where one has too little left. The transaction must then be rolled back.
    """
    takes = sorted(takes)
    for take in takes:
        values = {f"given_{name}": getattr(take.key, name) for name in LimitKey.__slots__}
        used = db.session.scalar(
            _TAKE_WITHIN[is_postgresql()],
            {**values, "given_units": take.units, "given_limit": take.limit},
        )
        if used is None:
            raise errors.LimitReached
    if takes:
        note_takes(takes)


def note_takes(takes: Iterable[Take]) -> None:
    """Writes down what redemptions took, so that it can be given back."""
    rows = [
        {
            "redemption_id": take.redemption_id,
            "units": take.units,
            **{name: getattr(take.key, name) for name in LimitKey.__slots__},
        }
        for take in takes
    ]
    db.session.execute(sa.insert(_takes), rows)


def add_uses(key: LimitKey, units: int) -> None:
    """Counts what was used before there was a limit: whatever that is."""
    insert = upsert(_uses).values(
        used=units, **{name: getattr(key, name) for name in LimitKey.__slots__}
    )
    db.session.execute(
        insert.on_conflict_do_update(
            index_elements=[*LimitKey.__slots__], set_={"used": _uses.c.used + units}
        )
    )


def give_back(back: Iterable[tuple[UUID, str, int | None]]) -> None:
    """Gives back what redemptions took of limits: redemption, rule, and how many units (None = all it has still).

    Nothing for what was not taken, and never more than was: the redemption's own note is lowered first and decides.
    """
    found: list[tuple[LimitKey, UUID, int]] = []
    for redemption_id, rule, units in back:
        row = db.session.execute(
            sa.select(_takes).where(_takes.c.redemption_id == redemption_id, _takes.c.rule == rule)
        ).one_or_none()
        if row is not None and row.units > 0:
            key = LimitKey(row.owner_id, row.rule, row.customer, row.period)
            found.append(
                (key, redemption_id, row.units if units is None else min(units, row.units))
            )
    for key, redemption_id, units in sorted(found):
        lowered = db.session.execute(
            sa.update(_takes)
            .where(
                _takes.c.redemption_id == redemption_id,
                _takes.c.rule == key.rule,
                _takes.c.units >= units,
            )
            .values(units=_takes.c.units - units)
        )
        if rows_changed(lowered):
            this = sa.and_(*(_uses.c[name] == getattr(key, name) for name in LimitKey.__slots__))
            db.session.execute(sa.update(_uses).where(this).values(used=_uses.c.used - units))


def used(keys: Collection[LimitKey]) -> dict[LimitKey, int]:
    """How much of each limit is used; one statement."""
    if not keys:
        return {}
    among = {name: sorted({getattr(key, name) for key in keys}) for name in LimitKey.__slots__}
    rows = db.session.execute(
        sa.select(_uses).where(*(_uses.c[name].in_(values) for name, values in among.items()))
    )
    found = {LimitKey(row.owner_id, row.rule, row.customer, row.period): row.used for row in rows}
    return {key: found.get(key, 0) for key in keys}
