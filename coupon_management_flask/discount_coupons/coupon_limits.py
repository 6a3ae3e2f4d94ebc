"""What a coupon's limits count: by customer, by day, week or month, and money."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..core import limits, money, validity
from ..core.limits import LimitKey, Take
from ..db.session import AnyRow, db
from ..models import OrderRedemption, OrderRedemptionCode, Redemption, RedemptionTake

PER_CUSTOMER, PER_CUSTOMER_PER_DAY, BUDGET, FIRST_ORDER = (
    "perCustomer",
    "perCustomerPerDay",
    "budget",
    "firstOrder",
)

# What is counted of no coupon alone.
_NO_COUPON = UUID(int=0)

# Of a customer they are counted one by one, of all together otherwise.
OF_A_CUSTOMER = (PER_CUSTOMER, PER_CUSTOMER_PER_DAY)
_PERIODS = {
    "perDay": validity.day,
    "perWeek": validity.week,
    "perMonth": validity.month,
    PER_CUSTOMER_PER_DAY: validity.day,
}

# What a rollback gives back under each of its names; the use itself is the stock's.
GIVEN_BACK_AS = {
    "use": ("perDay", "perWeek", "perMonth"),
    "customer": (*OF_A_CUSTOMER, FIRST_ORDER),
    "budget": (BUDGET,),
}


def of(coupon: Any, customer_id: str | None, moment: datetime) -> dict[str, tuple[LimitKey, int]]:
    """Where each limit of a coupon is counted for this customer at this moment, and how much there may be; a budget in minor units."""
    found = {}
    for rule, limit in coupon.limits.items():
        if rule not in OF_A_CUSTOMER:
            customer = ""
        elif customer_id is not None:
            customer = customer_id
        else:
            continue
        period = _PERIODS[rule](moment, validity.zone(coupon.schedule)) if rule in _PERIODS else ""
        allowed = money.to_minor(Decimal(limit), coupon.currency) if rule == BUDGET else limit
        found[rule] = (LimitKey(coupon.id, rule, customer, period), allowed)
    return found


def first_order(customer_id: str) -> LimitKey:
    """A customer has one first order, whatever the coupon: of two at once, one is it."""
    return LimitKey(_NO_COUPON, FIRST_ORDER, customer_id)


def takes(
    coupon: Any, customer_id: str | None, moment: datetime, *, amount: int, redemption_id: UUID
) -> Iterator[Take]:
    """What a redemption of so much (in minor units) takes of a coupon's limits."""
    for rule, (key, limit) in of(coupon, customer_id, moment).items():
        units = amount if rule == BUDGET else 1
        if units:
            yield Take(key, units, limit, redemption_id)


def count_what_was_used_before(coupon: Any, rules: Iterable[str], now: datetime) -> None:
    """A limit that is new counts the live redemptions that there were without it in its period: who has had one has had it.

    Whoever calls holds the coupon's stock, so that none comes or goes meanwhile.
    """
    for rule in rules:
        noted = sa.exists().where(
            RedemptionTake.redemption_id == Redemption.id, RedemptionTake.rule == rule
        )
        rows = db.session.execute(
            sa.select(
                Redemption.id,
                Redemption.created_at,
                OrderRedemption.customer_id,
                OrderRedemption.rollbacks,
                OrderRedemptionCode.amount,
            )
            .add_columns(OrderRedemptionCode.lines)
            .outerjoin(OrderRedemptionCode, OrderRedemptionCode.redemption_id == Redemption.id)
            .outerjoin(
                OrderRedemption, OrderRedemption.id == OrderRedemptionCode.order_redemption_id
            )
            .where(
                Redemption.stock_id == coupon.stock_id, Redemption.rolled_back_at.is_(None), ~noted
            )
            # No period is longer than a month.
            .where(
                Redemption.created_at > now - timedelta(days=32) if rule in _PERIODS else sa.true()
            )
        )
        counts: dict[LimitKey, int] = {}
        found: list[Take] = []
        for row in rows:
            place = of(coupon, row.customer_id, row.created_at).get(rule)
            units = _left_of(row) if rule == BUDGET else 1
            if place is not None and units and place == of(coupon, row.customer_id, now)[rule]:
                key, limit = place
                found.append(Take(key, units, limit, row.id))
                counts[key] = counts.get(key, 0) + units
        for key in sorted(counts):
            limits.add_uses(key, counts[key])
        if found:
            limits.note_takes(found)


def _left_of(row: AnyRow) -> int:
    """The discount that a redemption still has, without what was rolled back of its budget."""
    if row.amount is None:
        return 0
    back = [rollback["lines"] for rollback in row.rollbacks if rollback["restore"]["budget"]]
    return (
        0
        if None in back
        else int(row.amount)
        - sum(row.lines[position] for positions in back for position in positions)
    )
