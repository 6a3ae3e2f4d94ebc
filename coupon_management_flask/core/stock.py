"""Stock: a limited thing, of which every unit is taken once.

A claim is one conditional statement and the row count decides; nothing is read first. On PostgreSQL that statement also writes the
redemption, so that the hot row is locked for one round trip and the commit, never across Python.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ..db.dialects import is_postgresql, rows_changed
from ..db.failures import broken_constraint
from ..db.session import commits_alone, db, transaction
from ..db.statements import Prepared, Rows
from ..models import Redemption, Stock, new_id
from . import clock, errors

_stocks: Any = Stock.__table__

_redemptions: Any = Redemption.__table__


@dataclass(frozen=True, slots=True)
class Claimed:
    """A unit (or several) taken: the stock as it stood right after, and what the claim's riders returned, by column."""

    redemption_id: UUID
    redeemed_at: datetime
    claimed: int
    capacity: int | None
    returned: dict[str, Any] = field(default_factory=dict)


Rider = Callable[[Any], Any]
"""Makes a statement that happens with a claim or not at all, given the claim as something to select from (`claimed`, `capacity`)."""


def create(capacity: int | None) -> UUID:
    """A new stock of `capacity` units, none claimed; None means no limit."""
    stock_id = new_id()
    db.session.execute(sa.insert(_stocks).values(id=stock_id, capacity=capacity, claimed=0))
    return stock_id


def set_left(stock_id: UUID, left: int) -> None:
    """Sets what is left, whatever is being claimed meanwhile: the capacity becomes what is claimed plus `left`."""
    db.session.execute(
        sa.update(_stocks).where(_stocks.c.id == stock_id).values(capacity=_stocks.c.claimed + left)
    )


def repeatable_key(account_id: UUID, redemption_id: UUID) -> str:
    """The claim key of what one user may claim as often as there are units; all of a user's sort together."""
    return f"{once_each_user(account_id)}:{redemption_id}"


def once_each_user(account_id: UUID) -> str:
    """The claim key of what one user may claim once."""
    return f"user:{account_id}"


def given(name: str, type_: Any) -> sa.BindParameter[Any]:
    """A value that each claim gives by this name, for conditions and riders.

    Not the bare name: to SQLAlchemy, a parameter of an UPDATE that is called like a column is a new value for it.
    """
    return sa.bindparam(f"given_{name}", type_=type_)


LOCK = Prepared(
    "lock_stock",
    sa.select(_stocks.c.id).where(_stocks.c.id == given("stock_id", sa.Uuid)).with_for_update(),
)
"""For claims whose conditions look beyond the stock, at what is changed by whoever holds it. A claim that waited for that one itself would not do:
a statement that has waited judges other tables as they were when it began."""


def leaves_some() -> sa.ColumnElement[bool]:
    """A condition for claims: it is not the last unit."""
    return sa.or_(
        _stocks.c.capacity.is_(None),
        _stocks.c.claimed + given("units", sa.BigInteger) < _stocks.c.capacity,
    )


