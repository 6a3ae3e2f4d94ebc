"""Stripe, for which this is the only module that imports its SDK.

Plain values go in and come out. A failure is final, or it is worth another try.
Nothing of the database is held while Stripe is asked.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar
from uuid import UUID

import orjson
import stripe
import structlog
from flask import Flask, current_app

from .. import config
from ..core import money
from ..db.session import before_waiting
from ..models import ReturnKind, ReturnStatus
from .errors import (
    InvalidSignature,
    PaymentProviderError,
    PaymentsNotConfigured,
    PaymentUnknown,
)

# Two tries with these timeouts end before the lease of an Idempotency-Key lapses.
CONNECT_SECONDS = 3
ANSWER_SECONDS = 10
RETRIES = 1
SIGNATURE_SECONDS = 300

# The currencies that have other decimals at Stripe than in ISO 4217.
_DECIMALS = {"ISK": 2, "UGX": 2, "MGA": 0}

# Its words for a payment whose money is there, and for one whose money will never be.
SUCCEEDED, CANCELED = "succeeded", "canceled"
# Its words for how far refunds and disputes have come. All others mean that nothing is decided.
_REFUNDS = {
    "succeeded": ReturnStatus.DONE,
    "failed": ReturnStatus.UNDONE,
    "canceled": ReturnStatus.UNDONE,
}
_DISPUTES = {
    "lost": ReturnStatus.DONE,
    "won": ReturnStatus.UNDONE,
    "warning_closed": ReturnStatus.UNDONE,
    "prevented": ReturnStatus.UNDONE,
}
# Its codes for a refund that it refuses, now and ever.
CHARGE_REFUNDED, UNKNOWN = "charge_already_refunded", "resource_missing"
CHARGE_DISPUTED = ("charge_disputed", "refund_disputed_payment")
# Its codes for what it refuses as things stand and would do on another day.
NOT_NOW_CODES = ("balance_insufficient", "insufficient_funds", "lock_timeout")
# Its code for a request that is being worked on under the same key.
KEY_IN_USE = "idempotency_key_in_use"
# It gives so many refunds with a charge, and so many of anything on one page.
_PAGE = 100
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
class Return:
    """A refund or a dispute as Stripe sees it; the amount is in Stripe's unit of its currency."""

    id: str
    kind: ReturnKind
    status: ReturnStatus
    amount: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment as Stripe sees it; amounts are in Stripe's unit of `currency`.

    The payer's browser needs `client_secret`, and nobody else may have it. `returns` is all that
    went back, and what was to go.
    """

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    transaction_id: UUID | None
    was_declined: bool
    client_secret: str | None
    is_disputed: bool = False
    has_more_refunds: bool = False
    returns: tuple[Return, ...] = ()

    @property
    def is_paid(self) -> bool:
        return self.status == SUCCEEDED

    @property
    def is_refunded(self) -> bool:
        refunded = sum(
            one.amount
            for one in self.returns
            if one.kind is ReturnKind.REFUND and one.status is not ReturnStatus.UNDONE
        )
        return self.is_paid and 0 < self.amount_received <= refunded

    @property
    def is_cancelled(self) -> bool:
        return self.status == CANCELED


@dataclass(frozen=True, slots=True)
class Event:
    """Something that Stripe tells; `intent_id` is None where it is about no payment.

    `returns` is the refund or the dispute that it is about.
    """

    id: str
    type: str
    intent_id: str | None
    returns: tuple[Return, ...] = ()


def _exponent(currency: str) -> int:
    return _DECIMALS.get(currency, money.decimals(currency))


def payable(amount: int, currency: str) -> int | None:
    """Return what of an amount in minor units a card can pay, in minor units.

    Of three decimals Stripe wants the last to be zero: such an amount is rounded half up to the
    next step. Returns None where nothing would be left of it, or where Stripe knows no such amount.
    """
    if _exponent(currency) == 3:
        rounded = int((Decimal(amount) / 10).quantize(Decimal(1), ROUND_HALF_UP)) * 10
        return rounded if rounded or not amount else None
    return amount if units(amount, currency) is not None else None


def units(amount: int, currency: str) -> int | None:
    """Convert an amount in minor units to Stripe's unit, or to None where it has no such amount."""
    exponent = _exponent(currency)
    counted = Decimal(amount).scaleb(exponent - money.decimals(currency))
    # A currency that has two decimals at Stripe and none in ISO 4217 wants both to be zero.
    step = 10 if exponent == 3 else 100 if currency in ("ISK", "UGX") else 1
    return int(counted) if counted % step == 0 else None


