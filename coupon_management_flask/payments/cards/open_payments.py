"""Open payments: those that can still be paid. They are cancelled, resumed, or replaced by another.

A buyer's own open payment never stands in the buyer's way. A new payment for vouchers of the same
type takes its place, and so does a purchase with credit. It is cancelled at Stripe first, with no
transaction open. The transaction that writes the new one closes it, so that its discount's use
passes to the new one and is nobody else's in between.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from ...core import clock
from ...core.claims import Overtaken
from ...db.dialects import rows_changed
from ...db.failures import retried
from ...db.session import db, transaction
from ...models import PaymentStatus, PaymentTransaction
from .. import gateway
from ..errors import (
    AlreadyPaid,
    PaymentClosed,
    PaymentInProgress,
    PaymentProviderError,
    PaymentUnknown,
    TransactionNotFound,
)
from ..gateway import Intent
from . import history, settlement, states
from .history import Transaction
from .states import UNPAID, Payment

# For so long nobody else closes a payment that is cancelled at Stripe to be replaced. All tries of
# the call to Stripe, and the transaction behind it, fit into it.
REPLACING = timedelta(minutes=1)

# As the index of open payments has it.
_IS_OPEN = sa.and_(
    PaymentTransaction.completed_at.is_(None), PaymentTransaction.due_at.is_not(None)
)


def cancel(account_id: UUID, transaction_id: UUID) -> Transaction:
    """Cancel a payment that nobody has paid, and give its discount back; again, the same.

    Raises: TransactionNotFound; AlreadyPaid, PaymentInProgress, PaymentClosed;
    PaymentsNotConfigured; PaymentProviderError.
    """
    payment = _own(account_id, transaction_id)
    is_unknown = False
    if payment.is_open:
        try:
            payment = _cancel_at_stripe(payment)
        except PaymentUnknown:
            is_unknown = True
    if payment.status is PaymentStatus.FAILED or is_unknown:
        # Nobody can pay it: Stripe never took it, or knows it no more.
        with transaction(at_once=True):
            settlement.close(payment.id, PaymentStatus.CANCELLED)
    elif payment.status is not PaymentStatus.CANCELLED:
        raise _over(payment)
    return history.read_transaction(account_id, transaction_id)


def own_open_payment(account_id: UUID, transaction_id: UUID) -> Payment:
    """Return a payment of an account that can still be paid.

    Raises: TransactionNotFound; AlreadyPaid, PaymentClosed.
    """
    payment = _own(account_id, transaction_id)
    if not payment.is_open:
        raise _over(payment)
    return payment


def _own(account_id: UUID, transaction_id: UUID) -> Payment:
    payment = states.find(
        PaymentTransaction.id == transaction_id, PaymentTransaction.account_id == account_id
    )
    if payment is None:
        raise TransactionNotFound
    return payment


def _over(payment: Payment) -> AlreadyPaid | PaymentClosed:
    is_paid = payment.status is PaymentStatus.COMPLETED
    return AlreadyPaid() if is_paid else PaymentClosed()


def create_intent(payment: Payment) -> Intent:
    """Have Stripe make the intent of a payment that is written down, and settle what it says.

    Asked again, Stripe gives the same one.

    Raises: PaymentProviderError.
    """
    counted = gateway.units(payment.amount, payment.currency)
    # It was, when the payment was written down.
    assert counted is not None
    intent = gateway.current().create(payment.id, counted, payment.currency)
    settlement.settle(payment.id, intent)
    return intent


def ask_for_intent(payment: Payment) -> Intent | None:
    """Return the intent of an open payment, also where its first answer was lost.

    Returns None where Stripe refuses it for good, after which the payment has failed.

    Raises: PaymentInProgress where somebody is asking for it just now; PaymentProviderError.
    """
    try:
        return create_intent(payment)
    except PaymentProviderError as error:
        if error.code == gateway.KEY_IN_USE:
            raise PaymentInProgress from error
        if not error.is_final:
            raise
        with transaction(at_once=True):
            settlement.close(payment.id, PaymentStatus.FAILED)
        return None


def _cancel_at_stripe(payment: Payment) -> Payment:
    """Have Stripe cancel an open payment, settle what it says, and return what has become of it.

    Raises: AlreadyPaid, PaymentInProgress; PaymentProviderError, after which nothing has changed.
    """
    intent_id = payment.intent_id
    if intent_id is None:
        intent = ask_for_intent(payment)
        if intent is None:
            return states.read(payment.id)
        intent_id = intent.id
    seen = gateway.current().cancel(intent_id)
    settlement.settle(payment.id, seen)
    if seen.is_paid:
        raise AlreadyPaid
    if not seen.is_cancelled:
        raise PaymentInProgress
    return states.read(payment.id)


# --- Another takes its place


def to_replace(account_id: UUID, voucher_type_id: UUID) -> list[Payment]:
    """Return an account's open payments for vouchers of a type.

    There are none where no card can be paid with: nobody could be asked to cancel them.
    """
    if not gateway.is_configured():
        return []
    return states.select(
        sa.select(PaymentTransaction)
        .where(*_of_type(account_id, voucher_type_id))
        .order_by(PaymentTransaction.id)
    )


def _of_type(account_id: UUID, voucher_type_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _IS_OPEN,
        PaymentTransaction.status.in_(UNPAID),
        PaymentTransaction.account_id == account_id,
        PaymentTransaction.voucher_type_id == voucher_type_id,
    )


def cancel_to_replace(payments: Sequence[Payment]) -> None:
    """Have Stripe cancel payments whose place another is about to take.

    They stay open here, with their discounts, until `close_replaced`. One that is paid is handed
    out.

    Raises: AlreadyPaid; PaymentInProgress, also where another request replaces one of them just
    now; PaymentProviderError, after which nothing has changed.
    """
    kept: list[UUID] = []
    try:
        for payment in payments:
            # Of many requests at once, one goes on. Otherwise each would cancel what another has
            # just begun, and none might be left.
            if not _keep_from_closing(payment.id):
                raise PaymentInProgress
            kept.append(payment.id)
            # One that Stripe does not know can be paid by nobody.
            with suppress(PaymentUnknown):
                _cancel_at_stripe(payment)
    except BaseException:
        _let_close(kept)
        raise


@contextmanager
def free_again_on_failure(payments: Sequence[Payment]) -> Iterator[None]:
    """Let others close or replace payments of `cancel_to_replace` where the block fails."""
    try:
        yield
    except BaseException:
        _let_close([payment.id for payment in payments])
        raise


@retried
def _keep_from_closing(payment_id: UUID) -> bool:
    now = clock.now()
    is_free = sa.or_(
        PaymentTransaction.replacing_until.is_(None), PaymentTransaction.replacing_until <= now
    )
    with transaction(at_once=True):
        kept = db.session.execute(
            sa.update(PaymentTransaction)
            .where(PaymentTransaction.id == payment_id, is_free)
            .values(replacing_until=now + REPLACING)
            .execution_options(synchronize_session=False)
        )
    return rows_changed(kept) == 1


@retried
def _let_close(payment_ids: Sequence[UUID]) -> None:
    if not payment_ids:
        return
    with transaction(at_once=True):
        db.session.execute(
            sa.update(PaymentTransaction)
            .where(PaymentTransaction.id.in_(payment_ids))
            .values(replacing_until=None)
            .execution_options(synchronize_session=False)
        )


def close_replaced(
    account_id: UUID, voucher_type_id: UUID, payments: Sequence[Payment]
) -> list[UUID]:
    """Close payments that Stripe has cancelled, and return the discounts that they still hold.

    Inside the transaction that writes what takes their place, which has locked the account
    (`states.lock_account`) and nothing else.

    Raises: Overtaken where the account has another open payment of that type by now.
    """
    held: list[UUID] = []
    for payment in payments:
        closed = states.end_unpaid(payment.id, PaymentStatus.CANCELLED)
        if closed is not None and closed.order_redemption_id is not None:
            held.append(closed.order_redemption_id)
    left = sa.exists().where(*_of_type(account_id, voucher_type_id))
    if db.session.scalar(sa.select(left)):
        raise Overtaken
    return held
