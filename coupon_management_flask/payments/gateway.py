"""Stripe, for which this is the only module that imports its SDK.

Plain values go in and come out. A failure is final, or it is worth another try.
Nothing of the database is held while Stripe is asked.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import orjson
import stripe
import structlog
from flask import Flask, current_app

from .. import config
from ..core import money
from ..db.session import before_waiting
from .errors import InvalidSignature, PaymentProviderError, PaymentsNotConfigured

# Two tries with these timeouts end before the lease of an Idempotency-Key lapses.
CONNECT_SECONDS = 3
ANSWER_SECONDS = 10
RETRIES = 1
SIGNATURE_SECONDS = 300

# The currencies that have other decimals at Stripe than in ISO 4217.
_DECIMALS = {"ISK": 2, "UGX": 2, "MGA": 0}

# Its words for a payment whose money is there, and for one whose money will never be.
SUCCEEDED, CANCELED = "succeeded", "canceled"
# Its codes for an amount that it does not take, and what such an amount is.
AMOUNT_CODES = {"amount_too_small": "small", "amount_too_large": "large"}

_NAME = re.compile(r"[!-~]{1,255}", re.ASCII)

R = TypeVar("R")

log = structlog.get_logger(__name__)
# The SDK logs each request, and at its lowest level the data that was sent.
logging.getLogger("stripe").setLevel(logging.WARNING)
# The SDK would write an id into the home directory and tell Stripe about this machine.
stripe.enable_telemetry = False


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment as Stripe sees it; amounts are in Stripe's unit of `currency`.

    The payer's browser needs `client_secret`, and nobody else may have it.
    """

    id: str
    status: str
    amount: int
    amount_received: int
    amount_refunded: int
    currency: str
    transaction_id: UUID | None
    was_declined: bool
    client_secret: str | None

    @property
    def is_paid(self) -> bool:
        return self.status == SUCCEEDED

    @property
    def is_refunded(self) -> bool:
        return self.is_paid and 0 < self.amount_received <= self.amount_refunded

    @property
    def is_cancelled(self) -> bool:
        return self.status == CANCELED


@dataclass(frozen=True, slots=True)
class Event:
    """Something that Stripe tells; `intent_id` is None where it is about no payment."""

    id: str
    type: str
    intent_id: str | None


def units(amount: int, currency: str) -> int | None:
    """Convert an amount in minor units to Stripe's unit, or to None where it has no such amount."""
    exponent = _DECIMALS.get(currency, money.decimals(currency))
    counted = Decimal(amount).scaleb(exponent - money.decimals(currency))
    # Of three decimals Stripe wants the last to be zero. Of a currency that has two at Stripe and
    # none in ISO 4217 it wants both to be.
    step = 10 if exponent == 3 else 100 if currency in ("ISK", "UGX") else 1
    return int(counted) if counted % step == 0 else None


def from_units(counted: int, currency: str) -> int:
    """Convert an amount in Stripe's unit to minor units."""
    return int(
        Decimal(counted).scaleb(
            money.decimals(currency) - _DECIMALS.get(currency, money.decimals(currency))
        )
    )


class Gateway:
    """An account at Stripe.

    Every call raises PaymentProviderError where Stripe is away or says no.
    """

    def __init__(self, secret_key: str, api_base: str) -> None:
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
        )

    def create(self, transaction_id: UUID, amount: int, currency: str) -> Intent:
        """Create the intent of a transaction, or return the one that it has already."""
        name = str(transaction_id)
        return _intent(
            lambda: self._client.v1.payment_intents.create(
                {
                    "amount": amount,
                    "currency": currency.lower(),
                    "automatic_payment_methods": {"enabled": True},
                    "metadata": {"transaction_id": name},
                    "expand": ["latest_charge"],
                },
                {"idempotency_key": name},
            )
        )

    def read(self, intent_id: str) -> Intent:
        return _intent(
            lambda: self._client.v1.payment_intents.retrieve(
                intent_id, {"expand": ["latest_charge"]}
            )
        )

    def cancel(self, intent_id: str) -> Intent:
        """Cancel an intent, so that it can't be paid any more, and return what it has become.

        Where Stripe does not cancel it, it may have been paid meanwhile.
        """
        try:
            return _intent(
                lambda: self._client.v1.payment_intents.cancel(
                    intent_id, {"expand": ["latest_charge"]}
                )
            )
        except PaymentProviderError as error:
            if not error.is_final:
                raise
        return self.read(intent_id)

    def refund(self, intent_id: str, key: str) -> None:
        """Send back all that is left of a payment, which may be nothing; with the same key once."""
        try:
            refund = _ask(
                lambda: self._client.v1.refunds.create(
                    {"payment_intent": intent_id}, {"idempotency_key": key}
                )
            )
        except PaymentProviderError as error:
            if error.code != "charge_already_refunded":
                raise
            return
        if refund.status in ("failed", "canceled"):
            raise PaymentProviderError(is_final=True)

    def event(self, body: bytes, signature: str, secret: str) -> Event:
        """Return what a webhook's body says.

        Raises: InvalidSignature unless it is an event that Stripe has signed with this secret in
        the last five minutes.
        """
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, SIGNATURE_SECONDS)
            # The SDK's parser takes text that no database can store, and fails on deep nesting.
            told = orjson.loads(body)
            about = told["data"]["object"]
            intent_id = (
                about["id"] if about["object"] == "payment_intent" else about.get("payment_intent")
            )
            return Event(
                _name(told["id"]),
                _name(told["type"]),
                _name(intent_id) if isinstance(intent_id, str) else None,
            )
        except (
            stripe.SignatureVerificationError,
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
        ) as error:
            raise InvalidSignature from error


def _name(told: str) -> str:
    """Return a name of Stripe's. Raises: ValueError for what can be none."""
    if not _NAME.fullmatch(told):
        raise ValueError
    return told


def _intent(ask: Callable[[], stripe.PaymentIntent]) -> Intent:
    told = _ask(ask).to_dict()
    charge = told.get("latest_charge")
    return Intent(
        id=told["id"],
        status=told["status"],
        amount=told["amount"],
        amount_received=told["amount_received"],
        amount_refunded=charge["amount_refunded"] if isinstance(charge, dict) else 0,
        currency=told["currency"].upper(),
        transaction_id=_uuid((told.get("metadata") or {}).get("transaction_id")),
        was_declined=told.get("last_payment_error") is not None,
        client_secret=told.get("client_secret"),
    )


def _uuid(text: object) -> UUID | None:
    # Payments of others in the same account at Stripe have other metadata, or none.
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _ask(ask: Callable[[], R]) -> R:
    before_waiting()
    try:
        return ask()
    except stripe.StripeError as error:
        # Not its text, which may hold what was sent or answered.
        log.warning(
            "stripe.failed",
            error=type(error).__name__,
            status=error.http_status,
            code=error.code,
            stripe_request_id=error.request_id,
        )
        is_final = error.http_status in (400, 402, 404) and not isinstance(
            error, stripe.IdempotencyError
        )
        raise PaymentProviderError(is_final=is_final, code=error.code) from error


def current() -> Gateway:
    """Return the application's account at Stripe.

    Raises: PaymentsNotConfigured where there is no key.
    """
    gateway: Gateway | None = current_app.extensions["payments"]
    if gateway is None:
        raise PaymentsNotConfigured
    return gateway


def is_configured() -> bool:
    return current_app.extensions["payments"] is not None


def init_app(app: Flask, settings: config.Settings) -> None:
    app.extensions["payments"] = (
        Gateway(settings.stripe_secret_key, settings.stripe_api_base)
        if settings.stripe_secret_key
        else None
    )
