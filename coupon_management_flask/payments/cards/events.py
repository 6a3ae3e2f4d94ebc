"""What Stripe tells of its own accord.

An event says which payment to look at. What became of that payment is then asked of Stripe, so that
events may come in any order. What an event says of a refund or a dispute counts too: it only adds
to what is known (returns.py).
"""

import sqlalchemy as sa

from ...db.session import db
from ...models import PaymentTransaction
from .. import gateway
from ..errors import PaymentsNotConfigured, PaymentUnknown
from . import settlement

HANDLED = {
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
}


def receive(body: bytes, signature: str, secret: str) -> None:
    """Handle a webhook's event, once.

    Events of other kinds, and about payments that are not ours, are ignored.

    Raises: PaymentsNotConfigured; InvalidSignature; PaymentProviderError, upon which Stripe sends
    the event again.
    """
    stripe = gateway.current()
    if not secret:
        raise PaymentsNotConfigured
    event = stripe.event(body, signature, secret)
    if event.type not in HANDLED or event.intent_id is None or settlement.was_handled(event.id):
        return
    try:
        seen = stripe.read(event.intent_id)
    except PaymentUnknown:
        # It is somebody else's. Sent again, it would be no more ours.
        return
    if seen.transaction_id is None or not db.session.scalar(
        sa.select(sa.exists().where(PaymentTransaction.id == seen.transaction_id))
    ):
        return
    settlement.settle(seen.transaction_id, seen, event=event)
