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
from ...models import PaymentTransaction
from ..errors import TooManyOpenPayments
from .reconciliation import EVERY, PAY_WITHIN
from .states import UNDECIDED


def check(account_id: UUID) -> None:
    """Refuse another payment to an account that has as many open ones as it may have.

    Inside the transaction that writes the payment, which has locked the account
    (`states.lock_account`). One that it has closed, because the new one takes its place, does not
    count.

    Raises: TooManyOpenPayments.
    """
    settings = config.current()
    if not settings.rate_limits_enabled:
        return
    # A declined one can still be paid, and keeps its discount, for as long as it is due.
    statement = sa.select(PaymentTransaction.created_at).where(
        PaymentTransaction.account_id == account_id,
        PaymentTransaction.status.in_(UNDECIDED),
        PaymentTransaction.due_at.is_not(None),
    )
    began = db.session.scalars(statement).all()
    if len(began) >= settings.max_open_payments:
        lapses = min(began) + PAY_WITHIN - clock.now()
        raise TooManyOpenPayments(
            settings.max_open_payments, ceil(max(lapses, EVERY).total_seconds())
        )
