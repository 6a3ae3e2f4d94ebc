"""The demo shop (`flask demo-shop`), for development.

It is a page that embeds the popup, on an origin of its own, and the small server behind its
checkout. It is no part of the service and speaks to it over HTTP alone, with an API key, as any
shop's server does.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TypedDict
from urllib.parse import urlsplit

import marshmallow as ma
import urllib3
from flask import Flask, Response, jsonify, request, send_from_directory
from marshmallow import validate
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable
from werkzeug.serving import WSGIRequestHandler, make_server

from ...config import ROOT

FRONTEND = ROOT / "frontend"

# What PUBLIC_URL is unless it is set, and where demo.html looks for the service.
DEFAULT_SERVICE = "http://127.0.0.1:8000"

# The page shows them too, but what a thing costs is never the page's to say.
PRICES = {"sencha": Decimal("14.90"), "kettle": Decimal("59.00"), "cups": Decimal("24.50")}


class _LineSchema(ma.Schema):
    product = ma.fields.String(required=True, validate=validate.OneOf(sorted(PRICES)))
    quantity = ma.fields.Integer(required=True, strict=True, validate=validate.Range(1, 99))


class _CartSchema(ma.Schema):
    items = ma.fields.List(
        ma.fields.Nested(_LineSchema()), required=True, validate=validate.Length(1, len(PRICES))
    )
    code = ma.fields.String(load_default="", validate=validate.Length(max=64))


class _OrderSchema(_CartSchema):
    """An order. `cart` names the cart.

    However often a cart is sent, it becomes one order and takes one use of the code.
    """

    cart = ma.fields.String(required=True, validate=validate.Regexp(r"[0-9a-f]{32}\Z"))


_cart, _order = _CartSchema(), _OrderSchema()


class Line(TypedDict):
    product: str
    quantity: int


class Cart(TypedDict):
    items: list[Line]
    code: str


class Order(Cart):
    cart: str


class PricedLine(TypedDict):
    productId: str
    quantity: int
    unitPrice: str


class PricedCart(TypedDict):
    """A cart on the wire, as the service's contract has it."""

    code: str
    cartTotal: str
    items: list[PricedLine]


def service_url(public_url: str, host: str = "", port: str = "") -> str:
    """Return where the service is reached: at PUBLIC_URL, if that is set.

    Where it was left at its default, HOST and PORT say where the service listens.
    """
    if public_url.rstrip("/") != DEFAULT_SERVICE:
        return public_url.rstrip("/")
    # One cannot connect to the hosts that mean "every address".
    name = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - compared, not listened on
    return f"http://{f'[{name}]' if ':' in name else name}:{port or 8000}"


def create_demo_shop(service: str, api_key: str) -> Flask:
    """Make the shop as a WSGI application, for the service at that URL."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    pool = urllib3.PoolManager(retries=False, timeout=5, headers={"X-API-Key": api_key})
    # The page names the default address of the service, so that it works without this server too.
    page = (FRONTEND / "demo.html").read_text(encoding="utf-8").replace(DEFAULT_SERVICE, service)

    def ask(call: str, body: Mapping[str, object]) -> dict[str, object]:
        """Return the service's answer. A refusal is passed on in the service's own words."""
        try:
            answer = pool.request("POST", f"{service}/api/v1/coupons/{call}", json=body)
            told = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ServiceUnavailable(
                "The coupon service does not answer. Try again in a moment."
            ) from error
        if answer.status >= 500:
            raise ServiceUnavailable(told["message"])
        if answer.status >= 400:
            raise BadRequest(told["message"])
        return dict(told)

    @app.get("/")
    def shop() -> Response:
        return Response(page, mimetype="text/html")

    @app.get("/<any('demo.css', 'demo.js'):name>")
    def asset(name: str) -> Response:
        return send_from_directory(FRONTEND, name)

    @app.post("/discount")
    def discount() -> Response:
        cart: Cart = _cart.load(request.get_json())
        return jsonify(ask("apply", _priced(cart)))

    @app.post("/orders")
    def order() -> tuple[Response, int]:
        cart: Order = _order.load(request.get_json())
        order_id, priced = f"demo-{cart['cart']}", _priced(cart)
        # A code is redeemed when the order is placed, and not before. Asked again for the same
        # order, the service gives the same answer.
        total = (
            ask("redeem", {**priced, "orderId": order_id})["finalAmount"]
            if cart["code"]
            else float(priced["cartTotal"])
        )
        return jsonify(orderId=order_id, total=total), 201

    @app.errorhandler(ma.ValidationError)
    def wrong(_error: ma.ValidationError) -> tuple[Response, int]:
        return jsonify(message="This is no cart of ours."), 400

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> tuple[Response, int]:
        return jsonify(message=error.description), error.code or 500

    @app.after_request
    def protect(response: Response) -> Response:
        # As strict as a shop's policy can be: the popup needs its script and its API, and no style
        # or markup of its own.
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(service))
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' {origin}; style-src 'self'; "
            f"connect-src 'self' {origin}; img-src 'self' data:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'"
        )
        return response

    return app


def _priced(cart: Cart) -> PricedCart:
    """Return the cart as the service wants to see it, with this shop's own prices."""
    items: list[PricedLine] = [
        {
            "productId": line["product"],
            "quantity": line["quantity"],
            "unitPrice": str(PRICES[line["product"]]),
        }
        for line in cart["items"]
    ]
    total = sum((PRICES[line["product"]] * line["quantity"] for line in cart["items"]), Decimal())
    return {"code": cart["code"], "cartTotal": str(total), "items": items}


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Log nothing: a developer looks at the service's own log."""


def listen(host: str, port: int) -> socket.socket:
    """Make a socket for `serve`.

    Raises:
        OSError: The port is taken.
    """
    return socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    )


def serve(app: Flask, listening: socket.socket) -> None:
    """Serve until interrupted."""
    host, port = listening.getsockname()[:2]
    with suppress(KeyboardInterrupt):
        make_server(
            host, port, app, threaded=True, request_handler=_Quiet, fd=listening.fileno()
        ).serve_forever()
