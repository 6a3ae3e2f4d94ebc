"""What a buyer owes, because money went back for goods that are used."""

from fractions import Fraction
from uuid import UUID

import sqlalchemy as sa
import structlog

from ...core import clock
from ...db.dialects import upsert
from ...db.session import db
from ...models import PaymentDebt
from .states import Payment

log = structlog.get_logger(__name__)


def is_owed(payment_id: UUID) -> bool:
    live = sa.exists().where(
        PaymentDebt.transaction_id == payment_id, PaymentDebt.cancelled_at.is_(None)
    )
    return bool(db.session.scalar(sa.select(live)))


def set_debt(payment: Payment, missing: Fraction, *, at_most: int) -> None:
    """Note the debt for the part of a payment's goods that is missing, or cancel it for none.

    Nobody owes more than `at_most`, which is what went back.
    """
    if not missing:
        db.session.execute(
            sa.update(PaymentDebt)
            .where(PaymentDebt.transaction_id == payment.id, PaymentDebt.cancelled_at.is_(None))
            .values(cancelled_at=clock.now())
            .execution_options(synchronize_session=False)
        )
        return
    # Rounded half up, and never to nothing where something is missing.
    owed = min(at_most, int(payment.amount * missing + Fraction(1, 2))) or 1
    values = {"amount": owed, "created_at": clock.now(), "cancelled_at": None}
    is_news = sa.or_(PaymentDebt.amount != owed, PaymentDebt.cancelled_at.is_not(None))
    noted = (
        upsert(PaymentDebt)
        .values(
            transaction_id=payment.id,
            account_id=payment.account_id,
            currency=payment.currency,
            **values,
        )
        .on_conflict_do_update(
            index_elements=[PaymentDebt.transaction_id], set_=values, where=is_news
        )
        .returning(PaymentDebt.amount)
    )
    if db.session.scalar(noted) is not None:
        log.warning(
            "payment.debt", transaction_id=str(payment.id), amount=owed, currency=payment.currency
        )
