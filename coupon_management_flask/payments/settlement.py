"""What Stripe says becomes what is: the one place where a transaction that somebody may pay changes its state.

Each step is one conditional statement on the transaction's row, and its row count decides; goods, holds and debts follow in the same transaction.
The steps go one way, so that what was heard late changes nothing. Locks: the transaction's row first, then as everywhere.
"""

from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from ..core import clock, errors, wallet
from ..db.dialects import upsert
from ..db.failures import retried
from ..db.session import AnyRow, db, transaction
from ..discount_coupons import redeem as orders
from ..models import OrderRedemption, PaymentDebt, PaymentEvent, PaymentTransaction, Stock, Voucher
from ..vouchers import purchases
from . import gateway
from .gateway import Intent

PENDING, COMPLETED, FAILED, CANCELLED, REFUNDING, REFUNDED = (
    "pending",
    "completed",
    "failed",
    "cancelled",
    "refunding",
    "refunded",
)
# From where each state is reached. Money that came in wins over everything that was said before.
STEPS = {
    COMPLETED: (PENDING, FAILED, CANCELLED),
    FAILED: (PENDING,),
    CANCELLED: (PENDING, FAILED),
    REFUNDING: (COMPLETED,),
    REFUNDED: (PENDING, FAILED, CANCELLED, COMPLETED, REFUNDING),
}

# How long whoever asked Stripe for something has, before reconciliation takes it for dead.
FIRST_LOOK = timedelta(minutes=5)

TOP_UP, TOP_UP_REFUNDED, TOP_UP_RESTORED = "top-up", "top-up refunded", "top-up refund undone"

log = structlog.get_logger(__name__)
_transactions: Any = PaymentTransaction.__table__
_events: Any = PaymentEvent.__table__
_debts: Any = PaymentDebt.__table__


def step(
    transaction_id: UUID, to: str, *, came_from: Iterable[str] | None = None, **values: Any
) -> AnyRow | None:
    """The transaction's row, now in that state; None where it was in none from which that is reached. Inside an open transaction."""
    return db.session.execute(
        sa.update(_transactions)
        .where(
            _transactions.c.id == transaction_id,
            _transactions.c.status.in_(list(came_from or STEPS[to])),
        )
        .values(status=to, updated_at=clock.now(), **values)
        .returning(*_transactions.c)
    ).one_or_none()


def was_handled(event_id: str) -> bool:
    return bool(db.session.scalar(sa.select(sa.exists().where(_events.c.id == event_id))))


def settle(transaction_id: UUID, seen: Intent, *, event: gateway.Event | None = None) -> None:
    """Brings a transaction to what Stripe has just said of its intent. In any order and however often: paid, delivered and given back once.

    An event is handled with it or not at all, and once. Money that is not what was asked for buys nothing: the audit tells of it.
    """
    try:
        _settle(transaction_id, seen, event, _again(transaction_id, seen))
    except (errors.Exhausted, orders.OrderTaken):
        # The discount's use went to somebody else between two looks. What is paid is delivered all the same.
        _settle(transaction_id, seen, event, None)


@retried
def _settle(
    transaction_id: UUID, seen: Intent, event: gateway.Event | None, again: purchases.Quote | None
) -> None:
    # It is the same when it is done again, and so needs no answer that is kept with it.
    with transaction(at_once=True):
        if event is not None and not _note(event):
            return
        row = _know_intent(transaction_id, seen)
        if row is None:
            return
        if seen.is_refunded:
            _refund(row, seen)
        elif seen.is_paid:
            _complete(row, seen, again)
        elif seen.is_cancelled:
            close(transaction_id, CANCELLED)
        elif seen.was_declined:
            step(transaction_id, FAILED)


def _note(event: gateway.Event) -> bool:
    """Whether this is the first time that the event is handled."""
    insert = upsert(_events).values(id=event.id, type=event.type, received_at=clock.now())
    return (
        db.session.scalar(
            insert.on_conflict_do_nothing(index_elements=[_events.c.id]).returning(_events.c.id)
        )
        is not None
    )


def _know_intent(transaction_id: UUID, seen: Intent) -> AnyRow | None:
    """The transaction whose intent this is, locked; whoever asked for the intent may not have been told its id yet."""
    intent_id = _transactions.c.stripe_payment_intent_id
    is_its = sa.and_(
        _transactions.c.id == transaction_id,
        sa.or_(intent_id.is_(None), intent_id == seen.id),
        _transactions.c.id == seen.transaction_id,
    )
    row = db.session.execute(
        sa.update(_transactions)
        .where(is_its)
        .values(stripe_payment_intent_id=seen.id)
        .returning(*_transactions.c)
    ).one_or_none()
    if row is None:
        _mark(transaction_id, seen, "another_intent")
    return row


def _mark(transaction_id: UUID, seen: Intent, problem: str) -> None:
    """Money came in that is not what was asked for; once it was sent back, all is well again."""
    mark = sa.update(_transactions).where(_transactions.c.id == transaction_id)
    if seen.is_refunded:
        db.session.execute(mark.where(_transactions.c.problem == problem).values(problem=None))
    elif seen.is_paid:
        log.error(
            "payment.not_as_asked",
            transaction_id=str(transaction_id),
            intent_id=seen.id,
            problem=problem,
        )
        db.session.execute(mark.values(problem=problem))


# --- Money came in


def _complete(row: AnyRow, seen: Intent, again: purchases.Quote | None) -> None:
    if seen.currency != row.currency or seen.amount_received != gateway.units(
        row.amount, row.currency
    ):
        if row.completed_at is None:
            _mark(row.id, seen, "another_amount")
        return
    # A part may have gone back on Stripe's dashboard; it is noted and takes nothing away.
    refunded = gateway.from_units(seen.amount_refunded, row.currency)
    more = sa.and_(_transactions.c.id == row.id, _transactions.c.amount_refunded < refunded)
    db.session.execute(sa.update(_transactions).where(more).values(amount_refunded=refunded))
    fulfil(row.id, again)


