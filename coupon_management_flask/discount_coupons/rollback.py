"""An order's redemption is taken back, wholly or line by line."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from ..core import clock, errors, limits, money, stock
from ..db.dialects import rows_changed
from ..db.failures import retried
from ..db.session import db, transaction
from ..identity import change_log
from ..models import OrderRedemption, OrderRedemptionCode, PaymentTransaction, VoucherPurchase
from ..models.kinds import LimitRule
from . import events
from .coupon_limits import EVERYTHING, Restore
from .redemptions import ListedOrder, RedemptionStatus, codes_of, read_order, read_order_with
from .refusals import BelongsToPurchase
from .stored import Json, plain


@dataclass(frozen=True, slots=True)
class _Step:
    """What one rollback takes back: these lines, and of each code this amount.

    `is_whole` says that nothing is left of the redemption afterwards. `lines` is None where the
    redemption is taken back as a whole.
    """

    lines: list[int] | None
    amounts: list[int]
    is_whole: bool


def roll_back_for_shop(
    redemption_id: UUID,
    *,
    reason: str,
    restore: Restore = EVERYTHING,
    lines: list[int] | None = None,
) -> Json:
    """Do as `roll_back` does for an order of a shop's.

    Raises: BelongsToPurchase for the discount of a payment or a purchase, which only that gives
    back; what `roll_back` raises.
    """
    read_order(redemption_id)
    belongs = sa.or_(
        *(
            sa.exists().where(table.order_redemption_id == redemption_id)
            for table in (PaymentTransaction, VoucherPurchase)
        )
    )
    if db.session.scalar(sa.select(belongs)):
        raise BelongsToPurchase
    return roll_back(redemption_id, reason=reason, restore=restore, lines=lines)


def stocks_of_orders(order_redemption_ids: Collection[UUID]) -> set[UUID]:
    """Return the stocks that the redemptions of these orders took of."""
    return {
        stock_id
        for codes in codes_of(list(order_redemption_ids)).values()
        for stock_id in stock.stocks_of([code.redemption_id for code in codes])
    }


@retried
def roll_back(
    redemption_id: UUID,
    *,
    reason: str,
    restore: Restore = EVERYTHING,
    lines: list[int] | None = None,
) -> Json:
    """Take an order's redemption back, or these lines of it.

    What it took of every limit that `restore` names comes back, exactly once. A line brings back
    its share of the budget. Uses, and what counts customers and days, come back when the last
    line has gone. Asked again, the answer is the first one.

    Raises: RedemptionNotFound, Invalid for lines that the redemption does not have.
    """
    read_order(redemption_id)
    codes = codes_of([redemption_id])[redemption_id]
    _check_lines(lines, count=len(codes[0].lines))
    with transaction():
        stock.lock(stock.stocks_of([code.redemption_id for code in codes]))
        order, version = read_order_with(redemption_id, OrderRedemption.version)
        step = _next_step(order, codes, lines)
        if step is None:
            return _same_answer(order.rollbacks, lines)
        now = clock.now()
        answer = _answer(order, step, reason, restore, now)
        _give_back(codes, step, restore)
        _write(order, version, {**answer, "asked": lines}, step, now)
        events.rolled_back(answer, order_id=order.order_id, customer_id=order.customer_id)
        change_log.note(
            OrderRedemption.__tablename__,
            order.id,
            before={},
            after={name: answer[name] for name in ("status", "reason", "lines", "restore")},
            also_by_servers=False,
        )
    return answer


def _check_lines(lines: list[int] | None, *, count: int) -> None:
    if lines is not None and not all(position < count for position in lines):
        problem = (
            f"This redemption has {count} lines, counted from 0."
            if count
            else "This redemption was made without items."
        )
        raise errors.Invalid({"lines": [problem]})


def _next_step(
    order: ListedOrder, codes: Sequence[OrderRedemptionCode], lines: list[int] | None
) -> _Step | None:
    """Return what is to be taken back; None where all that is asked for has gone before."""
    if order.rolled_back_at is not None:
        return None
    count = len(codes[0].lines)
    gone = {position for earlier in order.rollbacks for position in earlier["lines"] or ()}
    asked = set(range(count)) if lines is None else set(lines)
    if asked and asked <= gone:
        return None
    new = sorted(asked - gone)
    return _Step(
        lines=None if lines is None and not gone else new,
        amounts=[
            code.amount if not count else sum(code.lines[position] for position in new)
            for code in codes
        ],
        is_whole=not count or len(gone) + len(new) == count,
    )


def _answer(order: ListedOrder, step: _Step, reason: str, restore: Restore, now: datetime) -> Json:
    status = RedemptionStatus.ROLLED_BACK if step.is_whole else RedemptionStatus.PARTLY_ROLLED_BACK
    return plain(
        {
            "redemption_id": order.id,
            "status": status,
            "reason": reason,
            "lines": step.lines,
            "restore": asdict(restore),
            "discount_amount": money.from_minor(sum(step.amounts), order.currency),
            "rolled_back_at": now,
        }
    )


def _give_back(codes: Sequence[OrderRedemptionCode], step: _Step, restore: Restore) -> None:
    back: list[tuple[UUID, LimitRule, int | None]] = []
    for code, amount in zip(codes, step.amounts, strict=True):
        if step.is_whole:
            back += [(code.redemption_id, rule, None) for rule in restore.rules()]
        if restore.budget and amount:
            back.append((code.redemption_id, LimitRule.BUDGET, amount))
    limits.give_back(back)
    if step.is_whole and restore.use:
        for code in codes:
            stock.release(code.redemption_id)


def _write(order: ListedOrder, version: int, rollback: Json, step: _Step, now: datetime) -> None:
    gone = {"order_key": None, "rolled_back_at": now} if step.is_whole else {}
    changed = db.session.execute(
        sa.update(OrderRedemption)
        .where(OrderRedemption.id == order.id, OrderRedemption.version == version)
        .values(rollbacks=[*order.rollbacks, rollback], version=version + 1, **gone)
        .execution_options(synchronize_session=False)
    )
    if not rows_changed(changed):
        raise errors.Unavailable


def _same_answer(earlier: list[Json], lines: list[int] | None) -> Json:
    """Return what was answered when this was asked before.

    Where it was done by other calls, the last of them has the answer.
    """
    for one in earlier:
        asked = one["asked"]
        if asked == lines or (asked and lines and set(asked) == set(lines)):
            return one
    return earlier[-1]
