"""Everybody who may call, something of each kind to call about, and a request for each route.

A new route is asked with an empty body, and with an id of nobody where THINGS does not know what
its path names. That already tells who is let in. A thing and a body tell who owns what, too.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask.testing import FlaskClient

from coupon_management_flask.db.session import db, transaction
from coupon_management_flask.models import Account, new_id
from coupon_management_flask.web.operations import notes_of

from ..support import promos, vouchers
from ..support.discounts import coupon_body, new_shop
from ..support.people import PASSWORD, make_coupon, make_user, sign_in
from ..support.speaker import Speaker
from ..test_migrations import ROWS

# The columns of the table, in the order in which they ask: the owner and whoever may do everything
# come last.
CALLERS = {
    "none": "no token and no key",
    "off": "a user whose account was disabled, with a token from before",
    "firm": "the company that published the promo",
    "frm2": "another company",
    "get": "an API key with getCoupons",
    "mng": "an API key with manageCoupons",
    "usr2": "a user who owns nothing of what is asked about",
    "user": "the user who owns the voucher, the payment, the comment, the wallet",
    "adm": "an administrator",
}

# What these take or end is made anew for each caller.
SPENDS = re.compile(r"^DELETE |rollback$|refund$|redeem$|/use$|/use/")


class Nobody(Speaker):
    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def credentials(self) -> dict[str, str]:
        return {}


class Stage:
    """The cast, and what there is to call about: made when a path or a body first names it."""

    def __init__(self, client: FlaskClient) -> None:
        self.callers: dict[str, Any] = {
            "none": Nobody(client),
            "off": self._person(client),
            "firm": promos.new_company(client),
            "frm2": promos.new_company(client),
            "get": new_shop(client, "getCoupons"),
            "mng": new_shop(client, service="the shop"),
            "usr2": self._person(client),
            "user": self._person(client),
            "adm": self._person(client, role="administrator"),
        }
        self.things: dict[str, str] = {}
        app = client.application
        self.originals = {
            rule.rule: original
            for rule in app.url_map.iter_rules()
            if (original := notes_of(app.view_functions[rule.endpoint]).original)
        }
        disabled = sa.update(Account).where(Account.id == self.callers["off"].id)
        with transaction():
            db.session.execute(disabled.values(is_active=False))

    @staticmethod
    def _person(client: FlaskClient, **given: Any) -> Any:
        return sign_in(client, *make_user(credit=10**6, age=30, country="de", **given))

    def thing(self, name: str) -> str:
        if name not in self.things:
            self.things |= THINGS[name](self)
        return self.things[name]

    def request(self, method: str, rule: str) -> tuple[str, str, dict[str, Any]]:
        """Return a request of a route: its method, path and options. What it names is made."""
        kept = self.things
        # Another name of a call is asked as the call itself.
        call = f"{method} {self.originals.get(rule, rule)}"
        if SPENDS.search(call):
            self.things = {}
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: self._named(rule, found[1]), rule)
        body = BODIES.get(call, lambda _: {})(self)
        self.things = kept
        return method, path, {} if method == "GET" else body if "data" in body else {"json": body}

    def ask(self, caller: str, method: str, rule: str) -> Any:
        method, path, options = self.request(method, rule)
        return self.callers[caller].request(method, path, **options)

    def _named(self, rule: str, name: str) -> str:
        # A name means another thing in another contract.
        places = [place for place in _PLACES if rule.startswith(place)]
        for known in (*(f"{place} {name}" for place in places), name):
            if known in THINGS:
                return self.thing(known)
        return str(new_id())

    def row(self, table: str, **given: Any) -> dict[str, Any]:
        """Write a row of a table, and the rows that it refers to."""
        row = {**ROWS[table](self.row), **given}
        with transaction():
            db.session.execute(sa.insert(db.metadata.tables[table]).values(**row))
        return row


Thing = Callable[[Stage], dict[str, str]]

_PLACES = ("/api/v1/", "/api/vouchers/", "/v1/")
_SOON = "2100-01-01T00:00:00Z"
_WEBHOOK = {"url": "https://example.com/hook", "events": ["coupon.created"]}


def _credit_coupon(_: Stage) -> dict[str, str]:
    made = make_coupon(number_left=1_000)
    return {"/v1/ coupon_id": str(made.id), "/v1/ hidden_code": made.hidden_code}


def _discount_coupon(stage: Stage) -> dict[str, str]:
    made = stage.callers["mng"].new()
    return {"/api/v1/ coupon_id": made["id"], "/api/v1/ code": made["code"]}


def _redemption(stage: Stage) -> dict[str, str]:
    made = stage.callers["mng"].redeem(stage.thing("/api/v1/ code")).json
    return {"redemption_id": made["redemptionId"]}


def _batch(stage: Stage) -> dict[str, str]:
    made = stage.callers["mng"].post("/api/v1/coupons/generate", json=_new_batch(stage)).json
    return {"batch_id": made["batchId"]}


def _new_batch(_: Stage) -> dict[str, Any]:
    template = coupon_body()
    del template["code"]
    return {"count": 1, "template": template}


def _webhook(stage: Stage) -> dict[str, str]:
    return {"webhook_id": stage.callers["mng"].post("/api/v1/webhooks", json=_WEBHOOK).json["id"]}


def _delivery(stage: Stage) -> dict[str, str]:
    made = stage.row("webhook_deliveries", webhook_id=UUID(stage.thing("webhook_id")))
    return {"delivery_id": str(made["id"])}


def _comment(stage: Stage) -> dict[str, str]:
    path = f"/api/user/promo/{stage.thing('promo_id')}/comments"
    made = stage.callers["user"].post(path, json={"text": "Good tea, every day."}).json
    return {"comment_id": made["id"]}


def _voucher(stage: Stage) -> dict[str, str]:
    (made,) = vouchers.bought(stage.callers["user"], {"id": stage.thing("type_id")})
    return {"/api/vouchers/ code": made["code"]}


def _payment(stage: Stage) -> dict[str, str]:
    made = stage.row("payment_transactions", account_id=stage.callers["user"].id)
    return {"transaction_id": str(made["id"]), "intent": made["stripe_payment_intent_id"]}


THINGS: dict[str, Thing] = {
    "/v1/ coupon_id": _credit_coupon,
    "/v1/ hidden_code": _credit_coupon,
    "/api/v1/ coupon_id": _discount_coupon,
    "/api/v1/ code": _discount_coupon,
    "product": lambda _: {"product": "tea"},
    "redemption_id": _redemption,
    "batch_id": _batch,
    "webhook_id": _webhook,
    "delivery_id": _delivery,
    "user_id": lambda stage: {"user_id": str(stage.callers["user"].id)},
    "promo_id": lambda stage: {"promo_id": promos.publish(stage.callers["firm"])},
    "comment_id": _comment,
    "type_id": lambda stage: {"type_id": vouchers.sell(stage.callers["adm"])["id"]},
    "/api/vouchers/ code": _voucher,
    "transaction_id": _payment,
    "intent": _payment,
    "filename": lambda _: {"filename": "docs.js"},
    "name": lambda _: {"name": "swagger-ui.css"},
}

# What is sent where an empty body would not come as far as the question whose it is.
BODIES: dict[str, Callable[[Stage], dict[str, Any]]] = {
    "POST /v1/coupons": lambda _: {
        "name": "tea",
        "value": 1,
        "number_left": 1,
        "expiration_date": _SOON,
    },
    "PATCH /v1/coupons/<coupon_id>": lambda _: {"name": "tea"},
    "POST /v1/coupons/<coupon_id>/use": lambda stage: {
        "hidden_code": stage.thing("/v1/ hidden_code")
    },
    "POST /v1/user": lambda _: {"username": str(new_id()), "password": PASSWORD, "name": "Carol"},
    "POST /v1/user/<user_id>/credit": lambda _: {"amount": 5, "reason": "gift"},
    "PUT /api/user/promo/<promo_id>/comments/<comment_id>": lambda _: {
        "text": "Good tea, most days."
    },
    "POST /api/v1/coupons": lambda _: coupon_body(),
    "PATCH /api/v1/coupons/<coupon:coupon_id>": lambda _: {"discount": 20},
    "POST /api/v1/coupons/increment-usage": lambda stage: {"code": stage.thing("/api/v1/ code")},
    "POST /api/v1/coupons/redeem": lambda stage: {
        "code": stage.thing("/api/v1/ code"),
        "orderId": str(new_id()),
        "cartTotal": 100,
    },
    "POST /api/v1/redemptions/<redemption_id>/rollback": lambda _: {"reason": "cancelled"},
    "POST /api/v1/coupons/generate": _new_batch,
    "POST /api/v1/coupons/import": lambda _: {
        "data": f"code,type,discount,couponFor\n{new_id().hex[-12:]},percentage,5,product"
    },
    "POST /api/v1/webhooks": lambda _: _WEBHOOK,
    "POST /api/vouchers/redeem": lambda stage: {
        "code": stage.thing("/api/vouchers/ code"),
        "service_type": "exam_results",
    },
    "POST /api/vouchers/types": lambda _: vouchers.type_body(),
    "PATCH /api/vouchers/types/<type_id>": lambda _: {"name": "tea"},
    "POST /api/payments/confirm-payment": lambda stage: {
        "payment_intent_id": stage.thing("intent")
    },
    "POST /api/payments/refund": lambda stage: {
        "transaction_id": stage.thing("transaction_id"),
        "reason": "changed my mind",
    },
}
