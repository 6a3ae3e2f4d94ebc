"""`/api/coupons`."""

from typing import Any

from flask import Response, render_template, request

from .. import config
from ..core import errors
from ..db.pages import Page
from ..text import mailboxes
from ..web.body import LONGEST_TOKEN, Routes
from ..web.guard import guard
from ..web.rates import count_coupon_email, limit_coupons
from . import issue, listing, schemas, websites
from . import unsubscribe as unsubscribing
from .errors import EmailCouponErrorSchema
from .issue import Issued, Terms

routes: Routes = Routes(
    "email-coupons",
    __name__,
    error_schema=EmailCouponErrorSchema(),
    url_prefix="/api/coupons",
    template_folder="templates",
    description="Codes for visitors of websites, by e-mail",
)

PAGE = {"type": "string", "description": "A page for people."}
_DEAD = "A page that says that the link is not valid (any more)."
_TOKEN = {
    "in": "query",
    "name": "token",
    "required": True,
    "schema": {"type": "string"},
    "description": "The mail's, which names the address.",
}


def _terms(website: str) -> Terms:
    """Return what a code for this website is worth."""
    settings = config.current()
    own = settings.coupon_websites.get(website, {})
    return Terms(
        own.get("discount_percent", settings.coupon_discount_percent),
        own.get("expiry_days", settings.coupon_expiry_days),
        settings.currency,
    )


@routes.route("", methods=["POST"])
@limit_coupons
@routes.arguments(schemas.PairSchema())
@routes.response(201, schemas.EmailCouponSchema())
@routes.alt_response(
    200,
    schema=schemas.EmailCouponSchema(),
    description="The code that was given before and has not expired.",
)
@routes.refuses(429)
def issue_coupon(pair: dict[str, str]) -> tuple[Issued, int]:
    """Get a code for an e-mail address on a website; it is mailed too"""
    websites.check(pair["website"], config.current().coupon_allowed_websites)
    count_coupon_email(mailboxes.without_tag(pair["email"]))
    coupon, is_new = issue.issue(**pair, terms=_terms(pair["website"]))
    return coupon, 201 if is_new else 200


@routes.route("", methods=["GET"])
@guard(role="administrator")
@routes.arguments(schemas.EmailCouponsQuery(), location="query")
@routes.response(200, schemas.EmailCouponPageSchema())
def list_coupons(query: dict[str, Any]) -> Page:
    """The codes that were given, newest first"""
    return listing.list_coupons(**query)


@routes.route("/unsubscribe", methods=["GET"], parameters=[_TOKEN], ignores_parameters=True)
@routes.response(200, PAGE, content_type="text/html")
@routes.alt_response(400, schema=PAGE, content_type="text/html", description=_DEAD)
def ask_to_unsubscribe() -> Response:
    """Ask whether to unsubscribe; changes nothing, since mail programs open links themselves"""
    address = _address()
    return _page(400, "dead") if address is None else _page(200, "ask", address)


@routes.route("/unsubscribe", methods=["POST"], parameters=[_TOKEN], ignores_parameters=True)
@routes.response(200, PAGE, content_type="text/html")
@routes.alt_response(400, schema=PAGE, content_type="text/html", description=_DEAD)
def unsubscribe() -> Response:
    """Unsubscribe the address of a mail's link, as its button or a mail program asks (RFC 8058)"""
    address = _address()
    if address is None:
        return _page(400, "dead")
    unsubscribing.unsubscribe(address)
    return _page(200, "done", address)


def _address() -> str | None:
    """Return the address that the link names, or None where the link is none of ours."""
    try:
        return unsubscribing.address_of(request.args.get("token", "")[:LONGEST_TOKEN])
    except errors.Invalid:
        return None


def _page(status: int, state: str, address: str = "") -> Response:
    page = render_template("email_coupons/unsubscribe.html", state=state, address=address)
    return Response(page, status, mimetype="text/html")
