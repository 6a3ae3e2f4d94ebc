"""How many payments an account may have open at once.

An open payment costs the buyer nothing. It is an intent at Stripe, and may hold the use of a
discount for a day.
"""

from math import ceil
from uuid import UUID

import sqlalchemy as sa

from ... import config
from ...core import clock
from ...db.session import db
from ...models import Account, PaymentStatus, PaymentTransaction
from ..errors import TooManyOpenPayments
from .reconciliation import EVERY, PAY_WITHIN


def check(account_id: UUID) -> None:
    """Refuse another payment to an account that has as many open ones as it may have.

    Call it early in the transaction that writes the payment. It locks the account until the end of
    that, so that of two payments at once the second counts the first. One that the same transaction
    has closed, because the new one takes its place, does not count.

    Raises: TooManyOpenPayments.
    """
    settings = config.current()
    if not settings.rate_limits_enabled:
        return
    # Not the lock that keeps others from writing rows that belong to the account.
    db.session.execute(
        sa.select(Account.id).where(Account.id == account_id).with_for_update(key_share=True)
    )
    # A declined one can still be paid, and keeps its discount, for as long as it is due.
    statement = sa.select(PaymentTransaction.created_at).where(
        PaymentTransaction.account_id == account_id,
        PaymentTransaction.status.in_((PaymentStatus.PENDING, PaymentStatus.FAILED)),
        PaymentTransaction.due_at.is_not(None),
    )
    began = db.session.scalars(statement).all()
    if len(began) >= settings.max_open_payments:
        lapses = min(began) + PAY_WITHIN - clock.now()
        raise TooManyOpenPayments(
            settings.max_open_payments, ceil(max(lapses, EVERY).total_seconds())
        )