def fulfil(transaction_id: UUID, again: purchases.Quote | None = None) -> None:
    """Hands out what was paid, once; `again` is for a discount whose hold was given back meanwhile. Inside an open transaction."""
    row = step(transaction_id, COMPLETED, completed_at=clock.now(), due_at=None)
    if row is None:
        return
    if row.credits is not None:
        wallet.credit(row.account_id, row.credits, reason=TOP_UP, reference=row.id)
        return
    order_id = row.order_redemption_id
    if again is not None and not _is_held(order_id):
        order_id = purchases.hold(again, row.id, row.account_id)
        db.session.execute(
            sa.update(_transactions)
            .where(_transactions.c.id == row.id)
            .values(order_redemption_id=order_id)
        )
    purchases.deliver(
        row.id,
        account_id=row.account_id,
        voucher_type_id=row.voucher_type_id,
        quantity=row.quantity,
        unit_price=row.unit_price,
        discount=row.discount_amount,
        currency=row.currency,
        order_redemption_id=order_id,
    )


def _again(transaction_id: UUID, seen: Intent) -> purchases.Quote | None:
    """The same discount at the same price, where money came in after its hold was given back and it can still be had."""
    if not seen.is_paid or seen.is_refunded:
        return None
    row = read(transaction_id)
    if (
        row.status not in STEPS[COMPLETED]
        or row.order_redemption_id is None
        or _is_held(row.order_redemption_id)
    ):
        return None
    try:
        quote = purchases.quote(
            row.account_id, row.voucher_type_id, row.quantity, row.discount_code, {}
        )
    except errors.DomainError:
        return None
    return (
        quote
        if (quote.discount, quote.unit_price) == (row.discount_amount, row.unit_price)
        else None
    )


def _is_held(order_redemption_id: UUID | None) -> bool:
    live = sa.exists().where(
        OrderRedemption.id == order_redemption_id, OrderRedemption.rolled_back_at.is_(None)
    )
    return bool(db.session.scalar(sa.select(live)))


# --- No money will come


def close(transaction_id: UUID, status: str) -> None:
    """The transaction is over without money, and its discount is given back. Inside an open transaction."""
    row = step(transaction_id, status, came_from=(PENDING, FAILED), due_at=None)
    if row is not None:
        _give_back(row)


def _give_back(row: AnyRow) -> None:
    if row.order_redemption_id is not None:
        purchases.give_back(row.order_redemption_id)


# --- Money went back


def _refund(row: AnyRow, seen: Intent) -> None:
    # Of a refund that was begun here, the goods are taken back already.
    if finish_refund(row) and row.status == COMPLETED:
        _owe(row, _take_back_all(row))


def finish_refund(row: AnyRow) -> bool:
    """All the money has gone back: the discount's use does too. False where it had before. Inside an open transaction."""
    if step(row.id, REFUNDED, due_at=None, amount_refunded=row.amount) is None:
        return False
    _give_back(row)
    return True


def take_back(row: AnyRow) -> bool:
    """Takes all goods of a payment back, if nothing of them is used: False, with nothing taken, where something is. Inside an open transaction."""
    if row.credits is not None:
        try:
            wallet.debit(row.account_id, row.credits, reason=TOP_UP_REFUNDED, reference=row.id)
        except errors.InsufficientCredit:
            return False
        return True
    if not purchases.is_unused(row.id):
        return False
    purchases.cancel(row.id)
    return True


def give_again(row: AnyRow) -> None:
    """Undoes `take_back`. Inside an open transaction."""
    if row.credits is not None:
        wallet.credit(row.account_id, row.credits, reason=TOP_UP_RESTORED, reference=row.id)
    else:
        purchases.restore(row.id)


def _take_back_all(row: AnyRow) -> Fraction:
    """Takes back what is there of the goods; says how much of them is missing."""
    if take_back(row):
        return Fraction(0)
    if row.credits is None:
        purchases.cancel(row.id)
        uses = sa.select(sa.func.sum(Stock.claimed), sa.func.sum(Stock.capacity)).join(
            Voucher, Voucher.stock_id == Stock.id
        )
        used, of = db.session.execute(uses.where(Voucher.purchase_id == row.id)).one()
        return Fraction(int(used or 0), int(of or 1))
    while True:
        # Somebody may be spending it at this moment: what is taken is what one statement finds there.
        there = min(wallet.balance_of(row.account_id) or 0, row.credits)
        try:
            if there:
                wallet.debit(row.account_id, there, reason=TOP_UP_REFUNDED, reference=row.id)
        except errors.InsufficientCredit:
            continue
        return Fraction(row.credits - there, row.credits)


def _owe(row: AnyRow, missing: Fraction) -> None:
    if not missing:
        return
    # Half up, and never nothing where something is missing.
    owed = int(row.amount * missing + Fraction(1, 2)) or 1
    log.warning("payment.debt", transaction_id=str(row.id), amount=owed, currency=row.currency)
    values = {
        "transaction_id": row.id,
        "account_id": row.account_id,
        "amount": owed,
        "currency": row.currency,
        "created_at": clock.now(),
    }
    db.session.execute(sa.insert(_debts).values(**values))


# --- Reading


def read(transaction_id: UUID) -> AnyRow:
    """A transaction's row."""
    return db.session.execute(
        sa.select(_transactions).where(_transactions.c.id == transaction_id)
    ).one()
