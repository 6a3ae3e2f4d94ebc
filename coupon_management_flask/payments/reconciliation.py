"""Asking Stripe again: about payments that nobody confirmed, intents whose answer was lost, refunds that were begun.

`due_at` says when a transaction is asked about next, ever more rarely; who moves it asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from ..core import clock
from ..db.dialects import rows_changed
from ..db.session import AnyRow, db, transaction
from ..models import PaymentTransaction
from . import gateway, refunds, settlement
from .errors import PaymentProviderError
from .settlement import FAILED, FIRST_LOOK, REFUNDING

# How long money is waited for.
PAY_WITHIN = timedelta(hours=24)
# Once that is over and Stripe has not let go of it.
LATER = timedelta(hours=1)
EVERY = timedelta(minutes=1)
# A turn of the worker: others have their turns too.
MOST = 200
SECONDS = 30

log = structlog.get_logger(__name__)
_transactions: Any = PaymentTransaction.__table__


@dataclass(slots=True)
class Reconciled:
    """How many were asked about, how many of them are decided now, and whether Stripe was away before the end."""

    asked: int = 0
    decided: int = 0
    is_away: bool = False


def reconcile(*, at_once: bool = False) -> Reconciled:
    """Asks Stripe about every undecided transaction that is due and settles each in a transaction of its own; with `at_once`, about all of them.

    Stops where Stripe is away: what is left is asked about later. Raises PaymentsNotConfigured.
    """
    gateway.current()
    done, end = Reconciled(), monotonic() + SECONDS
    for row in _undecided() if at_once else _due():
        if not _take(row):
            continue
        done.asked += 1
        try:
            _look(row)
        except PaymentProviderError as error:
            if not error.is_final:
                done.is_away = True
                break
            # Of this one Stripe will not hear; others must not wait for it.
            log.error("payment.not_reconciled", transaction_id=str(row.id), code=error.code)
        done.decided += settlement.read(row.id).due_at is None
        if not at_once and monotonic() > end:
            break
    return done


def _due() -> list[AnyRow]:
    due = (
        sa.select(_transactions)
        .where(_transactions.c.due_at <= clock.now())
        .order_by(_transactions.c.due_at)
        .limit(MOST)
    )
    return list(db.session.execute(due))


def _undecided() -> Iterator[AnyRow]:
    # Whoever has just asked for an intent may still be waiting for it.
    is_known = sa.or_(
        _transactions.c.stripe_payment_intent_id.is_not(None), _transactions.c.due_at <= clock.now()
    )
    ids: list[UUID] = list(
        db.session.scalars(
            sa.select(_transactions.c.id)
            .where(_transactions.c.due_at.is_not(None), is_known)
            .order_by(_transactions.c.id)
        )
    )
    for transaction_id in ids:
        yield settlement.read(transaction_id)


def _take(row: AnyRow) -> bool:
    """Whether it is ours to ask about. Nobody else does before the next time, which comes whatever becomes of us."""
    now = clock.now()
    age = now - row.created_at
    if row.status == REFUNDING:
        next_at = now + FIRST_LOOK
    else:
        next_at = (
            now + LATER
            if age >= PAY_WITHIN
            else min(now + max(FIRST_LOOK, age), row.created_at + PAY_WITHIN)
        )
    is_ours = sa.and_(_transactions.c.id == row.id, _transactions.c.due_at == row.due_at)
    with transaction():
        return (
            rows_changed(
                db.session.execute(sa.update(_transactions).where(is_ours).values(due_at=next_at))
            )
            == 1
        )


def _look(row: AnyRow) -> None:
    if row.status == REFUNDING:
        refunds.go_on(row)
        return
    stripe = gateway.current()
    intent_id = row.stripe_payment_intent_id
    if intent_id is None:
        intent_id = _find_intent(row)
        if intent_id is None:
            return
        # Its answer was lost, and without it nobody can pay.
        is_over = True
    else:
        settlement.settle(row.id, stripe.read(intent_id))
        is_over = clock.now() - row.created_at >= PAY_WITHIN
    if is_over and settlement.read(row.id).due_at is not None:
        settlement.settle(row.id, stripe.cancel(intent_id))


def _find_intent(row: AnyRow) -> str | None:
    """The intent that was asked for: asked for again, Stripe gives the same one. None where it refuses, and always would."""
    counted = gateway.units(row.amount, row.currency)
    assert counted is not None
    try:
        intent = gateway.current().create(row.id, counted, row.currency)
    except PaymentProviderError as error:
        if not error.is_final:
            raise
        with transaction():
            settlement.close(row.id, FAILED)
        return None
    settlement.settle(row.id, intent)
    return intent.id


def work() -> None:
    """Reconcile, where there is a key to ask Stripe with."""
    if gateway.is_configured():
        done = reconcile()
        if done.asked:
            log.info(
                "worker.reconciled",
                asked=done.asked,
                decided=done.decided,
                stripe_is_away=done.is_away,
            )
