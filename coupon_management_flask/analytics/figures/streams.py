"""The streams of events, and how far each of them is summed up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...db.session import db
from ...db.types import Moment
from ...models import Account, EmailCoupon, Redemption, RollUpMark, SaleChange, Voucher
from . import facts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZERO = UUID(int=0)


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a stream. In the order of ids there are no moments."""

    moment: datetime = EPOCH
    last_id: UUID = ZERO


@dataclass(frozen=True, slots=True)
class Stream:
    """Events in the order of their ids or, where `moment` is a column, of that."""

    name: str
    id: sa.SQLColumnExpression[UUID]
    facts: facts.Facts
    moment: sa.SQLColumnExpression[datetime | None] | None = None

    @property
    def order(self) -> tuple[sa.SQLColumnExpression[Any], ...]:
        return (self.id,) if self.moment is None else (self.moment, self.id)

    def behind(self, mark: Mark) -> sa.ColumnElement[bool]:
        """Return the condition of what comes after a mark."""
        return self._follows(sa.literal(mark.moment, Moment), sa.literal(mark.last_id, sa.Uuid))

    def until(self, mark: Mark) -> sa.ColumnElement[bool]:
        """Return the condition of what comes up to a mark."""
        return sa.and_(self._is_there(), sa.not_(self.behind(mark)))

    def tail(self) -> sa.ColumnElement[bool]:
        """Return the condition of what is not summed up yet, as of the statement it stands in.

        It says so twice. The parameters (`parameters_of`) tell PostgreSQL how little that is. The
        marks in the database are what is true by the time that the statement runs.
        """
        known = self._follows(
            sa.bindparam(f"{self.name}_moment", type_=Moment),
            sa.bindparam(f"{self.name}_id", type_=sa.Uuid),
        )
        return sa.and_(known, self._follows(*self._mark()))

    def summed_up(self) -> sa.ColumnElement[bool]:
        """Return the condition of what is summed up, as of the statement it stands in."""
        return sa.and_(self._is_there(), sa.not_(self._follows(*self._mark())))

    def _follows(
        self, moment: sa.ColumnElement[datetime], last_id: sa.ColumnElement[UUID]
    ) -> sa.ColumnElement[bool]:
        if self.moment is None:
            return self.id > last_id
        # PostgreSQL does not conclude by itself that what is compared is not null. Its index
        # asks for that.
        return sa.and_(
            self.moment.is_not(None),
            sa.tuple_(self.moment, self.id) > sa.tuple_(moment, last_id),
        )

    def _is_there(self) -> sa.ColumnElement[bool]:
        return sa.true() if self.moment is None else self.moment.is_not(None)

    def _mark(self) -> tuple[sa.ColumnElement[datetime], sa.ColumnElement[UUID]]:
        is_mine = RollUpMark.stream == self.name
        moment = sa.select(RollUpMark.moment).where(is_mine).scalar_subquery()
        last_id = sa.select(RollUpMark.last_id).where(is_mine).scalar_subquery()
        return (
            sa.func.coalesce(moment, sa.literal(EPOCH, Moment)),
            sa.func.coalesce(last_id, sa.literal(ZERO, sa.Uuid)),
        )


REDEMPTIONS = Stream("redemptions", Redemption.id, facts.of_redemptions)

# What was taken back comes first: an offer that is folded (folding.py) has had it by then.
STREAMS = (
    Stream("rollbacks", Redemption.id, facts.of_rollbacks, Redemption.rolled_back_at),
    REDEMPTIONS,
    Stream("sale_changes", SaleChange.id, facts.of_sale_changes),
    Stream("vouchers", Voucher.id, facts.of_vouchers),
    Stream("email_coupons", EmailCoupon.id, facts.of_emails),
    Stream("users", Account.id, facts.of_users),
)


def marks() -> dict[str, Mark]:
    """Return how far each stream is summed up, by its name."""
    rows = sa.select(RollUpMark.stream, RollUpMark.moment, RollUpMark.last_id)
    found = {stream: Mark(moment, last_id) for stream, moment, last_id in db.session.execute(rows)}
    return {stream.name: found.get(stream.name, Mark()) for stream in STREAMS}


def parameters_of(marks: Mapping[str, Mark]) -> dict[str, datetime | UUID]:
    """Return the parameters of statements that have `Stream.tail` in them."""
    return {f"{name}_moment": mark.moment for name, mark in marks.items()} | {
        f"{name}_id": mark.last_id for name, mark in marks.items()
    }
