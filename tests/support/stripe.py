"""A stand-in for Stripe: the part of its API that we use, over real HTTP, called by the real SDK.

It is as strict as Stripe where money counts: idempotency keys, whole amounts in the currency's
unit, no refund beyond the charge, states that don't go back.

Its methods do what happens at Stripe without us: people pay, decline or dispute, and somebody works
on the dashboard. It can report what it charged and refunded.
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .ports import free_port
from .stand_in import StandInHandler, StandInServer
from .waiting import wait_until

SECRET_KEY = "sk_test_stand_in"
PUBLISHABLE_KEY = "pk_test_stand_in"
WEBHOOK_SECRET = "whsec_stand_in"

SMALLEST = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "kwd": 500, "isk": 5000, "ugx": 5000}
LARGEST = 99_999_999
# The steps in which amounts of some currencies go.
STEPS = {"kwd": 10, "bhd": 10, "isk": 100, "ugx": 100}

CANCELLABLE = {
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
}


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    parameters: dict[str, str]
    key: str | None

    def __str__(self) -> str:
        return f"{self.method} {re.sub('/(pi|re)_[^/]+', '/<id>', self.path)}"


CREATE, READ, CANCEL, REFUND = (
    "POST /v1/payment_intents",
    "GET /v1/payment_intents/<id>",
    "POST /v1/payment_intents/<id>/cancel",
    "POST /v1/refunds",
)
# So many refunds come with a charge.
EXPANDED = 10


class Refused(Exception):
    """An error of Stripe with its body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        self.status = status
        self.body = {
            "error": {
                "type": type,
                "message": message,
                **({"code": code} if code else {}),
                **({"param": param} if param else {}),
            }
        }


@dataclass
class Held:
    """Requests that have arrived and are answered only when the block ends."""

    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, number: int) -> None:
        wait_until(lambda: len(self.asked) >= number, f"Stripe is asked {number} times")