class Claiming:
    """How the offers of one kind are claimed. Its statements are built once, for building them costs more than running them.

    `only_if` are conditions that the claiming statement itself judges; riders are further statements of the same round trip. `after` locks
    what the conditions look at beyond the stock. All may hold parameters (`given`), which every claim then gives by name.
    """

    _WRITTEN = (
        "id",
        "stock_id",
        "claim_key",
        "units",
        "kind",
        "account_id",
        "code",
        "amount",
        "currency",
        "created_at",
    )

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        only_if: Sequence[sa.ColumnElement[bool]] = (),
        riders: Sequence[Rider] = (),
        after: Prepared | None = None,
    ) -> None:
        """`kind` is the redemptions'; `name` tells the statement from all others."""
        self.kind = kind
        self._name = f"claim_{name}"
        self._only_if = only_if
        self._riders = riders
        self._after = after
        self._statements: dict[bool, Any] = {}

    def claim(
        self,
        stock_id: UUID,
        *,
        claim_key: str,
        account_id: UUID,
        units: int = 1,
        code: str | None = None,
        amount: int = 0,
        currency: str | None = None,
        redemption_id: UUID | None = None,
        **parameters: Any,
    ) -> Claimed:
        """Takes `units` of a stock and writes the redemption that proves it: in the open transaction, or where none is open as one by itself.

        Raises Exhausted where too little is left or `only_if` does not hold, AlreadyClaimed where `claim_key` was used on this stock before.
        An open transaction must then be rolled back.
        """
        now = clock.now()
        redemption_id = redemption_id or new_id()
        values = {
            "redemption_id": redemption_id,
            "stock_id": stock_id,
            "claim_key": claim_key,
            "units": units,
            "kind": self.kind,
            "account_id": account_id,
            "code": code,
            "amount": amount,
            "currency": currency,
            "created_at": now,
            **parameters,
        }
        given_values = {f"given_{name}": value for name, value in values.items()}
        try:
            if is_postgresql() and commits_alone():
                # One round trip, begun and committed by PostgreSQL itself: the hot row is never locked while Python has anything to do.
                row = self._as_dict(self._statement_in_one().commit(given_values))
            else:
                with transaction():
                    row = (
                        self._as_dict(self._statement_in_one().execute(given_values))
                        if is_postgresql()
                        else self._claim_in_several(given_values)
                    )
        except IntegrityError as error:
            if "claim_key" in broken_constraint(error):
                raise errors.AlreadyClaimed from error
            raise
        if row is None:
            raise errors.Exhausted
        return Claimed(redemption_id, now, row.pop("claimed"), row.pop("capacity"), row)

    @staticmethod
    def _as_dict(rows: Rows) -> dict[str, Any] | None:
        row = rows.one_or_none()
        return None if row is None else row._asdict()

    def _statement_in_one(self) -> Prepared:
        if True not in self._statements:
            taken = self._take().cte("taken")
            written = self._write(taken).returning(_redemptions.c.id).cte("written")
            statement = sa.select(taken.c.claimed, taken.c.capacity).select_from(
                taken.join(written, sa.true())
            )
            for number, rider in enumerate(self._riders):
                ridden = rider(taken).cte(f"rider_{number}")
                returns = list(ridden.c)
                statement = (
                    statement.add_columns(*returns).outerjoin(ridden, sa.true())
                    if returns
                    else statement.add_cte(ridden)
                )
            self._statements[True] = Prepared(self._name, statement, writes=True, after=self._after)
        return self._statements[True]  # type: ignore[no-any-return]

    def _claim_in_several(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """The same where no statement writes to two tables (SQLite): nobody else writes meanwhile."""
        if False not in self._statements:
            taken = sa.select(
                given("claimed", sa.BigInteger).label("claimed"),
                given("capacity", sa.BigInteger).label("capacity"),
            ).subquery("taken")
            self._statements[False] = (
                self._take(),
                [self._write(taken), *(rider(taken) for rider in self._riders)],
            )
        take, others = self._statements[False]
        row = db.session.execute(take, values).one_or_none()
        if row is None:
            return None
        found = dict(row._mapping)
        values = {**values, "given_claimed": row.claimed, "given_capacity": row.capacity}
        for statement in others:
            result: Any = db.session.execute(statement, values)
            if result.returns_rows:
                found |= next((dict(returned._mapping) for returned in result), {})
        return found

    def _take(self) -> Any:
        units = given("units", sa.BigInteger)
        return (
            sa.update(_stocks)
            .where(
                _stocks.c.id == given("stock_id", sa.Uuid),
                sa.or_(
                    _stocks.c.capacity.is_(None), _stocks.c.claimed + units <= _stocks.c.capacity
                ),
                *self._only_if,
            )
            .values(claimed=_stocks.c.claimed + units)
            .returning(_stocks.c.claimed, _stocks.c.capacity)
        )

    def _write(self, taken: Any) -> Any:
        columns = [_redemptions.c[name] for name in self._WRITTEN]
        names = ["redemption_id", *self._WRITTEN[1:]]
        values = [given(name, column.type) for name, column in zip(names, columns, strict=True)]
        return sa.insert(_redemptions).from_select(
            columns, sa.select(*values).select_from(taken), include_defaults=False
        )


def release(redemption_id: UUID) -> bool:
    """Gives back what a redemption took, exactly once: True the first time, False ever after (and for an unknown id).

    Its claim key is free again. The stock row is locked first, as everywhere, so that two of these never wait for each other in a circle.
    """
    stock_id = db.session.scalar(
        sa.select(_redemptions.c.stock_id).where(_redemptions.c.id == redemption_id)
    )
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
    db.session.execute(
        sa.update(_stocks).where(_stocks.c.id == stock_id).values(claimed=_stocks.c.claimed - units)
    )
    return True


def stocks_of(redemption_ids: Collection[UUID]) -> list[UUID]:
    """The stocks that these redemptions took of."""
    return list(
        db.session.scalars(
            sa.select(_redemptions.c.stock_id).where(_redemptions.c.id.in_(redemption_ids))
        )
    )


def lock(stock_ids: Iterable[UUID]) -> None:
    """Nobody claims, releases or changes any of these stocks until this transaction ends. In the order of their ids, as everywhere."""
    for stock_id in sorted(stock_ids):
        db.session.execute(
            sa.select(_stocks.c.id).where(_stocks.c.id == stock_id).with_for_update()
        )


def set_capacity(stock_id: UUID, capacity: int | None) -> None:
    """Changes how much there is in all. Raises Exhausted where more than that is claimed."""
    fits = sa.true() if capacity is None else _stocks.c.claimed <= capacity
    changed = db.session.execute(
        sa.update(_stocks).where(_stocks.c.id == stock_id, fits).values(capacity=capacity)
    )
    if rows_changed(changed) == 0:
        raise errors.Exhausted
