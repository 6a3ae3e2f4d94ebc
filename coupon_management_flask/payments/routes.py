"""`/api/payments`."""

from typing import Any
from uuid import UUID

from flask import request

from .. import config
from ..db.pages import Page
from ..vouchers.schemas import VoucherErrorSchema
from ..web.aliases import alias
from ..web.body import Routes
from ..web.guard import actor, guard
from ..web.pagination import LinkedPageQuery
from ..web.rates import code_limits, limit_payment_checks, limit_payments
from . import schemas
from .cards import confirm, events, history, intents, open_payments, refunds
from .cards.confirm import Confirmed
from .cards.history import Transaction
from .cards.intents import Asked
from .cards.refunds import Refunded

routes: Routes = Routes(
    "payments",
    __name__,
    error_schema=VoucherErrorSchema(),
    url_prefix="/api/payments",
    description="Payments by card, through Stripe",
)

_SIGNATURE = {
    "in": "header",
    "name": "Stripe-Signature",
    "schema": {"type": "string"},
    "description": "Stripe's, over the body as it is.",
}


@alias(
    routes,
    "/create-intent",
    of="/create-payment-intent",
    name="create_intent",
    methods=["POST"],
)
@routes.route("/create-payment-intent", methods=["POST"])
@guard()
@limit_payments
@routes.arguments(schemas.NewPayment())
@routes.response(201, schemas.IntentSchema())
@routes.refuses(409, 502)
def create_payment_intent(body: dict[str, Any]) -> Asked:
    """Begin to pay for vouchers, or for credit"""
    if "credit_amount" in body:
        return intents.pay_for_credit(actor().id, **body)
    return intents.pay_for_vouchers(actor().id, **body, attempt_limits=code_limits(actor().id))


@alias(routes, "/confirm", of="/confirm-payment", name="confirm_intent", methods=["POST"])
@routes.route("/confirm-payment", methods=["POST"])
@guard()
@limit_payment_checks
@routes.arguments(schemas.Confirmation())
@routes.response(200, schemas.ConfirmedSchema())
@routes.refuses(404, 409, 502)
def confirm_payment(body: dict[str, Any]) -> Confirmed:
    """Have Stripe asked whether it is paid, and get what was bought"""
    return confirm.confirm(actor().id, **body)


@routes.route("/webhook", methods=["POST"], parameters=[_SIGNATURE])
@routes.response(200, schemas.ReceivedSchema())
@routes.refuses(400, 413, 502)
def receive_event() -> dict[str, bool]:
    """For Stripe, which tells what happened"""
    events.receive(
        request.get_data(),
        request.headers.get("Stripe-Signature", ""),
        config.current().stripe_webhook_secret,
    )
    return {"received": True}


@routes.route("/history", methods=["GET"])
@guard()
@routes.arguments(LinkedPageQuery(), location="query")
@routes.response(200, schemas.TransactionPageSchema())
def list_transactions(query: dict[str, int]) -> Page:
    """One's own transactions, newest first"""
    return history.list_transactions(actor().id, **query)


@alias(routes, "/refunds", of="/history", name="list_refunds", methods=["GET"])
@guard()
@routes.arguments(LinkedPageQuery(), location="query")
@routes.response(200, schemas.TransactionPageSchema())
def list_refunds(query: dict[str, int]) -> Page:
    """Those of one's own transactions whose money goes back or went back, newest first"""
    return history.list_refunds(actor().id, **query)


@routes.route("/transaction/<transaction_id>", methods=["GET"])
@guard()
@routes.response(200, schemas.TransactionSchema())
@routes.refuses(400, 404)
def read_transaction(transaction_id: UUID) -> Transaction:
    """One's own transaction"""
    return history.read_transaction(actor().id, transaction_id)


@routes.route("/cancel", methods=["POST"])
@guard()
@limit_payment_checks
@routes.arguments(schemas.OneTransaction())
@routes.response(200, schemas.CancelledSchema())
@routes.refuses(404, 409, 502)
def cancel(body: dict[str, Any]) -> dict[str, Transaction]:
    """Cancel a payment that is not paid: its discount comes back"""
    return {"transaction": open_payments.cancel(actor().id, **body)}


@routes.route("/resume", methods=["POST"])
@guard()
@limit_payment_checks
@routes.arguments(schemas.OneTransaction())
@routes.response(200, schemas.IntentSchema())
@routes.refuses(404, 409, 502)
def resume(body: dict[str, Any]) -> Asked:
    """Get once more what is needed to pay a payment that is not paid"""
    return intents.resume(actor().id, **body)


@routes.route("/refund", methods=["POST"])
@guard()
@limit_payment_checks
@routes.arguments(schemas.Refund())
@routes.response(200, schemas.RefundedSchema())
@routes.refuses(404, 409, 502)
def refund(body: dict[str, Any]) -> Refunded:
    """Send a payment back, and take back what it bought"""
    return refunds.refund(actor().id, **body, is_administrator=actor().is_administrator)


@alias(routes, "/refund/request", of="/refund", name="request_refund", methods=["POST"])
@guard()
@limit_payment_checks
@routes.arguments(schemas.RefundRequest())
@routes.response(200, schemas.RefundedSchema())
@routes.refuses(404, 409, 502)
def request_refund(body: dict[str, Any]) -> Refunded:
    """Send a payment back, and take back what it bought"""
    return refunds.refund(actor().id, **body, is_administrator=actor().is_administrator)