class Stripe:
    """Accepts everything and does what the test tells it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # No id is used twice, even after `forget`.
        self._numbers = count(1)
        self._server: StandInServer | None = None
        self.forget()

    def forget(self) -> None:
        """Return to the beginning: nothing asked, nothing charged, and the server answers."""
        self._lock = threading.RLock()
        self.asked: list[Asked] = []
        self.intents: dict[str, dict[str, Any]] = {}
        self.charges: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._kept: dict[str, tuple[Asked, int, dict[str, Any]]] = {}
        self._running: set[str] = set()
        self._failures: dict[str, list[Any]] = {}
        self._refusals: dict[str, Refused] = {}
        self._holds: dict[str, Held] = {}
        self.refund_status = "succeeded"
        if self._server is None:
            self.start()

    # --- The server

    def start(self) -> None:
        self._server = StandInServer(self.port, _Handler, self)
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_connections()
            self._server = None

    @contextmanager
    def down(self) -> Iterator[None]:
        """Stop listening until the block ends."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def losing_answers(self, to: str) -> Iterator[None]:
        """Do what this request asks but lose the answer, until the block ends."""
        with self._failing(to, "lost"):
            yield

    @contextmanager
    def broken(self, to: str) -> Iterator[None]:
        """Answer this request with 500 and do nothing, until the block ends."""
        with self._failing(to, "broken"):
            yield

    @contextmanager
    def _failing(self, to: str, how: str) -> Iterator[None]:
        self._failures[to] = [how]
        try:
            yield
        finally:
            del self._failures[to]

    @contextmanager
    def refusing(
        self, to: str, code: str, *, status: int = 400, type: str = "invalid_request_error"
    ) -> Iterator[None]:
        """Refuse this request until the block ends, and for ever under the same idempotency key."""
        self._refusals[to] = Refused(status, f"It is refused: {code}.", code=code, type=type)
        try:
            yield
        finally:
            del self._refusals[to]

    @contextmanager
    def holding(self, to: str) -> Iterator[Held]:
        """Hold these requests back, and read and answer them only when the block ends."""
        held = self._holds[to] = Held()
        try:
            yield held
        finally:
            del self._holds[to]
            held.released.set()

    def number_asked(self, what: str) -> int:
        return Counter(str(asked) for asked in self.asked)[what]

    # --- What people do at Stripe

    def pay(self, intent_id: str, *, received: int | None = None) -> dict[str, Any]:
        """Charge the payer's card and return the event that reports it."""
        with self._lock:
            intent = self.intents[intent_id]
            assert intent["status"] in CANCELLABLE | {"processing"}, intent["status"]
            amount = intent["amount"] if received is None else received
            charge = {
                "id": self._id("ch"),
                "object": "charge",
                "amount": amount,
                "amount_refunded": 0,
                "refunded": False,
                "disputed": False,
                "status": "succeeded",
                "paid": True,
                "currency": intent["currency"],
                "payment_intent": intent_id,
                "metadata": dict(intent["metadata"]),
            }
            self.charges[charge["id"]] = charge
            intent.update(
                status="succeeded",
                amount_received=amount,
                latest_charge=charge["id"],
                last_payment_error=None,
            )
            return self._event("payment_intent.succeeded", intent)

    def decline(self, intent_id: str) -> dict[str, Any]:
        with self._lock:
            intent = self.intents[intent_id]
            assert intent["status"] in CANCELLABLE, intent["status"]
            intent.update(
                status="requires_payment_method",
                last_payment_error={"type": "card_error", "code": "card_declined"},
            )
            return self._event("payment_intent.payment_failed", intent)

    def require_action(self, intent_id: str) -> dict[str, Any]:
        """The bank wants to authenticate the payer (3-D Secure)."""
        with self._lock:
            intent = self.intents[intent_id]
            intent["status"] = "requires_action"
            return self._event("payment_intent.requires_action", intent)

    def process(self, intent_id: str) -> dict[str, Any]:
        """The bank takes days."""
        with self._lock:
            intent = self.intents[intent_id]
            intent["status"] = "processing"
            return self._event("payment_intent.processing", intent)

    def cancel_on_dashboard(self, intent_id: str) -> dict[str, Any]:
        with self._lock:
            self._cancel(intent_id)
            return self.events[-1]

    def revive(self, intent_id: str) -> None:
        """Make a cancelled payment payable again, which Stripe never does."""
        self.intents[intent_id]["status"] = "requires_payment_method"

    def refund_on_dashboard(self, intent_id: str, amount: int | None = None) -> dict[str, Any]:
        with self._lock:
            self._refund(intent_id, amount)
            return self.events[-1]

    def end_refund(self, refund_id: str, status: str) -> dict[str, Any]:
        """Let the bank take a refund (`succeeded`) or send it back (`failed`)."""
        with self._lock:
            refund = self.refunds[refund_id]
            # What has arrived may still come back, and what came back stays.
            steps = {"pending": ("succeeded", "failed", "canceled"), "succeeded": ("failed",)}
            assert status in steps[refund["status"]], refund["status"]
            refund["status"] = status
            if status == "succeeded":
                return self._event("refund.updated", refund)
            charge = self.charges[refund["charge"]]
            charge["amount_refunded"] -= refund["amount"]
            charge["refunded"] = False
            return self._event("refund.failed" if status == "failed" else "refund.updated", refund)

    def dispute(self, intent_id: str, amount: int | None = None) -> dict[str, Any]:
        """Let the payer's bank take the money back until somebody has decided."""
        with self._lock:
            charge = self.charges[self.intents[intent_id]["latest_charge"]]
            charge["disputed"] = True
            dispute = {
                "id": self._id("dp"),
                "object": "dispute",
                "amount": charge["amount"] if amount is None else amount,
                "currency": charge["currency"],
                "charge": charge["id"],
                "payment_intent": intent_id,
                "reason": "fraudulent",
                "status": "needs_response",
            }
            self.disputes[dispute["id"]] = dispute
            return self._event("charge.dispute.created", dispute)

    def close_dispute(self, dispute_id: str, status: str) -> dict[str, Any]:
        """Decide a dispute: `won` is for us, `lost` for the payer."""
        with self._lock:
            dispute = self.disputes[dispute_id]
            assert dispute["status"] == "needs_response", dispute["status"]
            assert status in ("won", "lost")
            dispute["status"] = status
            return self._event("charge.dispute.closed", dispute)

    def intent_beside(self, intent_id: str, **changes: Any) -> str:
        """Create another intent that claims to belong to the same transaction."""
        with self._lock:
            other = {**deepcopy(self.intents[intent_id]), "id": self._id("pi"), **changes}
            self.intents[other["id"]] = other
            return str(other["id"])

    # --- What it charged and refunded

    def taken(self, transaction_id: Any) -> int:
        """Return what was charged for a transaction by all intents together."""
        return sum(charge["amount"] for charge in self._charges_of(transaction_id))

    def given_back(self, transaction_id: Any) -> int:
        return sum(charge["amount_refunded"] for charge in self._charges_of(transaction_id))

    def _charges_of(self, transaction_id: Any) -> list[dict[str, Any]]:
        return [
            charge
            for charge in self.charges.values()
            if charge["metadata"].get("transaction_id") == str(transaction_id)
        ]

    # --- Webhooks

    def webhook(
        self,
        event: Any,
        *,
        secret: str = WEBHOOK_SECRET,
        age: float = 0,
        written: bytes | None = None,
    ) -> dict[str, Any]:
        """Return an event as arguments for a client's `post`.

        `written` replaces the body that Stripe would send.
        """
        body = json.dumps(event, indent=2).encode() if written is None else written
        timestamp = int(time.time() - age)
        signature = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
        return {
            "data": body,
            "headers": {
                "Stripe-Signature": f"t={timestamp},v1={signature}",
                "Content-Type": "application/json; charset=utf-8",
            },
        }

    def _event(self, type: str, about: dict[str, Any]) -> dict[str, Any]:
        event = {
            "id": self._id("evt"),
            "object": "event",
            "type": type,
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "data": {"object": deepcopy(about)},
        }
        self.events.append(event)
        return event

    # --- Requests

    def answer(
        self, asked: Asked, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], dict[str, str]] | None:
        """Return status, body and headers, or None if the connection is to break."""
        what = str(asked)
        with self._lock:
            self.asked.append(asked)
            held = self._holds.get(what)
        if held is not None:
            held.asked.append(asked)
            held.released.wait()
        failure = self._failures.get(what, [""])[0]
        if failure == "broken":
            return (
                500,
                {"error": {"type": "api_error", "message": "Something is broken at Stripe."}},
                {},
            )
        try:
            status, body, more = self._once(asked, headers)
        except Refused as refused:
            status, body, more = refused.status, refused.body, {}
        return None if failure == "lost" else (status, body, more)

    def _once(
        self, asked: Asked, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        if headers.get("authorization") != f"Bearer {SECRET_KEY}":
            raise Refused(401, "Invalid API Key provided.")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d\.\w+", headers.get("stripe-version", "")):
            raise Refused(400, "Which version?")
        if asked.method == "GET":
            return 200, self._do(asked), {}
        if headers.get("content-type") != "application/x-www-form-urlencoded":
            raise Refused(400, "Bodies are forms.")
        if asked.key is None or len(asked.key) > 255:
            raise Refused(400, "Every POST of the SDK has a key.")
        with self._lock:
            if asked.key in self._running:
                raise Refused(
                    409,
                    "Another request with this key is running.",
                    type="idempotency_error",
                    code="idempotency_key_in_use",
                )
            if asked.key in self._kept:
                first, status, body = self._kept[asked.key]
                if first != asked:
                    raise Refused(
                        400,
                        "Keys can only be used with the parameters they were first used with.",
                        type="idempotency_error",
                    )
                return status, body, {"Idempotent-Replayed": "true"}
            self._running.add(asked.key)
        try:
            return self._do_and_keep(asked.key, asked)
        finally:
            self._running.discard(asked.key)

    def _do_and_keep(self, key: str, asked: Asked) -> tuple[int, dict[str, Any], dict[str, str]]:
        refusal = self._refusals.get(str(asked))
        if refusal is not None:
            self._kept[key] = (asked, refusal.status, refusal.body)
            raise refusal
        # An invalid request is not stored under its key, because nothing of it was started.
        status, body = 200, self._do(asked)
        self._kept[key] = (asked, status, body)
        return status, body, {}

    def _do(self, asked: Asked) -> dict[str, Any]:
        parameters = dict(asked.parameters)
        expand = {
            value
            for name, value in list(parameters.items())
            if re.fullmatch(r"expand\[\d*\]", name) and parameters.pop(name)
        }
        with self._lock:
            match str(asked):
                case "POST /v1/payment_intents":
                    found = self._create(parameters)
                case "GET /v1/payment_intents/<id>":
                    self._nothing_else(parameters)
                    found = self._intent(asked.path.split("/")[3])
                case "POST /v1/payment_intents/<id>/cancel":
                    self._nothing_else(parameters)
                    found = self._cancel(asked.path.split("/")[3])
                case "POST /v1/payment_intents/<id>/confirm":
                    found = self._confirm(
                        asked.path.split("/")[3],
                        parameters.pop("payment_method", ""),
                        parameters.pop("return_url", ""),
                    )
                    self._nothing_else(parameters)
                case "GET /v1/refunds":
                    found = self._list(self.refunds, parameters)
                case "GET /v1/disputes":
                    found = self._list(self.disputes, parameters)
                case "POST /v1/refunds":
                    found = self._refund(
                        parameters.pop("payment_intent", ""), parameters.pop("amount", None)
                    )
                    self._nothing_else(parameters)
                case _:
                    raise Refused(404, f"Unrecognized request URL ({asked.method}: {asked.path}).")
            found = deepcopy(found)
            if expand & {"latest_charge", "latest_charge.refunds"} and found.get("latest_charge"):
                found["latest_charge"] = deepcopy(self.charges[found["latest_charge"]])
                if "latest_charge.refunds" in expand:
                    mine = {"payment_intent": found["id"], "limit": str(EXPANDED)}
                    found["latest_charge"]["refunds"] = self._list(self.refunds, mine)
            return found

    def _list(
        self, objects: dict[str, dict[str, Any]], parameters: dict[str, str]
    ) -> dict[str, Any]:
        """List what belongs to an intent, newest first."""
        intent_id = parameters.pop("payment_intent", None)
        limit = self._whole(parameters.pop("limit", "10"))
        self._nothing_else(parameters)
        found = [one for one in objects.values() if one["payment_intent"] == intent_id][::-1]
        return {
            "object": "list",
            "data": deepcopy(found[:limit]),
            "has_more": len(found) > limit,
            "url": "/v1/list",
        }

    @staticmethod
    def _nothing_else(parameters: dict[str, str]) -> None:
        for name in parameters:
            raise Refused(
                400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )

    @staticmethod
    def _whole(text: str | int | None) -> int:
        if text is None or not re.fullmatch(r"[1-9][0-9]*", str(text), re.ASCII):
            raise Refused(
                400, "Invalid positive integer", code="parameter_invalid_integer", param="amount"
            )
        return int(text)

    def _create(self, parameters: dict[str, str]) -> dict[str, Any]:
        amount, currency = (
            self._whole(parameters.pop("amount", None)),
            parameters.pop("currency", ""),
        )
        if not re.fullmatch(r"[a-z]{3}", currency):
            raise Refused(400, "Invalid currency", param="currency")
        if amount < SMALLEST.get(currency, 1):
            raise Refused(400, "Amount must be larger.", code="amount_too_small", param="amount")
        if amount > LARGEST:
            raise Refused(400, "Amount must be smaller.", code="amount_too_large", param="amount")
        if amount % STEPS.get(currency, 1):
            raise Refused(400, "Invalid amount in this currency.", param="amount")
        metadata = {
            name[9:-1]: parameters.pop(name)
            for name in list(parameters)
            if name.startswith("metadata[")
        }
        if parameters.pop("automatic_payment_methods[enabled]", "true") != "true":
            raise Refused(400, "Which payment methods?")
        self._nothing_else(parameters)
        intent_id = self._id("pi")
        intent = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": amount,
            "amount_received": 0,
            "currency": currency,
            "status": "requires_payment_method",
            "client_secret": f"{intent_id}_secret_{next(self._numbers)}",
            "latest_charge": None,
            "last_payment_error": None,
            "metadata": metadata,
            "livemode": False,
        }
        self.intents[intent_id] = intent
        return intent

    def _intent(self, intent_id: str) -> dict[str, Any]:
        if intent_id not in self.intents:
            raise Refused(404, "No such payment_intent.", code="resource_missing", param="intent")
        return self.intents[intent_id]

    def _confirm(self, intent_id: str, card: str, return_url: str) -> dict[str, Any]:
        """Do what the payer's browser does."""
        with self._lock:
            intent = self._intent(intent_id)
            if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
                raise Refused(
                    400,
                    f"You cannot confirm this, it is {intent['status']}.",
                    code="payment_intent_unexpected_state",
                )
            if not return_url:
                raise Refused(
                    400,
                    "Where to come back to from a bank's page?",
                    code="parameter_missing",
                    param="return_url",
                )
            match card:
                case "pm_card_visa":
                    self.pay(intent_id)
                case "pm_card_chargeDeclined":
                    self.decline(intent_id)
                    raise Refused(
                        402, "Your card was declined.", code="card_declined", type="card_error"
                    )
                case _:
                    raise Refused(
                        400,
                        "No such PaymentMethod.",
                        code="resource_missing",
                        param="payment_method",
                    )
            return intent

    def _cancel(self, intent_id: str) -> dict[str, Any]:
        intent = self._intent(intent_id)
        if intent["status"] not in CANCELLABLE:
            raise Refused(
                400,
                f"You cannot cancel this, it is {intent['status']}.",
                code="payment_intent_unexpected_state",
            )
        intent["status"] = "canceled"
        self._event("payment_intent.canceled", intent)
        return intent

    def _refund(self, intent_id: str, amount: str | int | None) -> dict[str, Any]:
        charge = self.charges.get(self._intent(intent_id)["latest_charge"] or "")
        if charge is None:
            raise Refused(400, "This does not have a successful charge to refund.")
        if any(
            dispute["charge"] == charge["id"] and dispute["status"] != "won"
            for dispute in self.disputes.values()
        ):
            raise Refused(400, "It has been charged back.", code="charge_disputed")
        left = charge["amount"] - charge["amount_refunded"]
        if not left:
            raise Refused(400, "It has already been refunded.", code="charge_already_refunded")
        amount = left if amount is None else self._whole(amount)
        if amount > left:
            raise Refused(
                400, "Refund amount is greater than unrefunded amount on charge.", param="amount"
            )
        refund = {
            "id": self._id("re"),
            "object": "refund",
            "amount": amount,
            "currency": charge["currency"],
            "status": self.refund_status,
            "payment_intent": intent_id,
            "charge": charge["id"],
        }
        self.refunds[refund["id"]] = refund
        if self.refund_status != "failed":
            charge["amount_refunded"] += amount
            charge["refunded"] = charge["amount_refunded"] == charge["amount"]
            self._event("charge.refunded", charge)
        return refund

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers):08}"


class _Handler(StandInHandler):
    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        pairs = parse_qsl(
            body.decode() if self.command == "POST" else url.query,
            strict_parsing=bool(body or url.query),
            keep_blank_values=True,
        )
        assert len(pairs) == len(dict(pairs)), pairs
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.service.answer(
            Asked(self.command, url.path, dict(pairs), headers.get("idempotency-key")), headers
        )
        if answer is None:
            self.close_connection = True
            return
        status, told, more = answer
        written = json.dumps(told).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(written)),
            "Request-Id": "req_stand_in",
            **more,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(written)

    do_GET = do_POST = do_DELETE = respond


@contextmanager
def running_stripe() -> Iterator[Stripe]:
    stripe = Stripe()
    try:
        yield stripe
    finally:
        stripe.stop()
