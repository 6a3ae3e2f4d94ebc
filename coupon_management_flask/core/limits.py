"""Limits: how much of something one customer, one day or one budget may have."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from ..db.dialects import is_postgresql, rows_changed, table, upsert
from ..db.session import db
from ..models import LimitUse, RedemptionTake
from ..models.kinds import LimitRule
from . import errors
from .stock import given


@dataclass(frozen=True, slots=True, order=True)
class LimitKey:
    """What is counted together: uses of an owner (a coupon, say) under a rule.

    They are counted for a customer ("" means all) and a period ("" means ever).
    """

    owner_id: UUID
    rule: LimitRule
    customer: str = ""
    period: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Take:
    """Units of a limit, taken for a redemption. `limit` is what the terms allow in all."""

    key: LimitKey
    units: int
    limit: int
    redemption_id: UUID


_KEY = (LimitUse.owner_id, LimitUse.rule, LimitUse.customer, LimitUse.period)
_NAMES = tuple(column.key for column in _KEY)
_USES = table(LimitUse)


def _values(key: LimitKey) -> dict[str, object]:
    return {name: getattr(key, name) for name in _NAMES}


def _is(key: LimitKey) -> sa.ColumnElement[bool]:
    return sa.and_(*(column == getattr(key, column.key) for column in _KEY))


def _take_within(insert: "postgresql.Insert | sqlite.Insert") -> ReturningInsert[int]:
    key = {column.key: given(column.key, column.type) for column in _KEY}
    units, limit = given("units", sa.BigInteger), given("limit", sa.BigInteger)
    # SQLite would take ON CONFLICT for a join if no WHERE stood before it.
    first = sa.select(*key.values(), units).where(units <= limit)
    return (
        insert.from_select([*key, "used"], first)
        .on_conflict_do_update(
            index_elements=[*key],
            set_={"used": _USES.c.used + units},
            where=_USES.c.used + units <= limit,
        )
        .returning(_USES.c.used)
    )


_TAKE_WITHIN = {
    True: _take_within(postgresql.insert(_USES)),
    False: _take_within(sqlite.insert(_USES)),
}


def take_within(takes: Iterable[Take]) -> None:
    """Take limits for redemptions that are written already.

    Each take is one conditional statement; they go in the order of their keys, as everywhere.

    Raises: LimitReached where a limit has too little left. The transaction must then be rolled
        back.
    """
    takes = sorted(takes)
    for take in takes:
        values = {f"given_{name}": value for name, value in _values(take.key).items()}
        values |= {"given_units": take.units, "given_limit": take.limit}
        if db.session.scalar(_TAKE_WITHIN[is_postgresql()], values) is None:
            raise errors.LimitReached
    if takes:
        note_takes(takes)


def note_takes(takes: Iterable[Take]) -> None:
    """Write down what redemptions took, so that it can be given back."""
    rows = [
        {"redemption_id": take.redemption_id, "units": take.units, **_values(take.key)}
        for take in takes
    ]
    db.session.execute(sa.insert(table(RedemptionTake)), rows)


def add_uses(key: LimitKey, units: int) -> None:
    """Count what was used before there was a limit, even where it is more than the limit."""
    db.session.execute(
        upsert(LimitUse)
        .values(used=units, **_values(key))
        .on_conflict_do_update(index_elements=[*_NAMES], set_={"used": LimitUse.used + units})
    )


def give_back(back: Iterable[tuple[UUID, LimitRule, int | None]]) -> None:
    """Give back what redemptions took of limits.

    Each is a redemption, a rule, and how many units; None means all that it still has. A limit
    that was not taken gives nothing back, and none gives back more than was taken: the
    redemption's own note is lowered first, and decides.
    """
    found: list[tuple[LimitKey, UUID, int]] = []
    for redemption_id, rule, units in back:
        note = db.session.execute(
            sa.select(*_NOTED, RedemptionTake.units).where(_is_note(redemption_id, rule))
        ).one_or_none()
        if note is not None and note.units > 0:
            key = LimitKey(note.owner_id, note.rule, note.customer, note.period)
            found.append(
                (key, redemption_id, note.units if units is None else min(units, note.units))
            )
    for key, redemption_id, units in sorted(found):
        lowered = db.session.execute(
            sa.update(RedemptionTake)
            .where(_is_note(redemption_id, key.rule), RedemptionTake.units >= units)
            .values(units=RedemptionTake.units - units)
            .execution_options(synchronize_session=False)
        )
        if rows_changed(lowered):
            db.session.execute(
                sa.update(LimitUse)
                .where(_is(key))
                .values(used=LimitUse.used - units)
                .execution_options(synchronize_session=False)
            )


_NOTED = (
    RedemptionTake.owner_id,
    RedemptionTake.rule,
    RedemptionTake.customer,
    RedemptionTake.period,
)


def _is_note(redemption_id: UUID, rule: LimitRule) -> sa.ColumnElement[bool]:
    return sa.and_(RedemptionTake.redemption_id == redemption_id, RedemptionTake.rule == rule)


def used(keys: Collection[LimitKey]) -> dict[LimitKey, int]:
    """Return how much of each limit is used; one statement."""
    if not keys:
        return {}
    among = [column.in_(sorted({getattr(key, column.key) for key in keys})) for column in _KEY]
    rows = db.session.execute(
        sa.select(
            LimitUse.owner_id, LimitUse.rule, LimitUse.customer, LimitUse.period, LimitUse.used
        ).where(*among)
    )
    found = {
        LimitKey(owner, rule, customer, period): count
        for owner, rule, customer, period, count in rows
    }
    return {key: found.get(key, 0) for key in keys}