def from_units(counted: int, currency: str) -> int:
    """Convert an amount in Stripe's unit to minor units."""
    return int(Decimal(counted).scaleb(money.decimals(currency) - _exponent(currency)))


class Gateway:
    """An account at Stripe.

    Every call raises PaymentProviderError where Stripe is away or says no. Where it knows no such
    payment, that is PaymentUnknown.
    """

    def __init__(self, secret_key: str, api_base: str) -> None:
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")},
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, ANSWER_SECONDS)),
        )

    def create(self, transaction_id: UUID, amount: int, currency: str) -> Intent:
        """Create the intent of a transaction, or return it as it was when it was created.

        What is sent never changes: under its key Stripe takes the same parameters alone, and a
        payment may be older than this release.
        """
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
        intent = _intent(
            lambda: self._client.v1.payment_intents.retrieve(
                intent_id, {"expand": ["latest_charge.refunds"]}
            )
        )
        returns = intent.returns
        if intent.has_more_refunds:
            # Expanded, there are ten at most.
            refunds = _ask(
                lambda: self._client.v1.refunds.list({"payment_intent": intent_id, "limit": _PAGE})
            )
            returns = tuple(_refund(one.to_dict()) for one in refunds.data)
        if intent.is_disputed:
            disputes = _ask(
                lambda: self._client.v1.disputes.list({"payment_intent": intent_id, "limit": _PAGE})
            )
            returns += tuple(_dispute(one.to_dict()) for one in disputes.data)
        return replace(intent, returns=returns)

    def cancel(self, intent_id: str) -> Intent:
        """Cancel an intent, so that it can't be paid any more, and return what it has become.

        Where Stripe does not cancel it, it may have been paid meanwhile.
        """
        try:
            return _intent(lambda: self._client.v1.payment_intents.cancel(intent_id))
        except PaymentProviderError as error:
            if not error.is_final:
                raise
        return self.read(intent_id)

    def refund(self, intent_id: str, key: str) -> Return:
        """Send back all that is left of a payment; with the same key once.

        Returns the refund as it was when it was made.
        """
        made = _ask(
            lambda: self._client.v1.refunds.create(
                {"payment_intent": intent_id}, {"idempotency_key": key}
            )
        )
        return _refund(made.to_dict())

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
            if not isinstance(intent_id, str):
                return Event(_name(told["id"]), _name(told["type"]), None)
            tell = _TELL.get(about["object"])
            return Event(
                _name(told["id"]),
                _name(told["type"]),
                _name(intent_id),
                () if tell is None else (tell(about),),
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
    # It is a text where it was not asked for.
    charge = charge if isinstance(charge, dict) else {}
    refunds = charge.get("refunds") or {}
    return Intent(
        id=told["id"],
        status=told["status"],
        amount=told["amount"],
        amount_received=told["amount_received"],
        currency=told["currency"].upper(),
        transaction_id=_uuid((told.get("metadata") or {}).get("transaction_id")),
        was_declined=told.get("last_payment_error") is not None,
        client_secret=told.get("client_secret"),
        is_disputed=bool(charge.get("disputed")),
        has_more_refunds=bool(refunds.get("has_more")),
        returns=tuple(_refund(one) for one in refunds.get("data", ())),
    )


def _refund(told: Mapping[str, Any]) -> Return:
    status = _REFUNDS.get(str(told.get("status")), ReturnStatus.PENDING)
    return Return(told["id"], ReturnKind.REFUND, status, told.get("amount") or 0)


def _dispute(told: Mapping[str, Any]) -> Return:
    status = _DISPUTES.get(str(told.get("status")), ReturnStatus.PENDING)
    return Return(told["id"], ReturnKind.DISPUTE, status, told.get("amount") or 0)


_TELL = {"refund": _refund, "dispute": _dispute}


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
        kind = PaymentUnknown if is_final and error.code == UNKNOWN else PaymentProviderError
        raise kind(is_final=is_final, code=error.code) from error


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
