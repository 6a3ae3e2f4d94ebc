"""Stock: a limited thing, of which every unit is taken once.

A claim is one conditional statement and the row count decides; nothing is read first. On PostgreSQL that statement also writes the
redemption, so that the hot row is locked for one round trip and the commit, never across Python.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..database import AnyRow, broken_constraint, db, is_postgresql
from ..models import Redemption, Stock, new_id
from . import clock, errors

_stocks: Any = Stock.__table__
_redemptions: Any = Redemption.__table__


@dataclass(frozen=True, slots=True)
class Claimed:
    """A unit (or several) taken: the stock as it stood right after."""

    redemption_id: UUID
    redeemed_at: datetime
    claimed: int
    capacity: int | None


def create(capacity: int | None) -> UUID:
    """A new stock of `capacity` units, none claimed; None means no limit."""
    stock_id = new_id()
    db.session.execute(sa.insert(_stocks).values(id=stock_id, capacity=capacity, claimed=0))
    return stock_id


def set_left(stock_id: UUID, left: int) -> None:
    """Sets what is left, whatever is being claimed meanwhile: the capacity becomes what is claimed plus `left`."""
    db.session.execute(sa.update(_stocks).where(_stocks.c.id == stock_id).values(capacity=_stocks.c.claimed + left))


def fresh_key(redemption_id: UUID) -> str:
    """The claim key of what may be claimed as often as there are units."""
    return f"each:{redemption_id}"


def once_each_user(account_id: UUID) -> str:
    """The claim key of what one user may claim once."""
    return f"user:{account_id}"


def claim(
    stock_id: UUID,
    *,
    claim_key: str,
    kind: str,
    account_id: UUID,
    units: int = 1,
    code: str | None = None,
    amount: int = 0,
    currency: str | None = None,
    redemption_id: UUID | None = None,
    only_if: sa.ColumnElement[bool] | None = None,
) -> Claimed:
    """Takes `units` of a stock and writes the redemption that proves it.

    Raises Exhausted where too little is left or `only_if` (a condition on the offer, judged in the same statement) does not hold,
    AlreadyClaimed where `claim_key` was used on this stock before. The transaction must then be rolled back.
    """
    now = clock.now()
    redemption_id = redemption_id or new_id()
    redemption: dict[str, Any] = {
        "id": redemption_id,
        "stock_id": stock_id,
        "claim_key": claim_key,
        "units": units,
        "kind": kind,
        "account_id": account_id,
        "code": code,
        "amount": amount,
        "currency": currency,
        "created_at": now,
    }
    take = (
        sa.update(_stocks)
        .where(
            _stocks.c.id == stock_id,
            sa.or_(_stocks.c.capacity.is_(None), _stocks.c.claimed + units <= _stocks.c.capacity),
            *([] if only_if is None else [only_if]),
        )
        .values(claimed=_stocks.c.claimed + units)
        .returning(_stocks.c.claimed, _stocks.c.capacity)
    )
    try:
        row = _claim_in_one(take, redemption) if is_postgresql() else _claim_in_two(take, redemption)
    except IntegrityError as error:
        if "claim_key" in broken_constraint(error):
            raise errors.AlreadyClaimed from error
        raise
    if row is None:
        raise errors.Exhausted
    return Claimed(redemption_id, now, row.claimed, row.capacity)


def _claim_in_one(take: Any, redemption: dict[str, Any]) -> AnyRow | None:
    taken = take.cte("taken")
    columns = [_redemptions.c[name] for name in redemption]
    values = [sa.literal(value, column.type) for value, column in zip(redemption.values(), columns, strict=True)]
    written = (
        sa.insert(_redemptions).from_select(columns, sa.select(*values).select_from(taken), include_defaults=False).returning(_redemptions.c.id).cte("written")
    )
    return db.session.execute(sa.select(taken.c.claimed, taken.c.capacity).select_from(taken.join(written, sa.true()))).one_or_none()


def _claim_in_two(take: Any, redemption: dict[str, Any]) -> AnyRow | None:
    row = db.session.execute(take).one_or_none()
    if row is not None:
        db.session.execute(sa.insert(_redemptions).values(**redemption))
    return row


def release(redemption_id: UUID) -> bool:
    """Gives back what a redemption took, exactly once: True the first time, False ever after (and for an unknown id).

    Its claim key is free again. The stock row is locked first, as everywhere, so that two of these never wait for each other in a circle.
    """
    stock_id = db.session.scalar(sa.select(_redemptions.c.stock_id).where(_redemptions.c.id == redemption_id))
    if stock_id is None:
        return False
    db.session.execute(sa.select(_stocks.c.id).where(_stocks.c.id == stock_id).with_for_update())
    units = db.session.scalar(
        sa.update(_redemptions)
        .where(_redemptions.c.id == redemption_id, _redemptions.c.rolled_back_at.is_(None))
        .values(rolled_back_at=clock.now(), claim_key=None)
        .returning(_redemptions.c.units)
    )
    if units is None:
        return False
    db.session.execute(sa.update(_stocks).where(_stocks.c.id == stock_id).values(claimed=_stocks.c.claimed - units))
    return True
