"""What a coupon's limits count: by customer, by day, week or month, and money."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import limits, money, validity
from ..core.limits import LimitKey, Take
from ..db.session import db
from ..models import OrderRedemption, OrderRedemptionCode, Redemption, RedemptionTake
from ..models.kinds import LimitRule
from .coupons.coupon import Coupon

# The owner of what is counted for no coupon alone.
_NO_COUPON = UUID(int=0)

_KNOWN = frozenset(map(str, LimitRule))
# These count each customer alone, the others all together.
OF_A_CUSTOMER = (LimitRule.PER_CUSTOMER, LimitRule.PER_CUSTOMER_PER_DAY)
_PERIODS = {
    LimitRule.PER_DAY: validity.day,
    LimitRule.PER_WEEK: validity.week,
    LimitRule.PER_MONTH: validity.month,
    LimitRule.PER_CUSTOMER_PER_DAY: validity.day,
}


@dataclass(frozen=True, slots=True)
class Restore:
    """What a rollback gives back: the use, the customer's own limits and days, the budget."""

    use: bool = True
    customer: bool = True
    budget: bool = True

    def rules(self) -> list[LimitRule]:
        """Return the limits that come back with a whole redemption, but for the budget."""
        found: list[LimitRule] = []
        if self.use:
            found += [LimitRule.PER_DAY, LimitRule.PER_WEEK, LimitRule.PER_MONTH]
        if self.customer:
            found += [*OF_A_CUSTOMER, LimitRule.FIRST_ORDER]
        return found


EVERYTHING = Restore()


def of(
    coupon: Coupon, customer_id: str | None, moment: datetime
) -> dict[LimitRule, tuple[LimitKey, int]]:
    """Return where each limit of a coupon is counted, and how much there may be.

    It depends on the customer and the moment. A budget is in minor units. Limits of which
    `are_known` says that they are not are left out.
    """
    found = {}
    for name, limit in coupon.limits.items():
        if name not in _KNOWN:
            continue
        rule = LimitRule(name)
        if rule not in OF_A_CUSTOMER:
            customer = ""
        elif customer_id is not None:
            customer = customer_id
        else:
            continue
        period = _PERIODS[rule](moment, validity.zone(coupon.schedule)) if rule in _PERIODS else ""
        allowed = (
            money.to_minor(Decimal(limit), coupon.currency)
            if rule == LimitRule.BUDGET
            else int(limit)
        )
        found[rule] = (LimitKey(coupon.id, rule, customer, period), allowed)
    return found


def are_known(coupon: Coupon) -> bool:
    """Return whether this server knows all of a coupon's limits.

    Another one, newer or older, may have stored what this one can't count.
    """
    return coupon.limits.keys() <= _KNOWN


def first_order(customer_id: str) -> LimitKey:
    """Return where a customer's first order is counted.

    A customer has one, whatever the coupon: of two orders at once, one is the first.
    """
    return LimitKey(_NO_COUPON, LimitRule.FIRST_ORDER, customer_id)


def takes(
    coupon: Coupon, customer_id: str | None, moment: datetime, *, amount: int, redemption_id: UUID
) -> Iterator[Take]:
    """Yield what a redemption of `amount` minor units takes of a coupon's limits."""
    for rule, (key, limit) in of(coupon, customer_id, moment).items():
        units = amount if rule == LimitRule.BUDGET else 1
        if units:
            yield Take(key, units, limit, redemption_id)


def count_what_was_used_before(coupon: Coupon, rules: Iterable[LimitRule], now: datetime) -> None:
    """Count the live redemptions of a limit's period that there were before it was set.

    A customer who has had one under no limit has had it. The caller holds the coupon's stock, so
    that no redemption comes or goes meanwhile.
    """
    for rule in rules:
        counts: dict[LimitKey, int] = {}
        found: list[Take] = []
        for row in db.session.execute(_not_noted(coupon.stock_id, rule, now)):
            redemption_id, created_at, customer_id, *given = row
            place = of(coupon, customer_id, created_at).get(rule)
            units = _left_of(*given) if rule == LimitRule.BUDGET else 1
            if place is not None and units and place == of(coupon, customer_id, now)[rule]:
                key, limit = place
                found.append(Take(key, units, limit, redemption_id))
                counts[key] = counts.get(key, 0) + units
        for key in sorted(counts):
            limits.add_uses(key, counts[key])
        if found:
            limits.note_takes(found)


def _not_noted(
    stock_id: UUID, rule: LimitRule, now: datetime
) -> sa.Select[UUID, datetime, str | None, list[Any], int, list[Any]]:
    noted = sa.exists().where(
        RedemptionTake.redemption_id == Redemption.id, RedemptionTake.rule == rule
    )
    return (
        sa.select(
            Redemption.id,
            Redemption.created_at,
            OrderRedemption.customer_id,
            OrderRedemption.rollbacks,
            OrderRedemptionCode.amount,
            OrderRedemptionCode.lines,
        )
        .outerjoin(OrderRedemptionCode, OrderRedemptionCode.redemption_id == Redemption.id)
        .outerjoin(OrderRedemption, OrderRedemption.id == OrderRedemptionCode.order_redemption_id)
        .where(Redemption.stock_id == stock_id, Redemption.rolled_back_at.is_(None), ~noted)
        # No period is longer than a month.
        .where(Redemption.created_at > now - timedelta(days=32) if rule in _PERIODS else sa.true())
    )


def _left_of(rollbacks: Sequence[dict[str, Any]], amount: int | None, lines: Sequence[int]) -> int:
    """Return the discount that a redemption still has after what was rolled back of its budget."""
    if amount is None:
        return 0
    back = [rollback["lines"] for rollback in rollbacks if rollback["restore"]["budget"]]
    if None in back:
        return 0
    gone: list[int] = [position for positions in back for position in positions]
    return amount - sum(lines[position] for position in gone)
