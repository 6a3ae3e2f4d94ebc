"""Stripe. The only module that knows its SDK: plain values in and out, and two kinds of failure.

Nothing of the database is held while Stripe is asked.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import stripe
import structlog
from flask import Flask, current_app

from .. import config
from ..core import money
from ..db.session import before_waiting
from .errors import InvalidSignature, PaymentProviderError, PaymentsNotConfigured

# Two tries of these stay below the lease of an Idempotency-Key.
CONNECT_SECONDS = 3
ANSWER_SECONDS = 10
RETRIES = 1
SIGNATURE_SECONDS = 300

# In which decimals Stripe counts differently than ISO 4217.
_DECIMALS = {"ISK": 2, "UGX": 2, "MGA": 0}

# What it calls a payment whose money is there, or never will be.
SUCCEEDED, CANCELED = "succeeded", "canceled"
# Its codes for an amount that it does not take.
AMOUNT_CODES = {"amount_too_small": "small", "amount_too_large": "large"}

R = TypeVar("R")

log = structlog.get_logger(__name__)
# It names each request, and at its lowest level prints what was sent.
logging.getLogger("stripe").setLevel(logging.WARNING)
# It would write an id into the home directory, and tell Stripe about this machine.
stripe.enable_telemetry = False


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment as Stripe sees it. Amounts are in Stripe's unit of `currency`; `client_secret` is what the payer's browser needs, and nobody else."""

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
    """Something that Stripe tells: which payment to look at. `intent_id` is None where it is about none."""

    id: str
    type: str
    intent_id: str | None


def units(amount: int, currency: str) -> int | None:
    """An amount in the currency's minor unit, as Stripe counts it; None where Stripe has no such amount."""
    exponent = _DECIMALS.get(currency, money.decimals(currency))
    counted = Decimal(amount).scaleb(exponent - money.decimals(currency))
    # Of a currency with three decimals the last is a zero, and of one that has lost its decimals both are.
    step = 10 if exponent == 3 else 100 if currency in ("ISK", "UGX") else 1
    return int(counted) if counted % step == 0 else None


def from_units(counted: int, currency: str) -> int:
    """What Stripe counts, in the currency's minor unit."""
    return int(
        Decimal(counted).scaleb(
            money.decimals(currency) - _DECIMALS.get(currency, money.decimals(currency))
        )
    )


class Gateway:
    """An account at Stripe. Every call raises PaymentProviderError where Stripe is away or says no."""

    def __init__(self, secret_key: str, api_base: str) -> None:
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
        )

    def create(self, transaction_id: UUID, amount: int, currency: str) -> Intent:
        """The intent of a transaction; asked again, the same one."""
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
        """From now on it can't be paid. Whatever Stripe says, what it has become is returned: it may have been paid meanwhile."""
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
        """Sends back all that is left of a payment; with the same key once. Returns where nothing is left to be sent back."""
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
        """What a webhook's body says. Raises InvalidSignature unless Stripe has signed it with this secret in the last five minutes."""
        try:
            event = self._client.construct_event(body, signature, secret, SIGNATURE_SECONDS)
            told = event.to_dict()
            about = told["data"]["object"]
            intent_id = (
                about["id"] if about["object"] == "payment_intent" else about.get("payment_intent")
            )
            return Event(
                told["id"], told["type"], intent_id if isinstance(intent_id, str) else None
            )
        except (
            stripe.SignatureVerificationError,
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
        ) as error:
            raise InvalidSignature from error


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


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None


def _ask(ask: Callable[[], R]) -> R:
    before_waiting()
    try:
        return ask()
    except stripe.StripeError as error:
        # Its text may hold what was sent or answered.
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
    """Raises PaymentsNotConfigured where there is no key."""
    gateway = current_app.extensions["payments"]
    if gateway is None:
        raise PaymentsNotConfigured
    return gateway  # type: ignore[no-any-return]


def is_configured() -> bool:
    return current_app.extensions["payments"] is not None


def init_app(app: Flask, settings: config.Settings) -> None:
    app.extensions["payments"] = (
        Gateway(settings.stripe_secret_key, settings.stripe_api_base)
        if settings.stripe_secret_key
        else None
    )
