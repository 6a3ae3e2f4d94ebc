"""Stock: a limited thing, of which every unit is taken once.

A claim is one conditional statement whose row count decides; nothing is read first. On PostgreSQL
the statement also writes the redemption. So the hot row is locked for one round trip and the
commit, never while Python has anything to do.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine

from ..db.dialects import is_postgresql, rows_changed, table
from ..db.failures import broken_constraint
from ..db.session import commits_alone, db, transaction
from ..db.statements import Prepared, Rows
from ..models import Redemption, Stock, new_id
from . import clock, errors


@dataclass(frozen=True, slots=True)
class Claimed:
    """Units that were taken.

    `claimed` and `capacity` are the stock's right after the claim. `returned` is what the claim's
    riders returned, by column.
    """

    redemption_id: UUID
    redeemed_at: datetime
    claimed: int
    capacity: int | None
    returned: dict[str, object] = field(default_factory=dict)


Rider = Callable[[sa.FromClause], sa.UpdateBase]
"""Makes a statement that happens with a claim or not at all.

It is given the claim as something to select from, with the columns `claimed` and `capacity`.
"""


def create(capacity: int | None) -> UUID:
    """Make a stock of `capacity` units, none of them claimed. None means no limit."""
    stock_id = new_id()
    db.session.execute(sa.insert(table(Stock)).values(id=stock_id, capacity=capacity, claimed=0))
    return stock_id


def set_left(stock_id: UUID, left: int) -> None:
    """Set what is left, whatever is being claimed meanwhile.

    The capacity becomes what is claimed plus `left`.
    """
    db.session.execute(_change(stock_id).values(capacity=Stock.claimed + left))


def _change(stock_id: UUID, *only_if: sa.ColumnElement[bool]) -> sa.Update:
    # No session holds stocks as objects, so there are none to keep up to date.
    return (
        sa.update(Stock)
        .where(Stock.id == stock_id, *only_if)
        .execution_options(synchronize_session=False)
    )


def repeatable_key(account_id: UUID, redemption_id: UUID) -> str:
    """Return the claim key of what one user may claim as often as there are units.

    All keys of a user sort together.
    """
    return f"{once_each_user(account_id)}:{redemption_id}"


def once_each_user(account_id: UUID) -> str:
    """Return the claim key of what one user may claim once."""
    return f"user:{account_id}"


def given(name: str, type_: "TypeEngine[Any] | type[TypeEngine[Any]]") -> sa.BindParameter[Any]:
    """Name a value that each claim gives, for conditions and riders.

    The parameter is not called by the bare name: SQLAlchemy would take a parameter of an UPDATE
    that is called like a column for the column's new value.
    """
    return sa.bindparam(f"given_{name}", type_=type_)


LOCK = Prepared(
    "lock_stock",
    sa.select(Stock.id).where(Stock.id == given("stock_id", sa.Uuid)).with_for_update(),
)
"""Locks the stock before a claim whose conditions look at other tables.

Whoever changes those tables holds the stock meanwhile. A claim without this lock would wait for
the stock all the same, but a statement that has waited still sees other tables as they were when
it began.
"""


def leaves_some() -> sa.ColumnElement[bool]:
    """Return the condition that a claim does not take the last unit."""
    return sa.or_(
        Stock.capacity.is_(None),
        Stock.claimed + given("units", sa.BigInteger) < Stock.capacity,
    )


class Claiming:
    """How the offers of one kind are claimed.

    The statements are built once, because building them costs more than running them.
    """

    _WRITTEN = (
        Redemption.id,
        Redemption.stock_id,
        Redemption.claim_key,
        Redemption.units,
        Redemption.kind,
        Redemption.account_id,
        Redemption.code,
        Redemption.amount,
        Redemption.currency,
        Redemption.created_at,
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
        """Tell how to claim; `name` tells the statement from all others.

        `only_if` are conditions that the claiming statement itself judges. `riders` are further
        statements of the same round trip. `after` runs first in it and locks what the conditions
        look at beyond the stock. All may hold parameters (`given`), which every claim then gives.
        """
        self.kind = kind
        self._name = f"claim_{name}"
        self._only_if = only_if
        self._riders = riders
        self._after = after
        self._in_one: Prepared | None = None
        self._in_several: tuple[sa.UpdateBase, list[sa.UpdateBase]] | None = None

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
        **parameters: object,
    ) -> Claimed:
        """Take units of a stock, and write the redemption that proves it.

        It happens in the open transaction; where none is open, as a transaction of its own.

        Raises: Exhausted where too little is left or a condition does not hold, AlreadyClaimed
            where `claim_key` was used on this stock before. An open transaction must then be
            rolled back.
        """
        now = clock.now()
        redemption_id = redemption_id or new_id()
        values: dict[str, object] = {
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
                # One round trip, which PostgreSQL begins and commits by itself.
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
        if self._in_one is None:
            taken = self._take().cte("taken")
            written = self._write(taken).returning(Redemption.id).cte("written")
            statement: sa.Select[*tuple[Any, ...]] = sa.select(
                taken.c.claimed, taken.c.capacity
            ).select_from(taken.join(written, sa.true()))
            for number, rider in enumerate(self._riders):
                ridden = rider(taken).cte(f"rider_{number}")
                returns = list(ridden.c)
                statement = (
                    statement.add_columns(*returns).outerjoin(ridden, sa.true())
                    if returns
                    else statement.add_cte(ridden)
                )
            self._in_one = Prepared(self._name, statement, writes=True, after=self._after)
        return self._in_one

    def _claim_in_several(self, values: dict[str, object]) -> dict[str, Any] | None:
        """Claim on SQLite, where no statement writes to two tables and nobody else writes."""
        if self._in_several is None:
            taken = sa.select(
                given("claimed", sa.BigInteger).label("claimed"),
                given("capacity", sa.BigInteger).label("capacity"),
            ).subquery("taken")
            riders = [_plain(rider(taken)) for rider in self._riders]
            self._in_several = (_plain(self._take()), [_plain(self._write(taken)), *riders])
        take, others = self._in_several
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

    def _take(self) -> ReturningUpdate[int, int | None]:
        units = given("units", sa.BigInteger)
        return (
            sa.update(Stock)
            .where(
                Stock.id == given("stock_id", sa.Uuid),
                sa.or_(Stock.capacity.is_(None), Stock.claimed + units <= Stock.capacity),
                *self._only_if,
            )
            .values(claimed=Stock.claimed + units)
            .returning(Stock.claimed, Stock.capacity)
        )

    def _write(self, taken: sa.FromClause) -> sa.Insert:
        names = ["redemption_id", *(column.key for column in self._WRITTEN[1:])]
        values = [
            given(name, column.type) for name, column in zip(names, self._WRITTEN, strict=True)
        ]
        return sa.insert(Redemption).from_select(
            [column.key for column in self._WRITTEN],
            sa.select(*values).select_from(taken),
            include_defaults=False,
        )


Statement = TypeVar("Statement", bound=sa.UpdateBase)


def _plain(statement: Statement) -> Statement:
    # To the session, a statement with parameters is a list of rows, unless it is told otherwise.
    strategy = "raw" if isinstance(statement, sa.Insert) else "core_only"
    return statement.execution_options(dml_strategy=strategy)


def release(redemption_id: UUID) -> bool:
    """Give back what a redemption took, exactly once; its claim key is free again.

    Returns True the first time, False ever after and for an unknown id. The stock row is locked
    first, as everywhere, so that two of these never wait for each other in a circle.
    """
    stock_id = db.session.scalar(
        sa.select(Redemption.stock_id).where(Redemption.id == redemption_id)
    )
    if stock_id is None:
        return False
    lock([stock_id])
    units = db.session.scalar(
        sa.update(Redemption)
        .where(Redemption.id == redemption_id, Redemption.rolled_back_at.is_(None))
        .values(rolled_back_at=clock.now(), claim_key=None)
        .returning(Redemption.units)
        .execution_options(synchronize_session=False)
    )
    if units is None:
        return False
    db.session.execute(_change(stock_id).values(claimed=Stock.claimed - units))
    return True


def stocks_of(redemption_ids: Collection[UUID]) -> list[UUID]:
    """Return the stocks that these redemptions took of."""
    return list(
        db.session.scalars(sa.select(Redemption.stock_id).where(Redemption.id.in_(redemption_ids)))
    )


def lock(stock_ids: Iterable[UUID]) -> None:
    """Let nobody claim, release or change any of these stocks until this transaction ends.

    They are locked in the order of their ids, as everywhere.
    """
    for stock_id in sorted(stock_ids):
        db.session.execute(sa.select(Stock.id).where(Stock.id == stock_id).with_for_update())


def set_capacity(stock_id: UUID, capacity: int | None) -> None:
    """Change how much there is in all.

    Raises: Exhausted where more than that is claimed.
    """
    fits = sa.true() if capacity is None else Stock.claimed <= capacity
    if rows_changed(db.session.execute(_change(stock_id, fits).values(capacity=capacity))) == 0:
        raise errors.Exhausted
